"""Data tracks of livekit-client in Chromium, between two pages and with the Python SDK's engine."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from livekit import rtc

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import LiveKitNode, SdkPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PUBLISH = """
room.localParticipant.publishDataTrack({ name: "pose" }).then((track) => {
  window.pose = track;
  return track.info.sid;
})
"""
PUSH = "pose.tryPush({ payload: new Uint8Array(%d).fill(%d), userTimestamp: 7n })"
SUBSCRIBE = """
(() => {
  window.frames_ = [];
  window.ended = false;
  const read = async () => {
    const track = await room.remoteParticipants.get("%s").dataTracks.getDeferred("pose");
    const reader = track.subscribe().getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const { payload, userTimestamp } = next.value;
      frames_.push([payload.length, payload[0], payload.at(-1), Number(userTimestamp)]);
    }
    window.ended = true;
  };
  read();
  return 1;
})()
"""


@pytest.fixture(params=[True, False], ids=["one-connection", "two-connections"])
def single(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def room_name() -> str:
    return f"room-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def enter(
    open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str, single: bool, room_name: str
) -> Callable[[str], Awaitable[SdkPage]]:
    """Open a window and join."""

    async def open_and_join(identity: str) -> SdkPage:
        page = SdkPage(await open_page("chromium"))
        await page.page.goto(sdk_site)
        token = livekit_node.join_token(room_name, identity)
        assert await page.call("join", livekit_node.ws_url, token, {"singlePeerConnection": single}) == "connected"
        return page

    return open_and_join


async def push_until(page: SdkPage, other: SdkPage, size: int, value: int) -> None:
    """Send the same frame until it has come: the first ones may be sent before the way is there."""
    wanted = f"frames_.some((frame) => '' + frame === '{size},{value},{value},7')"
    async with asyncio.timeout(15.0):
        while not await other.page.evaluate(wanted):
            await page.page.evaluate(f"{PUSH % (size, value)} ?? 1")
            await asyncio.sleep(0.05)


async def test_frames_come_and_go_on_when_a_socket_is_cut(enter: Callable[[str], Awaitable[SdkPage]]) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    assert str(await alice.page.evaluate(PUBLISH)).startswith("DTR_")
    await bob.page.evaluate(SUBSCRIBE % "alice")
    await push_until(alice, bob, 20, 1)
    await push_until(alice, bob, 100_000, 2)
    for page in (alice, bob):
        await page.page.evaluate("room.simulateScenario('signal-reconnect').then(() => 1)")
        await page.until("saw('reconnected')")
    await push_until(alice, bob, 20, 3)
    await alice.page.evaluate("pose.unpublish().then(() => 1)")
    await bob.until("ended && saw('dataTrackUnpublished')")


async def test_they_come_to_a_browser_from_another_sdk_and_back(
    enter: Callable[[str], Awaitable[SdkPage]], livekit_node: LiveKitNode, room_name: str
) -> None:
    alice, robot = await enter("alice"), rtc.Room()
    found: asyncio.Future[rtc.RemoteDataTrack] = asyncio.get_running_loop().create_future()
    robot.on("data_track_published", found.set_result)
    await robot.connect(livekit_node.ws_url, livekit_node.join_token(room_name, "robot"))
    try:
        pose = await robot.local_participant.publish_data_track(name="pose")
        await alice.page.evaluate(SUBSCRIBE % "robot")
        async with asyncio.timeout(15.0):
            while not await alice.page.evaluate("frames_.length"):
                pose.try_push(rtc.DataTrackFrame(bytes([9]) * 40_000, user_timestamp=7))
                await asyncio.sleep(0.05)
        assert (await alice.page.evaluate("frames_"))[0] == [40_000, 9, 9, 7]
        await alice.page.evaluate(PUBLISH)
        stream = (await asyncio.wait_for(found, 15.0)).subscribe()
        reading = asyncio.create_task(stream.read())
        async with asyncio.timeout(15.0):
            while not reading.done():
                await alice.page.evaluate(f"{PUSH % (40_000, 5)} ?? 1")
                await asyncio.sleep(0.05)
        stream.close()
        assert reading.result() == rtc.DataTrackFrame(bytes([5]) * 40_000, user_timestamp=7)
    finally:
        await robot.disconnect()
