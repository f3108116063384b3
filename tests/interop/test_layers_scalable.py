"""Temporal and spatial layers of one encoding: the frame rate halves and quarters, the resolution follows."""

from __future__ import annotations

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.layered import (
    WIDTH,
    Choice,
    Publisher,
    Stage,
    Viewer,
    jumps_back,
    scalable,
    share,
    steps,
    widths,
)
from tests.interop.node_process import NodeProcess, new_room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(360),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]

TOP = 2
"""The highest spatial, and the highest temporal index of three."""
WIDTHS = [WIDTH // 4, WIDTH // 2, WIDTH]


SMALL = {"width": 640, "height": 360, "fps": 30}
"""For temporal layers alone. At 20 frames a second a quarter of them would be late enough to count as a freeze."""


async def on_stage(
    open_page: OpenPage, node: NodeProcess, codec: str, mode: str, viewer: str = "chromium", **picture: int
) -> tuple[Publisher, Viewer]:
    """A publisher of one encoding with layers, and a viewer."""
    stage = Stage(node, new_room())
    publisher = await stage.publish(await open_page("chromium"), codec, scalable(mode), **picture)
    assert publisher is not None
    assert publisher.modes == {"": mode}
    return publisher, await stage.watch(await open_page(viewer))


async def fell_with_the_next_frame(publisher: Publisher, viewer: Viewer, choice: Choice, spatial: int) -> None:
    """No frame drawn after the choice was answered is of a higher spatial layer."""
    next_frame = await publisher.drawn_after(choice.answered_ms)
    late = [frame for frame in viewer.frames if frame.number >= next_frame]
    assert late
    assert max(widths(late)) <= WIDTHS[spatial]


QUICK = [(2, 1.0), (0, 0.25), (1, 0.5)]
THOROUGH = [*QUICK, (2, 1.0), (1, 0.5), (0, 0.25), (2, 1.0)]


@pytest.mark.parametrize(
    ("codec", "choices"),
    [
        pytest.param("VP8", QUICK, id="VP8"),
        *(
            pytest.param(codec, THOROUGH, marks=pytest.mark.slow, id=f"{codec}-thorough")
            for codec in ("VP8", "VP9", "H264", "AV1")
        ),
    ],
)
async def test_temporal_layers_thin_out_the_frames(
    open_page: OpenPage, node: NodeProcess, codec: str, choices: list[tuple[int, float]], timed: bool
) -> None:
    publisher, viewer = await on_stage(open_page, node, codec, "L1T3", **SMALL)
    await viewer.look(2.0)
    before = await viewer.stats()
    for temporal, part in choices:
        choice = await viewer.choose(maxTemporalLayerId=temporal)
        await viewer.look(1.0)  # what was under way, and a raise waits for its layer
        frames = await viewer.look(4.0)
        assert share(frames) == pytest.approx(part, rel=0.1), f"temporal layer {temporal}: {steps(frames)}"
        first = await publisher.drawn_after(choice.answered_ms)
        if temporal == 0:  # the way down takes effect with the next frame
            after = [frame for frame in viewer.frames if frame.number >= first]
            assert min(steps(after)) >= 2
    assert jumps_back(viewer.frames) == []
    if timed:
        assert (await viewer.stats())["freezeCount"] == before["freezeCount"]


@pytest.mark.parametrize(
    ("codec", "mode"),
    [
        ("VP9", "L3T3_KEY"),
        ("AV1", "L3T3"),
        pytest.param("VP9", "L3T3", marks=pytest.mark.slow),
        pytest.param("AV1", "L3T3_KEY", marks=pytest.mark.slow),
    ],
)
async def test_spatial_layers_change_the_size(
    open_page: OpenPage, node: NodeProcess, codec: str, mode: str, timed: bool
) -> None:
    publisher, viewer = await on_stage(open_page, node, codec, mode)
    await viewer.first_of_width(WIDTH)
    await viewer.look(2.0)
    before = await viewer.stats()
    at = TOP
    for spatial in [1, 0, 2, 0, 1, 2] if timed else [0, 2, 1]:
        choice = await viewer.choose(maxSpatialLayerId=spatial, maxTemporalLayerId=TOP)
        await viewer.first_of_width(WIDTHS[spatial], since_ms=choice.at_ms)
        frames = await viewer.look(2.0)
        assert widths(frames) == {WIDTHS[spatial]}
        assert share(frames) > 0.9
        if spatial < at:
            await fell_with_the_next_frame(publisher, viewer, choice, spatial)
        at = spatial
    assert jumps_back(viewer.frames) == []
    if timed:
        assert (await viewer.stats())["freezeCount"] == before["freezeCount"]


async def stands_for(viewer: Viewer, seconds: float, width: int, part: float = 1.0) -> None:
    """What comes is decoded, of this width, and never asked for anew."""
    await viewer.first_of_width(width)
    await viewer.look(1.0)
    before = await viewer.stats()
    frames = await viewer.look(seconds)
    after = await viewer.stats()
    assert widths(frames) == {width}
    assert share(frames) == pytest.approx(part, rel=0.15)
    assert after["pliCount"] == before["pliCount"]


@pytest.mark.parametrize(
    ("codec", "mode", "widest"),
    [
        ("AV1", "L3T3", 0),
        ("VP9", "L3T3", TOP),
        pytest.param("AV1", "L3T3_KEY", 0, marks=pytest.mark.slow),
        pytest.param("AV1", "L2T1", 1, marks=pytest.mark.slow),
        pytest.param("AV1", "L1T3", TOP, marks=pytest.mark.slow),
        pytest.param("VP9", "L3T3_KEY", TOP, marks=pytest.mark.slow),
        pytest.param("H264", "L1T3", TOP, marks=pytest.mark.slow),
    ],
)
async def test_who_knows_no_descriptor_gets_what_its_decoder_can_take(
    open_page: OpenPage, node: NodeProcess, codec: str, mode: str, widest: int
) -> None:
    """Chromium's own offer to receive has no dependency descriptor."""
    stage = Stage(node, new_room())
    publisher = await stage.publish(await open_page("chromium"), codec, scalable(mode))
    assert publisher is not None
    await publisher.sends([""])
    viewer = await stage.view(await open_page("chromium"))
    await stands_for(viewer, 4.0, WIDTHS[widest])
    if "T3" in mode:
        await viewer.choose(maxTemporalLayerId=1)
        await stands_for(viewer, 4.0, WIDTHS[widest], 0.5)


async def test_the_page_offers_the_descriptor(open_page: OpenPage, node: NodeProcess) -> None:
    stage = Stage(node, new_room())
    publisher = await stage.publish(await open_page("chromium"), "AV1", scalable("L3T3"))
    assert publisher is not None
    await publisher.sends([""])
    viewer = await stage.view_by_page(await open_page("chromium"))
    await stands_for(viewer, 4.0, WIDTH)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "mode"), [("VP9", "L3T3_KEY"), ("AV1", "L3T3")])
