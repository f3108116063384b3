"""The page stops the encodings that nobody takes, and sends them again as soon as somebody does."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.faked_page import both
from tests.interop.meeting import enter
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.page_site import call, serve_page
from tests.interop.seeing import until
from tests.interop.whip_page import WATCHED, open_client

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(360),
]

REMEMBER_SENDERS = """(() => {
  const { prototype } = RTCPeerConnection;
  const add = prototype.addTransceiver;
  window.senders = [];
  prototype.addTransceiver = function (...about) {
    const made = add.apply(this, about);
    if (about[1]?.direction === "sendonly") senders.push(made.sender);
    return made;
  };
})() || true"""
ACTIVE = """senders.map(sender => sender.getParameters().encodings).filter(encodings => encodings?.length === 3)
  .at(-1)?.map(({ active }) => active)"""

WHO = """(async () =>
  (await fetch('/rooms/{room}', {{ headers: {{ Authorization: 'Bearer {token}' }} }})).json())()"""


async def sends_the_lowest_only(page: Page) -> bool:
    return bool(await page.evaluate(ACTIVE) == [True, False, False])


async def enter_alone(page: Page, node: NodeProcess, room: str) -> None:
    """Alice, who enters an empty room; until all of her encodings but the lowest have been given up."""
    await page.goto(node.invitation(room, "Alice"))
    await page.evaluate(REMEMBER_SENDERS)
    preview = "document.getElementById('preview-video').videoWidth > 0"
    await until("a camera in the lobby", lambda: page.evaluate(preview), page)
    await page.evaluate("document.getElementById('join').click()")
    what = "the upper encodings to stop, since nobody is there"
    await until(what, lambda: sends_the_lowest_only(page), page)


@pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"])
async def test_what_nobody_takes_is_not_sent(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    alice, bob = await open_page("chromium"), await open_page("chromium")
    await enter_alone(alice, node, room)
    await enter(bob, node, room, "Bob")

    async def watched() -> bool:
        active = await alice.evaluate(ACTIVE)
        return bool(active[1] or active[2])

    await until("an upper encoding for Bob", watched, alice)
    await bob.evaluate("document.getElementById('leave').click()")
    await until("the upper encodings to stop again", lambda: sends_the_lowest_only(alice), alice)


@pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"])
async def test_who_comes_to_a_page_that_was_alone_sees_its_whole_picture(
    open_page: OpenPage, node: NodeProcess
) -> None:
    room = new_room()
    alice, viewer = await open_page("chromium"), await open_client(open_page, "chromium", node)
    await enter_alone(alice, node, room)
    peers = (await viewer.evaluate(WHO.format(room=room, token=node.token(room))))["peers"]
    path = f"/rooms/{room}/whep?publisher={quote(peers[0]['name'])}"
    await viewer.evaluate(f"whip.view({json.dumps(path)}, {json.dumps(node.token(room, publish=False))})")

    async def whole() -> bool:
        return bool(await viewer.evaluate(f"{WATCHED}.videoHeight") == 720)

    await until("all 720 lines of the picture", whole, viewer)


@both
async def test_the_lowest_that_suits_the_source_is_always_sent(open_page: OpenPage, browser: str) -> None:
    asked = """[[1280, 720, []], [1280, 720, ["f"]], [1280, 720, ["q", "h", "f"]], [640, 480, ["h", "f"]]].map(
        ([width, height, unwanted]) => {
            const parameters = { encodings: ["q", "h", "f"].map(rid => ({ rid })) };
            m.fitParameters(parameters, { width, height, screen: false }, 2, new Set(unwanted));
            return parameters.encodings.map(({ rid, active }) => active ? rid : "-").join("");
        })"""
    with serve_page() as site:
        assert await call(open_page, browser, site, "encodings.js", asked) == ["qhf", "qh-", "q--", "-h-"]
