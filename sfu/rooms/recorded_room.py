"""What a Room records: begun, continued after a restart, and kept from being recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sfu.errors import PrivateError
from sfu.media.track import Track
from sfu.recording.feed import Feed
from sfu.recording.journal import Journal
from sfu.recording.options import RecordingOptions
from sfu.recording.recording import Recording
from sfu.recording.restart.suspension import SuspendedRecording
from sfu.recording.signing import Signer
from sfu.rooms.tracks import RoomTracks


class RecordedRoom(ABC):
    """The part of a Room that is about its records."""

    name: str
    _tracks: RoomTracks

    @property
    @abstractmethod
    def _feed(self) -> Feed:
        """See `RoomOwner.feed`."""

    @abstractmethod
    def _keep(self, recording: Recording) -> None:
        """See `RoomOwner.keep`."""

    @abstractmethod
    def _retain_private(self) -> bool:
        """See `RoomOwner.retain_private`."""

    @property
    def private(self) -> bool:
        """Whether the room must not be recorded, such as a confidential consultation."""
        return self._tracks.records.private

    def set_private(self, private: bool) -> None:
        """Mark the room as private, or not. It stays so while it is empty, too.

        Raises:
            PrivateError: the room is being recorded; stop that first.
            ServerFullError: the server has `max_rooms` private rooms.
        """
        if private and self._tracks.records.busy:
            raise PrivateError(f"room {self.name!r} is being recorded; stop that before it becomes private")
        self._tracks.records.private = private and self._retain_private()

    def set_track_private(self, track: Track, private: bool) -> None:
        """Mark a Track as private, or not. Its recording, if there is one, ends at once."""
        self._tracks.set_private(track, private)

    @property
    def recording(self) -> Recording | None:
        """The Recording that runs, also while it is paused, the oldest of several; None: there is none."""
        return next(iter(self.recordings), None)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All Recordings that run, the oldest first."""
        return self._tracks.records.recordings

    def record(
        self,
        path: Path | str,
        *,
        key: Signer,
        mirrors: Iterable[Path | str] = (),
        tracks: Iterable[Track] | Callable[[Track], bool] | None = None,
        options: RecordingOptions | None = None,
        metadata: Mapping[str, Any] | None = None,
        subject: str | None = None,
        journal: Journal | None = None,
        beside: bool = False,
        follows: SuspendedRecording | str | None = None,
    ) -> Recording:
        """Record the room from now on: one file for each speaker and source, and a signed ledger of all that happens.

        Args:
            path: folder of the record, new or empty.
            key: signs the record; see `load_or_create_signing_key`.
            mirrors: folders, best on other disks, in which the same is recorded independently.
            tracks: only these, or all of which this is true when they come, as those of one Peer; by default all, those
                that come later too. Private ones are left out.
            options: how.
            metadata: kept in the ledger's first line, such as the number of the case.
            subject: who ordered the recording, as authenticated by the `sub` of a token; None: nobody was
                authenticated.
            journal: notes when a record is closed, so that nobody can pass off an earlier part of it as the whole.
            beside: also while other Recordings of the room run. Each is one by itself: what is said to one of them, as
                a pause or a mark, the others do not hear.
            follows: a recording that another process has suspended and that cannot be continued. The new one says in
                its first line that it follows that one, is off the record if that one was, and may be beside others.
                Or the id of one that ended with its process (`sfu.recording.recover_record`): then it says so, no more.

        Raises:
            PrivateError: the room, or one of `tracks`, is private. Nothing was made.
            RecordError: a folder cannot be used.
            EntryError: a ledger cannot hold `metadata`, or `follows` is no id. Nothing was made.
            LocalError: the room is being recorded already; with `beside`, a Recording of it is paused.
        """
        recording = self._tracks.records.start(
            self._feed,
            [Path(path), *map(Path, mirrors)],
            key,
            options=options or RecordingOptions(),
            metadata=metadata or {},
            tracks=tracks,
            subject=subject,
            journal=journal,
            beside=beside,
            follows=follows,
        )
        self._keep(recording)
        self._tracks.tell_recording(recording)
        return recording

    async def continue_recording(
        self,
        suspended: SuspendedRecording,
        *,
        key: Signer,
        tracks: Callable[[Track], bool] | None = None,
        journal: Journal | None = None,
        within: float = 5.0,
    ) -> Recording:
        """Go on with a recording that another process has suspended (`Recording.suspend`): in the same records, under
        the same id, with a gap that is declared from then to now.

        A record that cannot be continued is an alarm of the Recording; it is left for `sfu recover`.

        Args:
            suspended: what that process returned.
            key: signs the record, as before.
            tracks: which Tracks, as for `record`; must be said where not all were recorded.
            journal: as for `record`.
            within: seconds for which that is tried.

        Raises:
            NotContinuedError: no record of it can be continued. Begin another one that says so (`record`, `follows`).
            PrivateError: the room is private.
            LocalError: it is the recording of another room, or `tracks` are not said.
        """
        recording = await self._tracks.records.take_up(
            self._feed, suspended, key, tracks=tracks, journal=journal, within=within
        )
        self._keep(recording)
        self._tracks.tell_recording(recording)
        return recording
