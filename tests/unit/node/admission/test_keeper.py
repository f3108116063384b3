"""What is read of the machine and of the connections, and how often."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import sfu
from sfu.node.admission.bit_rates import BitRates
from sfu.node.admission.free_space import FreeSpace
from sfu.node.admission.keeper import BoundsKeeper
from sfu.node.admission.load import LoadAdmission, LoadLimits
from sfu.node.admission.minutes import Minutes, MinutesFile
from sfu.node.admission.quotas import Quota, TenantQuotas
from sfu.node.admission.reader import Reader
from tests.unit.fakes import FakeClock
from tests.unit.offers import make_offer

NOW = 1_800_000_000.0


class CountedSpace(FreeSpace):
    asked = 0

    def refresh(self) -> None:
        self.asked += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[sfu.Server]:
    async with sfu.Server() as server:
        server.attendance._clock = clock
        yield server


async def test_what_the_process_takes_is_read_as_shares(server: sfu.Server, clock: FakeClock, tmp_path: Path) -> None:
    space = CountedSpace((tmp_path,))
    read = Reader(server, space, descriptors=1 << 20, http_connections=lambda: 1, clock=clock)
    first = read()
    before = time.thread_time()
    assert len(first.planes_cpu_s) == 1
    assert first.planes_cpu_s[0] is not None
    assert first.control_cpu_s is not None
    assert 0 < first.control_cpu_s <= before
    assert 0 < first.memory < 1
    assert first.descriptors * (1 << 20) == pytest.approx(len(os.listdir("/proc/self/fd")) - 1, abs=2)
    assert first.free_bytes is not None
    assert first.free_bytes[0] > 0
    clock.now += 9
    read()
    assert space.asked == 1
    clock.now += 1
    read()
    assert space.asked == 2


async def test_memory_is_held_against_the_control_group_s_limit(server: sfu.Server, tmp_path: Path) -> None:
    (tmp_path / "proc/self/fd").mkdir(parents=True)
    (tmp_path / "proc/self/statm").write_text("9000 1000 3 4 5 6 7")
    (tmp_path / "proc/self/cgroup").write_text("0::/sfu\n")
    (tmp_path / "sys/fs/cgroup/sfu").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/sfu/memory.max").write_text(str(4000 * os.sysconf("SC_PAGE_SIZE")))
    assert Reader(server, FreeSpace(()), root=tmp_path)().memory == 0.25


class FakeServer:
    """Peers whose connections have carried what they are told."""

    def __init__(self) -> None:
        self.carried: dict[str, tuple[str, int, int]] = {}

    @property
    def rooms(self) -> dict[str, Any]:
        peers = {
            id: SimpleNamespace(
                tenant=tenant,
                connections=[SimpleNamespace(id=id, bandwidth=SimpleNamespace(received_octets=came, sent_octets=went))],
            )
            for id, (tenant, came, went) in self.carried.items()
        }
        return {"lobby": SimpleNamespace(peers=peers)}


def test_bit_rates_are_of_what_comes_and_goes_by_tenant() -> None:
    server = FakeServer()
    rates = BitRates(cast("sfu.Server", server))
    server.carried = {"a": ("one", 10_000, 0), "b": ("two", 0, 500)}
    assert rates.measure(100.0) == {}
    server.carried = {"a": ("one", 11_000, 500), "b": ("two", 0, 500), "c": ("one", 1000, 0)}
    assert rates.measure(102.0) == {"one": 8 * 2500 / 2, "two": 0.0}
    assert rates.measure(102.0) == {}
    server.carried = {}
    assert rates.measure(104.0) == {}
    assert not rates._octets


async def test_connections_tell_what_they_have_carried(server: sfu.Server) -> None:
    peer = server.room("lobby").join("alice", tenant="one")
    answered = peer.answer(make_offer(("audio", "sendonly")))
    assert answered.connection.bandwidth.received_octets == answered.connection.bandwidth.sent_octets == 0
    rates = BitRates(server)
    rates.measure(1.0)
    assert rates.measure(2.0) == {"one": 0.0}


def keep(server: sfu.Server, clock: FakeClock, file: MinutesFile | None = None) -> tuple[BoundsKeeper, Minutes]:
    minutes = Minutes(file, NOW)
    quotas = TenantQuotas(
        {"*": Quota(minutes_per_month=1)}, ["one"], server.attendance, minutes,
        count_recordings=lambda tenant: 0, clock=lambda: NOW,
    )  # fmt: skip
    read = Reader(server, FreeSpace(()), clock=clock)
    keeper = BoundsKeeper(
        LoadAdmission(LoadLimits()), read, quotas, BitRates(server), minutes, clock=clock, wall_clock=lambda: NOW
    )
    return keeper, minutes


async def test_each_tick_counts_time_and_every_tenth_second_saves_it(
    server: sfu.Server, clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "quotas.sqlite"
    keeper, minutes = keep(server, clock, MinutesFile(str(path)))
    server.room("lobby").join("alice", tenant="one")
    for _ in range(31):
        await keeper.handle_tick()
        clock.now += 1.0
    assert minutes.read("one", NOW) == 0.5
    assert Minutes(MinutesFile(str(path)), NOW).read("one", NOW) == 0.5
    clock.now += 5.0
    await keeper.close()  # counts the rest
    assert Minutes(MinutesFile(str(path)), NOW).read("one", NOW) == pytest.approx(36 / 60)


async def test_a_mistake_in_one_tick_is_logged_and_the_next_one_comes(
    server: sfu.Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sfu.node.admission.keeper.TICK_S", 0.0)
    keeper, _ = keep(server, FakeClock())
    ticks = asyncio.Event()
    calls = 0

    def read() -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("statm")
        ticks.set()
        return Reader(server, FreeSpace(()))()

    monkeypatch.setattr(keeper, "_read", read)
    keeper.start()
    await asyncio.wait_for(ticks.wait(), 5.0)
    await keeper.close()
    assert "the load could not be measured" in caplog.text
