"""Writes one record: Tracks to sources, sources to files, and everything that happens to the ledger.

No thread and no clock of its own: whoever calls says what time it is, in microseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from sfu.recording.cutter import Fragment, Gap
from sfu.recording.entries import EntryError, check_line, format_utc
from sfu.recording.errors import RecordError
from sfu.recording.fault import Fault
from sfu.recording.folder import media_file, timestamp_file
from sfu.recording.ledger import Ledger
from sfu.recording.options import RecordingOptions
from sfu.recording.remote_signer import SignerError
from sfu.recording.source import SourceRecorder
from sfu.recording.stamping import Stamped, Stamper
from sfu.recording.store import MOST_OPEN, Store
from sfu.recording.track_writing import TrackInfo, TrackWriting, WrittenSource
from sfu.routing.plane import TappedPackets

_CAUSES = ("pause", "disconnect", "block", "mute")
"""Reasons not to record; of several, the first one listed is named."""
_MOST_REASON = 500
_SIGN_AGAIN_US = 1_000_000


class RecordWriter:
    """Made with an open Store and a Ledger that has no line yet."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        start_us: int,
        options: RecordingOptions,
        utc: Callable[[], datetime.datetime],
        stamper: Stamper | None = None,
    ) -> None:
        """`utc` tells the date and time. `stamper` has heads stamped."""
        self.written_bytes = 0
        """Of media, on disk."""
        self._store = store
        self._ledger = ledger
        self._start_us = start_us
        self._options = options
        self._utc = utc
        self._stamper = stamper
        self._stamps = 0
        self._lines: list[bytes] = []
        self._sources: list[WrittenSource] = []
        self._last_head = b""
        self._signed_lines = 0
        self._writings: dict[int, TrackWriting] = {}
        self._paused = False
        self.unsigned: str | None = None
        """Why the signer did not sign, when it was asked last."""
        self._sign_us = start_us + round(options.head_interval * 1e6)

    @property
    def head(self) -> str:
        """SHA-256 of the ledger's last line, which stands for everything written so far."""
        return self._ledger.prev

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
        at_us = self._at(now_us)
        try:
            self._line(kind, at_us, at_us=at_us, **fields)
        except EntryError as error:  # the embedder's data must not end a record
            self._line("unstorable", at_us, at_us=at_us, of=kind, reason=str(error)[:_MOST_REASON])

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
        for writing in self._writings.values():
            self._set_reason(writing, "pause", True, now_us)

    def resume(self, now_us: int, **fields: Any) -> None:
        """Go on after a pause."""
        self._paused = False
        self.note("resume", now_us, **fields)
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
        if self._stamper is not None:
            self._write_stamp(self._stamper.poll(), now_us)
        if now_us >= self._sign_us:
            line = self._try_to_sign(now_us)
            if line is not None and self._stamper is not None:
                self._stamper.offer(line, self._ledger.prev, now_us)
        self._flush()

    def close(self, now_us: int, cause: str, subject: str | None = None) -> None:
        """Bring all media to disk. The last lines are written by `seal`, which signs them."""
        self._write([(source, source.recorder.close(now_us)) for source in self._sources], now_us)
        self._line(
            "stop",
            self._at(now_us),
            cause=cause,
            utc=format_utc(self._utc()),
            subject=subject,
            fragments=self._ledger.counts["fragment"],
            gaps=self._ledger.counts["gap"],
        )

    def seal(self, now_us: int) -> None:
        """Write and sign all that was closed. After a RecordError it may be tried again: it goes on where it was."""
        self._store.repair_media()
        self._flush()
        self._sign_end(now_us)
        if self._stamper is not None:
            stamper, self._stamper = self._stamper, None
            stamped = stamper.stamp(self._last_head, self._ledger.prev)
            if stamped.response:  # after the stop nothing else may be told, nor that this one could not be kept
                self._keep_stamp(stamped, now_us)
        self._sign_end(now_us)

    def _sign_end(self, now_us: int) -> None:
        if self._ledger.n != self._signed_lines:
            self._sign(now_us)
        self._flush()

    def _find_source(self, info: TrackInfo, now_us: int) -> WrittenSource:
        for source in self._sources:
            if not source.in_use and source.speaker == info.speaker:
                source.in_use = True
                return source
        number = len(self._sources) + 1
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
        self.note(
            "source",
            now_us,
            source=number,
            file=file,
            kind=info.kind,
            codec=info.codec,
            clock_rate=info.clock_rate,
            peer=info.peer,
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
        t_us = self._at(now_us)
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
                self._line("gap", t_us, source=source.number, **item._asdict())
            elif offset < 0 or source.file in unsynced:
                self._line_missing(source, item, t_us)
            else:
                self.written_bytes += len(item.data)
                self._line("fragment", t_us, **self._describe_fragment(source, item, offset))

    def _line_missing(self, source: WrittenSource, fragment: Fragment, t_us: int) -> None:
        """A fragment did not come to disk."""
        gap = Gap("recorder_fault", fragment.begin_us, fragment.end_us, packets=fragment.packets)
        self._line("gap", t_us, source=source.number, **gap._asdict())

    def _fail(self, source: WrittenSource, error: RecordError, now_us: int) -> None:
        """Note that a source's file cannot be written: keep nothing of the source for a while."""
        if source.fault is None:
            source.fault = Fault(str(error), now_us)
            self.note("fault", now_us, source=source.number, file=source.file, reason=str(error)[:_MOST_REASON])
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

    def _at(self, now_us: int) -> int:
        return max(0, now_us - self._start_us)

    def _line(self, kind: str, t_us: int, /, **fields: Any) -> None:
        self._lines.append(self._ledger.append(kind, t_us, **fields))

    def _try_to_sign(self, now_us: int) -> bytes | None:
        """Sign, if the signer answers; if not, media still go to disk, and it is asked again."""
        self._sign_us = now_us + round(self._options.head_interval * 1e6)
        try:
            line = self._sign(now_us)
        except SignerError as error:
            self.unsigned = str(error)
            self._sign_us = min(self._sign_us, now_us + _SIGN_AGAIN_US)
            return None
        self.unsigned = None
        return line

    def _sign(self, now_us: int) -> bytes:
        self._last_head = self._ledger.sign_head(self._at(now_us), self._utc())
        self._signed_lines = self._ledger.n
        self._lines.append(self._last_head)
        return self._last_head

    def _write_stamp(self, stamped: Stamped | None, now_us: int) -> None:
        if stamped is None:
            return
        failure = stamped.failure or self._keep_stamp(stamped, now_us)
        if failure:
            self.note("unstamped", now_us, head=stamped.head, reason=failure[:_MOST_REASON])

    def _keep_stamp(self, stamped: Stamped, now_us: int) -> str:
        """Keep a timestamp; return why that is impossible, or an empty string."""
        self._stamps += 1
        file = timestamp_file(self._stamps)
        try:
            self._store.write_file(file, stamped.response)
        except RecordError as error:
            self._stamps -= 1
            return str(error)
        digest = hashlib.sha256(stamped.response).hexdigest()
        self._line(
            "timestamp", self._at(now_us), file=file, bytes=len(stamped.response), sha256=digest, head=stamped.head
        )
        return ""

    def _flush(self) -> None:
        if self._lines:
            self._store.append_ledger(b"".join(self._lines))
            self._lines.clear()


def _storable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Peer's metadata if a ledger can hold them, else nothing and the reason."""
    try:
        check_line("source", {**_EMPTY_SOURCE, "metadata": dict(metadata)})
    except EntryError as error:
        return {"unstorable": str(error)[:_MOST_REASON]}
    return dict(metadata)


_EMPTY_SOURCE = {"source": 1, "file": media_file(1, "audio"), "kind": "audio", "codec": "", "peer": " " * 512}
