"""The debug page: series and plots by themselves, and what it shows of a room in which two pages meet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from sfu.node.tokens import issue_token
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both
from tests.interop.meeting import enter, meets
from tests.interop.node_process import KEY, SECRET, NodeProcess, new_room
from tests.interop.page_site import call, run, serve_page
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

one_shard = pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"])
LINES = [
    {"key": "estimate", "name": "Estimate", "unit": "rate"},
    {"key": "queueDelay", "name": "Queue delay", "unit": "time"},
    {"key": "loss", "name": "Loss", "unit": "share"},
]
RATES = ("estimate", "budget", "allocated", "sent", "received")
# Keeps the latest answer about each peer, as the page gets it.
REMEMBER_ANSWERS = """(() => {
  const { fetch } = window;
  window.answers = {};
  window.asked = 0;
  window.fetch = async (...about) => {
    window.asked += 1;
    const response = await fetch(...about);
    const { peers = [] } = await response.clone().json();
    for (const peer of peers) if (peer.connections) answers[peer.name] = peer;
    return response;
  };
})()"""
# What is drawn for each peer, beside what the node answered.
SEEN = """[...document.querySelectorAll(".peer")].map(peer => ({
  answer: window.answers[peer.dataset.peer],
  connections: [...peer.querySelectorAll(".connection")].map(connection => ({
    title: connection.querySelector("h3").textContent,
    shown: !connection.querySelector(".plots").hidden,
    labels: [...connection.querySelectorAll("[role=img]")].map(plot => plot.getAttribute("aria-label")),
    lines: Object.fromEntries([...connection.querySelectorAll(".plot-area [data-line]")].map(
      line => [line.dataset.line, (line.getAttribute("d").match(/[\\d.-]+ [\\d.-]+/g) || []).length])),
    widths: [...connection.querySelectorAll(".plot-area [data-line=estimate]")].map(line => line.getBBox().width),
  })),
  rows: [...peer.querySelectorAll("tbody tr")].map(row => [...row.cells].map(cell => cell.textContent)),
}))"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


def show_rate(bps: int | None) -> str:
    """A rate as the page words it."""
    if bps is None:
        return "not known"
    return f"{bps / 1e6:.2f}\u00a0Mbit/s" if bps >= 999_500 else f"{(bps + 500) // 1000}\u00a0kbit/s"


def says_what_was_answered(connection: dict[str, Any]) -> bool:
    """Whether its plots have some samples, and their labels the values of the node's latest answer."""
    bandwidth = connection["bandwidth"]
    rates = [f"{key} {show_rate(bandwidth[f'{key}_bps'])}" for key in RATES]
    delay = f"queue delay {bandwidth['queue_delay_s'] * 1000:.0f}\u00a0ms"
    about_rates, about_path = connection["labels"]
    drawn = connection["lines"].get("estimate", 0) >= 4
    return drawn and all(rate in about_rates for rate in rates) and delay in about_path


async def text(page: Page, selector: str) -> str:
    """What an element says, or nothing where it is hidden."""
    found = await page.evaluate(f"(e => e.hidden ? '' : e.textContent)(document.querySelector({json.dumps(selector)}))")
    return str(found)


def debug_page(node: NodeProcess, room: str, token: str) -> str:
    return f"{node.url}/debug.html#{urlencode({'room': room, 'token': token})}"


@both
async def test_a_series_keeps_two_minutes(open_page: OpenPage, site: str, browser: str) -> None:
    asked = """(() => {
        const bandwidth = (rate) => ({ estimate_bps: rate, budget_bps: null, sent_bps: 7, loss: 0.1 });
        let series = new Map();
        for (let second = 0; second < 400; second += 1) {
            const connections = [{ id: "A", bandwidth: bandwidth(1000 * second) }];
            if (second < 10) connections.push({ id: "B", bandwidth: bandwidth(1) });
            series = m.gather(series, connections, 1000 * second);
        }
        const samples = series.get("A");
        return { ids: [...series.keys()], first: samples[0].at, last: samples.at(-1), count: samples.length,
                 peak: m.peak(samples, ["estimate", "budget"]), nearest: m.nearest(samples, 350_400).at,
                 none: m.nearest([], 1) };
    })()"""
    got = await call(open_page, browser, site, "series.js", asked)
    assert got["ids"] == ["A"]
    assert got["first"] == 276_000
    assert got["count"] == 124
    assert got["peak"] == 399_000
    assert got["nearest"] == 350_000
    assert got["none"] is None
    last = got["last"]
    assert (last["estimate"], last["budget"], last["sent"], last["loss"]) == (399_000, None, 7, 0.1)
    assert last["queueDelay"] is None


