"""A Track as its Recording sees it."""

from __future__ import annotations

from typing import Protocol

from sfu.recording.feed import Place
from sfu.recording.track_writing import TrackInfo


class Recordable(Protocol):
    """A Track as its Recording sees it."""

    @property
    def id(self) -> str:
        """The Track's id."""
        ...

    @property
    def info(self) -> TrackInfo:
        """The Track's description for the record."""
        ...

    @property
    def place(self) -> Place:
        """The row and shard that its packets come from."""
        ...

    @property
    def muted(self) -> bool:
        """Whether its publisher has stopped it for now."""
        ...

    @property
    def connected(self) -> bool:
        """Whether its publisher's connection can send."""
        ...

    def start(self) -> None:
        """Let the Track's packets go to the feed, and keep its best Encoding coming."""
        ...

    def stop(self) -> None:
        """Stop sending packets to the feed."""
        ...

    def request_key_frame(self) -> None:
        """Request a key frame from the Track's publisher."""
        ...

    def sender_clock(self) -> tuple[int, int, int, float] | None:
        """Return the last sender report's SSRC, NTP time, RTP timestamp and arrival; None before the first report."""
        ...
