"""One rule of Prometheus, and what is to be done when it fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule, and what is to be done when it fires."""

    name: str
    severity: Literal["critical", "warning"]
    """critical: hearings suffer or a record is in danger, somebody gets up; warning: during the day."""
    expression: str
    """PromQL; the alert fires for each series that it returns."""
    holds: str
    """How long it must hold before the alert fires, as Prometheus writes it."""
    summary: str
    """What is wrong, in a sentence."""
    means: str
    """What follows for those who use the node, and what it comes from."""
    look: str
    """How to see it, and how bad it is."""
    steps: tuple[str, ...]
    """What to do, first things first."""
