"""Which Peers of a room a name means: as publishers that others select, and as those who have it without right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sfu.errors import LocalError, NothingPublishedError, UnknownPublisherError
from sfu.media.track import Track
from sfu.rooms.lookalikes import appearances
from sfu.rooms.peer import Peer
from sfu.session.selection import ALL, Selection


def check_publisher(selection: Selection, room: str, peers: Mapping[str, Peer], tracks: Sequence[Track]) -> None:
    """Raise a RemoteError if `selection` names a Peer that is not in the room or publishes nothing, and LocalError if
    it holds a Track of another room.
    """
    if selection is None or selection == ALL:
        return
    if isinstance(selection, str):
        publisher = peers.get(selection)
        if publisher is None:
            raise UnknownPublisherError(f"no Peer {selection!r} is in room {room!r}")
        if not publisher.tracks:
            raise NothingPublishedError(f"{selection!r} publishes nothing in room {room!r} yet")
        return
    for track in selection:
        if track not in tracks:
            raise LocalError(f"{track!r} has ended, or is not of room {room!r}")


def find_usurpers(name: str, peers: Iterable[Peer]) -> list[Peer]:
    """Return the Peers whose name is `name`, or looks like it, and who have no credentials for it."""
    sought = appearances(name)
    return [peer for peer in peers if not peer.named and sought & appearances(peer.name)]
