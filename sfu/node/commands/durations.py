"""Times on the command line."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d{1,9})([smhd]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(option: str, text: str) -> float:
    """Return the seconds of a time like `90s`, `15m`, `12h` or `7d`; raise ValueError, which names the `option`."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
    if seconds <= 0:
        raise ValueError(f"{option} {text!r}: write a time like 90s, 15m, 12h or 7d")
    return float(seconds)
