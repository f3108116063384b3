"""Whom the media's door lets in, and who has what of whom: one for all courts of a process."""

from __future__ import annotations

from dataclasses import dataclass, field

from sfu.signaling.livekit import Sight


@dataclass
class Gate:
    """The door asks it each time; a token only says what was true when it was made."""

    admitted: set[tuple[str, str]] = field(default_factory=set)
    """Rooms and identities."""
    apart: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Whom somebody in a room must not meet."""

    def admits(self, room: str, identity: str) -> bool:
        """Whether somebody comes in."""
        return (room, identity) in self.admitted

    def shows(self, room: str, viewer: str, other: str) -> Sight:
        """Two who are kept apart hear each other, as the hearing needs, and neither sees nor knows the other."""
        kept = other in self.apart.get((room, viewer), ()) or viewer in self.apart.get((room, other), ())
        return Sight.SOUND if kept else Sight.ALL

    def keep(self, room: str, identity: str, others: frozenset[str]) -> None:
        """From now on somebody does not meet these."""
        if others:
            self.apart[room, identity] = others

    def forget(self, room: str) -> None:
        """Nobody is in this room any more."""
        self.admitted.difference_update({each for each in self.admitted if each[0] == room})
        for key in [key for key in self.apart if key[0] == room]:
            del self.apart[key]