@both
async def test_lines_break_where_nothing_is_known(open_page: OpenPage, site: str, browser: str) -> None:
    samples = [{"at": 1000 * at, "rate": rate} for at, rate in [(0, 5), (1, 6), (2, None), (3, 7), (10, 8), (11, 0)]]
    page = await open_page(browser)
    await page.goto(f"{site}/debug.html")
    found = await run(page, "series.js", f"m.runs({json.dumps(samples)}, 'rate').map(run => run.map(s => s.rate))")
    assert found == [[5, 6], [7], [8, 0]]
    place = "({ at }, value) => [at / 1000, 10 - value]"
    drawn = await run(page, "plot.js", f"m.trace({json.dumps(samples)}, 'rate', {place})")
    assert drawn == "M0 5L1 4M3 3h0M10 2L11 10"
    assert await run(page, "plot.js", f"m.trace([], 'rate', {place})") == ""


@both
async def test_axes_end_at_round_numbers(open_page: OpenPage, site: str, browser: str) -> None:
    asked = [
        [2_300_000, "rate"],
        [310_000, "rate"],
        [0, "rate"],
        [0.055, "time"],
        [3, "time"],
        [0, "share"],
        [1, "share"],
    ]
    axes = await call(
        open_page, browser, site, "plot.js", f"{json.dumps(asked)}.map(([most, unit]) => m.scaleAxis(most, unit))"
    )
    assert [(axis["name"], axis["ticks"]) for axis in axes] == [
        ("Mbit/s", ["0", "1", "2", "3", "4"]),
        ("kbit/s", ["0", "100", "200", "300", "400"]),
        ("kbit/s", ["0", "50", "100", "150", "200"]),
        ("ms", ["0", "20", "40", "60", "80"]),
        ("s", ["0", "1", "2", "3", "4"]),
        ("%", ["0", "1", "2", "3", "4"]),
        ("%", ["0", "25", "50", "75", "100"]),
    ]
    assert all(axis["top"] >= most for axis, (most, _) in zip(axes, asked, strict=True))


