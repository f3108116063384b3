"""Data of livekit-client in Chromium and Firefox: packets, chat, streams, RPC, and a socket that is cut."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import LiveKitNode, SdkPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[SdkPage]]

LISTEN = """(() => {
globalThis.got = [];
globalThis.text = (bytes) => new TextDecoder().decode(bytes);
globalThis.bytes = (text) => new TextEncoder().encode(text);
room.on("dataReceived", (payload, from, kind, topic) =>
    got.push([text(payload), from?.identity ?? "", kind, topic ?? ""].join("|")));
room.on("chatMessage", (message, from) => got.push(["chat", from?.identity, message.message].join("|")));
room.registerTextStreamHandler("text", async (reader, from) =>
    got.push(["text", from.identity, (await reader.readAll()).length, reader.info.attributes.a].join("|")));
room.registerByteStreamHandler("file", async (reader, from) => {
    const pieces = await reader.readAll();
    const size = pieces.reduce((sum, each) => sum + each.length, 0);
    got.push(["file", from.identity, reader.info.name, size, pieces.at(-1).at(-1)].join("|"));
});
room.registerRpcMethod("greet", async (call) => {
    if (call.payload === "fail") throw new LivekitClient.RpcError(4711, "no", "reason");
    if (call.payload === "sleep") await wait(3000);
    return `${call.callerIdentity}: ${call.payload.length}`;
});
return 1;
})()"""


@pytest.fixture(
    params=[
        pytest.param(("chromium", True), id="chromium-one-connection"),
        pytest.param(("chromium", False), id="chromium-two-connections"),
        pytest.param(("firefox", True), id="firefox-one-connection"),
        pytest.param(("firefox", False), id="firefox-two-connections", marks=pytest.mark.slow),
    ]
)
def client(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """The browser, and whether one connection carries all."""
    found: tuple[str, bool] = request.param
    return found


@pytest.fixture
def enter(
    open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str, client: tuple[str, bool]
) -> Enter:
    """Open a window, join, and note what comes."""
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def open_and_join(identity: str, **grants: object) -> SdkPage:
        page = SdkPage(await open_page(client[0]))
        await page.page.goto(sdk_site)
        token = livekit_node.join_token(room, identity, **grants)
        await page.call("join", livekit_node.ws_url, token, {"singlePeerConnection": client[1]})
        await page.page.evaluate(LISTEN)
        return page

    return open_and_join


async def test_packets_chat_and_streams_reach_whom_they_are_for(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    carol = await enter("carol", can_subscribe=False)
    await alice.until("room.remoteParticipants.size === 2")

    async def say(script: str) -> None:
        await alice.page.evaluate(f"{script}.then(() => 1)")

    await say('room.localParticipant.publishData(bytes("one"), {reliable: true, topic: "t"})')
    await say('room.localParticipant.publishData(bytes("two"), {reliable: true, destinationIdentities: ["bob"]})')
    await say('room.localParticipant.sendChatMessage("hello")')
    await say('room.localParticipant.sendText("ü".repeat(50000), {topic: "text", attributes: {a: "b"}})')
    file = 'new File([new Uint8Array(300000).fill(7)], "photo.png")'
    await say(f'room.localParticipant.sendFile({file}, {{topic: "file"}})')
    told = ["one|alice|0|t", "chat|alice|hello", "text|alice|50000|b", "file|alice|photo.png|300000|7"]
    for page, expected in ((bob, [*told, "two|alice|0|"]), (carol, told)):
        for line in expected:
            await page.until(f"got.includes({line!r})")
        assert sorted(await page.page.evaluate("got")) == sorted(expected)
    lossy = 'room.localParticipant.publishData(bytes("lossy"), {reliable: false}).then(() => wait(50))'
    await bob.until("got.length > 0")
    for _ in range(20):
        await say(lossy)
        if await bob.page.evaluate("got.includes('lossy|alice|1|')"):
            break
    await bob.until("got.includes('lossy|alice|1|')")
    assert await alice.page.evaluate("got") == ["chat|alice|hello"]  # the SDK tells of one's own


async def test_methods_are_called_and_fail_as_they_say(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.until("room.remoteParticipants.size === 1")
    call = (
        "room.localParticipant.performRpc({{destinationIdentity: 'bob', method: {method!r}, payload: {payload},"
        " responseTimeout: {timeout}}}).then((answer) => answer, (error) => error.code)"
    )
    for method, payload, timeout, answer in (
        ("greet", "'hello'", 8000, "alice: 5"),
        ("greet", "'x'.repeat(15000)", 8000, "alice: 15000"),
        ("greet", "'x'.repeat(100000)", 8000, "alice: 100000"),
        ("greet", "'fail'", 8000, 4711),
        ("greet", "'sleep'", 300, 1502),
        ("none", "''", 8000, 1400),
    ):
        script = call.format(method=method, payload=payload, timeout=timeout)
        assert await alice.page.evaluate(script) == answer
    assert not await bob.page.evaluate("got.length")


async def test_nothing_is_lost_or_comes_twice_when_the_socket_is_cut(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.until("room.remoteParticipants.size === 1")
    await alice.page.evaluate(
        """(() => {
        globalThis.sent = 0; globalThis.more = true;
        globalThis.saying = (async () => {
            while (more) {
                await room.localParticipant.publishData(bytes(String(sent++)), {reliable: true});
                await wait(10);
            }
        })();
        return 1;
        })()"""
    )
    for page in (alice, bob):
        await page.call("forget")
        await page.page.evaluate("room.simulateScenario('signal-reconnect').then(() => 1)")
        await page.until("saw('reconnected')", within=40.0)
    sent = await alice.page.evaluate("(more = false, saying.then(() => sent))")
    await bob.until(f"got.length >= {sent}")
    assert await bob.page.evaluate("got") == [f"{number}|alice|0|" for number in range(sent)]
