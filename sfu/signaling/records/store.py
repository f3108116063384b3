"""Where the records of rooms go that are recorded over HTTP, and how they are made."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfu import Journal, Recording, RecordingOptions, Room, Signer, Track

_RANDOM_BYTES = 4


@dataclass(frozen=True, slots=True)
class RecordStore:
    """Folders that hold a folder for each record; the app names the records' folders, clients cannot."""

    folder: Path
    key: Signer
    """The key that signs all records."""
    mirrors: tuple[Path, ...] = ()
    """Folders that each get a copy of the record, recorded independently under the same name."""
    options: RecordingOptions = field(default_factory=RecordingOptions)
    most: int = 64
    """Most recordings at once, those included that still write to disk. Each has one thread per folder."""

    journal: Journal | None = None
    """The journal of closed records, which is outside of all of them."""

    @property
    def places(self) -> tuple[Path, ...]:
        """All folders, the main one first."""
        return self.folder, *self.mirrors

    def open(
        self,
        room: Room,
        metadata: Mapping[str, Any],
        *,
        utc: datetime.datetime,
        random: bytes,
        subject: str | None = None,
        tracks: Callable[[Track], bool] | None = None,
        beside: bool = False,
    ) -> Recording:
        """Record a room from now on; raises what `Room.record` raises.

        `random`: some unpredictable bytes, so that two records never have one name. `subject`: who was authenticated as
        the one who asks. `tracks`: which; by default all. `beside`: also while other recordings of the room run.
        """
        name = name_record(room.name, utc, random)
        return room.record(
            self.folder / name,
            key=self.key,
            mirrors=[mirror / name for mirror in self.mirrors],
            options=self.options,
            metadata=metadata,
            tracks=tracks,
            subject=subject,
            journal=self.journal,
            beside=beside,
        )


def name_record(room: str, utc: datetime.datetime, random: bytes) -> str:
    """Return the name of a record's folder, such as `lobby-20260131T090000Z-5f0c7a12`.

    `room` is a name that `parse_room_name` took, so it holds nothing that means something in a path.
    """
    return f"{room}-{utc.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{random[:_RANDOM_BYTES].hex()}"


def name_place(index: int) -> str:
    """Return the name of a folder for clients, in the order of `Recording.stats`: paths are not told."""
    return f"mirror {index}" if index else "main"
