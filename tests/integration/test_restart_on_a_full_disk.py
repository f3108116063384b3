"""A node that records is restarted while nothing more can be written: nobody loses the hearing by it."""

from __future__ import annotations

import asyncio
import datetime
import resource
import signal
from pathlib import Path

import pytest

from sfu.recording import Outcome, recover_record, verify_record
from sfu.recording.signing import load_or_create_signing_key
from tests.integration.node_log import until
from tests.integration.recording_node import begin_recording, publishing, recording_node
from tests.unit.node.process import START_TIMEOUT

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)


async def test_the_node_goes_on_the_alarm_is_raised_and_what_was_written_is_recovered(tmp_path: Path) -> None:
    async with recording_node("--record-dir", str(tmp_path / "records")) as (process, log, http):
        async with publishing(http):
            started = await begin_recording(http)
            # To whoever writes a file that grows beyond, all the same as a disk that is full.
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            process.send_signal(signal.SIGUSR2)
            await asyncio.to_thread(until, lambda: log.find("no restart: this process goes on"))
            await asyncio.to_thread(until, lambda: log.find("recording stopped"))
        alarms = [(line["recording"], line["what"]) for line in log.find("recording alarm")]
        assert (started["id"], "write_failed") in alarms
        async with publishing(http):
            assert (await http.get("/healthz")).status_code == 200
        assert process.poll() is None
    key, _ = load_or_create_signing_key(tmp_path / "records-key.pem")
    folder = tmp_path / "records" / started["folder"]
    recover_record(folder, key, datetime.datetime.now(datetime.UTC))
    verdict = verify_record(folder, key.public)
    assert verdict.outcome is Outcome.RECOVERED
    assert verdict.counts["fragment"] > 0
