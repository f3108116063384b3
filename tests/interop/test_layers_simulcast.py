"""Simulcast: three encodings of one publisher, and each viewer has the one that it asks for."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.layered import (
    WIDTH,
    Publisher,
    Stage,
    Viewer,
    jumps_back,
    share,
    simulcast,
    widths,
)
from tests.interop.node_process import NodeProcess, new_room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(360),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]

WIDTHS = {"q": WIDTH // 4, "h": WIDTH // 2, "f": WIDTH}


async def on_stage(
    open_page: OpenPage, node: NodeProcess, codec: str, publisher: str, *viewers: str
) -> tuple[Publisher, list[Viewer]]:
    """A publisher of three encodings and its viewers, in these browsers."""
    stage = Stage(node, new_room())
    sender = await stage.publish(await open_page(publisher), codec, simulcast())
    if sender is None:
        pytest.skip(f"this {publisher} cannot send {codec}")
    await sender.sends(list(WIDTHS))
    return sender, [await stage.watch(await open_page(viewer)) for viewer in viewers]


@pytest.mark.parametrize(
    "codec", ["VP8", "H264", *(pytest.param(codec, marks=pytest.mark.slow) for codec in ("VP9", "AV1"))]
)
async def test_three_viewers_have_three_encodings(open_page: OpenPage, node: NodeProcess, codec: str) -> None:
    _, viewers = await on_stage(open_page, node, codec, *["chromium"] * 4)
    for viewer, (rid, width) in zip(viewers, WIDTHS.items(), strict=True):
        choice = await viewer.choose(encodingId=rid)
        await viewer.first_of_width(width, since_ms=choice.at_ms)
    seen = await asyncio.gather(*(viewer.look(3.0) for viewer in viewers))
    for frames, width in zip(seen, WIDTHS.values(), strict=True):
        assert widths(frames) == {width}
        assert jumps_back(frames) == []
        assert share(frames) > 0.9


@pytest.mark.parametrize(("publisher", "viewer"), [("firefox", "chromium"), ("chromium", "firefox")])
async def test_browsers_of_two_makers(open_page: OpenPage, node: NodeProcess, publisher: str, viewer: str) -> None:
    _, (watcher,) = await on_stage(open_page, node, "VP8", publisher, viewer)
    for rid in ["q", "f", "h"]:
        choice = await watcher.choose(encodingId=rid)
        await watcher.first_of_width(WIDTHS[rid], since_ms=choice.at_ms)
        frames = await watcher.look(1.0)
        assert widths(frames) == {WIDTHS[rid]}
    assert jumps_back(watcher.frames) == []


async def test_who_loses_an_encoding_falls_to_what_is_there(open_page: OpenPage, node: NodeProcess) -> None:
    publisher, (viewer,) = await on_stage(open_page, node, "VP8", "chromium", "chromium")
    choice = await viewer.choose(encodingId="f")
    await viewer.first_of_width(WIDTHS["f"], since_ms=choice.at_ms)

    stopped = (await viewer.look(1.0))[-1]
    await publisher.activate(f=False)
    fallen = await viewer.first(lambda frame: frame.width < WIDTHS["f"], "a smaller picture", since_ms=stopped.at_ms)
    assert fallen.width == WIDTHS["h"]  # the best that is left
    assert widths(await viewer.look(2.0)) == {WIDTHS["h"]}

    await publisher.activate(h=False)
    fallen = await viewer.first_of_width(WIDTHS["q"], since_ms=fallen.at_ms)
    assert widths(await viewer.look(2.0)) == {WIDTHS["q"]}

    # What it asked for still stands, so it rises again by itself.
    await publisher.activate(f=True, h=True)
    await viewer.first_of_width(WIDTHS["f"], since_ms=fallen.at_ms)
    assert widths(await viewer.look(2.0)) == {WIDTHS["f"]}
    assert jumps_back(viewer.frames) == []
