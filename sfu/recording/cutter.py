"""Frames and what is missing between them, cut into fragments and gaps on the record's clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfu.recording.clock_recovery import NO_PLACE, ClockRecovery, Sample
from sfu.recording.depacketize import Frame, StreamFormat
from sfu.recording.matroska import MatroskaWriter, TimedFrame
from sfu.recording.stream import Loss

MAX_MEDIA_US = 2_000_000
"""Longest span of media in one fragment."""
_MAX_BYTES = 16_000_000
_MAX_ENTRIES = 4_096
STALL_US = 2_000_000
"""Silence of this length is a stall; the source that sends least, silent Opus, does so every 400 ms."""
SEAMLESS_US = 250_000
"""A wait for a key frame is not declared if the frames around it are no farther apart."""
_MAX_OPEN = 64


class Fragment(NamedTuple):
    """Bytes to append to the source's file. Times are microseconds on the record's clock."""

    data: bytes
    begin_us: int
    """Time of the first frame."""
    end_us: int
    """End of the last frame; its beginning, if its duration is not known (video)."""
    frames: int
    key_frames: int
    packets: int
    """Number of packets that the frames were made of."""
    repaired: int
    """How many of these were repaired or overtaken; restored ones (redundant audio) count, too."""
    lost: int
    """How many further packets were given up between the last fragment and this one's last frame."""
    width: int
    """Width of the last key frame in pixels; 0 for audio."""
    height: int


class Gap(NamedTuple):
    """A span in which media are missing. Times are microseconds on the record's clock.

    Causes: "loss"; "key_frame": what came could not be decoded yet, and was not kept; "stall": nothing came; and those
    that interruptions name ("mute", "disconnect", "block", "pause"). A gap of a loss ends where video can be decoded
    again; what came between is kept. For a loss the numbers say which packets, `packets` how many; else they are 0.
    """

    cause: str
    begin_us: int
    end_us: int
    ssrc: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    packets: int = 0


class Restart(NamedTuple):
    """The frames that follow have another numbering, and timestamps of their own."""


class Silence(NamedTuple):
    """Nothing came for a while; times are on the arrival clock."""

    begin_us: int
    end_us: int


class Undecodable(NamedTuple):
    """The frames before the key frame that follows could not be decoded, and were not kept."""

    begin_us: int
    """Begin on the arrival clock."""


Entry = Frame | Loss | Restart | Silence | Undecodable | StreamFormat


@dataclass
class _Open:
    cause: str
    begin_us: int
    loss: Loss | None = None
    until_us: int | None = None
    """Time by which the gap ends at the latest."""

    def close(self, end_us: int) -> Gap:
        if self.until_us is not None:
            end_us = min(end_us, self.until_us)
        end_us = max(end_us, self.begin_us)
        if self.loss is None:
            return Gap(self.cause, self.begin_us, end_us)
        ssrc, first, last, packets, _ = self.loss
        return Gap(self.cause, self.begin_us, end_us, ssrc, first, last, packets)


