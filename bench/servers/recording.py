"""The node of this project while it records the room."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError
from bench.scenario import RECORDING
from bench.servers.ours import Ours, room_name
from sfu import SigningKey
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger


class RecordingOurs(Ours):
    """`sfu serve` with one shard and a record of everything."""

    name = RECORDING

    @property
    def records(self) -> Path:
        """The folder that its records are in."""
        return self.surroundings.directory / "records"

    def settings(self) -> str:
        """Records, signed by a key of its own."""
        self.records.mkdir()
        key = self.surroundings.directory / "record-key.pem"
        key.touch(0o600)
        key.write_bytes(SigningKey.generate().private_pem)
        return f'record_dir = "{self.records}"\nrecord_key = "{key}"\n'

    async def ready(self) -> None:
        """Start the record."""
        reply = await self.http.post(f"/rooms/{room_name(0)}/recording", headers={"Content-Type": "application/json"})
        if reply.status_code != 201:
            raise BenchError(f"sfu does not record: {reply.status_code} {reply.text[:300]}")

    async def stop_recording(self) -> None:
        """Close the record."""
        reply = await self.http.delete(f"/rooms/{room_name(0)}/recording", timeout=60.0)
        if reply.status_code != 200:
            raise BenchError(f"sfu does not close its record: {reply.status_code} {reply.text[:300]}")

    def recorded_packets(self) -> int:
        """Packets in its closed record, by the ledger."""
        (ledger,) = self.records.glob(f"*/{LEDGER}")
        entries = parse_ledger(ledger.read_bytes())
        return sum(entry.integer("packets") for entry in entries if entry.type == "fragment")
