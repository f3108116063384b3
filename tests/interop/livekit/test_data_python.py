"""Data of the Python SDK, whose engine is that of Rust, Node and others: packets, streams, RPC."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
from livekit import api, rtc

from tests.interop.livekit.conftest import KEY, SECRET, LiveKitNode

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 15.0


class Attendee:
    """One participant, and what it has been sent."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.got: list[tuple[bytes, str, str, rtc.DataPacketKind]] = []
        self.seen: list[str] = []
        self.transcribed: list[str] = []
        self.room.on("data_received", self._take)
        for event in ("reconnecting", "reconnected", "disconnected"):
            self.room.on(event, lambda *_, event=event: self.seen.append(event))
        self.room.on(
            "transcription_received",
            lambda segments, participant, publication: self.transcribed.extend(each.text for each in segments),
        )

    def _take(self, packet: rtc.DataPacket) -> None:
        sender = packet.participant.identity if packet.participant else ""
        self.got.append((packet.data, packet.topic or "", sender, packet.kind))

    @property
    def local(self) -> rtc.LocalParticipant:
        return self.room.local_participant

    @property
    def payloads(self) -> list[bytes]:
        return [data for data, *_ in self.got]

    async def until(self, condition: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not condition():
            assert loop.time() < deadline, f"never came; got {self.got[-5:]}, seen {self.seen}"
            await asyncio.sleep(0.02)


class Lobby:
    """A room of the node."""

    def __init__(self, node: LiveKitNode, single: bool) -> None:
        self.node = node
        self.name = f"room-{uuid.uuid4().hex[:12]}"
        self.attendees: list[Attendee] = []
        self._single = single

    async def enter(self, *identities: str, kind: str = "standard", **grants: object) -> list[Attendee]:
        """They come and see each other."""
        came = [Attendee() for _ in identities]
        for attendee, identity in zip(came, identities, strict=True):
            video = api.VideoGrants(**{"room_join": True, "room": self.name, **grants})  # type: ignore[arg-type]
            token = api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(video).with_kind(kind)  # type: ignore[arg-type]
            options = rtc.RoomOptions(single_peer_connection=self._single)
            await attendee.room.connect(self.node.ws_url, token.to_jwt(), options)
            self.attendees.append(attendee)
        for attendee in self.attendees:
            await attendee.until(lambda one=attendee: len(one.room.remote_participants) == len(self.attendees) - 1)
        return came


@pytest_asyncio.fixture(loop_scope="session", params=[True, False], ids=["one-connection", "two-connections"])
async def lobby(livekit_node: LiveKitNode, request: pytest.FixtureRequest) -> AsyncIterator[Lobby]:
    lobby = Lobby(livekit_node, bool(request.param))
    yield lobby
    await asyncio.gather(*(attendee.room.disconnect() for attendee in lobby.attendees))


async def test_user_data_reach_whom_they_are_for(lobby: Lobby) -> None:
    alice, bob, carol = await lobby.enter("alice", "bob", "carol")
    for number in range(50):
        await alice.local.publish_data(bytes([number]), topic="t")
    await alice.local.publish_data(b"to bob", destination_identities=["bob"])
    await alice.local.publish_data(b"x" * 60_000)
    await carol.until(lambda: len(carol.got) == 51)
    await bob.until(lambda: len(bob.got) == 52)
    reliable = rtc.DataPacketKind.KIND_RELIABLE
    assert bob.got[:50] == [(bytes([number]), "t", "alice", reliable) for number in range(50)]
    assert bob.got[50:] == [(b"to bob", "", "alice", reliable), (b"x" * 60_000, "", "alice", reliable)]
    assert carol.payloads == [*(bytes([number]) for number in range(50)), b"x" * 60_000]
    assert not alice.got


async def test_lossy_data_come_too(lobby: Lobby) -> None:
    alice, bob = await lobby.enter("alice", "bob")
    lossy = (b"lossy", "t", "alice", rtc.DataPacketKind.KIND_LOSSY)
    for _ in range(50):
        await alice.local.publish_data(b"lossy", reliable=False, topic="t")
        await asyncio.sleep(0.02)
        if lossy in bob.got:
            break
    await bob.until(lambda: lossy in bob.got)


async def test_who_may_not_publish_data_or_is_hidden(lobby: Lobby) -> None:
    (mute,) = await lobby.enter("mute", can_publish_data=False)
    (alice,) = await lobby.enter("alice")
    await mute.local.publish_data(b"forbidden")
    await alice.local.publish_data(b"allowed")
    await mute.until(lambda: mute.payloads == [b"allowed"])
    assert not alice.got


async def test_text_and_files_are_streamed(lobby: Lobby) -> None:
    alice, bob = await lobby.enter("alice", "bob")
    texts: asyncio.Queue[tuple[str, rtc.TextStreamReader]] = asyncio.Queue()
    files: asyncio.Queue[tuple[str, rtc.ByteStreamReader]] = asyncio.Queue()
    bob.room.register_text_stream_handler("chat", lambda reader, sender: texts.put_nowait((sender, reader)))
    bob.room.register_byte_stream_handler("file", lambda reader, sender: files.put_nowait((sender, reader)))
    text = "Grüße " * 10_000
    await alice.local.send_text(text, topic="chat", attributes={"a": "b"})
    sender, reader = await asyncio.wait_for(texts.get(), PATIENCE)
    assert (sender, reader.info.attributes) == ("alice", {"a": "b"})
    assert await asyncio.wait_for(reader.read_all(), PATIENCE) == text
    content = bytes(range(256)) * 4096  # 1 MiB
    writer = await alice.local.stream_bytes("photo.png", topic="file", total_size=len(content))
    await writer.write(content)
    await writer.aclose()
    sender, received = await asyncio.wait_for(files.get(), PATIENCE)
    pieces = [piece async for piece in received]
    assert (sender, received.info.name, b"".join(pieces) == content) == ("alice", "photo.png", True)


async def test_methods_are_called(lobby: Lobby) -> None:
    alice, bob = await lobby.enter("alice", "bob")
    over = asyncio.Event()

    async def greet(call: rtc.RpcInvocationData) -> str:
        if call.payload == "fail":
            raise rtc.RpcError(4711, "no", "reason")
        if call.payload == "sleep":
            await over.wait()
        return f"{call.caller_identity} says {call.payload}"

    bob.local.register_rpc_method("greet", greet)  # type: ignore[arg-type]
    for payload in ("hello", "x" * 15_000):
        answer = await alice.local.perform_rpc(destination_identity="bob", method="greet", payload=payload)
        assert answer == f"alice says {payload}"
    for method, payload, code in (("greet", "fail", 4711), ("none", "", 1400)):
        with pytest.raises(rtc.RpcError) as failed:
            await alice.local.perform_rpc(destination_identity="bob", method=method, payload=payload)
        assert failed.value.code == code
    with pytest.raises(rtc.RpcError) as failed:
        await alice.local.perform_rpc(destination_identity="bob", method="greet", payload="sleep", response_timeout=0.5)
    assert failed.value.code in (1501, 1502)
    over.set()


async def test_the_server_calls_methods(lobby: Lobby, livekit_node: LiveKitNode) -> None:
    (bob,) = await lobby.enter("bob")
    over = asyncio.Event()

    async def greet(call: rtc.RpcInvocationData) -> str:
        if call.payload == "fail":
            raise rtc.RpcError(4711, "no", "reason")
        if call.payload == "sleep":
            await over.wait()
        return f"{len(call.payload)} characters"

    bob.local.register_rpc_method("greet", greet)  # type: ignore[arg-type]

    grants = api.VideoGrants(room_admin=True, room=lobby.name)
    headers = {"Authorization": f"Bearer {api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()}"}
    async with httpx.AsyncClient(base_url=livekit_node.url, headers=headers) as client:

        async def call(payload: str, **fields: object) -> dict[str, str]:
            request = {
                "room": lobby.name,
                "destinationIdentity": "bob",
                "method": "greet",
                "payload": payload,
                **fields,
            }
            answer = await client.post("/twirp/livekit.RoomService/PerformRpc", json=request)
            return answer.json()  # type: ignore[no-any-return]

        assert await call("hello") == {"payload": "5 characters"}
        assert await call("x" * 15_360) == {"payload": "15360 characters"}
        assert await call("x" * 100_000) == {"payload": "100000 characters"}
        for asked, code, text in (
            (call("fail"), "internal", "RpcError 4711: no: reason"),
            (call("", method="none"), "invalid_argument", "RpcError 1400: Method not supported at destination"),
            (call("sleep", responseTimeoutMs=500), "canceled", "RpcError 1502: Response timeout"),
            (call("", destinationIdentity="nobody"), "not_found", "participant does not exist"),
            (call("", method=""), "invalid_argument", "A method's name has 1 to 1024 bytes."),
        ):
            error = await asked
            assert (error["code"], error["msg"]) == (code, text)
    over.set()


async def test_agents_transcribe_and_digits_are_passed_on(lobby: Lobby) -> None:
    (bob,) = await lobby.enter("bob")
    (agent,) = await lobby.enter("agent", kind="agent")
    digits: list[tuple[str, str]] = []
    bob.room.on("sip_dtmf_received", lambda dtmf: digits.append((dtmf.digit, dtmf.participant.identity)))
    await agent.local.publish_dtmf(code=5, digit="5")
    source = rtc.AudioSource(48000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    published = await agent.local.publish_track(track)
    segment = rtc.TranscriptionSegment(id="1", text="good morning", start_time=0, end_time=1, final=True, language="en")
    await bob.until(lambda: published.sid in bob.room.remote_participants["agent"].track_publications)
    await agent.local.publish_transcription(
        rtc.Transcription(participant_identity="agent", track_sid=published.sid, segments=[segment])
    )
    await bob.until(lambda: bob.transcribed == ["good morning"])
    await bob.until(lambda: digits == [("5", "agent")])


async def test_nothing_is_lost_or_comes_twice_when_the_socket_is_cut(lobby: Lobby) -> None:
    alice, bob = await lobby.enter("alice", "bob")
    sent = 0
    for cut in (alice, bob):
        task = asyncio.ensure_future(cut.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT))
        while "reconnected" not in cut.seen:
            await alice.local.publish_data(sent.to_bytes(4, "big"))
            sent += 1
            await asyncio.sleep(0.01)
            assert sent < 2000
        await task
    for _ in range(20):
        await alice.local.publish_data(sent.to_bytes(4, "big"))
        sent += 1
    await bob.until(lambda: len(bob.got) >= sent)
    assert bob.payloads == [number.to_bytes(4, "big") for number in range(sent)]