class Cutter:
    """Collects the entries of one file, and cuts them into fragments."""

    def __init__(self, codec: str, clock_rate: int, start_us: int) -> None:
        self.clock_recovery = ClockRecovery(clock_rate, start_us)
        self.dropped: Counter[str] = Counter()
        self.opened_us: int | None = None
        """Arrival of the first frame that waits; None: none does."""
        self._bytes = 0  # of frames that wait
        self._codec = codec
        self._writer = MatroskaWriter(codec)
        self._entries: list[Entry] = []
        self._format = StreamFormat(0, 0, b"")
        self._end_us = -1  # of the last frame that was placed; -1: there was none
        self._gaps: list[_Open] = []
        self._lost = 0

    def begin_file_again(self) -> None:
        """Begin the file again with the next fragment: nothing that was cut so far has come into it."""
        self._writer = MatroskaWriter(self._codec)

    def add(self, entry: Entry) -> None:
        """Take the next entry. A `StreamFormat` comes before the first frame that has it."""
        self._entries.append(entry)
        if isinstance(entry, Frame):
            self._bytes += len(entry.data)
            if self.opened_us is None:
                self.opened_us = entry.arrival_us

    def due_us(self, fragment_us: int) -> float:
        """When the waiting entries are to be cut; infinite if none wait."""
        return math.inf if self.opened_us is None else self.opened_us + fragment_us

    def is_due(self, now_us: int, fragment_us: int) -> bool:
        """Whether to cut now: the first frame has waited long enough, or too much waits."""
        if now_us >= self.due_us(fragment_us):
            return True
        return self._bytes > _MAX_BYTES or len(self._entries) > _MAX_ENTRIES

    def cut(self) -> list[Fragment | Gap]:
        """Return all that waits as a fragment (several if it would be too long), and the gaps that have ended."""
        entries, self._entries = self._entries, []
        self.opened_us, self._bytes = None, 0
        out: list[Fragment | Gap] = []
        ended: list[Gap] = []
        frames: list[tuple[Frame, int]] = []
        for entry, time_us in self._timed(entries):
            if isinstance(entry, Frame):
                if time_us == NO_PLACE:
                    self.dropped["crowded"] += max(1, entry.packets)
                    continue
                if frames and time_us - frames[0][1] >= MAX_MEDIA_US:
                    out.append(self._build(frames))
                    frames = []
                if self._gaps:
                    self._end_gaps(time_us, entry.key, ended)
                frames.append((entry, time_us))
                self._end_us = time_us + entry.duration_us
            elif isinstance(entry, StreamFormat):
                if not self._writer.begun and not frames:
                    self._format = entry
                elif frames and entry != self._format:
                    out.append(self._build(frames))
                    frames = []
                self._format = entry
            else:
                self._open_gap(entry, ended)
        if frames:
            out.append(self._build(frames))
        out += ended
        return out

    def end(self, now_us: int) -> list[Gap]:
        """End the gaps that are open, at a time of the arrival clock."""
        ended: list[Gap] = []
        self._end_gaps(self.clock_recovery.to_record(now_us), True, ended)
        return ended

    def _timed(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
        """Return the entries, frames with their times; all frames of a numbering are placed together."""
        begin = 0
        for end in [index for index, entry in enumerate(entries) if isinstance(entry, Restart)]:
            yield from self._place(entries[begin:end])
            self.clock_recovery.restart()
            begin = end + 1
        yield from self._place(entries[begin:])

    def _place(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
        samples = [Sample(entry.timestamp, entry.arrival_us) for entry in entries if isinstance(entry, Frame)]
        times = self.clock_recovery.place(samples)
        if len(times) == len(entries):  # nothing but frames, as usual
            return zip(entries, times, strict=True)
        left = iter(times)
        return ((entry, next(left) if isinstance(entry, Frame) else 0) for entry in entries)

    def _open_gap(self, entry: Entry, ended: list[Gap]) -> None:
        if isinstance(entry, Loss):
            self._lost += entry.packets
            self._open_loss(entry)
        elif isinstance(entry, Silence):
            for gap in [gap for gap in self._gaps if gap.cause == "stall"]:  # nothing that was kept came in between
                self._gaps.remove(gap)
                ended.append(gap.close(self.clock_recovery.to_record(entry.begin_us)))
            until_us = self.clock_recovery.to_record(entry.end_us)
            self._gaps.append(_Open("stall", self._not_before(entry.begin_us), until_us=until_us))
        elif isinstance(entry, Undecodable) and all(gap.cause != "key_frame" for gap in self._gaps):
            self._gaps.append(_Open("key_frame", self._not_before(entry.begin_us)))

    def _open_loss(self, loss: Loss) -> None:
        newest = self._gaps[-1].loss if self._gaps else None
        if newest is None or len(self._gaps) < _MAX_OPEN:
            begin_us = self._end_us if self._end_us >= 0 else self.clock_recovery.to_record(loss.arrival_us)
            self._gaps.append(_Open("loss", begin_us, loss))
            return
        packets = newest.packets + loss.packets
        self._gaps[-1].loss = newest._replace(last_sequence=loss.last_sequence, packets=packets)

    def _not_before(self, arrival_us: int) -> int:
        return max(self._end_us, self.clock_recovery.to_record(arrival_us))

    def _end_gaps(self, time_us: int, key: bool, ended: list[Gap]) -> None:
        """End the gaps that a frame ends: silence, and if it is a key frame, all of them."""
        left = []
        for gap in self._gaps:
            if not key and gap.cause != "stall":
                left.append(gap)
                continue
            closed = gap.close(time_us)
            if not _is_nothing(closed):
                ended.append(closed)
        self._gaps = left

    def _build(self, frames: list[tuple[Frame, int]]) -> Fragment:
        timed = []
        keys = packets = repaired = 0
        for frame, time_us in frames:
            timed.append(TimedFrame(frame.data, time_us // 1000, frame.key))
            keys += frame.key
            packets += frame.packets
            repaired += frame.repaired
        last, last_us = frames[-1]
        lost, self._lost = self._lost, 0
        return Fragment(
            self._writer.build_fragment(timed, self._format),
            frames[0][1],
            last_us + last.duration_us,
            len(frames),
            keys,
            packets,
            repaired,
            lost,
            self._format.width,
            self._format.height,
        )


def _is_nothing(gap: Gap) -> bool:
    """What was late was no silence, and what goes on at once was no wait."""
    length_us = gap.end_us - gap.begin_us
    return (gap.cause == "stall" and length_us < STALL_US) or (gap.cause == "key_frame" and length_us < SEAMLESS_US)
