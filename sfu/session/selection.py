"""The selection of what a connection receives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sfu.media.track import Track

ALL = "all"
"""Every Track of the others in the room; therefore no Peer may have this name."""

Selection = None | str | Sequence[Track]
"""What to receive: None for nothing, `"all"`, a Peer's name for all that it publishes, or certain Tracks."""


def selects(selection: Selection, track: Track) -> bool:
    """Whether the selection takes in `track`."""
    if selection is None:
        return False
    if isinstance(selection, str):
        return selection in (ALL, track.peer)
    return track in selection


def choose_tracks(selection: Selection, tracks: Iterable[Track], *, subscriber: str) -> list[Track]:
    """Return those of a room's `tracks` that the Peer `subscriber` selects; nobody gets their own back."""
    return [track for track in tracks if track.peer != subscriber and selects(selection, track)]
