from __future__ import annotations

import httpx
import pytest
from prometheus_client.core import Metric

import sfu
from sfu.node.metrics.load import LoadCollector
from tests.unit.node.scraping import scrape


def read(families: list[Metric]) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value for each in families for sample in each.samples
    }


async def test_each_shard_and_the_event_loop_tell_their_processor_time(http: httpx.AsyncClient) -> None:
    before = await scrape(http)
    sum(range(2_000_000))
    after = await scrape(http)
    assert after["sfu_control_cpu_seconds_total", ""] > before["sfu_control_cpu_seconds_total", ""]
    assert after["sfu_plane_cpu_seconds_total", "0"] >= before["sfu_plane_cpu_seconds_total", "0"] > 0
    assert after["sfu_shard_connections", "0"] == after["sfu_socket_lost_messages_total", "0"] == 0
    assert after["sfu_memory_limit_bytes", ""] > 1 << 28


def test_what_the_system_does_not_tell_is_no_series(monkeypatch: pytest.MonkeyPatch) -> None:
    server = sfu.Server()
    told = (
        sfu.ShardStats(0, 40000, connections=2, cpu_s=1.5, lost_messages=7),
        sfu.ShardStats(1, 40001, connections=3, cpu_s=None, lost_messages=None),
    )
    monkeypatch.setattr(server, "shard_stats", lambda: told)
    found = read(list(LoadCollector(server, lambda: 4.0).collect()))
    assert found.pop(("sfu_memory_limit_bytes", "")) > 0
    assert found == {
        ("sfu_plane_cpu_seconds_total", "0"): 1.5,
        ("sfu_socket_lost_messages_total", "0"): 7,
        ("sfu_shard_connections", "0"): 2,
        ("sfu_shard_connections", "1"): 3,
        ("sfu_control_cpu_seconds_total", ""): 4.0,
    }


async def test_the_first_internal_error_is_seen_as_an_increase(http: httpx.AsyncClient) -> None:
    assert (await scrape(http))["sfu_drops_total", "internal_error"] == 0
