"""Twenty recorded rooms with a hundred people who publish and receive: a restart in place, then a drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest
from rich.console import Console

import sfu
from bench.client.dtls import ClientIdentity
from bench.livekit.door import Door
from bench.livekit.room import compile_generator
from sfu.recording.folder import LEDGER
from sfu.recording.verify import Outcome, verify_record
from tests.interop.livekit.server_api.node import KEY, SECRET, Receiver
from tests.interop.node_process import KEY as NODE_KEY
from tests.interop.node_process import SECRET as NODE_SECRET
from tests.interop.node_process import NodeProcess
from tests.soak.crowd import TRACKS, Company, poll_all, spread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="session")]

ROOMS, PEOPLE = 20, 5
PATIENCE_S = 180.0
DRAIN_S = 5
SETTLE_S = 30.0
_say = Console(soft_wrap=True, highlight=False).print


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    (tmp_path / "state").mkdir()
    sfu.load_or_create_signing_key(tmp_path / "key.pem")
    return folder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest_asyncio.fixture(loop_scope="session")
async def node(records: Path, receiver: Receiver) -> AsyncIterator[NodeProcess]:
    variables = {
        "SFU_UDP_HOST": "127.0.0.1",
        "SFU_RECORD_KEY": str(records.with_name("key.pem")),
        "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}",
        "SFU_LIVEKIT_DIR": str(records.with_name("state")),
        "SFU_LIVEKIT_WEBHOOK_URLS": receiver.url,
        "SFU_MAX_RECORDINGS": str(ROOMS),
        "SFU_MAX_PEERS_PER_ADDRESS": str(10 * ROOMS * PEOPLE),
        # a hundred clients share the machine with the node
        "SFU_MAX_PLANE_LOAD": "1",
        "SFU_MAX_CONTROL_LOAD": "1",
    }
    process = NodeProcess("--record-dir", str(records), variables=variables)
    process.log = deque()
    try:
        async with process:
            yield process
    finally:
        records.with_name("node.log").write_text("\n".join(process.log) + "\n")


async def test_everybody_is_back_after_a_restart_and_each_record_is_intact_after_a_drain(
    node: NodeProcess, records: Path, receiver: Receiver
) -> None:
    _say(f"\nload before {_load()}; the node's log: {records.with_name('node.log')}")
    compile_generator()
    identity = ClientIdentity.generate()
    door = Door(node.url.replace("http", "ws", 1), KEY, SECRET)
    companies = [Company(door, f"court-{number}", PEOPLE, identity) for number in range(ROOMS)]
    poller = asyncio.create_task(poll_all(companies))
    operator = httpx.AsyncClient(base_url=node.url, headers=node.operator_headers(), timeout=30.0)
    try:
        async with operator, asyncio.timeout(4 * PATIENCE_S):
            recordings = {each.room: await _enter(node, each) for each in companies}
            await _restart(node, operator, companies)
            for room, recording in recordings.items():
                assert (await _recording(node, room))["id"] == recording
            await _until_all_grow(node, recordings)
            await _drain(node, operator, companies)
            names = {event.room.name for event in receiver.events if event.event == "room_draining"}
            assert names == set(recordings), "not every room was told of the drain"
    finally:
        poller.cancel()
        for each in companies:
            with contextlib.suppress(asyncio.CancelledError):
                await each.close()
    _check_records(records)
    alarms = [line for line in node.log if "recording alarm " in line and " error " in line]
    told = [line for line in node.log if re.search(r" error | critical |Traceback", line) and line not in alarms]
    assert not told, told
    _say(f"{len(alarms)} alarms of recordings in which nothing was written for a while")


async def _enter(node: NodeProcess, company: Company) -> str:
    """Fill one room and record it; the recording's id."""
    await company.enter()
    headers = {"Authorization": f"Bearer {node.token(company.room, publish=False, record=True)}"}
    async with httpx.AsyncClient(base_url=node.url, headers=headers, timeout=30.0) as http:
        answer = await http.post(f"/rooms/{company.room}/recording")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _recording(node: NodeProcess, room: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {node.token(room, publish=False, record=True)}"}
    async with httpx.AsyncClient(base_url=node.url, headers=headers, timeout=30.0) as http:
        found: dict[str, Any] = (await http.get(f"/rooms/{room}/recording")).json()
    assert found["state"] == "recording", found
    return found


async def _until_all_grow(node: NodeProcess, rooms: Sequence[str] | dict[str, str]) -> None:
    """Media of everybody come to the disk."""
    before = {room: (await _recording(node, room))["recorders"][0]["bytes"] for room in rooms}
    async with asyncio.timeout(SETTLE_S):
        for room, size in before.items():
            while (await _recording(node, room))["recorders"][0]["bytes"] <= size:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def _restart(node: NodeProcess, operator: httpx.AsyncClient, companies: Sequence[Company]) -> None:
    await _until_all_grow(node, [each.room for each in companies])
    before = (await operator.get("/admin/restart")).json()["process"]
    _say(f"{ROOMS} rooms of {PEOPLE} are there, load {_load()}")
    began = time.monotonic()
    coming = asyncio.gather(*(each.come_again() for each in companies))
    node.send_signal(signal.SIGUSR2)
    await coming
    assert (await operator.get("/admin/restart")).json()["process"] != before
    guests = [guest for each in companies for guest in each.guests]
    back = [guest.back for guest in guests if guest.back is not None]
    assert len(back) == ROOMS * PEOPLE
    _say(f"told to come again {spread([guest.told_at - began for guest in guests])} after the signal")
    _say(f"connected and publishing {spread([each.connected for each in back])} after they were told")
    _say(f"hear and see all others  {spread([each.media for each in back])} after they were told")
    # who was cut off as silent, since the machine let nobody run, comes again by itself
    mute = sum(guest.told[-1] is None for guest in guests)
    _say(f"attempts {dict(Counter(each.attempts for each in back))}, without a word {mute}, load {_load()}")


async def _drain(node: NodeProcess, operator: httpx.AsyncClient, companies: Sequence[Company]) -> None:
    began = time.monotonic()
    told = asyncio.gather(*(each.until_told() for each in companies))
    command = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("sfu"), "drain", "--within", f"{DRAIN_S}s", "--wait", "--url", node.url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "SFU_KEYS": f"{NODE_KEY}:{NODE_SECRET}"},
    )
    output, _ = await command.communicate()
    took = time.monotonic() - began
    assert command.returncode == 0, output.decode()
    state = (await operator.get("/admin/drain")).json()
    assert (state["drained"], state["rooms"], state["peers"], state["recordings"]) == (True, 0, 0, 0), state
    assert (await operator.get("/readyz")).status_code == 503
    await told
    words = [guest.told[-1] for company in companies for guest in company.guests]
    told_all = {None if word is None else (word.reason, word.action) for word in words}
    assert told_all == {(DisconnectReason.SERVER_SHUTDOWN, LeaveRequest.Action.RECONNECT)}
    _say(
        f"the drain of {DRAIN_S} s took {took:.2f} s by `sfu drain --wait`, load {_load()}:\n{output.decode().strip()}"
    )


