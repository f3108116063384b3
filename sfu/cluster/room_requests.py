"""What a node asks of the directory about rooms: whose they are, and what of them crosses nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.cluster.records import MAX_RECORD_BYTES, RecordError, RoomEntry, RoomRecord, read_entry
from sfu.cluster.requests import Request, read_list, read_number, read_text, read_word
from sfu.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a claim.

    `claimed`: it is ours. `held`: it is another's. `kept`: the store knows again whose it was, and nobody's it is yet.
    `free`: it has no home, and we may not claim yet. `late`, `reborn` (another incarnation), `unleased`: not now.
    """

    outcome: str
    home: RoomRecord | None


_OUTCOMES = ("claimed", "held", "kept", "free", "late", "reborn", "unleased")


def _read_home(room: str, parts: list[object], there: bool) -> RoomRecord | None:
    token, node, epoch, since = (read_text(part) for part in parts)
    if not (token and node and epoch):
        return None
    return RoomRecord(room, node, int(epoch), int(token), int(since or 0), there)


@dataclass(frozen=True, slots=True)
class Claim(Request[tuple[Claimed, ...]]):
    """Become the home of rooms that have none, or whose home's lease is over; or say again what was ours, in a store
    that has lost it, where the higher token wins until somebody may claim.
    """

    script = "claim"
    node: str
    epoch: int
    incarnation: str
    latest_ms: int
    """By the store's calendar (see `StoreClock`); 0: what nobody knows to be ours may not be claimed."""
    holding: bool
    """We still count on all of these rooms, from before the store lost what it knew."""
    rooms: tuple[tuple[str, int], ...]
    """Names, and the tokens that we had; 0: none."""

    def arguments(self) -> Sequence[str]:
        """Return them."""
        pairs = [part for room, token in self.rooms for part in (room, str(token))]
        return (self.node, str(self.epoch), self.incarnation, str(self.latest_ms), str(int(self.holding)), *pairs)

    def _read(self, raw: object) -> tuple[Claimed, ...]:
        return tuple(self._read_one(room, one) for (room, _), one in zip(self.rooms, read_list(raw), strict=True))

    def _read_one(self, room: str, raw: object) -> Claimed:
        outcome, there, *parts = read_list(raw)
        home = _read_home(room, parts, read_number(there) == 1)
        word = read_word(outcome, *_OUTCOMES)
        if word in ("claimed", "held", "kept") and home is None:
            raise ValueError("no home")
        return Claimed(word, home)


@dataclass(frozen=True, slots=True)
class Release(Request[int]):
    """Rooms are over. Told: how many of them were ours. Who asks must not count on them any more."""

    script = "release"
    node: str
    epoch: int
    rooms: tuple[tuple[str, int], ...]
    """Names and tokens."""

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (self.node, str(self.epoch), *(part for room, token in self.rooms for part in (room, str(token))))

    def _read(self, raw: object) -> int:
        return read_number(raw)


@dataclass(frozen=True, slots=True)
class Move(Request[bool]):
    """Make another node a room's home; that one then claims it, and learns its token. Who asks must not count on it any
    more, whatever comes back.
    """

    script = "move"
    node: str
    epoch: int
    room: str
    token: int
    heir: str
    heir_epoch: int

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (self.node, str(self.epoch), self.room, str(self.token), self.heir, str(self.heir_epoch))

    def _read(self, raw: object) -> bool:
        return read_number(raw) == 1


@dataclass(frozen=True, slots=True)
class Put(Request[str]):
    """Write an entry of a room, or take it away (`value` empty). Told: `done`, `stale` (the room has another token),
    `held` (it is a living node's), `full`, `unleased`.
    """

    script = "put"
    node: str
    epoch: int
    room: str
    token: int
    """The room's, as the writer knows it: who writes for a home that is no more is refused."""
    field: str
    value: str

    def arguments(self) -> Sequence[str]:
        """Return them."""
        if (size := len(self.value.encode())) > MAX_RECORD_BYTES or len(self.field.encode()) > MAX_RECORD_BYTES:
            raise ArgumentError(f"the entry {self.field[:80]!r} has {size} bytes; {MAX_RECORD_BYTES} are allowed")
        return (self.node, str(self.epoch), self.room, str(self.token), self.field, self.value)

    def _read(self, raw: object) -> str:
        return read_word(raw, "done", "stale", "held", "full", "unleased")


@dataclass(frozen=True, slots=True)
class FoundRoom:
    """What the directory has of a room; `unreadable`: so many of its entries were skipped."""

    home: RoomRecord | None
    entries: tuple[RoomEntry, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Read(Request[tuple[FoundRoom, ...]]):
    """Look rooms up."""

    script = "read"
    rooms: tuple[str, ...]
    with_entries: bool = False

    def arguments(self) -> Sequence[str]:
        """Return them."""
        return (str(int(self.with_entries)), *self.rooms)

    def _read(self, raw: object) -> tuple[FoundRoom, ...]:
        return tuple(self._read_room(room, one) for room, one in zip(self.rooms, read_list(raw), strict=True))

    def _read_room(self, room: str, raw: object) -> FoundRoom:
        there, *parts, flat = read_list(raw)
        entries, unreadable = list[RoomEntry](), 0
        pairs = read_list(flat)
        for field, value in zip(pairs[::2], pairs[1::2], strict=True):
            try:
                entries.append(read_entry(read_text(field), read_text(value)))
            except (RecordError, ValueError):
                unreadable += 1
        return FoundRoom(_read_home(room, parts, read_number(there) == 1), tuple(entries), unreadable)