@both
async def test_a_plot_draws_and_says_its_values(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_page(browser)
    await page.goto(f"{site}/debug.html")
    samples = [
        {"at": 1000 * at, "estimate": 1_000_000 + 10_000 * at, "queueDelay": 0.012, "loss": None if at > 50 else 0.02}
        for at in range(61)
    ]
    asked = f"""(() => {{
        const plot = new m.Plot("Rates", {json.dumps(LINES)});
        const area = plot.element.querySelector("[role=img]");
        const empty = area.getAttribute("aria-label");
        document.querySelector("main").append(plot.element);
        plot.draw({json.dumps(samples)}, 60_000);
        const box = key => {{
            const line = area.querySelector(`[data-line=${{key}}]`);
            const {{ x, y, width, height }} = line.getBBox();
            return {{ x, y, width, height, stroke: getComputedStyle(line).stroke }};
        }};
        const values = () => [...plot.element.querySelectorAll("output")].map(output => output.textContent);
        const seen = {{ empty, label: area.getAttribute("aria-label"), width: area.clientWidth, values: values(),
            estimate: box("estimate"), delay: box("queueDelay"), loss: box("loss"),
            texts: [...area.querySelectorAll("text")].map(text => text.textContent) }};
        const {{ left, width, top }} = area.getBoundingClientRect();
        const half = {{ clientX: left + 44 + (width - 88) * 0.75, clientY: top + 50 }};
        area.dispatchEvent(new PointerEvent("pointermove", half));
        seen.pointed = values();
        area.dispatchEvent(new PointerEvent("pointerleave"));
        seen.left = values();
        plot.close();
        seen.gone = document.querySelector(".plot") === null;
        return seen;
    }})()"""
    seen = await run(page, "plot.js", asked)
    now = ["1.60\u00a0Mbit/s", "12\u00a0ms", "\u2013"]
    assert "estimate not known" in seen["empty"]
    assert seen["label"] == (
        "Rates, the last 2 minutes. Now: estimate 1.60\u00a0Mbit/s, queue delay 12\u00a0ms, loss not known."
    )
    assert seen["values"] == seen["left"] == now
    assert seen["pointed"] == ["1.30\u00a0Mbit/s", "12\u00a0ms", "2.0\u00a0%"]
    inner = seen["width"] - 88
    assert seen["estimate"]["width"] == pytest.approx(inner / 2, abs=2)
    assert seen["estimate"]["x"] == pytest.approx(44 + inner / 2, abs=2)
    assert seen["estimate"]["height"] > 20
    assert seen["delay"]["height"] == pytest.approx(0, abs=0.2)
    assert seen["loss"]["width"] == pytest.approx(inner * 50 / 120, abs=2)
    assert len({seen[key]["stroke"] for key in ("estimate", "delay", "loss")}) == 3
    assert {"Mbit/s", "ms", "%", "now", "\u2212120 s"} <= set(seen["texts"])
    assert seen["gone"]


@both
async def test_without_a_token_it_asks_for_one(open_page: OpenPage, site: str, browser: str) -> None:
    page = await open_page(browser)
    await page.goto(f"{site}/debug.html")
    assert await page.evaluate("!document.getElementById('ask').hidden")
    fill = """(([room, token]) => {
        document.getElementById("ask-room").value = room;
        document.getElementById("ask-token").value = token;
        document.getElementById("ask-form").requestSubmit();
        return location.hash;
    })"""
    assert await page.evaluate(f"{fill}(['', 'opaque'])") == ""
    assert "no room" in await text(page, "#ask-error")
    assert await page.evaluate(f"{fill}(['', 'https://example.net/#room=den&token=opaque&name=x'])") == (
        "#room=den&token=opaque"
    )


@one_shard
async def test_it_shows_what_the_node_knows(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    alice, bob, debug = await open_page("chromium"), await open_page("chromium"), await open_page("chromium")
    await debug.goto(debug_page(node, room, node.token(room, publish=False)))
    await debug.evaluate(REMEMBER_ANSWERS)

    async def empty() -> bool:
        return await text(debug, "#state") == "The room is empty."

    await until("an empty room", empty, debug)
    await enter(alice, node, room, "Alice")
    await enter(bob, node, room, "Bob")
    await meets(alice, "Bob", "chromium")

    async def drawn() -> Any:
        """Both peers with a plot that has some samples, if every label says what the node has just answered."""
        peers = await debug.evaluate(SEEN)
        if len(peers) < 2 or not all(peer.get("answer") for peer in peers):
            return None
        for peer in peers:
            known = {about["id"]: about["bandwidth"] for about in peer["answer"]["connections"]}
            if set(known) != {connection["title"].split()[1] for connection in peer["connections"]}:
                return None
            for connection in peer["connections"]:
                connection["bandwidth"] = known[connection["title"].split()[1]]
            peer["receiving"] = [c for c in peer["connections"] if c["bandwidth"]["received_bps"] > 0]
            if not peer["receiving"] or not all(map(says_what_was_answered, peer["receiving"])):
                return None
        return peers

    peers = await until("an estimate for both, drawn", drawn, debug)
    for peer in peers:
        (other,) = {p["answer"]["name"] for p in peers} - {peer["answer"]["name"]}
        assert len(peer["receiving"]) == 1
        for connection in peer["connections"]:
            assert connection["shown"] == (connection in peer["receiving"])
        for connection in peer["receiving"]:
            assert connection["bandwidth"]["estimate_bps"] > 0
            assert set(connection["lines"]) == {*RATES, "queueDelay", "roundTrip", "loss"}
            assert all(width > 5 for width in connection["widths"])
        rows = {row[1]: row for row in peer["rows"]}
        assert set(rows) == {"audio", "video"}
        (video,) = [s for s in peer["answer"]["subscriptions"] if s["kind"] == "video"]
        layers = [video[name] for name in ("ceiling", "target", "current")]
        assert rows["video"] == [
            other,
            "video",
            *("\u2013" if at is None else f"{at['spatial']}/{at['temporal']}" for at in layers),
            "paused" if video["paused"] else "starved" if video["starved"] else "\u2013",
            show_rate(video["bit_rate_bps"]),
        ]
    assert await text(debug, "#problem") == ""

    own, others = (peer["answer"]["name"] for peer in peers)
    personal = issue_token(KEY, SECRET, room=room, now=time.time(), ttl=60, peer=own, subscribe=True)
    narrow = await open_page("chromium")
    await narrow.goto(debug_page(node, room, personal))
    peer = "document.querySelector('.peer[data-peer=\"%s\"]')"

    async def only_its_own() -> bool:
        note = await narrow.evaluate(f"{peer % others}?.querySelector('.note').textContent")
        lines = await narrow.evaluate(f"{peer % own}?.querySelectorAll('.plot-area [data-line]').length")
        return "another peer" in (note or "") and bool(lines)

    await until("what one peer receives, and no more", only_its_own, narrow)
    assert await narrow.evaluate(f"{peer % others}.querySelectorAll('.connection, tbody tr').length") == 0
    assert await text(narrow, "#problem") == ""
    # A peer that is closed is not asked about.
    await narrow.evaluate(REMEMBER_ANSWERS)
    await narrow.evaluate(f"({peer % own}.open = false, new Promise(done => setTimeout(done, 2500)))")
    await narrow.evaluate("window.answers = {}, new Promise(done => setTimeout(done, 1500))")
    assert await narrow.evaluate("Object.keys(window.answers)") == []
    assert await narrow.evaluate("window.asked") > 0

    await bob.evaluate("document.getElementById('leave').click()")

    async def alone() -> bool:
        return await text(debug, "#state") == "1 peer" and len(await debug.evaluate(SEEN)) == 1

    await until("Bob to go", alone, debug)


@one_shard
async def test_it_says_what_a_token_lacks(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    debug = await open_page("chromium")
    refused = [
        ("nonsense", "not valid or has expired"),
        (node.token(room, subscribe=False), "the right to subscribe"),
        (node.token(new_room()), "for another room"),
    ]
    for token, words in refused:
        await debug.goto("about:blank")
        await debug.goto(debug_page(node, room, token))

        async def told(words: str = words) -> bool:
            return words in await text(debug, "#problem") and await debug.evaluate(
                "!document.querySelector('#ask').hidden"
            )

        await until(words, told, debug)


@one_shard
async def test_it_stops_while_hidden_and_resumes_after_a_failure(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    debug = await open_page("chromium")
    await debug.goto(debug_page(node, room, node.token(room)))
    await debug.evaluate(REMEMBER_ANSWERS)

    async def asks() -> bool:
        return bool(await debug.evaluate("window.asked >= 2"))

    await until("two looks", asks, debug)
    hide = "Object.defineProperty(document, 'hidden', { configurable: true, value: %s })"
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    wait = "new Promise(done => setTimeout(done, %d))"
    await debug.evaluate(f"({hide % 'true'}, {tell}, {wait % 300})")
    before = await debug.evaluate("window.asked")
    await debug.evaluate(wait % 2500)
    assert await debug.evaluate("window.asked") == before
    fail = "window.working = window.fetch, window.fetch = () => Promise.reject(new TypeError('offline'))"
    await debug.evaluate(f"({fail}, {hide % 'false'}, {tell})")

    async def failed() -> bool:
        return "cannot be reached" in await text(debug, "#problem")

    async def resumed() -> bool:
        return await text(debug, "#problem") == "" and await text(debug, "#state") == "The room is empty."

    await until("a failure in words", failed, debug)
    await debug.evaluate("(window.fetch = window.working) && 0")
    await until("it to resume", resumed, debug)
