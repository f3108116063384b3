"""How a film is made."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sfu.errors import ArgumentError

MIN_SIDE, MAX_SIDE = 180, 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposeOptions:
    """Options of one film. Raises ArgumentError if one is out of range."""

    width: int = 1280
    height: int = 720
    fps: Fraction = Fraction(25)
    zone: datetime.tzinfo = datetime.UTC
    """Time zone in which the clock is shown."""
    fonts: tuple[Path, ...] = ()
    """Font files that are preferred to the system's."""
    keep_pauses: bool = False
    """Whether to show a pause's card as long as the pause was, instead of cutting it to a few seconds."""
    overwrite: bool = False
    """Whether to replace an existing film."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("width", "height"):
            side = getattr(self, name)
            if not MIN_SIDE <= side <= MAX_SIDE or side % 2:
                raise ArgumentError(f"{name} {side}: it must be even, and within {MIN_SIDE} to {MAX_SIDE}")
        if not 1 <= self.fps <= 60:
            raise ArgumentError(f"fps {self.fps}: it must be within 1 to 60")
