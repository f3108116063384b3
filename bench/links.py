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
    """How one published encoding is written: the ids that were agreed on in SDP."""

    kind: str
    ssrc: int
    payload_type: int
    mid: str = "0"
    mid_id: int = 0
    abs_send_time_id: int = 0


@dataclass(frozen=True)
class Link:
    """A connected UDP socket, ready for media.

    consents: prebuilt STUN binding requests of one length, none when the server speaks no ICE.
    answer_check: builds the response to a server's own check, None when there is no right one.
    """

    socket: socket.socket
    keys: MediaKeys
    encodings: Sequence[EncodingPlan] = ()
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
