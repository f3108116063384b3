"""What outlives a process of a Room: who is kept out of it, who holds which name, whether it is private.

A restart hands it from the process that ends to the one that begins, as JSON; times are seconds from then on.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sfu.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class RoomState:
    """One room."""

    name: str
    private: bool
    closed_for: float
    """Seconds for which nobody is let in; 0: it is open."""
    excluded: dict[str, float]
    """Seconds by the subject that is kept out."""
    excluded_names: dict[str, float]
    """The same for who has a name and no subject."""
    blocked: list[tuple[str, str, str | None]]
    """A Peer's name, a kind of media, and who has blocked it."""
    held_names: dict[str, str]
    """Who holds a name, by the name."""
    present: list[str]
    """Names of the Peers, who will come again."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RoomState:
        """Read what `to_json` has written.

        Raises:
            ArgumentError: it is of another version, or no such thing.
        """
        try:
            if not isinstance(data["private"], bool):
                raise ArgumentError("a room that another server has handed over is private, or it is not")
            return cls(
                name=str(data["name"]),
                private=data["private"],
                closed_for=float(data["closed_for"]),
                excluded={str(key): float(value) for key, value in data["excluded"].items()},
                excluded_names={str(key): float(value) for key, value in data["excluded_names"].items()},
                blocked=[(str(name), str(kind), None if by is None else str(by)) for name, kind, by in data["blocked"]],
                held_names={str(key): str(value) for key, value in data["held_names"].items()},
                present=[str(name) for name in data["present"]],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArgumentError(f"this is no room that another server has handed over: {error!r}") from error
