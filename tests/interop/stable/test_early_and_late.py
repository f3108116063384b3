"""Each client publishes each of its codecs, and each other one sees and hears it, early and three seconds late."""

from __future__ import annotations

import pytest

from tests.interop.stable.client import CLIENTS
from tests.interop.stable.clips import FPS
from tests.interop.stable.conftest import See
from tests.interop.stable.scene import Plan

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

KEPT = 0.9
"""Of the frames since the first picture; loopback loses none, but a busy machine may."""


def watchers(codec: str) -> tuple[str, ...]:
    return tuple(name for name, client in CLIENTS.items() if codec in client.watches)


def present(codec: str) -> tuple[str, ...]:
    return tuple(name for name in watchers(codec) if not CLIENTS[name].missing())


PLANS = {
    f"{name}-{codec}": Plan(name, codec, present(codec))
    for name, client in CLIENTS.items()
    for codec in client.publishes
} | {
    f"{name}-vp8-simulcast": Plan(name, "vp8", present("vp8"), simulcast=True)
    for name, client in CLIENTS.items()
    if client.simulcast
}
PUBLISHED = [pytest.param(plan, id=name) for name, plan in PLANS.items()]
WATCHED = [
    pytest.param(plan, viewer, time, id=f"{name}-{viewer}-{time}")
    for name, plan in PLANS.items()
    for viewer in watchers(plan.codec)
    for time in plan.times
]


@pytest.mark.parametrize("plan", PUBLISHED)
async def test_it_can_publish(see: See, plan: Plan) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    sent = played.publisher.find("sent")
    assert sent is not None and sent["frames"] >= plan.seconds * FPS / 2, played.story()
    assert played.publisher.find("failed") is None, played.story()


@pytest.mark.parametrize(("plan", "viewer", "time"), WATCHED)
async def test_a_viewer_sees_it(see: See, plan: Plan, viewer: str, time: str) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    seen = played.seen[viewer, time]
    assert seen.pictures >= FPS, f"{seen}\n{played.story((viewer, time))}"
    assert seen.share >= KEPT, f"{seen}\n{played.story((viewer, time))}"


@pytest.mark.parametrize(("plan", "viewer", "time"), WATCHED)
async def test_a_viewer_hears_it(see: See, plan: Plan, viewer: str, time: str) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    assert played.heard[viewer, time] >= plan.seconds * 50 * KEPT, played.story((viewer, time))


@pytest.mark.parametrize(
    ("plan", "viewer", "time"), [one for one in WATCHED if CLIENTS[str(one.values[1])].jitter_buffer_s > 0.0]
)
async def test_its_jitter_buffer_drops_nothing_by_our_making(see: See, plan: Plan, viewer: str, time: str) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    assert played.dropped[viewer, time] == [], f"{played.shown[viewer, time]}\n{played.story((viewer, time))}"
    assert played.shown[viewer, time].pictures > 0, played.story((viewer, time))
