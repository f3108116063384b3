"""Data channels between browsers and a Server of this process, whoever makes the offers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from sfu import Config, DataChannel, DataChannelState, Server
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.page_site import serve_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("name", ["chromium"]),  # Firefox finds no candidates for a page of data alone
]

SMALL = 2_000
LARGE = 64_000
PATIENCE_S = 60.0

SET_UP = """(() => {
    window.pc = new RTCPeerConnection({bundlePolicy: "max-bundle"});
    window.channels = {};
    window.got = {};
    window.watch = channel => {
        channel.binaryType = "arraybuffer";
        channels[channel.label] = channel;
        got[channel.label] = [];
        channel.onmessage = e => got[channel.label].push(typeof e.data === "string" ? e.data : e.data.byteLength);
        return channel;
    };
    pc.ondatachannel = e => watch(e.channel);
    window.inOrder = label => got[label].every((text, k) => text === String(k));
    window.sendAll = label => { for (let k = 0; k < COUNT; k++) channels[label].send(String(k)); };
})()""".replace("COUNT", str(SMALL))


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with Server(Config()) as running:
        yield running
        assert "drop_internal_error" not in running.counters()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serve_page() as address:
        yield address


async def set_up(open_page: OpenPage, name: str, site: str) -> Page:
    """A page with what it takes to watch channels."""
    page = await open_page(name)
    await page.goto(f"{site}/")
    await page.evaluate(
        "navigator.mediaDevices.getUserMedia({audio: true}).then(stream => { window.stream = stream; })"
    )
    await page.evaluate(SET_UP)
    return page


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def until_true(page: Page, expression: str) -> None:
    for _ in range(int(PATIENCE_S / 0.1)):
        if await page.evaluate(expression):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never true: {expression}; got {await page.evaluate('JSON.stringify(got).slice(0, 300)')}")


async def exchange(page: Page, label: str, channel: DataChannel) -> dict[str, float]:
    """Large and small messages both ways, all and in order; returns the seconds that the small ones took."""
    got: list[bytes | str] = []
    channel.on_message = got.append
    for _ in range(10):
        await page.evaluate(f"channels[{label!r}].send(new Uint8Array({LARGE}).fill(7))")
    await until(lambda: len(got) == 10)
    assert got == [b"\7" * LARGE] * 10
    for _ in range(10):
        while not channel.send(bytes(LARGE)):
            await channel.drained()
    await until_true(page, f"got[{label!r}].length === 10")
    assert await page.evaluate(f"got[{label!r}].every(size => size === {LARGE})")
    got.clear()
    await page.evaluate(f"got[{label!r}].length = 0")
    begun = time.monotonic()
    await page.evaluate(f"sendAll({label!r})")
    await until(lambda: len(got) == SMALL)
    assert got == [str(number) for number in range(SMALL)]
    seconds = {"in": time.monotonic() - begun}
    begun = time.monotonic()
    for number in range(SMALL):
        while not channel.send(str(number)):
            await channel.drained()
    await until_true(page, f"got[{label!r}].length === {SMALL}")
    assert await page.evaluate(f"inOrder({label!r})")
    seconds["out"] = time.monotonic() - begun
    return seconds


async def test_the_browser_offers(open_page: OpenPage, server: Server, site: str, name: str) -> None:
    page = await set_up(open_page, name, site)
    await page.evaluate(
        'watch(pc.createDataChannel("chat")), '
        'watch(pc.createDataChannel("agreed", {negotiated: true, id: 100})), '
        'watch(pc.createDataChannel("lossy", {negotiated: true, id: 101, ordered: false, maxRetransmits: 0})), 0'
    )
    offer = await page.evaluate("pc.setLocalDescription().then(() => pc.localDescription.sdp)")
    answered = server.room(name).join("page").answer(offer, data=True)
    data, told = answered.connection.data, list[DataChannel]()
    data.on_channel = told.append
    agreed = data.open("agreed", negotiated=100)
    lossy = data.open("lossy", negotiated=101, ordered=False, max_retransmits=0)
    await page.evaluate(f"pc.setRemoteDescription({{type: 'answer', sdp: {json.dumps(answered.sdp)}}})")
    await until(lambda: bool(told) and agreed.state is DataChannelState.OPEN)
    assert told[0].label == "chat" and data.max_message_size >= LARGE
    await exchange(page, "chat", told[0])
    await exchange(page, "agreed", agreed)
    lossy.send("text ä")
    lossy.send(b"")
    await until_true(page, "got.lossy.length === 2 && got.lossy.includes('text ä') && got.lossy.includes(0)")
    await page.evaluate("channels.chat.close()")
    await until(lambda: told[0].state is DataChannelState.CLOSED)
    agreed.close()
    await until_true(page, "channels.agreed.readyState === 'closed'")
    # The same id once more, in band by us: the browser's own id has another parity.
    again = data.open("again")
    await until_true(page, "!!channels.again")
    again.send("hello")
    await until_true(page, "got.again.length === 1")


async def test_we_offer(open_page: OpenPage, server: Server, site: str, name: str) -> None:
    page = await set_up(open_page, name, site)
    connection = server.room(name).join("page").offer(subscribe=None, data=True)
    reliable = connection.data.open("_reliable")
    lossy = connection.data.open("_lossy", ordered=False, max_retransmits=0)
    offer = json.dumps(connection.offer())
    answer = await page.evaluate(
        f"pc.setRemoteDescription({{type: 'offer', sdp: {offer}}})"
        ".then(() => pc.setLocalDescription()).then(() => pc.localDescription.sdp)"
    )
    connection.accept(answer)
    await until_true(page, "!!channels._reliable && !!channels._lossy")
    assert await page.evaluate("!channels._lossy.ordered && channels._lossy.maxRetransmits === 0")
    await until(lambda: reliable.state is lossy.state is DataChannelState.OPEN)
    await exchange(page, "_reliable", reliable)
    told: list[DataChannel] = []
    connection.data.on_channel = told.append
    await page.evaluate('watch(pc.createDataChannel("back", {protocol: "p", maxPacketLifeTime: 500})), 0')
    await until(lambda: bool(told))
    assert (told[0].label, told[0].protocol, told[0].max_lifetime) == ("back", "p", 0.5)
    await page.evaluate("pc.close()")
    await until(lambda: connection.data.channels == ())
