"""One source, a speaker's audio or video, as one file: from tapped packets to fragments and gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from sfu.recording.cutter import STALL_US, Cutter, Fragment, Gap, Restart, Silence, Undecodable
from sfu.recording.depacketize import CODECS, Frame
from sfu.recording.reorder import REPAIR_WAIT_US
from sfu.recording.stream import Loss, NumberedStream
from sfu.routing.plane import TappedPacket, TappedPackets

FRAGMENT_US = 1_000_000
_MAX_CANDIDATES = 4
_LEFT_US = 1_000_000
"""Time after the last packet of a stream that was left, after which it may be entered again."""

Outcome = Fragment | Gap


class SourceRecorder:
    """Records one source. Time is that of arrival (the plane's clock), as packets and `poll` tell it; what comes out
    is on the record's clock, whose zero is `start_us`.

    A video file begins with a key frame. Another SSRC, a restarted numbering or another Encoding of a simulcast goes
    on in the same file from its first key frame on; until then the old one is kept, if it still comes and is another
    Encoding. Two Encodings should not be tapped for longer than that takes: a key frame of the one that was left,
    after a second without its packets or those of the new one, is entered again.

    Of frames that are `encrypted`, end to end, nothing is read and nothing changed but what senders leave in the clear.

    Whatever the packets are, they make no error: what makes no sense is dropped and counted in `dropped`.
    ValueError, when it is made: the codec is not known.
    """

    def __init__(
        self,
        kind: str,
        codec: str,
        clock_rate: int,
        start_us: int,
        *,
        encrypted: bool = False,
        fragment_us: int = FRAGMENT_US,
        repair_wait_us: int = REPAIR_WAIT_US,
    ) -> None:
        if codec.lower() not in CODECS:
            raise ValueError(f"{codec} cannot be recorded: it is none of {', '.join(sorted(CODECS))}")
        self.duplicates = 0
        self.find_sets: Callable[[int], Iterable[bytes]] | None = None
        """Gives the H.264 parameter sets of an Encoding that are known from elsewhere."""
        self._video = kind == "video"
        self._codec = codec
        self._encrypted = encrypted
        self._fragment_us = fragment_us
        self._repair_wait_us = repair_wait_us
        self._cutter = Cutter(codec, clock_rate, start_us)
        self._dropped: Counter[str] = Counter()
        self._out: list[Outcome] = []
        self._current: NumberedStream | None = None
        self._candidates: dict[int, NumberedStream] = {}
        self._left: dict[int, int] = {}  # sources that were left, and when their last packet came
        self._needs_key = self._video  # the current stream has not come to a key frame
        self._damaged = False  # and has lost packets since its last one
        self._interrupted: tuple[str, int] | None = None
        self._refused_until_us = -1
        self._heard_us: int | None = None  # the last packet with media, or when waiting for it began
        self._now_us = 0

    @property
    def wants_key_frame(self) -> bool:
        """Whether a key frame is needed for the source to be decodable: ask the sender for one repeatedly."""
        if not self._video or self._interrupted is not None:
            return False
        return self._needs_key or self._damaged or bool(self._candidates)

    @property
    def wanted_encoding(self) -> int | None:
        """The Encoding of which a key frame is wanted; None: of none, or nothing has come yet."""
        if not self.wants_key_frame:
            return None
        for candidate in self._candidates.values():
            return candidate.encoding
        return self.encoding

    @property
    def encoding(self) -> int | None:
        """The Encoding that is recorded at present."""
        return self._current.encoding if self._current is not None else None

    @property
    def stalled_since_us(self) -> int | None:
        """When the stall seen at the last `poll` began, on the record's clock; None if there is no stall."""
        if self._interrupted is not None or self._heard_us is None or self._now_us - self._heard_us < STALL_US:
            return None
        return self._cutter.clock_recovery.to_record(self._heard_us)

    @property
    def dropped(self) -> Counter[str]:
        """Packets that were not kept, by reason."""
        total = self._dropped + self._cutter.dropped
        for stream in (self._current, *self._candidates.values()):
            if stream is not None:
                total += _dropped_of(stream)
        return total

    def handle_packets(self, packets: TappedPackets) -> None:
        """Take packets; the next `poll` returns what comes of them."""
        at = 0
        while at < len(packets):
            end = packets.run_ends[at]
            if not self._take_run(packets, at, end):
                for packet in packets[at:end]:
                    self._handle_packet(packet)
            at = end

    def _take_run(self, packets: TappedPackets, at: int, end: int) -> bool:
        """Take a run if it is just the next one of the current stream."""
        stream, heard_us = self._current, self._heard_us
        if stream is None or heard_us is None or self._interrupted is not None:
            return False
        first_us, last_us = packets.arrivals[at], packets.arrivals[end - 1]
        if first_us < max(self._refused_until_us, heard_us) or last_us >= heard_us + STALL_US:
            return False
        if end - at > 1:
            fragment_us = self._fragment_us
            opened_us = min(first_us, stream.depacketizer.since_us)
            if last_us >= min(self._cutter.due_us(fragment_us), opened_us + fragment_us):
                return False  # a fragment may end within it
        found = stream.push_run(packets, at, end)
        if found is None:
            return False
        if packets.payloads[at]:
            self._heard_us = last_us
        self._take(found)
        self._cut_if_due(last_us)
        return True

    def _cut_if_due(self, now_us: int) -> None:
        if self._cutter.is_due(now_us, self._fragment_us):
            self._out += self._cutter.cut()

    def _handle_packet(self, packet: TappedPacket) -> None:
        if self._interrupted is not None or packet.arrival_us < self._refused_until_us:
            self._dropped["interrupted"] += 1
            return
        if packet.payload:
            self._note_media(packet.arrival_us)
        stream = self._current
        if stream is None or stream.source != packet.source:
            stream = self._stream_of(packet)
            if stream is None:
                return
        if stream is self._current:
            self._take(stream.push(packet))
        else:
            self._try(stream, stream.push(packet))
        self._cut_if_due(packet.arrival_us)

    def poll(self, now_us: int) -> list[Outcome]:
        """Return what is finished by `now_us` (arrival clock). Call it several times a second, also when nothing
        comes.
        """
        self._now_us = now_us
        if self._interrupted is None:
            if self._heard_us is None:
                self._heard_us = now_us
            for candidate in list(self._candidates.values()):
                if now_us - candidate.arrival_us >= STALL_US:
                    self._forget(self._candidates.pop(candidate.source))
                elif candidate.source in self._candidates:
                    self._try(candidate, candidate.poll(now_us))
            if self._current is not None:
                self._take(self._current.poll(now_us))
            self._cut_if_due(now_us)
        out, self._out = self._out, []
        return out

    def interrupt(self, cause: str, now_us: int) -> None:
        """Keep nothing from now on: a mute, a disconnect, a pause of the record. The next `poll` returns what came
        before.

        An interruption within another ends that one.
        """
        if self._interrupted is None:
            self._finish(now_us)
        else:
            self._end_interruption(now_us)
        self._interrupted = cause, now_us

    def resume(self, now_us: int) -> None:
        """Keep again what arrives from now on; nothing happens if nothing was interrupted."""
        if self._interrupted is not None:
            self._end_interruption(now_us)
            self._interrupted = None
            self._refused_until_us = now_us
            self._heard_us = now_us

    def begin_file_again(self) -> None:
        """Begin the file again with the next fragment: nothing of this source has come into it."""
        self._cutter.begin_file_again()

    def close(self, now_us: int) -> list[Outcome]:
        """Return everything that is left."""
        if self._interrupted is None:
            self._finish(now_us)
        elif now_us > self._interrupted[1]:  # what ended with the record misses nothing
            self._end_interruption(now_us)
        self._interrupted = "closed", now_us
        out, self._out = self._out, []
        return out

    def _end_interruption(self, now_us: int) -> None:
        assert self._interrupted is not None
        cause, begin_us = self._interrupted
        clock_recovery = self._cutter.clock_recovery
        self._out.append(
            Gap(cause, clock_recovery.to_record(begin_us), clock_recovery.to_record(max(begin_us, now_us)))
        )

    def _finish(self, now_us: int) -> None:
        """Cut what there is, and forget all streams."""
        current = self._current
        if current is not None:
            self._take(current.flush())
            current.depacketizer.abandon("incomplete")
            if self._needs_key:
                self._cutter.add(Undecodable(current.begun_us))
            self._forget(current)
        for candidate in self._candidates.values():
            self._forget(candidate)
        self._current = None
        self._candidates.clear()
        self._left.clear()
        self._needs_key = self._video
        self._damaged = False
        if self._heard_us is not None and now_us - self._heard_us >= STALL_US:
            self._cutter.add(Silence(self._heard_us, now_us))
        self._out += self._cutter.cut()
        self._out += self._cutter.end(now_us)

    def _note_media(self, arrival_us: int) -> None:
        heard_us = self._heard_us
        if heard_us is not None and arrival_us - heard_us >= STALL_US:
            if self._current is not None:
                self._take(self._current.poll(arrival_us))
            self._cutter.add(Silence(heard_us, arrival_us))
        if heard_us is None or arrival_us > heard_us:
            self._heard_us = arrival_us

    # which stream

    def _stream_of(self, packet: TappedPacket) -> NumberedStream | None:
        """Return the stream of a packet that does not belong to the current one; None if the packet is dropped."""
        candidate = self._candidates.get(packet.source)
        if candidate is not None:
            return candidate
        if packet.late:  # sent before what is to be kept
            self._dropped["late"] += 1
            return None
        if self._was_left(packet):
            self._dropped["superseded"] += 1
            return None
        stream = NumberedStream(self._codec, packet, self._repair_wait_us, self.find_sets, encrypted=self._encrypted)
        current = self._current
        if current is not None and self._video and not self._needs_key and packet.encoding != current.encoding:
            if len(self._candidates) >= _MAX_CANDIDATES:
                self._forget(self._candidates.pop(next(iter(self._candidates))))
            self._candidates[stream.source] = stream
        else:
            self._enter(stream)
        return stream

    def _was_left(self, packet: TappedPacket) -> bool:
        """Whether the packet belongs to a stream that another one has replaced and that still goes on."""
        left_us = self._left.get(packet.source)
        if left_us is None:
            return False
        current = self._current
        if current is not None and packet.encoding != current.encoding:
            alive = packet.arrival_us - current.arrival_us < _LEFT_US
            if not alive or packet.arrival_us - left_us >= _LEFT_US:
                del self._left[packet.source]
                return False
        self._left[packet.source] = packet.arrival_us
        return True

    def _enter(self, stream: NumberedStream) -> None:
        """Make a stream the current one."""
        old = self._current
        if old is not None:
            self._take(old.flush())
            old.depacketizer.abandon("incomplete")
            if self._needs_key and old.begun_us < stream.begun_us:
                self._cutter.add(Undecodable(old.begun_us))
            self._forget(old)
            while len(self._left) >= _MAX_CANDIDATES:
                del self._left[next(iter(self._left))]
            self._left[old.source] = old.arrival_us
        self._candidates.pop(stream.source, None)
        self._current = stream
        self._needs_key = self._video
        self._cutter.add(Restart())
        if not self._video and stream.depacketizer.format is not None:
            self._cutter.add(stream.depacketizer.format)

    def _forget(self, stream: NumberedStream) -> None:
        """Forget a stream, but keep its counts."""
        self.duplicates += stream.reorder.duplicates
        self._dropped += _dropped_of(stream)

    # what comes of it

    def _try(self, candidate: NumberedStream, found: list[Frame | Loss]) -> None:
        """Enter another Encoding if it has a key frame."""
        for index, entry in enumerate(found):
            if isinstance(entry, Frame) and entry.key:
                self._enter(candidate)
                self._take(found[index:])
                return
            if isinstance(entry, Frame):
                self._dropped["before_key_frame"] += entry.packets

    def _take(self, found: Sequence[Frame | Loss]) -> None:
        cutter = self._cutter
        for entry in found:
            if isinstance(entry, Frame):
                if entry.key and self._video:
                    self._begin_decodable(entry)
                elif self._needs_key:
                    self._dropped["before_key_frame"] += entry.packets
                    continue
            elif self._needs_key:
                continue
            else:
                self._damaged = self._video
            cutter.add(entry)

    def _begin_decodable(self, frame: Frame) -> None:
        """Begin with a key frame."""
        stream = self._current
        assert stream is not None
        if stream.depacketizer.format is not None:
            self._cutter.add(stream.depacketizer.format)
        if self._needs_key and frame.arrival_us > stream.begun_us:
            self._cutter.add(Undecodable(stream.begun_us))
        self._needs_key = False
        self._damaged = False


def _dropped_of(stream: NumberedStream) -> Counter[str]:
    return stream.depacketizer.dropped + Counter(too_late=stream.reorder.too_late)
