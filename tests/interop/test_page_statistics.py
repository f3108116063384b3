"""The page's statistics overlay, and who speaks as the node hears it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both, open_faked
from tests.interop.page_site import call, run, serve_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


INBOUND = [
    {"type": "transport", "id": "T", "selectedCandidatePairId": "P"},
    {"type": "candidate-pair", "id": "O", "nominated": True, "state": "succeeded", "currentRoundTripTime": 9},
    {
        "type": "candidate-pair",
        "id": "P",
        "nominated": True,
        "state": "succeeded",
        "currentRoundTripTime": 0.032,
    },
    {"type": "codec", "id": "C", "mimeType": "video/VP8"},
]


@both
async def test_figures_of_what_is_received(open_page: OpenPage, site: str, browser: str) -> None:
    video = {
        "type": "inbound-rtp",
        "kind": "video",
        "id": "V",
        "codecId": "C",
        "frameWidth": 640,
        "frameHeight": 360,
    }
    video |= {"framesPerSecond": 29.97, "jitter": 0.004, "nackCount": 3, "pliCount": 1, "firCount": 1}
    audio = {"type": "inbound-rtp", "kind": "audio", "id": "A", "jitter": 0.001}
    reports = [
        [
            *INBOUND,
            video
            | {
                "timestamp": 1000 * at,
                "bytesReceived": 177_500 * at,
                "packetsReceived": 98 * at,
                "packetsLost": 2 * at,
            }
            | {"freezeCount": at, "totalFreezesDuration": 0.5 * at},
            audio
            | {
                "timestamp": 1000 * at,
                "bytesReceived": 4000 * at,
                "packetsReceived": 50 * at,
                "packetsLost": 0,
            },
        ]
        for at in (1, 2)
    ]
    asked = f"""(() => {{
        const figures = new m.InboundFigures();
        return {json.dumps(reports)}.map(report => figures.read(report, {{ layer: "h" }}));
    }})()"""
    first, second = await call(open_page, browser, site, "figures.js", asked)
    shown = {row["label"]: row["value"].replace("\xa0", " ") for row in second}
    assert shown == {
        "Video": "640\u00d7360 30 fps",
        "Rate": "1.42 Mbit/s",
        "Codec": "VP8",
        "Layer": "h",
        "Loss": "2.0 % · jitter 4 ms",
        "Asked": "3 NACK · 2 PLI",
        "Freezes": "2 · 1.0 s",
        "Audio": "32 kbit/s · loss 0 % · jitter 1 ms",
        "RTT": "32 ms",
    }
    assert [row["label"] for row in second if row["rank"] == 1] == ["Video", "Rate"]
    assert {row["label"]: row["value"] for row in first}["Rate"] == "\u2013"


@both
async def test_figures_of_what_is_sent(open_page: OpenPage, site: str, browser: str) -> None:
    def sent(rid: str, at: int, **more: object) -> dict[str, object]:
        about = {
            "type": "outbound-rtp",
            "kind": "video",
            "id": rid,
            "rid": rid,
            "codecId": "C",
            "nackCount": 1,
        }
        return about | {"timestamp": 1000 * at, "bytesSent": 40_000 * at, "framesSent": 30 * at} | more

    size = {"frameWidth": 640, "frameHeight": 360, "framesPerSecond": 30, "scalabilityMode": "L1T3"}
    reports = [
        [
            {"type": "codec", "id": "C", "mimeType": "video/VP9"},
            sent("q", at, framesSent=7),
            sent("h", at, **size, qualityLimitationReason="bandwidth"),
            sent("f", at, active=False),
            {
                "type": "remote-inbound-rtp",
                "id": "R",
                "kind": "video",
                "fractionLost": 0.05,
                "roundTripTime": 0.02,
            },
        ]
        for at in (1, 2)
    ]
    asked = f"""(() => {{
        const figures = new m.OutboundFigures();
        return {json.dumps(reports)}.map(report => figures.read(report)).at(-1);
    }})()"""
    rows = await call(open_page, browser, site, "figures.js", asked)
    assert [(row["label"], row["value"].replace("\xa0", " ")) for row in rows] == [
        ("f", "not sent"),
        ("h", "640\u00d7360 30 fps · 320 kbit/s"),
        ("", "L1T3 · limited by network"),
        ("q", "not sent"),
        ("Codec", "VP9"),
        ("Heard", "3 NACK · 0 PLI"),
        ("Loss", "5.0 %"),
        ("RTT", "20 ms"),
    ]


@both
async def test_the_overlay_asks_only_while_it_is_shown(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { tile } = await fake.tile(600, 400);
        let reads = 0;
        const figures = async () => (reads += 1, [{ label: "Rate", value: `${reads}`, rank: 1 }]);
        const button = document.getElementById("toggle-figures");
        const overlay = new m.Overlay({ button, sources: () => [{ tile, figures }] });
        const panel = tile.element.querySelector(".figures");
        const state = () => [button.getAttribute("aria-pressed"), panel.hidden];
        const type = (target, more = {}) => target.dispatchEvent(
            new KeyboardEvent("keydown", { key: "s", bubbles: true, cancelable: true, ...more }));
        const seen = [state()];
        type(document.getElementById("name"));
        type(document.body, { ctrlKey: true });
        type(document.body, { repeat: true });
        seen.push(state(), reads);
        type(document.body);
        await fake.until(() => reads === 2);
        await fake.until(() => panel.textContent === "Rate2");
        seen.push(state());
        button.click();
        await fake.until(() => panel.hidden);
        await fake.wait(1200);
        seen.push(state(), reads);
        overlay.close();
        type(document.body);
        seen.push(state());
        return seen;
    })()"""
    off, on = ["false", True], ["true", False]
    assert await run(page, "overlay.js", asked) == [off, off, 0, on, off, 2, off]


