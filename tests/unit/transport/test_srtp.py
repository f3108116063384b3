"""SRTP sessions and the SRTCP cipher."""

from __future__ import annotations

import pylibsrtp
import pytest

from sfu.transport import RtcpCipher, SrtpError, SrtpKeys, SrtpProfile, new_inbound, new_outbound
from sfu.transport.srtp import MAX_RTCP_LENGTH

PROFILES = list(SrtpProfile)
RECEIVER_REPORT = bytes.fromhex("80c90001 01020304")
by_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def master(profile, seed):
    return bytes((seed + i) % 256 for i in range(profile.key_length + profile.salt_length))


def cipher(profile):
    """What seals RTCP with our key, and a session that opens it."""
    ours, theirs = master(profile, 1), master(profile, 100)
    return RtcpCipher(SrtpKeys(profile, ours, theirs)), new_inbound(profile, ours)


def rtp(sequence, ssrc=7):
    return b"\x80\x60" + sequence.to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + b"payload"


@by_profile
def test_rtp_round_trip_costs_the_tag(profile):
    outbound, inbound = new_outbound(profile, master(profile, 1)), new_inbound(profile, master(profile, 1))
    protected = outbound.protect(rtp(1))
    assert len(protected) == len(rtp(1)) + profile.tag_length
    assert inbound.unprotect(protected) == rtp(1)


@by_profile
def test_a_sequence_number_is_neither_sent_nor_taken_again(profile):
    outbound, inbound = new_outbound(profile, master(profile, 1)), new_inbound(profile, master(profile, 1))
    protected = outbound.protect(rtp(1))
    with pytest.raises(pylibsrtp.Error, match="replay"):
        outbound.protect(rtp(1))
    inbound.unprotect(protected)
    with pytest.raises(pylibsrtp.Error, match="replay"):
        inbound.unprotect(protected)


@by_profile
def test_the_replay_window_holds_1024_packets(profile):
    outbound, inbound = new_outbound(profile, master(profile, 1)), new_inbound(profile, master(profile, 1))
    protected = [outbound.protect(rtp(sequence)) for sequence in range(1, 1027)]
    inbound.unprotect(protected[-1])
    assert inbound.unprotect(protected[2]) == rtp(3)
    with pytest.raises(pylibsrtp.Error, match="replay"):
        inbound.unprotect(protected[0])


@by_profile
@pytest.mark.parametrize("extra", [-1, 1])
def test_a_key_of_the_wrong_length_is_refused(profile, extra):
    key = bytes(profile.key_length + profile.salt_length + extra)
    with pytest.raises(ValueError, match="octets"):
        new_outbound(profile, key)
    with pytest.raises(ValueError, match="octets"):
        new_inbound(profile, key)


@by_profile
def test_rtcp_round_trip(profile):
    sealing, opening = cipher(profile)
    for _ in range(3):
        assert opening.unprotect_rtcp(sealing.protect(RECEIVER_REPORT)) == RECEIVER_REPORT


@by_profile
def test_the_longest_rtcp(profile):
    sealing, opening = cipher(profile)
    packet = RECEIVER_REPORT + bytes(MAX_RTCP_LENGTH - len(RECEIVER_REPORT))
    assert opening.unprotect_rtcp(sealing.protect(packet)) == packet
    with pytest.raises(SrtpError, match="build packets of"):
        sealing.protect(packet + b"\0")
    with pytest.raises(SrtpError, match="build packets of"):
        sealing.protect(b"short")
