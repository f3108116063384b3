"""A link: one connected socket with its keys, as the generator's compiled loop takes it over."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pylibsrtp import Policy, Session

GCM_128 = "AEAD_AES_128_GCM"
_PROFILES = {
    GCM_128: (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AES128_CM_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
}


@dataclass(frozen=True)
class MediaKeys:
    """SRTP keys of one connection: master key followed by salt, in each direction."""

    profile: str
    local: bytes
    remote: bytes


@dataclass(frozen=True)
class EncodingPlan:
    """How one published encoding is written: the ids that were agreed on in SDP, 0: not agreed on."""

    kind: str
    ssrc: int
    payload_type: int
    mid: str = "0"
    mid_id: int = 0
    rid: str = ""  # which of several encodings of a track this is (RFC 8851)
    rid_id: int = 0
    repaired_rid_id: int = 0
    abs_send_time_id: int = 0
    audio_level_id: int = 0
    transport_sequence_id: int = 0
    repair_ssrc: int = 0
    repair_type: int = 0


@dataclass(frozen=True)
class StreamPlan:
    """A stream that a link receives, and the SSRC of its retransmissions (RFC 4588), 0: none."""

    kind: str
    ssrc: int
    repair_ssrc: int = 0


@dataclass(frozen=True)
class Link:
    """A connected UDP socket, ready for media.

    streams: what the server said it sends; packets of other SSRCs are counted apart.
    transport_sequence_id: header extension in received packets that feedback is given on, 0: no feedback.
    consents: prebuilt STUN binding requests of one length, none when the server speaks no ICE.
    answer_check: builds the response to a server's own check, None when there is no right one.
    """

    socket: socket.socket
    keys: MediaKeys
    encodings: Sequence[EncodingPlan] = ()
    streams: Sequence[StreamPlan] = ()
    transport_sequence_id: int = 0
    consents: Sequence[bytes] = ()
    answer_check: Callable[[bytes], bytes | None] | None = None


def key_length(profile: str) -> int:
    """Bytes of master key and salt."""
    return _PROFILES[profile][1]


def new_session(profile: str, key: bytes, *, outbound: bool) -> Session:
    """A libsrtp session for any SSRC in one direction."""
    policy = Policy(
        key=key,
        ssrc_type=Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND,
        srtp_profile=_PROFILES[profile][0],
    )
    if not outbound:
        # Samples of one stream lie far apart; a sender only pays for a wide window.
        policy.window_size = 1024
    policy.allow_repeat_tx = outbound
    return Session(policy)
