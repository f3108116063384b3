"""A Track as its Recording sees it."""

from __future__ import annotations

from typing import Protocol

from sfu.recording.feed import Place
from sfu.recording.track_writing import TrackInfo


class Recordable(Protocol):
    """A Track as its Recording sees it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def info(self) -> TrackInfo:
        """What is told of it."""
        ...

    @property
    def place(self) -> Place:
        """Where its packets come from."""
        ...

    @property
    def muted(self) -> bool:
        """Whether its publisher has stopped for now."""
        ...

    @property
    def connected(self) -> bool:
        """Whether its publisher can send."""
        ...

    def start(self) -> None:
        """Let its packets go to the feed, and keep its best Encoding coming."""
        ...

    def stop(self) -> None:
        """No more."""
        ...

    def request_key_frame(self) -> None:
        """Ask its publisher for one."""
        ...

    def sender_clock(self) -> tuple[int, int, int, float] | None:
        """Of its last sender report: SSRC, NTP time, RTP timestamp, arrival; None before the first."""
        ...
