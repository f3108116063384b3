"""A plane's tap, without the plane."""

from __future__ import annotations

from sfu.routing.plane import TappedPackets


class FakePlane:
    """A plane's tap, without the plane."""

    def __init__(self) -> None:
        self.waiting: list[list[TappedPackets]] = []
        self.tap_missed = 0

    def poll_tap(self) -> list[TappedPackets]:
        return self.waiting.pop(0) if self.waiting else []
