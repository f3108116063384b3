"""Codec profiles in a comparable form."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PROFILES = ("0", "1", "2", "3")
_PROFILE_LEVEL_ID = re.compile(r"[0-9A-Fa-f]{6}")

# RFC 6184 table 5: (profile_idc, the bits of profile_iop that matter, their value) -> profile.
_H264_PROFILES = (
    (0x42, 0b01001111, 0b01000000, "constrained-baseline"),
    (0x4D, 0b10001111, 0b10000000, "constrained-baseline"),
    (0x58, 0b11001111, 0b11000000, "constrained-baseline"),
    (0x42, 0b01001111, 0b00000000, "baseline"),
    (0x58, 0b11001111, 0b10000000, "baseline"),
    (0x4D, 0b10101111, 0b00000000, "main"),
    (0x58, 0b11001111, 0b00000000, "extended"),
    (0x64, 0b11111111, 0b00000000, "high"),
    (0x64, 0b11111111, 0b00001100, "constrained-high"),
    (0x6E, 0b11111111, 0b00000000, "high-10"),
    (0x7A, 0b11111111, 0b00000000, "high-4:2:2"),
    (0xF4, 0b11111111, 0b00000000, "high-4:4:4"),
)

H264_PROFILES = frozenset(row[3] for row in _H264_PROFILES)
"""The names that `h264_profile` returns."""

_H264_BASES = {profile_idc: name for profile_idc, mask, value, name in _H264_PROFILES if value & mask == 0}
"""The profile that each profile_idc means without constraints: constraint flags only narrow it."""

# Which decoders take a stream of a profile, besides its own. What baseline, main and high have beyond their constrained
# forms (slice groups, fields, B pictures) no sender of live media uses.
_BASELINE = frozenset(H264_PROFILES)
_RICH = frozenset({"high", "constrained-high", "high-10", "high-4:2:2", "high-4:4:4"})
_H264_DECODERS = {
    "constrained-baseline": _BASELINE,
    "baseline": _BASELINE,
    "extended": frozenset({"extended"}),
    "main": _RICH | {"main"},
    "constrained-high": _RICH,
    "high": _RICH,
    "high-10": frozenset({"high-10", "high-4:2:2", "high-4:4:4"}),
    "high-4:2:2": frozenset({"high-4:2:2", "high-4:4:4"}),
    "high-4:4:4": frozenset({"high-4:4:4"}),
}
_COMMON = frozenset({"constrained-baseline", "baseline", "main", "constrained-high", "high"})
"""Profiles that every decoder takes if its description names none."""


def h264_profile(profile_level_id: str | None) -> str | None:
    """Return the profile that an H.264 `profile-level-id` names (RFC 6184 section 8.1, table 5).

    If the parameter is absent that is constrained baseline at level 1; None is returned for what names no profile.
    """
    if profile_level_id is None:
        return "constrained-baseline"
    if not _PROFILE_LEVEL_ID.fullmatch(profile_level_id):
        return None
    idc, iop = int(profile_level_id[0:2], 16), int(profile_level_id[2:4], 16)
    for profile_idc, mask, value, name in _H264_PROFILES:
        if idc == profile_idc and iop & mask == value:
            return name
    return _H264_BASES.get(idc)


def takes_h264(decoder: Mapping[str, str], stream: Mapping[str, str]) -> bool:
    """Whether a decoder with the first parameters takes a stream with the second (RFC 6184 section 8.2.2).

    The stream's profile has to be a subset of the decoder's, and a stream of packetization mode 0 fits mode 1. Levels
    are not compared: every receiver that we know decodes above the one it declares. A decoder that names neither
    profile nor mode takes what is usual: RFC 6184's defaults, baseline at level 1 in mode 0, are nobody's intention.
    """
    mode = decoder.get("packetization-mode")
    if mode is not None and plain_number(stream.get("packetization-mode"), "0") not in ("0", plain_number(mode, "0")):
        return False
    profile = h264_profile(stream.get("profile-level-id"))
    if decoder.get("profile-level-id") is None:
        return profile in _COMMON
    return h264_profile(decoder["profile-level-id"]) in _H264_DECODERS.get(profile or "", ())


def takes_vp9(decoder: str, stream: str) -> bool:
    """Whether a decoder of one `profile-id` takes a stream of another (RFC 9628 section 6).

    The first bit stands for chroma other than 4:2:0, the second for 10 and 12 bits.
    """
    return decoder in _PROFILES and stream in _PROFILES and int(stream) & ~int(decoder) == 0


def takes_av1(decoder: str, stream: str) -> bool:
    """Whether a decoder of one `profile` takes a stream of another: each includes lower ones (AV1 section 6.4.1)."""
    return decoder in _PROFILES and stream in _PROFILES and int(stream) <= int(decoder)


def plain_number(text: str | None, default: str) -> str:
    """Return a small decimal parameter without leading zeros; `default` if absent, the text itself if no number."""
    if text is None:
        return default
    if len(text) <= 4 and text.isascii() and text.isdigit():
        return str(int(text))
    return text
