"""A node that dies while it records, and starts again: it finds the record, recovers it, and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from sfu.recording.reader import read_record
from sfu.recording.signing import load_public_key
from sfu.recording.verify import Outcome, verify_record
from tests.integration.clients import client
from tests.integration.node_log import PATIENCE_S, Log, until
from tests.unit.node.process import START_TIMEOUT, node

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)


async def record_until_killed(arguments: tuple[str, ...], records: Path) -> Path:
    """A node records a client; return the record's folder once the node is dead."""
    with node(*arguments) as (process, url, token):
        Log(process)
        headers = {"Authorization": f"Bearer {token}"}
        async with client() as alice, httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as http:
            alice.send()
            made = await http.post(
                "/rooms/lobby/whip", content=await alice.offer(), headers={"Content-Type": "application/sdp"}
            )
            assert made.status_code == 201, made.text
            await alice.take_answer(made.text)
            started = await http.post("/rooms/lobby/recording")
            assert started.status_code == 201, started.text
            folder = records / str(started.json()["folder"])
            written = 0
            while written < 100_000:  # some seconds
                await asyncio.sleep(0.1)
                written = (await http.get("/rooms/lobby/recording")).json()["recorders"][0]["bytes"]
        process.kill()
        process.wait()
    return folder


def test_a_node_that_was_killed_recovers_its_record_when_it_starts_again(tmp_path: Path) -> None:
    records = tmp_path / "records"
    arguments = ("--record-dir", str(records), "--log-format", "json")
    folder = asyncio.run(record_until_killed(arguments, records))
    key = load_public_key(tmp_path / "records-key.pub.pem")
    assert verify_record(folder, key).outcome is Outcome.NOT_CLOSED
    (tmp_path / "off.toml").write_text("recover_records = false\n")
    with node(*arguments, "--config", str(tmp_path / "off.toml")) as (process, url, _):
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert "stopped" in errors and "record recovered" not in errors
    assert verify_record(folder, key).outcome is Outcome.NOT_CLOSED

    with node(*arguments) as (process, url, _):
        log = Log(process)
        [told] = until(lambda: log.find("record recovered"))
        assert (told["room"], told["path"], told["level"]) == ("lobby", str(folder), "warning")
        metrics = httpx.get(f"{url}/metrics").text
        assert "sfu_records_recovered_total 1.0" in metrics
        assert 'sfu_records_not_recovered{why="refused"} 0.0' in metrics
    verdict = verify_record(folder, key)
    assert (verdict.outcome, verdict.attested_lines) == (Outcome.RECOVERED, told["signed_lines"])
    assert {source.kind for source in read_record(folder).sources if source.spans} == {"audio", "video"}
