"""A recording of a room as the control side has it: what is recorded, paused, marked, and whether all is well."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sfu.clock import Clock, utc_now
from sfu.errors import LocalError
from sfu.recording.entries import check_line, parse_utc
from sfu.recording.feed import Feed
from sfu.recording.observer import Observer
from sfu.recording.recordable import Recordable
from sfu.recording.recorded_track import RecordedTrack
from sfu.recording.recorder import ClosedRecord, Recorder
from sfu.recording.recorder_stats import RecorderStats, describe_recorder
from sfu.recording.restart.suspension import Asked, SuspendedRecording, describe_suspension
from sfu.recording.watch import Watch
from sfu.routing.plane import TappedPackets

_TICK_S = 1.0
_CLOSING_S = 0.01
_LATEST_US = (1 << 63) - 1


class Recording:
    """Made by `Room.record`. Runs until `stop`, or until its last recorder has failed."""

    def __init__(
        self,
        id: str,
        recorders: Sequence[Recorder],
        feed: Feed,
        observer: Observer,
        *,
        clock: Clock,
        asked: Asked,
        start: float,
        takes_up: SuspendedRecording | None = None,
    ) -> None:
        """`start`: time 0 of its records. `takes_up`: what it goes on with, in the same records if it has that id."""
        continues = takes_up is not None and takes_up.id == id
        self.id = id
        """In the ledger and the manifest."""
        self.since = parse_utc(takes_up.since) if takes_up is not None and continues else utc_now()
        """When it began."""
        self.stopped = False
        self.suspended = False
        """Whether it has stopped so that another process continues it."""
        self._pause = None if takes_up is None else takes_up.pause
        """What was said when it was paused, while it is."""
        self._recorders = tuple(recorders)
        self._feed = feed
        self._observer = observer
        self._clock = clock
        self._keys = itertools.count()
        self._tracks: dict[str, RecordedTrack] = {}
        # The feed tells recorders, too: all of them in one order, and what changes here changes with it.
        self._telling = threading.RLock()
        self._asked = asked
        now = clock()
        self._start = start
        self._resumed = now
        self._watches = [Watch(asked.options.least_free_bytes, now) for _ in recorders]
        self._key_frames = now
        self._unsaid: list[str] | None = None
        """Who has begun to speak in the pause; None: it is who spoke before."""
        if takes_up is not None:
            self._take_up(takes_up, new=not continues)
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._arm()

    def __repr__(self) -> str:
        return f"<Recording {self.id} {self.state}>"

    @property
    def paused(self) -> bool:
        """Whether it is off the record."""
        return self._pause is not None

    @property
    def ground(self) -> str:
        """Why it is paused; empty: it is not."""
        return "" if self._pause is None else str(self._pause["ground"])

    @property
    def state(self) -> str:
        """`recording`, `paused`, `failed`, `stopped` or `suspended`."""
        if self.suspended:
            return "suspended"
        if self.stopped:
            return "failed" if self.failed else "stopped"
        return "paused" if self.paused else "recording"

    @property
    def elapsed(self) -> float:
        """Seconds since it began, pauses included: `t_us` of a ledger's line that was written now."""
        return self._clock() - self._start

    @property
    def failed(self) -> bool:
        """Whether every recorder has failed."""
        return all(recorder.progress.failure is not None for recorder in self._recorders)

    @property
    def done(self) -> bool:
        """Whether everything is on disk, or given up."""
        return self.stopped and not any(recorder.running for recorder in self._recorders)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The records' folders, the main one first."""
        return tuple(recorder.path for recorder in self._recorders)

    # What people order says who was authenticated as the one who orders it (`subject`, as the `sub` of a token; None:
    # nobody was), beside whom they name: a name can be claimed.

    def mark(self, name: str, subject: str | None = None, /, **data: Any) -> None:
        """Set a mark, which players and compositions show. `data` is what JSON can hold, else EntryError is raised.

        `subject` is who was authenticated as the person who sets it; it is positional, so that no key of `data` is
        taken for it.
        """
        self._check_running()
        _check("mark", name=name, subject=subject, data=data)
        self._note("mark", name=name, subject=subject, data=data)

    def phase(self, name: str, *, subject: str | None = None) -> None:
        """Begin a phase of the hearing. Raises EntryError if its name is no text that a ledger can hold."""
        self._check_running()
        _check("phase", name=name, subject=subject)
        self._note("phase", name=name, subject=subject)

    def pause(self, *, ground: str, authoriser: str, note: str = "", subject: str | None = None) -> None:
        """Go off the record: not a byte of what comes until `resume` is kept. May be said again, with other grounds.

        Args:
            ground: why that is lawful.
            authoriser: who is said to have ordered it.
            note: anything else.
            subject: who was authenticated as the one who says so, as the `sub` of a token.

        Raises:
            EntryError: one of these is no text that a ledger can hold.
        """
        self._check_running()
        about = {"ground": ground, "authoriser": authoriser, "note": note, "subject": subject}
        _check("pause", **about)
        for recorded in self._tracks.values():
            recorded.track.stop()
        self._feed.step()  # what came until now is on the record
        with self._telling:
            self._pause = about
            self._tell(lambda recorder, now: recorder.pause(now, **about))
        self._observer.handle_paused(self.id, ground, authoriser)

    def resume(self, *, authoriser: str, subject: str | None = None) -> None:
        """Go on after a pause. LocalError when there is none; EntryError as with `pause`."""
        self._check_running()
        if not self.paused:
            raise LocalError(f"recording {self.id} is not paused")
        _check("resume", authoriser=authoriser, subject=subject)
        with self._telling:
            self._pause = None
            self._resumed = self._tell(
                lambda recorder, now: recorder.resume(now, authoriser=authoriser, subject=subject)
            )
        if self._unsaid is not None:
            self.note_speakers(self._unsaid)
            self._unsaid = None
        for recorded in self._tracks.values():
            recorded.track.start()
        self._observer.handle_resumed(self.id)

    async def stop(self, cause: str = "stopped", *, subject: str | None = None) -> tuple[ClosedRecord, ...]:
        """End the recording, and close those of its records that are whole. Idempotent.

        `subject` is who was authenticated as the person who ends it.
        """
        if not self.stopped:
            self._end(cause, subject)
        await self._wait_for_recorders()
        self._look_after(self._clock())
        self._hold_timer()
        return tuple(recorder.closed for recorder in self._recorders if recorder.closed is not None)

    async def suspend(self, within: float = 5.0) -> SuspendedRecording:
        """End here, with records that are signed but not closed, and return what another process needs to continue
        them: give it to `Room.continue_recording` there.

        A record that is not on disk `within` so many seconds is given up: `sfu recover` closes it. Raises LocalError
        if the recording has ended.
        """
        self._check_running()
        now, utc = self._take_all_off(), utc_now()
        self.suspended = True
        for recorder in self._recorders:
            recorder.suspend(now, now + within)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._wait_for_recorders()
        self._hold_timer()
        self._observer.handle_suspended(self.id)
        copies = tuple(recorder.describe_suspended() for recorder in self._recorders)
        return describe_suspension(self._asked, self.id, self.since, self._start, now, utc, self._pause, copies)

    def stats(self) -> tuple[RecorderStats, ...]:
        """Return a snapshot of each recorder."""
        both = zip(self._recorders, self._watches, strict=True)
        return tuple(describe_recorder(recorder.path, recorder.progress, watch) for recorder, watch in both)

    # from the room

    def add_track(self, track: Recordable) -> None:
        """Record a Track from its first packet on; recorders learn of it then: one that never sends has no file."""

        def deliver(packets: TappedPackets) -> None:
            if recorded.begun or self._begin(recorded, packets):
                for recorder in self._recorders:
                    recorder.deliver(recorded.key, packets)

        def missed() -> None:
            for recorder in self._recorders:
                recorder.miss(recorded.key)

        recorded = RecordedTrack(track, next(self._keys), deliver, self._clock(), track.muted)
        self._tracks[track.id] = recorded
        self._feed.connect(track.place, deliver, missed)
        if not self.paused:
            track.start()

    def _begin(self, recorded: RecordedTrack, packets: TappedPackets) -> bool:
        """Tell recorders of a Track if its first packet with media is among these; also called in the feed's thread."""
        with self._telling:
            if self.paused:
                return False
            first = recorded.find_first(packets, self._resumed)
            if first is None:
                return False
            recorded.begun = True
            self._tell(lambda recorder, at: recorder.begin_track(recorded.key, recorded.track.info, at), first)
            if recorded.muted:
                self._tell(lambda recorder, at: recorder.set_muted(recorded.key, True, at), first)
        return True

    def remove_track(self, id: str, cause: str = "disconnect") -> None:
        """Stop recording a Track that has ended or must not be recorded; `cause` is that of the gap that begins."""
        if id in self._tracks:
            self._feed.step()  # what came until now belongs to it
            self._take_off(id, cause)

    def set_muted(self, id: str, muted: bool) -> None:
        """Note that a Track's publisher has stopped it for now, or goes on."""
        recorded = self._tracks.get(id)
        if recorded is None:
            return
        with self._telling:
            recorded.muted = muted
            if recorded.begun:
                self._tell(lambda recorder, now: recorder.set_muted(recorded.key, muted, now))

    def note_join(self, peer: str, metadata: Mapping[str, Any]) -> None:
        """Note that a peer has joined."""
        self._note("join", peer=peer, metadata=dict(metadata))

    def note_leave(self, peer: str, cause: str) -> None:
        """Note that a peer has left."""
        self._note("leave", peer=peer, cause=cause)

    def note_order(self, kind: str, subject: str | None, /, **fields: Any) -> None:
        """Note an order of a moderator. `subject` is who was authenticated as that person."""
        self._note(kind, **fields, subject=subject)

    def note_speakers(self, peers: Sequence[str]) -> None:
        """Note that the speakers have changed. Who speaks in a pause is off the record, too."""
        if self.paused:
            self._unsaid = list(peers)
        else:
            self._note("speakers", peers=list(peers))

    # inside

    def _take_up(self, suspended: SuspendedRecording, *, new: bool) -> None:
        """Be as the recording was that another process has suspended: off the record, if it was. Nobody speaks yet."""
        if self._pause is None:
            self.note_speakers([])
        elif new:
            self._tell(lambda recorder, now: recorder.pause(now, **suspended.pause or {}))
        self._unsaid = None if self._pause is None else []

    def _take_off(self, id: str, cause: str, at: float | None = None) -> None:
        recorded = self._tracks.pop(id)
        self._feed.disconnect(recorded.track.place, recorded.deliver)
        recorded.release()
        recorded.track.stop()
        self._tell(lambda recorder, when: recorder.end_track(recorded.key, when, cause), at)

    def _check_running(self) -> None:
        if self.stopped:
            raise LocalError(f"recording {self.id} has {self.state}")

    def _note(self, kind: str, /, **fields: Any) -> None:
        self._tell(lambda recorder, now: recorder.note(kind, now, **fields))

    def _tell(self, order: Callable[[Recorder, float], None], at: float | None = None) -> float:
        """Tell all recorders the same, with one time: `at`, or now. Returns that time."""
        with self._telling:
            when = self._clock() if at is None else at
            for recorder in self._recorders:
                order(recorder, when)
        return when

    def _take_all_off(self) -> float:
        self._feed.step()
        now = self._clock()  # all of it ends in one moment, however long closing takes: nothing is missing after it
        for id in list(self._tracks):
            self._take_off(id, "disconnect", now)
        self.stopped = True
        return now

    def _end(self, cause: str, subject: str | None = None) -> None:
        now = self._take_all_off()
        for recorder in self._recorders:
            recorder.stop(cause, now, subject)
        self._observer.handle_stopped(self.id, cause)

    async def _wait_for_recorders(self) -> None:
        while any(recorder.running for recorder in self._recorders):  # noqa: ASYNC110 - they are threads
            await asyncio.sleep(_CLOSING_S)

    def _hold_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        now, self._timer = self._clock(), None
        if not self.done:
            self._arm()
        self._look_after(now)
        if self.stopped:  # until all is on disk
            return
        if self.failed:
            self._end("failed")
            return
        self._note_silent(now)
        self._ask_for_key_frames(now)
        self._note_sender_clocks(now)

    def _look_after(self, now: float) -> None:
        tracks = [recorded.track for recorded in self._tracks.values()]
        expected = not self.paused and any(track.connected and not track.muted for track in tracks)
        for number, (recorder, watch) in enumerate(zip(self._recorders, self._watches, strict=True)):
            begun, ended = watch.update(recorder.progress, expected=expected, now=now)
            for what, detail in (*begun.items(), *((what, None) for what in ended)):
                if not self.stopped:
                    self._note("alarm", recorder=number, what=what, detail=detail)
                self._observer.handle_alarm(self.id, recorder.path, what, detail)

    def _note_silent(self, now: float) -> None:
        for recorded in self._tracks.values():
            if recorded.falls_silent(now, paused=self.paused):
                about = recorded.track.info
                self._note("silent", peer=about.peer, kind=about.kind, label=about.label, track=about.track)

    def _ask_for_key_frames(self, now: float) -> None:
        if self.paused:
            return
        wanting = {key for recorder in self._recorders for key in recorder.wanting_key_frames}
        due = now >= self._key_frames + self._asked.options.key_frame_interval
        if due:
            self._key_frames = now
        for recorded in self._tracks.values():
            if due or recorded.key in wanting:
                recorded.track.request_key_frame()

    def _note_sender_clocks(self, now: float) -> None:
        for recorded in self._tracks.values() if not self.paused else ():
            about = recorded.find_report(now, self._start)
            if about is not None:
                self._tell(partial(_note_report, key=recorded.key, **about))


def _note_report(recorder: Recorder, now: float, key: int, **fields: Any) -> None:
    recorder.note_report(key, now, **fields)


def _check(kind: str, /, **fields: Any) -> None:
    """Raise the caller's error here, where it would else end each recorder in its thread."""
    check_line(kind, {"at_us": _LATEST_US, **fields})
