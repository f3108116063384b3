"""Random loss of 10 % in both directions of both clients' paths: repair keeps the picture moving."""

from __future__ import annotations

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.layered import FPS, Stage, jumps_back, longest_gap_ms
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.paths import delayed

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]

ONE_WAY_S = 0.025
LOSS = 0.1
KEPT = 0.95
GAP_MS = 500.0


def kept_up(answer: str) -> str:
    """Chromium goes down with its rate, and so with its frames, when a tenth is lost: not here."""
    return answer.replace("x-google-start-bitrate=", "x-google-min-bitrate=500;x-google-start-bitrate=")


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(10.0, marks=pytest.mark.timeout(360)),
        pytest.param(180.0, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
async def test_loss_is_repaired(open_page: OpenPage, node: NodeProcess, seconds: float, timed: bool) -> None:
    stage = Stage(node, new_room())
    with delayed(ONE_WAY_S) as up, delayed(ONE_WAY_S) as down:
        encodings = [{"maxBitrate": 700_000}]
        page = await open_page("chromium")
        publisher = await stage.publish(page, "VP8", encodings, rewrite=lambda answer: up.rewrite(kept_up(answer)))
        assert publisher is not None
        await publisher.sends([""])
        viewer = await stage.watch(await open_page("chromium"), rewrite=down.rewrite)
        for path in (up, down):
            path.change(up={"loss": LOSS}, down={"loss": LOSS})
        await viewer.look(3.0)  # the jitter buffer grows to what repair takes
        sent, received = (await publisher.stats())[""], await viewer.stats()
        frames = await viewer.look(seconds)
        sent_after, received_after = (await publisher.stats())[""], await viewer.stats()
        assert up.counts().up.lost > 0
        assert down.counts().down.lost > 0
    encoded = sent_after["framesSent"] - sent["framesSent"]
    decoded = received_after["framesDecoded"] - received["framesDecoded"]
    assert encoded > 0
    assert decoded >= KEPT * encoded
    assert jumps_back(frames) == []
    if timed:
        assert encoded > 0.9 * seconds * FPS
        assert longest_gap_ms(frames) <= GAP_MS