@both
async def test_speakers_as_the_node_hears_them(open_page: OpenPage, site: str, browser: str) -> None:
    events = [
        ["joined", {"peer": "ann"}],
        ["active_speakers", {"speakers": ["ann", "bob"]}],
        ["dominant_speaker", {"peer": "bob"}],
        ["active_speakers", {"speakers": []}],
        ["dominant_speaker", {"peer": None}],
        ["dominant_speaker", {"peer": "ann"}],
        ["snapshot", {"peers": [], "speakers": [], "dominant_speaker": None}],
        ["snapshot", {"peers": [], "speakers": ["bob"], "dominant_speaker": "ann"}],
    ]
    asked = f"""(() => {{
        const speakers = new m.Speakers();
        return {json.dumps(events)}.map(([event, body]) =>
            [speakers.handle(event, body), speakers.of("ann"), speakers.of("bob"), speakers.of("")]);
    }})()"""
    assert await call(open_page, browser, site, "speakers.js", asked) == [
        [False, "", "", ""],
        [True, "active", "active", ""],
        [True, "active", "dominant", ""],
        [True, "", "dominant", ""],
        [True, "", "", ""],
        [True, "dominant", "", ""],
        [True, "", "", ""],
        [True, "dominant", "active", ""],
    ]


@both
async def test_a_tile_is_outlined_by_either_hearing(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { tile } = await fake.tile(600, 400);
        const state = () => [tile.element.hasAttribute("data-speaking"), tile.element.hasAttribute("data-dominant")];
        const seen = [];
        tile.level(0, 0);
        seen.push(state());
        tile.speaker = "active";
        tile.level(0, 100);
        seen.push(state());
        tile.speaker = "dominant";
        seen.push(state());
        tile.speaker = "";
        tile.level(0, 200);
        seen.push(state());
        return seen;
    })()"""
    expected = [[False, False], [True, False], [True, True], [False, False]]
    assert await run(page, "tile.js", asked) == expected
