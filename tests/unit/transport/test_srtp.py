"""SRTP sessions and the SRTCP cipher."""

from __future__ import annotations

import pylibsrtp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport import RtcpCipher, SrtpError, SrtpKeys, SrtpProfile, new_inbound, new_outbound
from sfu.transport.srtp import MAX_REMOTE_SOURCES, MAX_RTCP_LENGTH

PROFILES = list(SrtpProfile)
RECEIVER_REPORT = bytes.fromhex("80c90001 01020304")
by_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def master(profile, seed):
    return bytes((seed + i) % 256 for i in range(profile.key_length + profile.salt_length))


def ciphers(profile):
    ours, theirs = master(profile, 1), master(profile, 100)
    return RtcpCipher(SrtpKeys(profile, ours, theirs)), RtcpCipher(SrtpKeys(profile, theirs, ours))


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
    ours, theirs = ciphers(profile)
    for _ in range(3):
        assert theirs.unprotect(ours.protect(RECEIVER_REPORT)) == RECEIVER_REPORT
        assert ours.unprotect(theirs.protect(RECEIVER_REPORT)) == RECEIVER_REPORT


@by_profile
def test_the_longest_rtcp(profile):
    ours, theirs = ciphers(profile)
    packet = RECEIVER_REPORT + bytes(MAX_RTCP_LENGTH - len(RECEIVER_REPORT))
    assert theirs.unprotect(ours.protect(packet)) == packet
    with pytest.raises(SrtpError, match="build packets of"):
        ours.protect(packet + b"\0")
    with pytest.raises(SrtpError, match="build packets of"):
        ours.protect(b"short")


@by_profile
def test_forged_replayed_truncated_and_long_rtcp_is_refused(profile):
    ours, theirs = ciphers(profile)
    packet = ours.protect(RECEIVER_REPORT)
    for position in range(len(packet)):
        forged = bytearray(packet)
        forged[position] ^= 1
        with pytest.raises(SrtpError):
            theirs.unprotect(bytes(forged))
        with pytest.raises(SrtpError):
            theirs.unprotect(packet[:position])
    assert theirs.unprotect(packet) == RECEIVER_REPORT
    with pytest.raises(SrtpError, match="replay"):
        theirs.unprotect(packet)
    with pytest.raises(SrtpError, match="too long"):
        theirs.unprotect(packet + bytes(2000))


@given(st.sampled_from(PROFILES), st.binary(max_size=1600))
def test_unprotect_takes_any_bytes(profile, data):
    _, theirs = ciphers(profile)
    with pytest.raises(SrtpError):
        theirs.unprotect(data)


def test_a_peer_cannot_have_ssrcs_without_end():
    ours, theirs = ciphers(SrtpProfile.AEAD_AES_128_GCM)
    packets = [ours.protect(RECEIVER_REPORT[:4] + ssrc.to_bytes(4)) for ssrc in range(1, MAX_REMOTE_SOURCES + 2)]
    for packet in packets[:-1]:
        theirs.unprotect(packet)
    with pytest.raises(SrtpError, match="more than"):
        theirs.unprotect(packets[-1])
    again = ours.protect(RECEIVER_REPORT[:4] + (1).to_bytes(4))
    assert theirs.unprotect(again)


def test_a_forged_ssrc_takes_no_place():
    ours, theirs = ciphers(SrtpProfile.AEAD_AES_128_GCM)
    packet = bytearray(ours.protect(RECEIVER_REPORT))
    for ssrc in range(2 * MAX_REMOTE_SOURCES):
        packet[4:8] = ssrc.to_bytes(4)
        with pytest.raises(SrtpError, match="not valid"):
            theirs.unprotect(bytes(packet))
    assert theirs.unprotect(ours.protect(RECEIVER_REPORT)) == RECEIVER_REPORT


def test_forget_local_frees_the_ssrc():
    ours, _ = ciphers(SrtpProfile.AEAD_AES_128_GCM)
    first = ours.protect(RECEIVER_REPORT)
    ours.forget_local(0x01020304)
    assert ours.protect(RECEIVER_REPORT) == first  # its state is gone, hence "never use again"
    with pytest.raises(SrtpError, match="SSRC 5"):
        ours.forget_local(5)
