"""A minute on a clean path without a freeze; repair on paths that lose, up and down; how soon who comes late sees."""

from __future__ import annotations

import statistics

import pytest

from bench.netem.config import LinkConfig
from tests.interop.stable.client import CLIENTS
from tests.interop.stable.clips import FPS
from tests.interop.stable.conftest import See
from tests.interop.stable.scene import Plan

pytestmark = [
    pytest.mark.stable,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(3600),
]

FREEZE_S = 1.0
FIRST_S, ALWAYS_FIRST_S = 1.0, 3.0
CLEAN, KEPT = 0.99, 0.95
LOSS = 0.05
PATH = LinkConfig(delay_s=0.025)
"""50 ms there and back."""
LATE = tuple(f"late {number}" for number in range(1, 21))


def clean() -> list[object]:
    return [
        pytest.param(plan, viewer, time, id=f"{name}-{codec}-{viewer}-{time}")
        for name, client in CLIENTS.items()
        for codec in client.publishes
        for plan in [Plan(name, codec, able(codec), seconds=60.0)]
        for viewer, other in CLIENTS.items()
        if codec in other.watches
        for time in plan.times
    ]


def able(codec: str) -> tuple[str, ...]:
    return tuple(name for name, client in CLIENTS.items() if codec in client.watches and not client.missing())


@pytest.mark.parametrize(("plan", "viewer", "time"), clean())
async def test_a_minute_passes_without_a_freeze(see: See, plan: Plan, viewer: str, time: str) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    seen = played.seen[viewer, time]
    assert seen.first_s <= ALWAYS_FIRST_S, f"{seen}\n{played.story((viewer, time))}"
    assert seen.freeze_s <= FREEZE_S, f"{seen}\n{played.story((viewer, time))}"
    assert seen.share >= CLEAN, f"{seen}\n{played.story((viewer, time))}"
    assert not played.dropped.get((viewer, time)), f"{played.dropped}\n{played.story((viewer, time))}"
    assert played.publisher.find("failed") is None, played.story()


def lossy_up(name: str, codec: str) -> Plan:
    return Plan(name, codec, ("libdatachannel",), ("early",), seconds=20.0, up=PATH, loss=LOSS)


def lossy_down(codec: str, viewer: str) -> Plan:
    settles_s = CLIENTS[viewer].settles_s
    about = {"seconds": 20.0 + settles_s, "judged_after_s": settles_s}
    return Plan("pion", codec, (viewer,), ("early",), down=PATH, loss=LOSS, **about)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(lossy_up(name, codec), id=f"{name}-{codec}")
        for name, client in CLIENTS.items()
        if client.resends
        for codec in client.publishes
    ],
)
async def test_what_a_publisher_loses_is_asked_for_again(see: See, plan: Plan) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    assert played.lost > 0
    (seen,) = played.seen.values()
    assert seen.share >= KEPT, f"{seen}\n{played.story(*played.seen)}"


@pytest.mark.parametrize(
    ("plan", "viewer"),
    [
        pytest.param(lossy_down(codec, name), name, id=f"{name}-{codec}")
        for name, client in CLIENTS.items()
        if client.repairs
        for codec in client.watches
    ],
)
async def test_what_a_viewer_loses_is_sent_again(see: See, plan: Plan, viewer: str) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    assert played.lost > 0
    seen = played.shown.get((viewer, "early"), played.seen[viewer, "early"])  # what is repaired too late is of no use
    assert seen.share >= KEPT, f"{seen}\n{played.story((viewer, 'early'))}"


@pytest.mark.parametrize(
    ("plan", "viewer"),
    [
        pytest.param(Plan("pion", codec, (name,), LATE, seconds=4.0, down=PATH), name, id=f"{name}-{codec}")
        for name in ("pion", "str0m", "libdatachannel")
        for codec in ("vp8", "h264")
    ],
)
async def test_who_comes_late_sees_a_picture_at_once(see: See, plan: Plan, viewer: str) -> None:
    played = await see(plan)
    first = [seen.first_s for seen in played.seen.values()]
    assert len(first) == len(LATE)
    assert statistics.median(first) <= FIRST_S, sorted(first)
    assert max(first) <= ALWAYS_FIRST_S, sorted(first)
    assert all(seen.pictures >= FPS / 2 for seen in played.seen.values())
