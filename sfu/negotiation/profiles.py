"""Codec profiles in a comparable form."""

from __future__ import annotations

import re

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
"""The names that `h264_profile` gives."""


def h264_profile(profile_level_id: str | None) -> str | None:
    """The profile that an H.264 `profile-level-id` names (RFC 6184 section 8.1, table 5).

    Absent means constrained baseline at level 1; None is returned for what names no profile.
    """
    if profile_level_id is None:
        return "constrained-baseline"
    if not _PROFILE_LEVEL_ID.fullmatch(profile_level_id):
        return None
    idc, iop = int(profile_level_id[0:2], 16), int(profile_level_id[2:4], 16)
    for profile_idc, mask, value, name in _H264_PROFILES:
        if idc == profile_idc and iop & mask == value:
            return name
    return None


def plain_number(text: str | None, default: str) -> str:
    """A small decimal parameter with leading zeros removed; `default` if absent, the text itself if no number."""
    if text is None:
        return default
    if len(text) <= 4 and text.isascii() and text.isdigit():
        return str(int(text))
    return text
