"""People come to a node and leave it, ten a second, in whatever way: nothing of them stays behind in its process."""

from __future__ import annotations

import asyncio
import collections
import os
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from rich.progress import Progress

from bench.client.dtls import ClientIdentity
from bench.livekit.door import Door
from bench.livekit.participant import Participant
from tests.interop.livekit.server_api.node import KEY, SECRET
from tests.interop.node_process import NodeProcess
from tests.unit.node.scraping import SDP, SEND

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SOAK_SECONDS + 300), pytest.mark.asyncio(loop_scope="session")]

JOINS_PER_SECOND = 10.0
STAY_S = 4.0
"""In the mean; so forty people are there at a time."""
HALF_OPEN_S = 5.0
"""At most, until who has never sent a packet ends the session: soon after that the node does."""
ROOMS = 10
WARM_UP = 0.25
"""Share of the time after which the process's memory is expected to have settled."""
MOST_GROWTH_BYTES = 48 << 20
"""Allocators still find their size after a quarter of a short run; what stays of each who came would be more soon."""
GONE_WITHIN_S = 90.0
"""Who goes without a word is given up after half a minute."""
_SAMPLES = 60
_console = Console(soft_wrap=True, highlight=False)

SCRAPER = "a-token-for-whom-metrics-are"
VARIABLES = {
    "SFU_METRICS_TOKEN": SCRAPER,
    "SFU_UDP_HOST": "127.0.0.1",
    "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}",
    "SFU_MAX_PEERS_PER_ADDRESS": "10000",
    # all of them come from one address, and share the machine with the node
    "SFU_MAX_REQUEST_RATE_PER_ADDRESS": "1000",
    "SFU_MAX_REQUEST_RATE_PER_TOKEN": "1000",
    "SFU_MAX_PLANE_LOAD": "1",
    "SFU_MAX_CONTROL_LOAD": "1",
}


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    resident_bytes: int
    descriptors: int
    threads: int

    @classmethod
    def read(cls, pid: int) -> Held:
        status = Path(f"/proc/{pid}/status").read_text()
        resident, threads = (int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "Threads"))  # type: ignore[index]
        return cls(resident << 10, len(os.listdir(f"/proc/{pid}/fd")), threads)

    def __str__(self) -> str:
        return f"{self.resident_bytes / 1e6:.1f} MB, {self.descriptors} descriptors, {self.threads} threads"


class Passers:
    """Those who come and go; `outcomes` counts them by what they did."""

    def __init__(self, node: NodeProcess, http: httpx.AsyncClient, seed: int) -> None:
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._node = node
        self._http = http
        self._door = Door(node.url.replace("http", "ws", 1), KEY, SECRET)
        self._identity = ClientIdentity.generate()
        self._rng = random.Random(seed)
        self._count = 0

    async def pass_by(self) -> None:
        self._count += 1
        name, room = f"guest-{self._count}", f"hall-{self._rng.randrange(ROOMS)}"
        way = self._rng.choices([self._leave, self._hang_up, self._offer, self._offer_and_delete], [6, 2, 1, 1])[0]
        stay_s = self._rng.expovariate(1 / STAY_S)
        try:
            await way(name, room, stay_s)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.outcomes[f"{way.__name__}: {error!r}"] += 1
        else:
            self.outcomes[way.__name__] += 1

    async def _leave(self, name: str, room: str, stay_s: float) -> None:
        participant = await self._enter(name, room)
        await asyncio.sleep(stay_s)
        await participant.close()

    async def _hang_up(self, name: str, room: str, stay_s: float) -> None:
        participant = await self._enter(name, room)
        await asyncio.sleep(stay_s)
        await participant.hang_up()

    async def _enter(self, name: str, room: str) -> Participant:
        participant = Participant(name, host="127.0.0.1", identity=self._identity)
        try:
            await participant.join(self._door, room)
            await participant.connect()
            await participant.publish()
        except BaseException:
            await participant.hang_up()
            raise
        return participant

    async def _offer(self, name: str, room: str, stay_s: float) -> None:
        """Ask to publish, and never send a packet."""
        await self._ask(name, room)

    async def _offer_and_delete(self, name: str, room: str, stay_s: float) -> None:
        location = await self._ask(name, room)
        await asyncio.sleep(min(stay_s, HALF_OPEN_S))
        answer = await self._http.delete(location, headers=self._authorized(name, room))
        assert answer.status_code == 200, answer.text

    async def _ask(self, name: str, room: str) -> str:
        url = f"/rooms/{room}/whip?peer={name}"
        answer = await self._http.post(url, content=SEND, headers=self._authorized(name, room) | SDP)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def _authorized(self, name: str, room: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._node.token(room, peer=name)}"}


async def come_and_go(passers: Passers, pid: int) -> list[Held]:
    """For SOAK_SECONDS; what the node held meanwhile, at even intervals."""
    samples: list[Held] = []
    began = time.monotonic()
    with Progress(console=_console) as progress:
        bar = progress.add_task("people come and go", total=SOAK_SECONDS)
        async with asyncio.TaskGroup() as group:
            for number in range(int(SOAK_SECONDS * JOINS_PER_SECOND)):
                await asyncio.sleep(max(0.0, began + number / JOINS_PER_SECOND - time.monotonic()))
                group.create_task(passers.pass_by())
                elapsed = time.monotonic() - began
                progress.update(bar, completed=elapsed)
                if elapsed >= (len(samples) + 1) * SOAK_SECONDS / _SAMPLES:
                    samples.append(Held.read(pid))
    _console.print(f"{passers.outcomes.total()} came in {time.monotonic() - began:.0f} s: {dict(passers.outcomes)}")
    return samples


async def everybody_gone(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(GONE_WITHIN_S):
        while await still_there(http):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.2)


async def still_there(http: httpx.AsyncClient) -> float:
    """How many rooms, peers and connections there are."""
    text = (await http.get("/metrics", headers={"Authorization": f"Bearer {SCRAPER}"})).text
    counts = re.findall(r"^sfu_(?:peers|rooms|connections\{.*\}) (\S+)$", text, re.M)
    assert len(counts) > 2, text
    return sum(float(count) for count in counts)


async def test_nothing_stays_of_those_who_come_and_go() -> None:
    async with NodeProcess(variables=VARIABLES) as node, httpx.AsyncClient(base_url=node.url, timeout=30.0) as http:
        pid = await node.serving_process()
        assert not await still_there(http)
        before = Held.read(pid)
        passers = Passers(node, http, seed=1)
        samples = await come_and_go(passers, pid)
        await everybody_gone(http)
        after = Held.read(pid)
    settled = samples[int(len(samples) * WARM_UP)]
    _console.print(f"before: {before}\nsettled: {settled}\nlast: {samples[-1]}\nempty: {after}")
    assert not [outcome for outcome in passers.outcomes if ":" in outcome], passers.outcomes
    assert after.descriptors <= before.descriptors + 2 * 100, f"{before} became {after}"
    assert after.threads <= settled.threads
    assert max(each.resident_bytes for each in samples[-5:]) - settled.resident_bytes < MOST_GROWTH_BYTES
