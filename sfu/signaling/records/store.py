"""Where the records of rooms go that are recorded over HTTP, and how they are made."""

from __future__ import annotations

import datetime
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfu import Journal, NotContinuedError, Recording, RecordingOptions, Room, Signer, SuspendedRecording, Track

_log = logging.getLogger("sfu.signaling")

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
    _tenants: weakref.WeakKeyDictionary[Recording, str] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False, compare=False
    )

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
        tenant: str = "",
        tracks: Callable[[Track], bool] | None = None,
        beside: bool = False,
        follows: SuspendedRecording | None = None,
    ) -> Recording:
        """Record a room from now on; raises what `Room.record` raises.

        `random`: some unpredictable bytes, so that two records never have one name. `subject`: who was authenticated as
        the one who asks. `tenant`: whose key let him in; `count` counts by it. `tracks`: which; by default all.
        `beside`: also while other recordings of the room run. `follows`: see `Room.record`.
        """
        name = name_record(room.name, utc, random)
        recording = room.record(
            self.folder / name,
            key=self.key,
            mirrors=[mirror / name for mirror in self.mirrors],
            options=self.options,
            metadata=metadata,
            tracks=tracks,
            subject=subject,
            journal=self.journal,
            beside=beside,
            follows=follows,
        )
        self._tenants[recording] = tenant
        return recording

    async def take_up(
        self,
        room: Room,
        suspended: SuspendedRecording,
        *,
        utc: datetime.datetime,
        random: bytes,
        tenant: str = "",
        tracks: Callable[[Track], bool] | None = None,
        within: float = 5.0,
    ) -> Recording:
        """Go on with a recording that another process has suspended. If none of its records can be continued, begin new
        ones that name the first: the log says why, and those are left for `sfu recover`.

        Raises what `Room.continue_recording` and `Room.record` raise.
        """
        try:
            recording = await room.continue_recording(
                suspended, key=self.key, tracks=tracks, journal=self.journal, within=within
            )
            self._tenants[recording] = tenant
            return recording
        except NotContinuedError as error:
            paths = [str(path) for path in suspended.paths]
            _log.error(
                "a record was not continued; another one begins, and `sfu recover` closes the first",
                extra={"room": room.name, "record": suspended.id, "paths": paths, "reason": str(error)},
            )
        return self.open(
            room,
            suspended.metadata,
            utc=utc,
            random=random,
            subject=suspended.subject,
            tracks=tracks,
            tenant=tenant,
            beside=True,
            follows=suspended,
        )

    def find_tenant(self, recording: Recording) -> str:
        """The tenant by whose key a recording was begun; empty: it is not known."""
        return self._tenants.get(recording, "")

    def count(self, tenant: str) -> int:
        """How many recordings that a tenant began run now, those included that still write to disk."""
        return sum(each == tenant and not recording.done for recording, each in self._tenants.items())


def name_record(room: str, utc: datetime.datetime, random: bytes) -> str:
    """Return the name of a record's folder, such as `lobby-20260131T090000Z-5f0c7a12`.

    `room` is a name that `parse_room_name` took, so it holds nothing that means something in a path.
    """
    return f"{room}-{utc.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{random[:_RANDOM_BYTES].hex()}"


def name_place(index: int) -> str:
    """Return the name of a folder for clients, in the order of `Recording.stats`: paths are not told."""
    return f"mirror {index}" if index else "main"