async def test_spatial_and_temporal_together(open_page: OpenPage, node: NodeProcess, codec: str, mode: str) -> None:
    _, viewer = await on_stage(open_page, node, codec, mode)
    await viewer.first_of_width(WIDTH)
    for spatial, temporal, part in [(1, 1, 0.5), (0, 0, 0.25), (2, 1, 0.5), (1, 2, 1.0)]:
        choice = await viewer.choose(maxSpatialLayerId=spatial, maxTemporalLayerId=temporal)
        await viewer.first_of_width(WIDTHS[spatial], since_ms=choice.at_ms)
        await viewer.look(1.0)
        frames = await viewer.look(4.0)
        assert widths(frames) == {WIDTHS[spatial]}
        assert share(frames) == pytest.approx(part, rel=0.1)
    assert jumps_back(viewer.frames) == []


@pytest.mark.slow
async def test_firefox_takes_temporal_layers(open_page: OpenPage, node: NodeProcess) -> None:
    _, viewer = await on_stage(open_page, node, "VP8", "L1T3", viewer="firefox", **SMALL)
    await viewer.look(2.0)
    before = (await viewer.stats())["framesDecoded"]
    all_frames = len(await viewer.look(4.0))
    await viewer.choose(maxTemporalLayerId=0)
    await viewer.look(1.0)
    quarter = len(await viewer.look(4.0))
    assert quarter == pytest.approx(all_frames / 4, rel=0.25)
    assert (await viewer.stats())["framesDecoded"] > before
