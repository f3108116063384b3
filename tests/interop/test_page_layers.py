"""The page's part in layers: what it publishes, which layer it asks for, the menu."""

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


# -- What is published ---------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ((1280, 720, False), [("q", 4, 190_000), ("h", 2, 530_000), ("f", 1, 1_500_000)]),
        ((720, 1280, False), [("q", 4, 190_000), ("h", 2, 530_000), ("f", 1, 1_500_000)]),
        ((640, 480, False), [("h", 2, 230_000), ("f", 1, 660_000)]),
        ((320, 240, False), [(None, 1, 230_000)]),
        ((1920, 1080, True), [("h", 2, 970_000), ("f", 1, 2_760_000)]),
        ((640, 480, True), [("h", 2, 300_000), ("f", 1, 660_000)]),
    ],
    ids=["camera", "upright", "small", "tiny", "screen", "window"],
)
async def test_encodings_suit_the_source(
    open_page: OpenPage,
    site: str,
    browser: str,
    source: tuple[int, int, bool],
    sent: list[tuple[str | None, int, int]],
) -> None:
    width, height, screen = source
    about = json.dumps({"width": width, "height": height, "screen": screen})
    encodings = await call(open_page, browser, site, "encodings.js", f"m.sendEncodings({about})")
    keys = ("rid", "scaleResolutionDownBy", "maxBitrate")
    assert [tuple(encoding.get(key) for key in keys) for encoding in encodings] == sent
    assert all(encoding["active"] for encoding in encodings)


