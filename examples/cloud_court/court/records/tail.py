"""The sound of a record that grows: all that is heard was written to disk, and is what the ledger's hash says."""

from __future__ import annotations

import asyncio
import collections
import hashlib
import io
import wave
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from sfu.recording import ChainParser, Entry

RATE = 16_000
KEPT_US = 10_000_000
"""No older sound is kept at hand; who has not asked for so long begins anew with the newest."""
LATE_US = 1_500_000
"""Fragments of one moment come into the ledger so far apart."""
LONGEST_US = 5_000_000
LEAD_US = 100_000
"""So much is decoded before a piece begins, so that it begins without a click."""
MAX_TAILS = 20
CLUSTER = bytes.fromhex("1f43b675")
"""Where the head of a Matroska file ends (RFC 9559 section 5.1.3)."""
HEAD_BYTES = 4096


@dataclass
class Tail:
    """The newest fragments of sound of a record that grows."""

    folder: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _parser: ChainParser = field(default_factory=ChainParser)
    _files: dict[int, Path] = field(default_factory=dict)
    _fragments: collections.deque[Entry] = field(default_factory=collections.deque)

    def follow(self) -> int:
        """Read what the ledger has by now; returns the record's time in microseconds. May raise ChainError."""
        with (self.folder / "ledger.jsonl").open("rb") as ledger:
            ledger.seek(self._parser.offset)
            for line in ledger:
                if line.endswith(b"\n"):
                    self._take(self._parser.parse(line))
        while self._fragments and self._fragments[0].integer("end_us") < self._parser.t_us - KEPT_US:
            self._fragments.popleft()
        return self._parser.t_us

    def _take(self, entry: Entry) -> None:
        if entry.type == "source" and entry.text("kind") == "audio":
            self._files[entry.integer("source")] = self.folder / entry.text("file")
        elif entry.type == "fragment" and entry.integer("source") in self._files:
            self._fragments.append(entry)

    def mix(self, begin_us: int, end_us: int) -> bytes:
        """Everybody's sound of a span as a WAV file. Raises ValueError where the disk has not what the ledger says."""
        sound = np.zeros(max(0, (end_us - begin_us) * RATE // 1_000_000), np.float32)
        for source in self._files:
            near = [
                each
                for each in self._fragments
                if each.integer("source") == source
                and each.integer("end_us") > begin_us - LEAD_US
                and each.integer("begin_us") < end_us
            ]
            if near:
                _add(sound, self._read(source, near), begin_us)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
        return out.getvalue()

    def make_piece(self, after_us: int) -> tuple[int, bytes] | None:
        """What came after `after_us`, and up to when that is; None: nothing is new. Raises as `follow` and `mix`."""
        until_us = self.follow() - LATE_US
        begin_us = max(after_us, until_us - LONGEST_US)
        return None if until_us <= begin_us else (until_us, self.mix(begin_us, until_us))

    def _read(self, source: int, fragments: list[Entry]) -> bytes:
        with self._files[source].open("rb") as file:
            data = []
            if fragments[0].integer("offset"):
                start = file.read(HEAD_BYTES)
                data.append(start[: max(0, start.find(CLUSTER))])
            for each in fragments:
                file.seek(each.integer("offset"))
                data.append(file.read(each.integer("bytes")))
                if hashlib.sha256(data[-1]).hexdigest() != each.text("sha256"):
                    raise ValueError(f"{self._files[source].name} is not what line {each.n + 1} of the ledger says")
        return b"".join(data)


def _add(sound: np.ndarray, data: bytes, begin_us: int) -> None:
    """Decode Matroska and add it where it belongs."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    with av.open(io.BytesIO(data), "r", format="matroska") as film:
        for frame in film.decode(audio=0):
            at = (frame.time or 0.0) * 1e6
            for made in resampler.resample(frame):
                first = round((at - begin_us) * RATE / 1e6)
                piece = made.to_ndarray()[0]
                low, high = max(0, first), min(len(sound), first + len(piece))
                if low < high:
                    sound[low:high] += piece[low - first : high - first]


class Tails:
    """Those that somebody listens to, the one that was asked for last at the end."""

    def __init__(self) -> None:
        self._tails: collections.OrderedDict[Path, Tail] = collections.OrderedDict()

    def find(self, folder: Path) -> Tail:
        """That of a record's folder."""
        tail = self._tails.setdefault(folder, Tail(folder))
        self._tails.move_to_end(folder)
        if len(self._tails) > MAX_TAILS:
            self._tails.popitem(last=False)
        return tail