def _check_records(records: Path) -> None:
    """One a room, intact, with a gap of the restart for each source, each of which another one continues."""
    public = sfu.load_signing_key(records.with_name("key.pem")).public
    spans, missing = [], []
    for folder in sorted(records.iterdir()):
        verdict = verify_record(folder, public)
        assert verdict.outcome is Outcome.INTACT, f"{folder}: {verdict}"
        lines = [json.loads(line) for line in (folder / LEDGER).read_text().splitlines()]
        (resumed,) = [line for line in lines if line["type"] == "continue"]
        spans.append((resumed["end_us"] - resumed["begin_us"]) / 1e6)
        gaps = [line for line in lines if line["type"] == "gap"]
        continued = [line["continues"] for line in lines if "continues" in line]
        assert len(continued) == len(set(continued)) == TRACKS * PEOPLE, folder
        assert {line["source"] for line in gaps if line["cause"] == "restart"} == set(continued), folder
        for line in gaps:
            if line["cause"] == "disconnect" and line["source"] in continued and line["begin_us"] >= resumed["end_us"]:
                missing.append((line["end_us"] - resumed["begin_us"]) / 1e6)
    assert len(spans) == ROOMS, f"{len(spans)} records of {ROOMS} rooms"
    _say(f"gaps 'restart' of {len(spans)} records {spread(spans)}")
    _say(f"missing in all of {len(missing)} tracks {spread(missing)}")


def _load() -> str:
    return "/".join(f"{each:.1f}" for each in os.getloadavg())
