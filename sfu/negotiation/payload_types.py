"""The payload types of a connection on which we make the offers."""

from __future__ import annotations

from dataclasses import replace

from .capabilities import codec_to_receive, feedback_of, forwarded_parameters
from .types import Codec

__all__ = ["PayloadTypes"]

# The dynamic range, then the unassigned one below it that RFC 5761 section 4 leaves free of RTCP clashes.
_RANGE = (*range(96, 128), *range(35, 64))
_KEPT_FOR_CODECS = 57
"""Payload types reserved for codecs: 54 for video and 3 for further variants of Opus. RED gets only what is left."""


class PayloadTypes:
    """Gives each distinct codec configuration one payload type for the connection's life.

    RFC 8843 section 9.1 wants one payload type to mean one configuration across a BUNDLE group.
    Configurations are told apart by their checked values only (at most 18 of H.264, 4 each of VP9, AV1 and
    Opus, one of VP8), so that the range can never run out, whatever publishers claim: video takes a second one for
    retransmissions, 54 in all. RED for Opus takes what is left, three or four of seven.
    """

    def __init__(self, *, transport_cc: bool) -> None:
        self._transport_cc = transport_cc
        self._codecs: dict[tuple[str, ...], Codec] = {}
        self._free: list[int] = list(_RANGE)

    def codec_for(self, codec: Codec) -> Codec:
        """Return the codec as we offer it, with its payload type. Raises `ValueError` if we do not forward it."""
        parameters = forwarded_parameters(codec)
        variant = [parameters.get("stereo", ""), parameters.get("usedtx", "")] if codec.name == "opus" else []
        key = (codec.name, *codec.configuration, *variant)
        known = self._codecs.get(key)
        if known is None:
            feedback = feedback_of(codec.kind, transport_cc=self._transport_cc)
            payload_type = self._take()
            video = codec.kind == "video"
            spare = video or len(self._free) > _KEPT_FOR_CODECS
            known = replace(
                codec,
                channels=codec_to_receive(codec.name, transport_cc=self._transport_cc).channels,
                payload_type=payload_type,
                parameters=parameters,
                feedback=feedback,
                repair_type=self._take() if video else 0,
                redundant_type=self._take() if spare and not video else 0,
                redundant_first=False,
            )
            self._codecs[key] = known
        return known

    def _take(self) -> int:
        return self._free.pop(0)
