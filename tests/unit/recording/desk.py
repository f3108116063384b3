"""A record's writer, and somebody who talks into it."""

from __future__ import annotations

import datetime
from pathlib import Path

from sfu.recording.entries import Entry
from sfu.recording.folder import LEDGER, PUBLIC_KEY
from sfu.recording.ledger import Ledger, parse_ledger
from sfu.recording.manifest import build_manifest, write_manifest
from sfu.recording.options import RecordingOptions
from sfu.recording.reader import Record, read_record
from sfu.recording.remote_signer import SignerError
from sfu.recording.signing import PublicKey, SigningKey
from sfu.recording.stamping import Stamper
from sfu.recording.store import Store
from sfu.recording.track_writing import TrackInfo
from sfu.recording.verify import Outcome, verify_record
from sfu.recording.writer import RecordWriter
from sfu.routing.plane import TappedPacket, TappedPackets

START_US = 5_000_000
PACKET_US = 20_000
NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
ALICE = TrackInfo("t1", "alice", "audio", "opus", 48_000, metadata={"role": "judge"})


class Desk:
    """A writer, and someone who talks into it at a time that the test sets."""

    def __init__(self, path: Path, stamper: Stamper | None = None) -> None:
        self.path = path
        self.key = SigningKey.generate()
        self.signer_is_there = True
        self._ledger = Ledger("0" * 32, self)
        first = self._ledger.start("court", NOON, "test", {})
        self._store = Store.create(path)
        self._store.write_file(PUBLIC_KEY, self.key.public.pem)
        self._store.append_ledger(first)
        self.writer = RecordWriter(
            self._store,
            self._ledger,
            start_us=START_US,
            options=RecordingOptions(),
            utc=lambda: NOON,
            stamper=stamper,
        )
        self.now_us = START_US
        self.payload: dict[int, bytes] = {}
        """Of the packets of a Track, if not silence."""
        self._sequences: dict[int, int] = {}

    @property
    def public(self) -> PublicKey:
        return self.key.public

    @property
    def key_id(self) -> str:
        return self.key.key_id

    def sign(self, data: bytes) -> bytes:
        """As a signer in another process does."""
        if not self.signer_is_there:
            raise SignerError("signer.sock", "the signer does not answer")
        return self.key.sign(data)

    def packets(self, milliseconds: int, key: int = 0) -> TappedPackets:
        """What a microphone sends from now on for a while, which passes."""
        made = []
        for _ in range(milliseconds * 1000 // PACKET_US):
            self.now_us += PACKET_US
            made.append(self._packet(key))
        return TappedPackets.of(made)

    def _packet(self, key: int) -> TappedPacket:
        sequence = self._sequences.get(key, 0)
        self._sequences[key] = sequence + 1
        timestamp = self.now_us * 48 // 1000
        payload = self.payload.get(key, b"\xf8\xff\xfe")  # Opus: 20 ms of silence
        return TappedPacket(
            0, 1, 1, 0, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 7, True, False, 0, False, False, self.now_us, payload
        )

    def talk(self, key: int, milliseconds: int) -> None:
        """Packets come, and the recorder looks each tenth of a second."""
        for _ in range(milliseconds // 100):
            self.writer.handle_packets(key, self.packets(100, key))
            self.writer.poll(self.now_us)

    def close(self) -> Record:
        """Close the record, see that it is intact, and read it."""
        self.writer.close(self.now_us, "stopped")
        self.writer.seal(self.now_us)
        return self.close_sealed()

    def close_sealed(self) -> Record:
        """The rest of `close`, once the writer has signed all."""
        ledger = self._ledger
        facts = self._store.facts()
        manifest = build_manifest(ledger.record, self.key.key_id, ledger.n, ledger.prev, ledger.counts, facts)
        write_manifest(self.path, manifest, self.key)
        self._store.close()
        verdict = verify_record(self.path, self.key.public)
        assert verdict.outcome is Outcome.INTACT, verdict.problem
        return read_record(self.path)

    def lines(self, kind: str) -> list[Entry]:
        return [entry for entry in parse_ledger((self.path / LEDGER).read_bytes()) if entry.type == kind]
