"""Small records for tests: every line type and file that a record can have; the media are bytes without meaning."""

from __future__ import annotations

import datetime
import hashlib
import random
from pathlib import Path
from typing import Any

from sfu.recording.entries import VERSION, format_utc
from sfu.recording.folder import LEDGER, PUBLIC_KEY, media_file
from sfu.recording.ledger import Ledger
from sfu.recording.manifest import build_manifest, digest_file, write_manifest
from sfu.recording.signing import SigningKey

BEGAN = datetime.datetime(2026, 1, 31, 9, 0, tzinfo=datetime.UTC)
SECOND_US = 1_000_000


class SampleRecord:
    """Writes a record as the store does: media first, then the line that tells of them."""

    def __init__(
        self, folder: Path, key: SigningKey, seed: int = 0, room: str = "saal 1", copy: int = 0, version: int = VERSION
    ) -> None:
        self.folder = folder
        self.key = key
        self.random = random.Random(seed)
        (folder / "media").mkdir(parents=True)
        (folder / PUBLIC_KEY).write_bytes(key.public.pem)
        self.ledger = Ledger(self.random.randbytes(16).hex(), key)
        self._offsets: dict[int, int] = {}
        self._indexes: dict[int, int] = {}
        self._files: dict[int, Path] = {}
        self._stamps = 0
        self._suspended_us = 0
        self._ended: set[int] = set()
        self._continued: set[int] = set()
        self._version = version
        if version == VERSION:
            self.write(self.ledger.start(room, BEGAN, "sfu test", {"case": "7 C 12/26"}, copy=copy))
        else:
            self.event(
                "start", 0, format="sfu-record", version=version, record=self.ledger.record, room=room,
                utc=format_utc(BEGAN), key=key.key_id, software="sfu test", metadata={},
                **({"copy": copy} if version > 1 else {}),
            )  # fmt: skip

    def write(self, line: bytes) -> None:
        with (self.folder / LEDGER).open("ab") as file:
            file.write(line)

    def event(self, type: str, t_us: int, /, **fields: Any) -> None:
        self.write(self.ledger.append(type, t_us, **fields))

    def source(self, source: int, kind: str, peer: str, t_us: int = 0, **more: str | int) -> None:
        name = media_file(source, kind)
        self._files[source] = self.folder / name
        self._files[source].touch()
        self._offsets[source] = self._indexes[source] = 0
        codec, rate = ("opus", 48_000) if kind == "audio" else ("vp8", 90_000)
        self.event(
            "source", t_us, source=source, file=name, kind=kind, codec=codec, clock_rate=rate, peer=peer, label="",
            metadata={"role": "witness"}, **more,
        )  # fmt: skip

    def fragment(self, source: int, begin_us: int, end_us: int, data: bytes | None = None) -> None:
        if data is None:
            data = self.random.randbytes(self.random.randint(50, 400))
        with self._files[source].open("ab") as file:
            file.write(data)
        self.event(
            "fragment", end_us, source=source, index=self._indexes[source], offset=self._offsets[source],
            bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), begin_us=begin_us, end_us=end_us, frames=50,
            key_frames=0, packets=50, lost=0,
        )  # fmt: skip
        self._offsets[source] += len(data)
        self._indexes[source] += 1

    def head(self, t_us: int) -> bytes:
        line = self.ledger.sign_head(t_us, BEGAN + datetime.timedelta(microseconds=t_us))
        self.write(line)
        return line

    def timestamp(self, t_us: int, response: bytes) -> None:
        """Of the last line, which must be a head."""
        self._stamps += 1
        name = f"timestamps/{self._stamps:04}.tsr"
        (self.folder / "timestamps").mkdir(exist_ok=True)
        (self.folder / name).write_bytes(response)
        digest = hashlib.sha256(response).hexdigest()
        self.event("timestamp", t_us, file=name, bytes=len(response), sha256=digest, head=self.ledger.prev)

    def suspend(self, t_us: int) -> None:
        """As who hands the record over."""
        for source in self._files.keys() - self._ended:
            self.event("track", t_us, at_us=t_us, event="end", source=source, track=f"t{source}")
        utc = format_utc(BEGAN + datetime.timedelta(microseconds=t_us))
        self.event("suspend", t_us, at_us=t_us, utc=utc, process=7)
        self.head(t_us)
        self._suspended_us = t_us
        self._ended.update(self._files)

    def go_on(self, t_us: int) -> None:
        """As who continues it."""
        utc = format_utc(BEGAN + datetime.timedelta(microseconds=t_us))
        span = {"begin_us": self._suspended_us, "end_us": t_us}
        self.event("continue", t_us, **span, utc=utc, key=self.key.key_id, clock="monotonic", process=8, software="sfu")
        for source in sorted(self._ended - self._continued):
            self.event("gap", t_us, source=source, cause="restart", **span)

    def come_again(self, source: int, number: int, kind: str, peer: str, t_us: int) -> None:
        """Somebody's new file, which continues another."""
        self._continued.add(source)
        self.source(number, kind, peer, t_us, continues=source)

    def close(self, t_us: int) -> None:
        utc = BEGAN + datetime.timedelta(microseconds=t_us)
        counts = self.ledger.counts
        self.event("stop", t_us, cause="stopped", utc=format_utc(utc), fragments=counts["fragment"], gaps=counts["gap"])
        self.head(t_us)
        names = sorted(str(each.relative_to(self.folder)) for each in self.folder.rglob("*") if each.is_file())
        files = [digest_file(self.folder, name) for name in names]
        ledger = self.ledger
        manifest = build_manifest(
            ledger.record, self.key.key_id, ledger.n, ledger.prev, ledger.counts, files, self._version
        )
        write_manifest(self.folder, manifest, self.key)


