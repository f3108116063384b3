"""The recordings of a Room: the Room tells it of Peers, Tracks and speakers, and it tells the recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sfu.errors import LocalError, PrivateError
from sfu.events import (
    Event,
    RecordingAlarm,
    RecordingAlarmEnded,
    RecordingContinued,
    RecordingNotContinued,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    RecordingSuspended,
)
from sfu.media.track import Track
from sfu.recording.feed import Feed
from sfu.recording.journal import Journal
from sfu.recording.opening import open_recorder
from sfu.recording.options import RecordingOptions
from sfu.recording.recording import Recording
from sfu.recording.restart.continuing import NotContinuedError, continue_recorders
from sfu.recording.restart.suspension import Asked, SuspendedRecording
from sfu.recording.signing import Signer
from sfu.rooms.recorded_track import RecordedTrack
from sfu.shard.environment import Environment


class RecordKeeper:
    """Runs and observes the Room's Recordings: one, and others where they are begun beside it."""

    def __init__(self, room: str, environment: Environment, emit: Callable[[Event], None]) -> None:
        self.private = False
        self._running: dict[Recording, Callable[[Track], bool]] = {}  # and which Tracks each of them takes
        self._continuing = 0
        self._room = room
        self._environment = environment
        self._emit = emit

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """Those that run, the oldest first."""
        return tuple(self._running)

    @property
    def busy(self) -> bool:
        """Whether one runs, or is being continued."""
        return bool(self._running or self._continuing)

    def start(
        self,
        feed: Feed,
        paths: Sequence[Path],
        key: Signer,
        *,
        options: RecordingOptions,
        metadata: Mapping[str, Any],
        tracks: Iterable[Track] | Callable[[Track], bool] | None,
        subject: str | None,
        journal: Journal | None,
        beside: bool,
        follows: SuspendedRecording | str | None = None,
    ) -> Recording:
        """Open the records; see `Room.record`. The caller then tells who and what is there already."""
        chosen = () if tracks is None or callable(tracks) else tuple(tracks)
        self._check(chosen)
        suspended = follows if isinstance(follows, SuspendedRecording) else None
        if suspended is None:
            self._check_beside(beside)
        id = self._environment.rng.randbytes(16).hex()
        clock = self._environment.clock
        start = clock()
        recorders = []
        try:
            for copy, path in enumerate(paths):
                recorders.append(
                    open_recorder(
                        path, id, key, self._room, metadata, start=start, options=options, clock=clock, copy=copy,
                        subject=subject, journal=journal,
                        follows=follows.id if isinstance(follows, SuspendedRecording) else follows,
                    )
                )  # fmt: skip
        except BaseException:
            for recorder in recorders:
                recorder.stop("not_started", start)
            raise
        asked = Asked(
            self._room, key.key_id, options, metadata, subject, tracks is not None,
            None if journal is None else str(journal.path.absolute()),
        )  # fmt: skip
        recording = Recording(id, recorders, feed, self, clock=clock, asked=asked, start=start, takes_up=suspended)
        if tracks is None or callable(tracks):
            self._running[recording] = tracks or _choose_all
        else:
            ids = frozenset(track.id for track in chosen)
            self._running[recording] = lambda track: track.id in ids
        self._emit(RecordingStarted(self._room, id, tuple(str(path) for path in paths)))
        if suspended is not None:
            self._tell_pause(recording, suspended)
        return recording

    async def take_up(
        self,
        feed: Feed,
        suspended: SuspendedRecording,
        key: Signer,
        *,
        tracks: Callable[[Track], bool] | None,
        journal: Journal | None,
        within: float,
    ) -> Recording:
        """Go on with what another process has suspended; see `Room.continue_recording`, and `start`."""
        if suspended.room != self._room:
            raise LocalError(f"what was suspended is a recording of room {suspended.room!r}, not of {self._room!r}")
        if suspended.selective and tracks is None:
            raise LocalError(f"recording {suspended.id} takes some Tracks only; say which")
        self._check(())
        clock = self._environment.clock
        self._continuing += 1
        try:
            recorders, start = await continue_recorders(suspended, key, clock=clock, journal=journal, within=within)
        except NotContinuedError as error:
            paths = tuple(str(path) for path in suspended.paths)
            self._emit(RecordingNotContinued(self._room, suspended.id, paths, str(error)))
            raise
        finally:
            self._continuing -= 1
        asked = Asked(
            self._room, key.key_id, suspended.options, suspended.metadata, suspended.subject, suspended.selective,
            None if journal is None else str(journal.path.absolute()),
        )  # fmt: skip
        recording = Recording(
            suspended.id, recorders, feed, self, clock=clock, asked=asked, takes_up=suspended, start=start
        )
        self._running[recording] = tracks or _choose_all
        paths = tuple(str(path) for path in recording.paths)
        self._emit(RecordingContinued(self._room, recording.id, paths))
        self._tell_pause(recording, suspended)
        return recording

    def _tell_pause(self, recording: Recording, suspended: SuspendedRecording) -> None:
        if suspended.pause is not None:
            self.handle_paused(recording.id, recording.ground, str(suspended.pause["authoriser"]))

    def _check(self, chosen: Sequence[Track]) -> None:
        if self.private:
            raise PrivateError(f"room {self._room!r} is private: it can not be recorded")
        for track in chosen:
            if track.private:
                raise PrivateError(f"{track!r} is private: it can not be recorded")

    def _check_beside(self, beside: bool) -> None:
        if self.busy and not beside:
            raise LocalError(f"room {self._room!r} is being recorded; stop that recording first")
        if any(recording.paused for recording in self._running):
            raise LocalError(f"room {self._room!r} is off the record; what is begun beside it would keep that")

    def add(self, track: Track, metadata: Mapping[str, Any], to: Iterable[Recording] | None = None) -> None:
        """A Track is there. `to`: only these are told."""
        for recording in self.recordings if to is None else to:
            if not track.private and self._running[recording](track):
                recording.add_track(RecordedTrack(track, metadata, self._environment.clock))

    def remove(self, track: Track, cause: str = "disconnect") -> None:
        """Stop recording a Track, which has ended or must not be recorded any more; the record names the `cause`."""
        for recording in self.recordings:
            recording.remove_track(track.id, cause)

    def note_order(self, kind: str, subject: str | None, /, **fields: Any) -> None:
        """Note a moderator's order in the records; `subject` is who was authenticated as the moderator."""
        for recording in self.recordings:
            recording.note_order(kind, subject, **fields)

    def handle_muted(self, track: Track) -> None:
        """Note in the records that a Track's `muted` has changed."""
        for recording in self.recordings:
            recording.set_muted(track.id, track.muted)

    def handle_joined(self, peer: str, metadata: Mapping[str, Any]) -> None:
        """Note in the records that a Peer has joined."""
        for recording in self.recordings:
            recording.note_join(peer, metadata)

    def handle_left(self, peer: str, cause: str) -> None:
        """Note in the records that a Peer has left."""
        for recording in self.recordings:
            recording.note_leave(peer, cause)

    def handle_speakers(self, peers: Sequence[str]) -> None:
        """Note in the records who speaks now."""
        for recording in self.recordings:
            recording.note_speakers(peers)

    # from the Recording

    def handle_paused(self, id: str, ground: str, authoriser: str) -> None:
        """See `Observer.handle_paused`."""
        self._emit(RecordingPaused(self._room, id, ground, authoriser))

    def handle_resumed(self, id: str) -> None:
        """See `Observer.handle_resumed`."""
        self._emit(RecordingResumed(self._room, id))

    def handle_alarm(self, id: str, path: Path, what: str, detail: str | None) -> None:
        """See `Observer.handle_alarm`."""
        if detail is None:
            self._emit(RecordingAlarmEnded(self._room, id, str(path), what))
        else:
            self._emit(RecordingAlarm(self._room, id, str(path), what, detail))

    def handle_stopped(self, id: str, cause: str) -> None:
        """See `Observer.handle_stopped`."""
        self._forget(id)
        self._emit(RecordingStopped(self._room, id, cause))

    def handle_suspended(self, id: str) -> None:
        """See `Observer.handle_suspended`."""
        self._forget(id)
        self._emit(RecordingSuspended(self._room, id))

    def _forget(self, id: str) -> None:
        self._running = {each: takes for each, takes in self._running.items() if each.id != id}


def _choose_all(track: Track) -> bool:
    return True
