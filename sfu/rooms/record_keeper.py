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
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
)
from sfu.media.track import Track
from sfu.recording.feed import Feed
from sfu.recording.journal import Journal
from sfu.recording.opening import open_recorder
from sfu.recording.options import RecordingOptions
from sfu.recording.recording import Recording
from sfu.recording.signing import Signer
from sfu.rooms.recorded_track import RecordedTrack
from sfu.shard.environment import Environment


class RecordKeeper:
    """Runs and observes the Room's Recordings: one, and others where they are begun beside it."""

    def __init__(self, room: str, environment: Environment, emit: Callable[[Event], None]) -> None:
        self.private = False
        self._running: dict[Recording, Callable[[Track], bool]] = {}  # and which Tracks each of them takes
        self._room = room
        self._environment = environment
        self._emit = emit

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """Those that run, the oldest first."""
        return tuple(self._running)

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
    ) -> Recording:
        """Open the records; see `Room.record`. The caller then tells who and what is there already."""
        chosen = () if tracks is None or callable(tracks) else tuple(tracks)
        self._check(chosen, beside)
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
                    )
                )  # fmt: skip
        except BaseException:
            for recorder in recorders:
                recorder.stop("not_started", start)
            raise
        recording = Recording(id, recorders, feed, self, options=options, clock=clock)
        if tracks is None or callable(tracks):
            self._running[recording] = tracks or _choose_all
        else:
            ids = frozenset(track.id for track in chosen)
            self._running[recording] = lambda track: track.id in ids
        self._emit(RecordingStarted(self._room, id, tuple(str(path) for path in paths)))
        return recording

    def _check(self, chosen: Sequence[Track], beside: bool) -> None:
        if self.private:
            raise PrivateError(f"room {self._room!r} is private: it can not be recorded")
        for track in chosen:
            if track.private:
                raise PrivateError(f"{track!r} is private: it can not be recorded")
        if self._running and not beside:
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

    def handle_paused(self, recording: Recording, ground: str, authoriser: str) -> None:
        """See `Observer.handle_paused`."""
        self._emit(RecordingPaused(self._room, recording.id, ground, authoriser))

    def handle_resumed(self, recording: Recording) -> None:
        """See `Observer.handle_resumed`."""
        self._emit(RecordingResumed(self._room, recording.id))

    def handle_alarm(self, recording: Recording, path: Path, what: str, detail: str | None) -> None:
        """See `Observer.handle_alarm`."""
        if detail is None:
            self._emit(RecordingAlarmEnded(self._room, recording.id, str(path), what))
        else:
            self._emit(RecordingAlarm(self._room, recording.id, str(path), what, detail))

    def handle_stopped(self, recording: Recording, cause: str) -> None:
        """See `Observer.handle_stopped`."""
        self._running.pop(recording, None)
        self._emit(RecordingStopped(self._room, recording.id, cause))


def _choose_all(track: Track) -> bool:
    return True
