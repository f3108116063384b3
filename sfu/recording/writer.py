"""Writes one record: Tracks to sources, sources to files, and everything that happens to the ledger.

No thread and no clock of its own: whoever calls says what time it is, in microseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sfu.recording.cutter import Fragment, Gap
from sfu.recording.entries import EntryError, check_line, format_utc
from sfu.recording.errors import RecordError
from sfu.recording.fault import Fault
from sfu.recording.folder import media_file
from sfu.recording.ledger import Ledger
from sfu.recording.ledger_writer import MOST_REASON, LedgerWriter
from sfu.recording.options import RecordingOptions
from sfu.recording.restart.absence import NEW, Absence, Absences, EndedSource, WriterState
from sfu.recording.source import SourceRecorder
from sfu.recording.stamping import Stamper
from sfu.recording.store import MOST_OPEN, Store
from sfu.recording.track_writing import TrackInfo, TrackWriting, WrittenSource
from sfu.routing.plane import TappedPackets

_CAUSES = ("pause", "disconnect", "block", "mute")
"""Reasons not to record; of several, the first one listed is named."""


class RecordWriter:
    """Made with an open Store and a Ledger that has its first line, or what another process has suspended."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        start_us: int,
        options: RecordingOptions,
        utc: Callable[[], datetime.datetime],
        stamper: Stamper | None = None,
        state: WriterState = NEW,
    ) -> None:
        """`utc` tells the date and time. `stamper` has heads stamped. `state`: of what was suspended; say then
        `continue_record`.
        """
        self.written_bytes = state.written_bytes
        """Of media, on disk."""
        self._store = store
        self._start_us = start_us
        self._options = options
        self._utc = utc
        self._lines = LedgerWriter(
            store, ledger, start_us=start_us, options=options, utc=utc, stamper=stamper, stamps=state.stamps
        )
        self._earlier = state.sources
        """How many sources other processes have written."""
        self._absences = Absences(state.ended, paused=state.paused)
        self._sources: list[WrittenSource] = []
        self._writings: dict[int, TrackWriting] = {}
        self._paused = state.paused

    @property
    def head(self) -> str:
        """SHA-256 of the ledger's last line, which stands for everything written so far."""
        return self._lines.head

    @property
    def ledger(self) -> Ledger:
        """The chain of its lines."""
        return self._lines.ledger

    @property
    def unsigned(self) -> str | None:
        """Why the signer did not sign, when it was asked last."""
        return self._lines.unsigned

    @property
    def wanting_key_frames(self) -> list[int]:
        """The Tracks whose picture cannot go on without a key frame."""
        return [key for key, on in self._writings.items() if on.cause is None and on.source.recorder.wants_key_frame]

    @property
    def faults(self) -> list[str]:
        """Why files of single sources cannot be written at present."""
        return [source.fault.reason for source in self._sources if source.fault is not None]

    def note(self, kind: str, now_us: int, /, **fields: Any) -> None:
        """Write a line into the ledger about an event at `now_us`."""
        self._lines.note(kind, now_us, **fields)

    def begin_track(self, key: int, info: TrackInfo, now_us: int) -> None:
        """Record a Track from its first packet on; `key` names it to the other methods."""
        source = self._find_source(info, now_us)
        writing = self._writings[key] = TrackWriting(info, source, deaf_until_us=now_us)
        source.recorder.find_sets = info.find_sets
        self.note("track", now_us, event="begin", source=source.number, track=info.track)
        source.recorder.resume(now_us)  # where it continues another Track's
        if self._paused:
            self._set_reason(writing, "pause", True, now_us)

    def end_track(self, key: int, now_us: int, cause: str = "disconnect") -> None:
        """Stop recording a Track, for a `cause`; another Track may continue its file."""
        writing = self._writings.pop(key, None)
        if writing is not None:
            self.note("track", now_us, event="end", source=writing.source.number, track=writing.info.track)
            self._set_reason(writing, cause, True, now_us)
            writing.source.recorder.find_sets = None
            writing.source.in_use = False
            writing.source.left = cause if self._paused else ""

    def note_report(self, key: int, now_us: int, **fields: Any) -> None:
        """Note what a sender report said of the sender's clock."""
        writing = self._writings.get(key)
        if writing is not None:
            self.note("report", now_us, source=writing.source.number, **fields)

    def set_muted(self, key: int, muted: bool, now_us: int) -> None:
        """Note that the publisher has stopped sending for now, or goes on."""
        writing = self._writings.get(key)
        if writing is not None:
            event = "muted" if muted else "unmuted"
            self.note("track", now_us, event=event, source=writing.source.number, track=writing.info.track)
            self._set_reason(writing, "mute", muted, now_us)

    def miss(self, key: int, now_us: int) -> None:
        """Note that packets were lost on the way to us; the record says that this was our fault."""
        writing = self._writings.get(key)
        if writing is not None and writing.cause is None:
            writing.source.recorder.interrupt("recorder_fault", now_us)
            writing.source.recorder.resume(now_us)

    def pause(self, now_us: int, **fields: Any) -> None:
        """Keep not a byte of the media that come from now on."""
        self._paused = True
        self.note("pause", now_us, **fields)
        self._declare(self._absences.set_paused(True, now_us), now_us)
        for writing in self._writings.values():
            self._set_reason(writing, "pause", True, now_us)

    def resume(self, now_us: int, **fields: Any) -> None:
        """Go on after a pause."""
        self._paused = False
        self.note("resume", now_us, **fields)
        self._declare(self._absences.set_paused(False, now_us), now_us)
        for source in self._sources:
            if source.left and not source.in_use:
                source.recorder.interrupt(source.left, now_us)
            source.left = ""
        for writing in self._writings.values():
            self._set_reason(writing, "pause", False, now_us)

    def handle_packets(self, key: int, packets: TappedPackets) -> None:
        """Take packets of a Track, in order of arrival."""
        writing = self._writings.get(key)
        if writing is None or writing.cause is not None:
            return
        if packets.arrivals[0] < writing.deaf_until_us:
            heard = [each for each in packets if not writing.deaf_from_us <= each.arrival_us < writing.deaf_until_us]
            if not heard:
                return
            packets = TappedPackets.of(heard, audio=writing.info.kind == "audio")
        writing.source.recorder.handle_packets(packets)

    def poll(self, now_us: int) -> None:
        """Bring to disk what is due. Raises RecordError.

        An error at one source's file is that source's: it is told in the ledger as a `fault`, what does not come to
        disk as a gap, and it is tried again, ever more rarely. Only a ledger that cannot be written ends a record.
        """
        for source in self._sources:
            if source.fault is not None and source.fault.is_due(now_us):
                self._try_again(source, source.fault, now_us)
        self._write([(source, source.recorder.poll(now_us)) for source in self._sources], now_us)
        self._lines.poll(now_us)

    def close(self, now_us: int, cause: str, subject: str | None = None) -> None:
        """Bring all media to disk. The last lines are written by `seal`, which signs them."""
        self._end_sources(now_us)
        counts = self._lines.ledger.counts
        self._lines.add(
            "stop",
            self._lines.at(now_us),
            cause=cause,
            utc=format_utc(self._utc()),
            subject=subject,
            fragments=counts["fragment"],
            gaps=counts["gap"],
        )

    def seal(self, now_us: int) -> None:
        """Write and sign all that was closed. After a RecordError it may be tried again: it goes on where it was."""
        self._store.repair_media()
        self._lines.seal(now_us)

    def suspend(self, now_us: int, process: int) -> None:
        """As `close`, for a record that another process will continue. The last lines are written by `seal_suspended`.

        `process`: the id of this one.
        """
        self._end_sources(now_us)
        self._lines.take_stamp(now_us)
        self.note("suspend", now_us, utc=format_utc(self._utc()), process=process)

    def seal_suspended(self, now_us: int) -> WriterState:
        """Write and sign all until the suspension. After a RecordError it may be tried again."""
        self._store.repair_media()
        self._lines.sign_end(now_us)
        ended = (*self._absences.sources, *(EndedSource(each.number, each.speaker) for each in self._sources))
        return WriterState(
            self._earlier + len(self._sources), ended, self._lines.stamps, self.written_bytes, self._paused
        )

    def continue_record(self, suspended_us: int, now_us: int, **fields: Any) -> None:
        """Go on with what another process has suspended, at a time on this one's clock: say so, declare what is missing
        since then, and bring that to disk. Raises RecordError.
        """
        ended = self._absences.sources
        begin_us, end_us = self._lines.at(suspended_us), self._lines.at(now_us)
        self._lines.add("continue", end_us, begin_us=begin_us, end_us=end_us, utc=format_utc(self._utc()), **fields)
        self._declare((Absence(each.number, "restart", suspended_us, now_us) for each in ended), now_us)
        self._absences = Absences(ended, now_us, paused=self._paused)
        self._lines.flush()
        self._lines.try_to_sign(now_us)
        self._lines.flush()

    def _end_sources(self, now_us: int) -> None:
        self._write([(source, source.recorder.close(now_us)) for source in self._sources], now_us)
        self._declare(self._absences.end(now_us), now_us)

    def _declare(self, absences: Iterable[Absence], now_us: int) -> None:
        at, t_us = self._lines.at, self._lines.at(now_us)
        for each in absences:
            gap = Gap(each.cause, at(each.begin_us), at(each.end_us))
            self._lines.add("gap", t_us, source=each.source, **gap._asdict())

    def _find_source(self, info: TrackInfo, now_us: int) -> WrittenSource:
        for source in self._sources:
            if not source.in_use and source.speaker == info.speaker:
                source.in_use = True
                return source
        number = self._earlier + len(self._sources) + 1
        file = media_file(number, info.kind)
        recorder = SourceRecorder(
            info.kind,
            info.codec,
            info.clock_rate,
            start_us=self._start_us,
            encrypted=bool(info.encryption),
            fragment_us=round(self._options.fragment * 1e6),
            repair_wait_us=round(self._options.repair_wait * 1e6),
        )
        source = WrittenSource(number, file, info.speaker, recorder)
        self._sources.append(source)
        absence = self._absences.take(info.speaker, now_us)
        if absence is not None:
            self._declare([absence], now_us)
        self.note(
            "source",
            now_us,
            source=number,
            file=file,
            kind=info.kind,
            codec=info.codec,
            clock_rate=info.clock_rate,
            peer=info.peer,
            **({"continues": absence.source} if absence is not None else {}),
            label=info.label,
            metadata=_storable(info.metadata),
            **({"encryption": info.encryption} if info.encryption else {}),
        )
        return source

    def _set_reason(self, writing: TrackWriting, reason: str, holds: bool, now_us: int) -> None:
        """Add or remove a reason not to record a Track."""
        if holds:
            writing.reasons.add(reason)
        else:
            writing.reasons.discard(reason)
        cause = next((cause for cause in _CAUSES if cause in writing.reasons), None)
        if cause == writing.cause:
            return
        if writing.cause is not None:
            writing.source.recorder.resume(now_us)
            writing.deaf_until_us = now_us
        else:
            writing.deaf_from_us = now_us
        if cause is not None:
            writing.source.recorder.interrupt(cause, now_us)
        writing.cause = cause

    def _write(self, found: list[tuple[WrittenSource, list[Fragment | Gap]]], now_us: int) -> None:
        """Write media first, then the lines that tell of them, for as many sources at a time as have files open."""
        found = [(source, items) for source, items in found if items]
        for at in range(0, len(found), MOST_OPEN):
            self._write_some(found[at : at + MOST_OPEN], now_us)

    def _write_some(self, found: list[tuple[WrittenSource, list[Fragment | Gap]]], now_us: int) -> None:
        t_us = self._lines.at(now_us)
        placed: list[tuple[WrittenSource, Fragment | Gap, int]] = []
        touched: dict[str, WrittenSource] = {}
        for source, items in found:
            for item in items:
                offset = -1
                if isinstance(item, Fragment) and (source.fault is None or source.fault.trying):
                    try:
                        offset = self._store.append_media(source.file, item.data)
                        touched[source.file] = source
                    except RecordError as error:
                        self._fail(source, error, now_us)
                placed.append((source, item, offset))
        unsynced = self._store.sync_media(list(touched)) if touched else {}
        for file, source in touched.items():
            if file in unsynced:
                self._fail(source, unsynced[file], now_us)
            elif source.fault is not None and source.fault.trying:
                source.fault = None
                self.note("fault", now_us, source=source.number, file=file, reason=None)
        for source, item, offset in placed:
            if isinstance(item, Gap):
                self._lines.add("gap", t_us, source=source.number, **item._asdict())
            elif offset < 0 or source.file in unsynced:
                self._line_missing(source, item, t_us)
            else:
                self.written_bytes += len(item.data)
                self._lines.add("fragment", t_us, **self._describe_fragment(source, item, offset))

    def _line_missing(self, source: WrittenSource, fragment: Fragment, t_us: int) -> None:
        """A fragment did not come to disk."""
        gap = Gap("recorder_fault", fragment.begin_us, fragment.end_us, packets=fragment.packets)
        self._lines.add("gap", t_us, source=source.number, **gap._asdict())

    def _fail(self, source: WrittenSource, error: RecordError, now_us: int) -> None:
        """Note that a source's file cannot be written: keep nothing of the source for a while."""
        if source.fault is None:
            source.fault = Fault(str(error), now_us)
            self.note("fault", now_us, source=source.number, file=source.file, reason=str(error)[:MOST_REASON])
        else:
            source.fault.repeat(str(error), now_us)
        if self._is_in_use(source):
            source.recorder.interrupt("recorder_fault", now_us)

    def _try_again(self, source: WrittenSource, fault: Fault, now_us: int) -> None:
        try:
            self._store.try_media(source.file)
        except RecordError as error:
            fault.repeat(str(error), now_us)
            return
        taken = self._is_in_use(source)
        if taken:
            source.recorder.interrupt("recorder_fault", now_us)
        self._write_some([(source, source.recorder.poll(now_us))], now_us)  # is not written, but told of as missing
        if self._store.is_empty(source.file):  # whatever was to begin the file was among it
            source.recorder.begin_file_again()
        if taken:  # begin as after any interruption: video with a key frame
            source.recorder.resume(now_us)
        fault.trying = True

    def _is_in_use(self, source: WrittenSource) -> bool:
        """Whether the source would be recorded if its file had no fault."""
        return any(writing.source is source and writing.cause is None for writing in self._writings.values())

    def _describe_fragment(self, source: WrittenSource, fragment: Fragment, offset: int) -> dict[str, Any]:
        index, source.fragments = source.fragments, source.fragments + 1
        about = fragment._asdict()
        data = about.pop("data")
        digest = hashlib.sha256(data).hexdigest()
        return {
            "source": source.number, "index": index, "offset": offset, "bytes": len(data), "sha256": digest, **about
        }  # fmt: skip


def _storable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Peer's metadata if a ledger can hold them, else nothing and the reason."""
    try:
        check_line("source", {**_EMPTY_SOURCE, "metadata": dict(metadata)})
    except EntryError as error:
        return {"unstorable": str(error)[:MOST_REASON]}
    return dict(metadata)


_EMPTY_SOURCE = {"source": 1, "file": media_file(1, "audio"), "kind": "audio", "codec": "", "peer": " " * 512}
