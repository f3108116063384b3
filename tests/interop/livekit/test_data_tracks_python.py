"""Data tracks of the Python SDK, whose engine is that of Rust, Node and others."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from livekit import rtc
from livekit.rtc.participant import PublishDataTrackError

from tests.interop.livekit.conftest import LiveKitNode

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 15.0


class Attendee:
    """One participant, and the data tracks that it has heard of."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.found: dict[str, rtc.RemoteDataTrack] = {}
        self.gone: list[str] = []
        self.seen: list[str] = []
        self.frames: dict[str, list[rtc.DataTrackFrame]] = {}
        self.ended: set[str] = set()
        self._streams: list[rtc.DataTrackStream] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.room.on("data_track_published", self._find)
        self.room.on("data_track_unpublished", self.gone.append)
        for event in ("reconnecting", "reconnected", "disconnected"):
            self.room.on(event, lambda *_, event=event: self.seen.append(event))

    def _find(self, track: rtc.RemoteDataTrack) -> None:
        self.found[track.info.name] = track

    async def subscribe(self, name: str) -> None:
        await self.until(lambda: name in self.found)
        stream = self.found[name].subscribe()
        self.frames[name] = []
        self._streams.append(stream)
        self._tasks.append(asyncio.create_task(self._read(name, stream)))

    async def _read(self, name: str, stream: rtc.DataTrackStream) -> None:
        async for frame in stream:
            self.frames[name].append(frame)
        self.ended.add(name)

    async def until(self, condition: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not condition():
            assert loop.time() < deadline, f"never came; seen {self.seen}, found {[*self.found]}, gone {self.gone}"
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        await self.room.disconnect()
        for stream in self._streams:
            stream.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


Enter = Callable[[str], Awaitable[Attendee]]


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[(True, False), (True, True), (False, False)],
    ids=["one-connection", "encrypted", "two-connections"],
)
async def enter(request: pytest.FixtureRequest, livekit_node: LiveKitNode) -> AsyncIterator[Enter]:
    """Join."""
    single, encrypted = request.param
    name = f"room-{uuid.uuid4().hex[:12]}"
    entered: list[Attendee] = []

    async def join(identity: str) -> Attendee:
        attendee = Attendee()
        entered.append(attendee)
        keys = rtc.KeyProviderOptions(shared_key=b"a key of the tests")
        encryption = rtc.E2EEOptions(key_provider_options=keys) if encrypted else None
        options = rtc.RoomOptions(single_peer_connection=single, encryption=encryption)
        await attendee.room.connect(livekit_node.ws_url, livekit_node.join_token(name, identity), options)
        return attendee

    yield join
    for attendee in entered:
        await attendee.close()


async def push_until(track: rtc.LocalDataTrack, frame: rtc.DataTrackFrame, condition: Callable[[], object]) -> None:
    """Send the same frame until it has come: the first ones may be sent before the way is there."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            track.try_push(frame)
            await asyncio.sleep(0.05)


async def test_frames_come_to_who_asks_for_them(enter: Enter, request: pytest.FixtureRequest) -> None:
    alice, bob, carol = await enter("alice"), await enter("bob"), await enter("carol")
    pose = await alice.room.local_participant.publish_data_track(name="pose")
    scan = await alice.room.local_participant.publish_data_track(name="scan")
    with pytest.raises(PublishDataTrackError):
        await alice.room.local_participant.publish_data_track(name="pose")
    await bob.subscribe("pose")
    await bob.subscribe("scan")
    await carol.subscribe("scan")
    assert bob.found["pose"].info.sid == pose.info.sid and bob.found["pose"].publisher_identity == "alice"
    assert bob.found["pose"].info.uses_e2ee is ("encrypted" in request.node.name)
    small, large = rtc.DataTrackFrame(b"\x00here", user_timestamp=1 << 60), rtc.DataTrackFrame(os.urandom(100_000))
    await push_until(pose, small, lambda: bob.frames["pose"])
    await push_until(scan, large, lambda: bob.frames["scan"] and carol.frames["scan"])
    assert bob.frames["pose"][0] == small
    assert bob.frames["scan"][0] == carol.frames["scan"][0] == large, "seven packets are one frame"
    await pose.unpublish()
    await bob.until(lambda: bob.gone == [pose.info.sid] and "pose" in bob.ended)
    late = await enter("dave")
    await late.subscribe("scan")
    await push_until(scan, large, lambda: late.frames["scan"])
    assert {*late.found} == {"scan"} and not bob.ended - {"pose"}


async def test_data_tracks_survive_what_happens_to_connections(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    pose = await alice.room.local_participant.publish_data_track(name="pose")
    await bob.subscribe("pose")

    async def come(word: bytes) -> None:
        frames = bob.frames["pose"]
        await push_until(pose, rtc.DataTrackFrame(word), lambda: frames and frames[-1].payload == word)

    async def simulate(attendee: Attendee, kind: rtc.SimulateScenarioKind.ValueType) -> None:
        attendee.seen.clear()
        await attendee.room.simulate_scenario(kind)
        await attendee.until(lambda: "reconnected" in attendee.seen)

    await come(b"first")
    for attendee in (alice, bob):
        await simulate(attendee, rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
    await come(b"after sockets were cut")
    await simulate(bob, rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await come(b"after Bob has begun anew")
    first = bob.found["pose"].info.sid
    await simulate(alice, rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
    await bob.until(lambda: bob.found["pose"].info.sid != first)
    await bob.subscribe("pose")
    await come(b"after Alice has begun anew")
