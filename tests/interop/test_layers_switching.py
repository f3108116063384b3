"""Switches among encodings at random moments on a path of 25 ms each way: soon, without a freeze, never backwards."""

from __future__ import annotations

import random

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.layered import WIDTH, Stage, Viewer, jumps_back, longest_gap_ms, simulcast
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.paths import delayed

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]

WIDTHS = {"q": WIDTH // 4, "h": WIDTH // 2, "f": WIDTH}
ONE_WAY_S = 0.025
SWITCH_MS = 500.0
"""From the request over HTTP to the first frame of the new size in the page."""


async def switch_at_random(viewer: Viewer, count: int, seed: int) -> list[float]:
    """Choose another encoding this many times; what each took, in milliseconds."""
    rng = random.Random(seed)
    took = []
    current = "f"  # what a viewer begins with
    for _ in range(count):
        current = rng.choice([rid for rid in WIDTHS if rid != current])
        choice = await viewer.choose(encodingId=current)
        shown = await viewer.first_of_width(WIDTHS[current], since_ms=choice.at_ms)
        took.append(shown.at_ms - choice.at_ms)
        await viewer.look(rng.uniform(0.2, 0.8))
    return took


@pytest.mark.parametrize(
    ("codec", "count"),
    [
        pytest.param("VP8", 12, marks=pytest.mark.timeout(360)),
        pytest.param("VP8", 200, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param("H264", 200, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param("VP9", 200, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
async def test_switches_are_quick_and_smooth(
    open_page: OpenPage, node: NodeProcess, codec: str, count: int, timed: bool
) -> None:
    stage = Stage(node, new_room())
    with delayed(ONE_WAY_S) as up, delayed(ONE_WAY_S) as down:
        publisher = await stage.publish(await open_page("chromium"), codec, simulcast(), rewrite=up.rewrite)
        assert publisher is not None
        await publisher.sends(list(WIDTHS))
        viewer = await stage.watch(await open_page("chromium"), rewrite=down.rewrite)
        await viewer.look(3.0)  # the viewer's jitter buffer has seen what is usual
        before = await viewer.stats()
        shown = len(viewer.frames)
        took = await switch_at_random(viewer, count, seed=count)
        after = await viewer.stats()
        assert up.counts().up.delivered > 0
        assert down.counts().down.delivered > 0
    frames = viewer.frames[shown:]
    assert jumps_back(frames) == []
    if timed:
        assert after["freezeCount"] == before["freezeCount"]
        assert longest_gap_ms(frames) < SWITCH_MS
        assert max(took) < SWITCH_MS, sorted(took)[-5:]
