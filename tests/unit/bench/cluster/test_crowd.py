from __future__ import annotations

import asyncio
import json
import time

from typer.testing import CliRunner

from bench.cluster.cli import run_cluster
from bench.cluster.crowd import Crowd, Size
from bench.cluster.redis_rate import Bench
from bench.cluster.world import measure, measure_answer
from sfu.cluster.timing import CLUSTER
from tests.redis_server import run_redis

SMALL = Size(nodes=20, rooms=300, seconds=60.0, regions=2, life=100.0)


def test_a_crowd_gets_its_homes_back_after_whatever_happens() -> None:
    outcome = Crowd(SMALL, seed=3).run()
    assert outcome.double_homes == 0
    names = [incident.name for incident in outcome.incidents]
    assert names == ["1 nodes die", "the store loses all", "the store was away for 5 s", "1 nodes were cut off for 4 s"]
    for incident in outcome.incidents:
        assert incident.settled_after is not None and incident.settled_after <= 10.0, incident
    assert outcome.placed > 300 and outcome.most_by_mean < 1.7
    assert 17 < outcome.operations["renew"] / outcome.counted_seconds < 25
    assert outcome.operations["claim"] > 0 and outcome.bytes["look"] > 0


def test_who_is_killed_is_missed_within_three_seconds() -> None:
    outcome = Crowd(SMALL, seed=4).run()
    died = outcome.incidents[0]
    back = 3.0  # the last of its clients
    assert died.settled_after is not None and died.settled_after < back + CLUSTER.lease + 0.5


def test_bytes_are_those_of_resp() -> None:
    assert measure(["abc"]) == len("$3\r\nabc\r\n") + 1  # a digit more is allowed for the length
    assert measure_answer(["ab", 1, None]) == 5 + 9 + 8 + 8


def build_app():  # type: ignore[no-untyped-def]
    import typer

    app = typer.Typer()
    app.command()(run_cluster)
    return app


def test_the_command_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    runner, figures = CliRunner(), tmp_path / "figures" / "trials.json"
    done = runner.invoke(build_app(), ["--trials", "3", "--json", str(figures)])
    assert done.exit_code == 0 and "double homes: 0" in done.output
    assert json.loads(figures.read_text()) == {"trials": 3, "bad": []}
    done = runner.invoke(build_app(), ["--nodes", "5", "--rooms", "20", "--seconds", "40", "--json", str(figures)])
    assert done.exit_code == 0 and "5 nodes, 20 rooms" in done.output
    assert json.loads(figures.read_text())["operations"]["renew"] > 50
    done = runner.invoke(build_app(), ["--redis", "http://no"])
    assert done.exit_code == 2 and "cluster_url" in done.output


async def test_what_all_nodes_do_at_once_is_counted_once_each(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("bench.cluster.redis_rate._SECONDS", 0.05)
    done = 0

    async def act(index: int) -> int:
        nonlocal done
        for _ in range(index):
            await asyncio.sleep(0)
        done += 1
        return 1

    bench = Bench(f"unix://{tmp_path}/none.sock", 16)
    began = time.monotonic()
    rate = await bench.measure(act)
    assert done >= 16 and rate >= 0.9 * done / (time.monotonic() - began)
    await bench.directory.close()


def test_a_real_redis_is_measured(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("bench.cluster.redis_rate._SECONDS", 0.05)
    with run_redis(tmp_path) as server:
        done = CliRunner().invoke(build_app(), ["--redis", server.url])
        assert done.exit_code == 0 and "rooms placed, one by one" in done.output
        assert b"*0" in server.tell("KEYS", "sfu-bench:room:*")
