"""SRTP: protection profiles, keys, libsrtp sessions, and the cipher of the control side's RTCP."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import pylibsrtp
from pylibsrtp import Policy, Session

REPLAY_WINDOW = 1024
"""How many packets behind the newest one are still accepted, once each (RFC 3711 section 3.3.2)."""

REORDER_WINDOW = 128
"""How many packets behind the newest one we still send, once each, since the publisher's network reorders them."""

MAX_RTCP_LENGTH = 1500 - 4 - 16 - 128
"""Longest plain RTCP packet, in octets, that libsrtp's binding takes: its buffer less the longest trailer."""

_SRTCP_HEADER_LENGTH = 8


class SrtpProfile(enum.Enum):
    """A protection profile, as in RFC 5764 section 4.1.2 and RFC 7714 section 14.2."""

    AEAD_AES_128_GCM = (b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16)
    AEAD_AES_256_GCM = (b"SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16)
    AES128_CM_HMAC_SHA1_80 = (b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10)

    def __init__(
        self, openssl_name: bytes, libsrtp_profile: int, key_length: int, salt_length: int, tag_length: int
    ) -> None:
        self.openssl_name = openssl_name
        """OpenSSL's name for it."""
        self.libsrtp_profile = libsrtp_profile
        """libsrtp's number for it."""
        self.key_length = key_length
        """Octets of the master key."""
        self.salt_length = salt_length
        """Octets of the master salt."""
        self.tag_length = tag_length
        """Octets of the authentication tag on each packet."""


DEFAULT_PROFILES = (
    SrtpProfile.AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_HMAC_SHA1_80,
)
"""Best first: GCM costs half as much as AES-CM with HMAC-SHA1, and a key of 128 bits less than one of 256."""


class SrtpError(Exception):
    """A packet that cannot be protected: too short, too long, or refused by libsrtp."""


@dataclass(frozen=True)
class SrtpKeys:
    """The keys that the DTLS handshake yields (RFC 5764 section 4.2)."""

    profile: SrtpProfile
    local: bytes = field(repr=False)
    """Master key and master salt of the packets that we send."""
    remote: bytes = field(repr=False)
    """Master key and master salt of the packets that the peer sends."""


def new_outbound(profile: SrtpProfile, key: bytes) -> Session:
    """Return a libsrtp session that protects packets of any SSRC; `key` is the master key and salt.

    It refuses a sequence number that it has protected before: two packets under one index would give the key away
    (RFC 7714 section 8.4). The window is small, since moving it costs more than a tenth of the encryption. Of SRTCP it
    counts the index of each SSRC, which therefore must send RTCP by no other session; see `RtcpCipher`.
    """
    return _new_session(profile, key, Policy.SSRC_ANY_OUTBOUND)


def new_inbound(profile: SrtpProfile, key: bytes) -> Session:
    """Return a libsrtp session that unprotects packets of any SSRC; `key` is the master key and salt."""
    return _new_session(profile, key, Policy.SSRC_ANY_INBOUND)


def _new_session(profile: SrtpProfile, key: bytes, ssrc_type: int) -> Session:
    expected = profile.key_length + profile.salt_length
    if len(key) != expected:
        raise ValueError(f"{profile.name} takes a key and salt of {expected} octets, not {len(key)}")
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.libsrtp_profile)
    policy.window_size = REORDER_WINDOW if ssrc_type == Policy.SSRC_ANY_OUTBOUND else REPLAY_WINDOW
    return Session(policy)


class RtcpCipher:
    """The SRTCP that the control side sends on one connection (RFC 3711 section 3.4), with a session of its own.

    Two sessions under one key must never count the SRTCP index of one SSRC, or two packets share an index and the key
    is given away (RFC 3711 section 9.1). So each SSRC of ours has one of them: this session sends only under our SSRC
    as a receiver, with which we ask the publisher for something; the plane's outbound session has all others, those of
    Subscriptions (sender reports, BYE) and the one of its feedback and reports to the publisher.
    """

    def __init__(self, keys: SrtpKeys) -> None:
        self._outbound = new_outbound(keys.profile, keys.local)

    def protect(self, data: bytes) -> bytes:
        """Return the SRTCP packet for a compound RTCP packet of at most `MAX_RTCP_LENGTH` octets.

        Raises:
            SrtpError: the packet is too short or too long, or libsrtp refuses it.
        """
        if not _SRTCP_HEADER_LENGTH <= len(data) <= MAX_RTCP_LENGTH:
            raise SrtpError(
                f"cannot protect {len(data)} octets of RTCP: build packets of "
                f"{_SRTCP_HEADER_LENGTH} to {MAX_RTCP_LENGTH}"
            )
        try:
            protected: bytes = self._outbound.protect_rtcp(data)
        except pylibsrtp.Error as error:
            raise SrtpError(f"libsrtp refuses to protect RTCP: {error}") from error
        return protected
