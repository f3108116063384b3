"""What one check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the doctor's."""

    what: str
    """What was looked at."""
    level: Level
    """`fail`: a node will not run, or not as it is set; `warn`: it will, worse than it could."""
    seen: str
    """What was found."""
    advice: str = ""
    """What to change; empty where nothing is to be."""
