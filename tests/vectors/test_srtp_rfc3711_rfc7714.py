"""SRTP and SRTCP: libsrtp, as we set it up, against a plain reference that fulfils the RFCs' own vectors.

RFC 3711 appendix B and RFC 7714 sections 16 and 17 give session keys and packets, while libsrtp takes master keys.
So the published vectors prove the reference below, and the reference proves the sessions.
"""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sfu.transport import RtcpCipher, SrtpKeys, SrtpProfile, new_inbound, new_outbound

MASTER_KEY = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
MASTER_SALT = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")

GCM_KEY = bytes(range(32))
GCM_SALT = b"Quid pro quo"
RTP = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
RTCP = bytes.fromhex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61") + bytes.fromhex("deadbeef") * 5
RTCP_INDEX = 0x5D4


def keystream(key, iv, length):
    """AES in counter mode (RFC 3711 section 4.1.1), where `iv` is a number."""
    return Cipher(algorithms.AES(key), modes.CTR(iv.to_bytes(16))).encryptor().update(bytes(length))


def derive(key, salt, label, length):
    """RFC 3711 section 4.3 with a derivation rate of 0; RFC 7714 section 11 pads its salt to 112 bits."""
    x = int.from_bytes(salt.ljust(14, b"\0")) ^ label << 48
    return keystream(key, x << 16, length)


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def cm_rtp(key, salt, auth, packet, rollover=0):
    iv = int.from_bytes(salt) << 16
    iv ^= int.from_bytes(packet[8:12]) << 64 ^ (rollover << 16 | int.from_bytes(packet[2:4])) << 16
    packet = packet[:12] + xor(packet[12:], keystream(key, iv, len(packet) - 12))
    return packet + hmac.digest(auth, packet + rollover.to_bytes(4), "sha1")[:10]


def cm_rtcp(key, salt, auth, packet, index):
    iv = int.from_bytes(salt) << 16 ^ int.from_bytes(packet[4:8]) << 64 ^ index << 16
    packet = packet[:8] + xor(packet[8:], keystream(key, iv, len(packet) - 8))
    packet += (1 << 31 | index).to_bytes(4)
    return packet + hmac.digest(auth, packet, "sha1")[:10]


def gcm_rtp(key, salt, packet, rollover=0):
    iv = xor(salt, bytes(2) + packet[8:12] + rollover.to_bytes(4) + packet[2:4])
    return packet[:12] + AESGCM(key).encrypt(iv, packet[12:], packet[:12])


def gcm_rtcp(key, salt, packet, index):
    iv = xor(salt, bytes(2) + packet[4:8] + bytes(2) + index.to_bytes(4))
    trailer = (1 << 31 | index).to_bytes(4)
    return packet[:8] + AESGCM(key).encrypt(iv, packet[8:], packet[:8] + trailer) + trailer


def test_rfc3711_appendix_b2_keystream():
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    blocks = keystream(key, int("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", 16), 48)
    assert blocks.hex().upper() == (
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
    )


def test_rfc3711_appendix_b3_derivation():
    assert derive(MASTER_KEY, MASTER_SALT, 0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(MASTER_KEY, MASTER_SALT, 2, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert derive(MASTER_KEY, MASTER_SALT, 1, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (
            16,
            (
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
                "899d7f27beb16a9152cf765ee4390cce"
            ),
        ),
        (
            32,
            (
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
                "7aa3db36dfffd6b0f9bb7878d7a76c13"
            ),
        ),
    ],
)
def test_rfc7714_section_16_rtp(length, expected):
    assert gcm_rtp(GCM_KEY[:length], GCM_SALT, RTP) == RTP[:12] + bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (
            16,
            (
                "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46"
                "86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
            ),
        ),
        (
            32,
            (
                "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658"
                "c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
            ),
        ),
    ],
)
def test_rfc7714_section_17_rtcp(length, expected):
    assert gcm_rtcp(GCM_KEY[:length], GCM_SALT, RTCP, RTCP_INDEX) == RTCP[:8] + bytes.fromhex(expected)


def master(profile):
    key, salt = (MASTER_KEY + MASTER_KEY[::-1])[: profile.key_length], MASTER_SALT[: profile.salt_length]
    return key, salt


def reference_rtp(profile, packet):
    key, salt = master(profile)
    session = derive(key, salt, 0, profile.key_length), derive(key, salt, 2, profile.salt_length)
    if profile is SrtpProfile.AES128_CM_HMAC_SHA1_80:
        return cm_rtp(*session, derive(key, salt, 1, 20), packet)
    return gcm_rtp(*session, packet)


def reference_rtcp(profile, packet, index):
    key, salt = master(profile)
    session = derive(key, salt, 3, profile.key_length), derive(key, salt, 5, profile.salt_length)
    if profile is SrtpProfile.AES128_CM_HMAC_SHA1_80:
        return cm_rtcp(*session, derive(key, salt, 4, 20), packet, index)
    return gcm_rtcp(*session, packet, index)


by_profile = pytest.mark.parametrize("profile", list(SrtpProfile), ids=lambda profile: profile.name)


@by_profile
def test_our_rtp_sessions(profile):
    key = b"".join(master(profile))
    expected = reference_rtp(profile, RTP)
    assert new_outbound(profile, key).protect(RTP) == expected
    assert new_inbound(profile, key).unprotect(expected) == RTP


@by_profile
def test_our_rtcp_cipher(profile):
    key = b"".join(master(profile))
    sender = RtcpCipher(SrtpKeys(profile, local=key, remote=bytes(len(key))))
    receiver = new_inbound(profile, key)
    for index in (1, 2, 3):
        expected = reference_rtcp(profile, RTCP, index)
        assert sender.protect(RTCP) == expected
        assert receiver.unprotect_rtcp(expected) == RTCP
