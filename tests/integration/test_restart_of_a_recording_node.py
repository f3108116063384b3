"""A node that records is restarted in place, as an operator does it: one record, intact, with its mirror."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sfu.recording.compare import compare_records
from sfu.recording.journal import Journal
from sfu.recording.reader import read_record
from sfu.recording.signing import load_public_key
from sfu.recording.verify import Outcome, verify_record
from tests.integration.node_log import until
from tests.integration.recording_node import RECORDING, begin_recording, publishing, recording_node, written
from tests.unit.node.process import START_TIMEOUT

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)


async def test_a_recording_goes_on_in_the_next_process_as_one_record(tmp_path: Path) -> None:
    places = tmp_path / "records", tmp_path / "mirror"
    places[1].mkdir()
    config = tmp_path / "node.toml"
    config.write_text(f'record_mirrors = ["{places[1]}"]\n')
    async with recording_node("--record-dir", str(places[0]), "--config", str(config)) as (process, log, http):
        async with publishing(http):
            started = await begin_recording(http)
            process.send_signal(signal.SIGUSR2)
            [told] = await asyncio.to_thread(until, lambda: log.find("recording continued"))
        assert told["recording"] == started["id"]
        await asyncio.to_thread(until, lambda: log.find("restarted: the successor serves"))
        [successor] = {line["successor"] for line in log.find("restarting: the successor starts")}
        try:
            async with publishing(http):
                assert (await http.get(RECORDING)).json()["id"] == started["id"]
                await written(http, 60_000)
                stopped = (await http.delete(RECORDING)).json()
        finally:
            os.kill(successor, signal.SIGKILL)
    assert all(recorder["head"] for recorder in stopped["recorders"])
    key = load_public_key(tmp_path / "records-key.pub.pem")
    folders = [place / started["folder"] for place in places]
    verdicts = [verify_record(folder, key, journal=Journal(tmp_path / "records-journal.jsonl")) for folder in folders]
    assert [(each.outcome, each.journaled) for each in verdicts] == [(Outcome.INTACT, True)] * 2, verdicts[0].problem
    assert compare_records(folders[0], folders[1], verdicts[0], verdicts[1]).differences == ()
    record = read_record(folders[0])
    restarts = [gap for source in record.sources for gap in source.gaps if gap.cause == "restart"]
    assert len(restarts) == 2 and len({(gap.begin_us, gap.end_us) for gap in restarts}) == 1
    assert restarts[0].end_us - restarts[0].begin_us < 5_000_000
    assert len([source for source in record.sources if source.spans]) == 4
    assert log.find("record recovered") == log.find("record not recovered") == []