@both
async def test_a_smaller_source_switches_encodings_off(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """[[1280, 720], [640, 480], [320, 240]].map(([width, height]) =>
        m.plan({ width, height, screen: false }, ["q", "h", "f"])
            .map(({ rid, active }) => active ? rid : "-").join(""))"""
    assert await call(open_page, browser, site, "encodings.js", asked) == ["qhf", "-hf", "--f"]


@both
async def test_a_browser_that_refuses_encodings_sends_one(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """[["scalabilityMode"], ["scalabilityMode", "rid"]].map(refused => {
        const tried = [];
        const pc = { addTransceiver(source, { direction, sendEncodings = [] }) {
            tried.push(sendEncodings.length);
            const bad = sendEncodings.some(encoding => refused.some(key => key in encoding));
            if (bad) throw new DOMException("not here", "OperationError");
            return { direction };
        } };
        return [m.addVideo(pc, null, {}), tried];
    })"""
    plain, lone = await call(open_page, browser, site, "encodings.js", asked)
    assert plain == [{"direction": "sendonly"}, [3, 3]]
    assert lone == [{"direction": "sendonly"}, [3, 3, 0]]


PUBLISH = """(async () => {
    const devices = new EventTarget();
    const camera = (width, height) => navigator.mediaDevices.getUserMedia({ video: { width, height } })
        .then(stream => stream.getVideoTracks()[0]);
    let track = await camera(1280, 720);
    devices.outgoing = kind => kind === "video" ? track : null;
    const node = window.fetch;
    window.fetch = async (url, init) => {
        if (!String(url).endsWith("/whip")) return node(url, init);
        const headers = { "Content-Type": "application/sdp", Location: "/s" };
        return new Response(await fake.answer(init.body, SIMULCAST), { status: 201, headers });
    };
    const publisher = new m.Publisher({ url: new URL("/whip", location), token: "t", media: devices,
        onState() {}, onPublished() {}, onError(error) { throw error; } });
    publisher.link.start();
    const { pc } = await fake.until(() => publisher.link.session);
    const sender = pc.getSenders()[1];
    const active = () => sender.getParameters().encodings.map(one => one.active ? one.rid ?? "" : "-").join("");
    const first = () => sender.getParameters().encodings[0].scaleResolutionDownBy;
    const change = next => {
        track?.stop();
        track = next;
        devices.dispatchEvent(new Event("change"));
    };
    const [all, none, small] = EXPECTED;
    await fake.until(() => active() === all && first() === SCALE);
    change(null);
    await fake.until(() => active() === none && sender.track === null);
    change(await camera(640, 480));
    await fake.until(() => active() === small && sender.track === track);
    publisher.close();
    track.stop();
    fake.pc.close();
    return true;
})()"""


@both
async def test_camera_is_muted_and_switched_with_simulcast(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    expected = json.dumps(["qhf", "---", "-hf"])
    script = PUBLISH.replace("SIMULCAST", "true").replace("SCALE", "4").replace("EXPECTED", expected)
    assert await run(page, "whip.js", script)


@both
async def test_a_node_without_simulcast_gets_the_full_picture(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    expected = json.dumps(["q", "-", "q"])
    script = PUBLISH.replace("SIMULCAST", "false").replace("SCALE", "1").replace("EXPECTED", expected)
    assert await run(page, "whip.js", script)


# -- Which layer is asked for --------------------------------------------------------------------------------------


@both
async def test_layers_are_read_from_either_draft(open_page: OpenPage, site: str, browser: str) -> None:
    simulcast = [
        {
            "rid": "2",
            "spatialLayerId": 0,
            "temporalLayerId": 1,
            "targetBitrate": 2000000,
            "width": 1280,
            "height": 720,
        },
        {
            "rid": "0",
            "spatialLayerId": 0,
            "temporalLayerId": 1,
            "bitrate": 116352,
            "width": 320,
            "height": 180,
        },
        {
            "rid": "0",
            "spatialLayerId": 0,
            "temporalLayerId": 0,
            "bitrate": 67464,
            "width": 320,
            "height": 180,
        },
    ]
    scalable = [{"spatialLayerId": at, "temporalLayerId": 0, "bitrate": 9} for at in (1, 0, 2)]
    former = {
        "active": [{"id": "q", "simulcastIdx": 0, "bitrate": 5, "width": 320, "height": 180}],
        "inactive": [{"id": "f", "simulcastIdx": 1, "width": 640, "height": 360}],
        "layers": [{"encodingId": "q", "simulcastIdx": 0, "temporalLayerId": 1, "bitrate": 5, "height": 180}],
    }
    bodies = [
        {"1": simulcast},
        {"1": scalable},
        {"1": former},
        {"0": simulcast},
        None,
        [],
        {"1": "x"},
        {"1": [None, 7]},
    ]
    asked = f"{json.dumps(bodies)}.map(body => m.parseLayers(body, '1'))"
    first, second, third, *nothing = await call(open_page, browser, site, "layers.js", asked)
    assert [(layer["encodingId"], layer["height"], layer["bitrate"]) for layer in first] == [
        ("0", 180, 116352),
        ("2", 720, 0),
    ]
    assert [layer["spatial"] for layer in second] == [0, 1, 2]
    assert [(layer["encodingId"], layer["active"]) for layer in third] == [("q", True), ("f", False)]
    assert nothing == [[]] * 5


@both
async def test_a_tile_at_an_edge_does_not_switch_to_and_fro(open_page: OpenPage, site: str, browser: str) -> None:
    sweep = """(() => {
        const heights = [180, 360, 720];
        const next = (seen, need) => [...seen, m.wanted(heights, need, seen.at(-1) ?? null)];
        const follow = sizes => sizes.reduce(next, []);
        const up = [...Array(1000).keys()];
        return { up: follow(up), down: follow([...up].reverse()), jitter: follow([440, 455, 440, 455, 400, 440, 455]) };
    })()"""
    got = await call(open_page, browser, site, "layers.js", sweep)
    assert [got["up"].index(layer) for layer in (0, 1, 2)] == [0, 226, 451]
    assert [999 - got["down"].index(layer) for layer in (2, 1, 0)] == [999, 360, 180]
    assert got["jitter"] == [1, 2, 2, 2, 2, 2, 2]


@both
async def test_requests_say_no_more_than_is_wanted(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """(() => {
        const simulcast = ["q", "h", "f"].map(encodingId => ({ encodingId, spatial: 0 }));
        const scalable = [0, 1, 2].map(spatial => ({ encodingId: "", spatial }));
        const wish = { mediaId: "1", layers: simulcast, limit: 2, hidden: false, paused: false };
        const low = { limit: 0 };
        return [{}, { limit: 1 }, { limit: 1, layers: scalable }, { ...low, hidden: true }, { ...low, paused: true }]
            .map(more => m.layerRequest({ ...wish, ...more }));
    })()"""
    assert await call(open_page, browser, site, "quality.js", asked) == [
        {"mediaId": "1"},
        {"mediaId": "1", "encodingId": "h"},
        {"mediaId": "1", "maxSpatialLayerId": 1},
        {"mediaId": "1", "encodingId": "q", "maxTemporalLayerId": 0},
        {"mediaId": "1", "paused": True},
    ]


@both
async def test_a_tile_asks_for_what_it_can_show(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { tile, quality, session } = await fake.tile(160, 90);
        const size = async (width, height) => {
            const before = fake.wishes.length;
            for (const part of [0.6, 0.8, 1]) {
                tile.element.style.width = `${width * part}px`;
                tile.element.style.height = `${height * part}px`;
                await fake.wait(40);
            }
            await fake.until(() => fake.wishes.length > before);
        };
        quality.attach(session, "1");
        await fake.until(() => fake.wishes.length === 1);
        await size(1600, 900);
        tile.element.style.display = "none";
        await fake.until(() => fake.wishes.length === 3);
        tile.element.style.display = "";
        await fake.until(() => fake.wishes.length === 4);
        quality.choose(1);
        await fake.until(() => fake.wishes.length === 5);
        await size(160, 90);
        const { wishes, asked } = fake;
        return { wishes, streams: asked.filter(line => line.includes("sse")) };
    })()"""
    got = await run(page, "quality.js", asked)
    low, middle = {"encodingId": "q"}, {"encodingId": "h"}
    everything: dict[str, str] = {}
    hidden = {"encodingId": "q", "maxTemporalLayerId": 0}
    # A choice of the viewer is a ceiling: the small tile still gets less.
    assert got["wishes"] == [{"mediaId": "1", **body} for body in (low, everything, hidden, everything, middle, low)]
    assert got["streams"] == ['POST /s/sse ["layers"]', "GET /s/sse/1", "DELETE /s/sse/1"]


@both
async def test_a_new_session_is_told_again_and_a_refusal_is_taken_back(
    open_page: OpenPage, site: str, browser: str
) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { quality, session, errors, button } = await fake.tile(1600, 900);
        quality.attach(session, "1");
        await fake.until(() => quality.layers[0].encodingId === "q");
        quality.pause(true);
        await fake.until(() => fake.wishes.length === 1);
        const paused = quality.label;
        quality.attach(null, "");
        const without = button.hidden;
        quality.attach({ ...session }, "1");
        await fake.until(() => fake.wishes.length === 2);
        // Also what was on its way is refused, but no longer wanted.
        fake.refuse = 422;
        quality.choose(0);
        await fake.until(() => errors.length > 0);
        const wishes = fake.wishes.slice(0, 3);
        return { paused, without, wishes, errors, label: quality.label, hidden: button.hidden };
    })()"""
    assert await run(page, "quality.js", asked) == {
        "paused": "Paused",
        "without": True,
        "wishes": [
            {"mediaId": "1", "paused": True},
            {"mediaId": "1", "paused": True},
            {"mediaId": "1", "encodingId": "q"},
        ],
        "errors": ["No such layer"],
        "label": "Paused",
        "hidden": False,
    }


@both
async def test_without_the_extension_nothing_is_offered_or_asked(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { quality, session, button } = await fake.tile(160, 90);
        quality.attach({ ...session, links: {} }, "1");
        await fake.wait(600);
        quality.attach(session, "");
        await fake.wait(600);
        return { hidden: button.hidden, asked: fake.asked };
    })()"""
    assert await run(page, "quality.js", asked) == {"hidden": True, "asked": []}


# -- The menu ------------------------------------------------------------------------------------------------------


@both
async def test_the_menu_is_worked_by_keys(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { quality, session, button } = await fake.tile(1600, 900);
        quality.attach(session, "1");
        await fake.until(() => quality.layers[0].encodingId === "q");
        const focus = () => fake.menu().find(([, , focused]) => focused)?.[0];
        const seen = { shut: button.getAttribute("aria-expanded"), label: button.getAttribute("aria-label") };
        button.focus();
        fake.press("ArrowDown");
        seen.open = button.getAttribute("aria-expanded");
        seen.menu = fake.menu();
        const keys = ["ArrowDown", "End", "ArrowDown", "ArrowUp", "Home", "m", "l"];
        seen.walk = keys.map(key => (fake.press(key), focus()));
        document.activeElement.click();
        seen.chosen = [button.getAttribute("aria-label"), document.activeElement === button, fake.menu()];
        button.click();
        seen.again = fake.menu().filter(([, checked]) => checked);
        fake.press("Escape");
        seen.escaped = [document.activeElement === button, fake.menu()];
        button.click();
        document.body.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
        seen.outside = fake.menu();
        await fake.until(() => fake.wishes.length === 1);
        return seen;
    })()"""
    assert await run(page, "menu.js", asked) == {
        "shut": "false",
        "label": "Quality of Ann: Auto",
        "open": "true",
        "menu": [
            ["Auto", True, True],
            ["High", False, False],
            ["Medium", False, False],
            ["Low", False, False],
            ["Pause video", False, False],
        ],
        "walk": ["High", "Pause video", "Auto", "Pause video", "Auto", "Medium", "Low"],
        "chosen": ["Quality of Ann: Low", True, []],
        "again": [["Low", True, True]],
        "escaped": [True, []],
        "outside": [],
    }


@both
async def test_an_open_menu_follows_what_there_is(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_faked(open_page, browser, site)
    asked = """(async () => {
        const { tile, picker, quality, session, button } = await fake.tile(1600, 900);
        quality.attach(session, "1");
        await fake.until(() => quality.layers[0].encodingId === "q");
        quality.choose(2);
        button.click();
        await fake.until(() => fake.streams === 2);
        fake.press("End");
        fake.tell({ 1: fake.layers[1].layers.slice(1) });
        await fake.until(() => fake.menu().length === 4);
        const menu = fake.menu();
        picker.close();
        await fake.until(() => fake.asked.filter(line => line === "DELETE /s/sse/1").length === 2);
        return { menu, left: fake.menu() };
    })()"""
    assert await run(page, "menu.js", asked) == {
        "menu": [
            ["Auto", False, False],
            ["High", True, False],
            ["Low", False, False],
            ["Pause video", False, True],
        ],
        "left": [],
    }
