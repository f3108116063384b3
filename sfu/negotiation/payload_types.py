"""The payload types of a connection on which we make the offers."""

from __future__ import annotations

from dataclasses import replace

from .capabilities import feedback_of, forwarded_parameters
from .types import Codec

__all__ = ["PayloadTypes"]

# The dynamic range, then the unassigned one below it that RFC 5761 section 4 leaves free of RTCP clashes.
_RANGE = (*range(96, 128), *range(35, 64))


class PayloadTypes:
    """Gives each distinct codec configuration one payload type for the connection's life.

    RFC 8843 section 9.1 wants one payload type to mean one configuration across a BUNDLE group.
    Configurations are told apart by their checked values only (at most 18 of H.264, 4 each of VP9, AV1 and
    Opus, one of VP8), so that the range can never run out, whatever publishers claim.
    """

    def __init__(self, *, transport_cc: bool) -> None:
        self._transport_cc = transport_cc
        self._codecs: dict[tuple[str, ...], Codec] = {}

    def codec_for(self, codec: Codec) -> Codec:
        """The codec as we offer it, with its payload type. Raises `ValueError` for one that we do not forward."""
        parameters = forwarded_parameters(codec)
        variant = [parameters.get("stereo", ""), parameters.get("usedtx", "")] if codec.name == "opus" else []
        key = (codec.name, *codec.configuration, *variant)
        known = self._codecs.get(key)
        if known is None:
            feedback = feedback_of(codec.kind, transport_cc=self._transport_cc)
            payload_type = _RANGE[len(self._codecs)]
            known = replace(codec, payload_type=payload_type, parameters=parameters, feedback=feedback)
            self._codecs[key] = known
        return known
