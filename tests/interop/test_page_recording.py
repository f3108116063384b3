"""The page tells everyone in the room whether it is recorded: as a sign, and to screen readers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

import sfu
from sfu.node.tokens import issue_token
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both
from tests.interop.meeting import enter
from tests.interop.node_process import KEY, SECRET, NodeProcess, new_room
from tests.interop.page_site import call, serve_page
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

# What a person sees of a sign, and what a screen reader is told; null where it takes no place.
SEEN = """(sign => {
  const { width } = sign.getBoundingClientRect();
  const style = getComputedStyle(sign);
  return sign.getAttribute("role") !== "status" || style.display === "none" || style.visibility === "hidden"
    ? "no live region" : { shown: width > 0, text: sign.innerText.trim(), state: sign.dataset.state ?? null };
})(document.getElementById("%s"))"""
SCRAPER = "a-token-for-whom-metrics-are"
NOTHING = {"shown": False, "text": "", "state": None}
RECORDING = {"shown": True, "text": "Recording", "state": "recording"}
PAUSED = {"shown": True, "text": "Off the record: Recess", "state": "paused"}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page's files on 127.0.0.1, without a node behind them."""
    with serve_page() as address:
        yield address


@both
async def test_the_sign_follows_events_and_snapshots(open_page: OpenPage, site: str, browser: str) -> None:
    running = {"id": "a", "state": "recording"}
    paused = {"id": "a", "state": "paused", "ground": "<b>Recess</b>"}
    events: list[tuple[str, dict[str, Any]]] = [
        ("joined", {"peer": "ann"}),
        ("recording", running),
        ("snapshot", {"peers": [], "recordings": [running]}),
        ("recording", paused),
        ("joined", {"peer": "bob"}),
        ("snapshot", {"peers": [], "recordings": []}),
        ("snapshot", {"peers": [], "recordings": [paused]}),
        ("recording", {"id": "a", "state": "stopped"}),
        ("recording", running),
        ("recording", {"id": "a", "state": "failed"}),
        ("recording", {"id": "a", "state": "something new"}),
        ("snapshot", {"peers": [], "recordings": [paused, running | {"id": "b"}]}),
        ("recording", {"id": "b", "state": "failed"}),
        ("recording", running | {"id": "c"}),
        ("recording", {"id": "a", "state": "stopped"}),
    ]
    asked = f"""(() => {{
        const region = document.createElement("p");
        document.body.append(region);
        const sign = new m.RecordingSign(region);
        return {json.dumps(events)}.map(([event, body]) => {{
            const before = region.firstChild;
            sign.handle(event, body);
            const messages = [...document.querySelectorAll("#toasts .toast")];
            const told = messages.map(toast => `${{toast.getAttribute("role")}}: ${{toast.innerText.trim()}}`);
            for (const toast of messages) toast.remove();
            return [region.dataset.state ?? "", region.textContent, region.firstChild === before, told];
        }});
    }})()"""
    off = "Off the record: <b>Recess</b>"
    assert await call(open_page, browser, site, "recording.js", asked) == [
        ["", "", True, []],
        ["recording", "Recording", False, []],
        ["recording", "Recording", True, []],  # the same again is not read out again
        ["paused", off, False, []],
        ["paused", off, True, []],
        ["", "", False, []],
        ["paused", off, False, []],
        ["", "", False, ["status: The recording has ended."]],
        ["recording", "Recording", False, []],
        ["", "", False, ["alert: The recording has failed: nothing is being recorded any more."]],
        ["", "", True, []],
        ["recording", "Recording", False, []],  # one of the two does
        ["paused", off, False, ["alert: A recording has failed; another one goes on."]],
        ["recording", "Recording", False, []],
        ["recording", "Recording", True, []],
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def recording_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[NodeProcess, Path]]:
    """A node that records, and where."""
    folder = tmp_path_factory.mktemp("records")
    key = folder.with_name("records-key.pem")
    sfu.load_or_create_signing_key(key)
    variables = {"SFU_RECORD_KEY": str(key), "SFU_METRICS_TOKEN": SCRAPER}
    async with NodeProcess("--record-dir", str(folder), variables=variables) as node:
        yield node, folder


async def shows(page: Page, sign: str, expected: dict[str, Any]) -> None:
    async def seen() -> bool:
        return bool(await page.evaluate(SEEN % sign) == expected)

    await until(f"{sign} to be {expected}", seen, page)


async def count_bytes(node: NodeProcess) -> float:
    """What the node's metrics say is on disk."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{node.url}/metrics", headers={"Authorization": f"Bearer {SCRAPER}"})).text
    (line,) = (line for line in text.splitlines() if line.startswith("sfu_recording_bytes_total "))
    return float(line.split()[1])


async def test_who_is_in_the_room_sees_that_it_is_recorded(
    open_page: OpenPage, recording_node: tuple[NodeProcess, Path]
) -> None:
    node, folder = recording_node
    room = new_room()
    token = issue_token(KEY, SECRET, room=room, now=time.time(), ttl=600, record=True)
    alice, bob = await open_page("chromium"), await open_page("chromium")
    await enter(alice, node, room, "Alice")
    await shows(alice, "recording", NOTHING)
    async with httpx.AsyncClient(
        base_url=f"{node.url}/rooms/{room}", headers={"Authorization": f"Bearer {token}"}
    ) as http:
        started = await http.post("/recording")
        assert started.status_code == 201
        await shows(alice, "recording", RECORDING)
        await bob.goto(node.invitation(room, "Bob"))
        await shows(bob, "lobby-recording", RECORDING)  # before he is seen or heard
        await bob.evaluate("document.getElementById('join').click()")
        await shows(bob, "recording", RECORDING)

        async def written() -> bool:
            return bool((await http.get("/recording")).json()["recorders"][0]["bytes"] > 0)

        await until("media on disk", written, alice)
        counted = await count_bytes(node)
        assert counted > 0
        await http.post("/recording/pause", json={"ground": "Recess", "authoriser": "Judge Weiß"})
        for page in (alice, bob):
            await shows(page, "recording", PAUSED)
        await http.post("/recording/resume", json={"authoriser": "Judge Weiß"})
        for page in (alice, bob):
            await shows(page, "recording", RECORDING)
        stopped = await http.delete("/recording")
        assert stopped.json()["state"] == "stopped"
        assert await count_bytes(node) >= counted  # a counter, though the recording is over
        for page in (alice, bob):
            await shows(page, "recording", NOTHING)
    assert (folder / stopped.json()["folder"] / "manifest.json").exists()