def begin_record(
    folder: Path,
    key: SigningKey,
    seed: int = 0,
    seconds: int = 6,
    stamp: bytes = b"a response",
    room: str = "saal 1",
    copy: int = 0,
    version: int = VERSION,
) -> SampleRecord:
    """A record of three sources that goes on."""
    made = SampleRecord(folder, key, seed, room, copy, version)
    made.event("join", 1000, peer="Żofia", metadata={"role": "witness"})
    made.source(1, "audio", "Żofia", 1000)
    made.source(2, "video", "Żofia", 1000)
    made.event("phase", 2000, name="hearing of the witness")
    for second in range(seconds):
        begin_us, end_us = second * SECOND_US, (second + 1) * SECOND_US
        made.fragment(1, begin_us, end_us)
        if second == 1:
            made.source(3, "audio", "judge", end_us)
        if second == 2:
            made.event("gap", end_us, source=2, cause="loss", begin_us=begin_us, end_us=end_us, ssrc=7, packets=3,
                       first_sequence=100, last_sequence=102)  # fmt: skip
        else:
            made.fragment(2, begin_us, end_us)
        if second > 2:
            made.fragment(3, begin_us, end_us)
            made.event("speakers", end_us, peers=["judge"])
        if second % 2:
            made.head(end_us)
        if second == 3:
            made.timestamp(end_us, stamp)
            made.event("mark", end_us, name="oath", data={"said": True})
    return made


def build_record(
    folder: Path,
    key: SigningKey,
    seed: int = 0,
    seconds: int = 6,
    stamp: bytes = b"a response",
    copy: int = 0,
    version: int = VERSION,
) -> SampleRecord:
    """A record that was closed."""
    made = begin_record(folder, key, seed, seconds, stamp, copy=copy, version=version)
    made.close(seconds * SECOND_US)
    return made


def begin_continued(folder: Path, key: SigningKey, seed: int = 0, seconds: int = 4) -> SampleRecord:
    """A record that two processes have written, and that goes on."""
    made = begin_record(folder, key, seed, copy=0)
    made.suspend(6 * SECOND_US)
    made.go_on(8 * SECOND_US)
    made.come_again(1, 4, "audio", "Żofia", 8 * SECOND_US)
    made.head(8 * SECOND_US)
    for second in range(8, 8 + seconds):
        made.fragment(4, second * SECOND_US, (second + 1) * SECOND_US)
        if second % 2:
            made.head((second + 1) * SECOND_US)
    return made


def build_continued(folder: Path, key: SigningKey, seed: int = 0) -> SampleRecord:
    """A record that two processes have written, and that was closed."""
    made = begin_continued(folder, key, seed)
    made.close(12 * SECOND_US)
    return made
