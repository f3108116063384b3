"""The server API by `livekit-server-sdk`, as programs on Node call it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from livekit import rtc

from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from tests.interop.livekit.server_api.node import KEY, PATIENCE_S, SECRET, Node, Receiver, speak, until

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

FILM_S = 3 * PATIENCE_S
"""A film is made by a process of low priority, beside all else that tests do."""
HERE = Path(__file__).parent
MODULES = HERE.parents[3] / ".venv/stable/node/node_modules"


class SdkError(Exception):
    """What the SDK has thrown; `code` is Twirp's."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Sdk:
    """Calls `sdk.mjs`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, of: str, call: str, *given: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"of": of, "call": call, "with": given}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            said = json.loads(await self._process.stdout.readline())
        if "error" in said:
            raise SdkError(**said["error"])
        return said["value"]


@pytest_asyncio.fixture(loop_scope="session")
async def sdk(node: Node) -> AsyncIterator[Sdk]:
    if not (MODULES / "livekit-server-sdk").exists() or shutil.which("node") is None:
        pytest.skip("livekit-server-sdk is not there: `make stable` fetches it")
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "sdk.mjs"), str(MODULES), node.url, KEY, SECRET,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    yield Sdk(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def enter(sdk: Sdk, node: Node, room: str, identity: str, **grants: Any) -> rtc.Room:
    """Somebody who comes with a token that the SDK has made."""
    about = {"identity": identity, "name": identity.title(), "metadata": "m", "attributes": {"a": "b"}, "ttl": "10m"}
    token = await sdk.call("token", "mint", about, {"roomJoin": True, "room": room, **grants})
    client = rtc.Room()
    await client.connect(node.url.replace("http", "ws"), token)
    return client


async def test_rooms_participants_and_data(sdk: Sdk, node: Node) -> None:
    made = await sdk.call("room", "createRoom", {"name": "js", "emptyTimeout": 60, "metadata": "first"})
    assert (made["name"], made["emptyTimeout"], made["sid"][:3]) == ("js", 60, "RM_")
    alice = await enter(sdk, node, "js", "alice")
    assert (alice.local_participant.name, alice.local_participant.attributes) == ("Alice", {"a": "b"})
    received: list[rtc.DataPacket] = []
    alice.on("data_received", received.append)
    publication, talk = await speak(alice)
    try:
        await until(lambda: publication.sid)
        assert [room["name"] for room in await sdk.call("room", "listRooms", ["js"])] == ["js"]
        assert (await sdk.call("room", "updateRoomMetadata", "js", "second"))["metadata"] == "second"
        (listed,) = await sdk.call("room", "listParticipants", "js")
        assert (listed["identity"], listed["metadata"], listed["attributes"]) == ("alice", "m", {"a": "b"})
        muted = await sdk.call("room", "mutePublishedTrack", "js", "alice", publication.sid, True)
        assert (muted["sid"], muted["muted"]) == (publication.sid, True)
        change = {"name": "Al", "permission": {"canPublish": False, "canSubscribe": True, "canPublishData": True}}
        assert (await sdk.call("room", "updateParticipant", "js", "alice", change))["name"] == "Al"
        assert (await sdk.call("room", "getParticipant", "js", "alice")).get("tracks", []) == []
        await sdk.call("room", "sendData", "js", {"$bytes": "hello"}, 0, {"topic": "greeting"})
        await until(lambda: received)
        assert (received[0].data, received[0].topic) == (b"hello", "greeting")
        await sdk.call("room", "removeParticipant", "js", "alice")
        await until(lambda: not alice.isconnected())
        with pytest.raises(SdkError) as refused:
            await sdk.call("room", "getParticipant", "js", "alice")
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
    finally:
        talk.cancel()
        await alice.disconnect()
    await sdk.call("room", "deleteRoom", "js")
    assert await sdk.call("room", "listRooms", ["js"]) == []


async def test_several_egresses_of_a_room_each_with_its_record(sdk: Sdk, node: Node) -> None:
    alice = await enter(sdk, node, "film", "alice")
    publication, talk = await speak(alice)
    try:
        await until(lambda: publication.sid)
        film = {"$new": "EncodedFileOutput", "of": {"filepath": "js/{room_name}"}}
        direct = {"$new": "DirectFileOutput", "of": {"filepath": "js/{track_id}"}}
        begun = [
            await sdk.call("egress", "startRoomCompositeEgress", "film", film, {"layout": "grid", "audioOnly": True}),
            await sdk.call("egress", "startTrackEgress", "film", direct, publication.sid),
        ]
        assert [each["status"] for each in begun] == ["EGRESS_ACTIVE"] * 2
        ids = {each["egressId"] for each in begun}
        active = await sdk.call("egress", "listEgress", {"roomName": "film", "active": True})
        assert {each["egressId"] for each in active} == ids
        await asyncio.sleep(3)  # of media
        for id in ids:
            await sdk.call("egress", "stopEgress", id)
        ended: list[dict[str, Any]] = []
        async with asyncio.timeout(FILM_S):
            while len(ended) < 2:
                listed = await sdk.call("egress", "listEgress", {"roomName": "film"})
                ended = [each for each in listed if each["status"] == "EGRESS_COMPLETE"]
                await asyncio.sleep(0.1)
    finally:
        talk.cancel()
        await alice.disconnect()
    names = {each["details"].removeprefix("record ").partition(", ")[0] for each in ended}
    assert len(names) == 2
    for each in ended:
        assert (node.folder / "files" / each["fileResults"][0]["filename"]).stat().st_size > 0
    for record in (node.folder / "records" / name for name in names):
        assert verify_record(record, node.key.public).outcome is Outcome.INTACT
        assert [(source.peer, source.kind) for source in read_record(record).sources] == [("alice", "audio")]
    with pytest.raises(SdkError) as refused:
        await sdk.call("egress", "updateLayout", ended[0]["egressId"], "speaker")
    assert refused.value.code == "unimplemented"


async def test_ingresses_and_dispatches(sdk: Sdk, node: Node) -> None:
    about = {"name": "obs", "roomName": "js-in", "participantIdentity": "camera", "participantName": "Camera"}
    made = await sdk.call("ingress", "createIngress", 1, about)  # WHIP_INPUT
    assert (made["url"], made["participantName"]) == (f"{node.url}/rooms/js-in/whip", "Camera")
    changed = await sdk.call("ingress", "updateIngress", made["ingressId"], {"name": "new"})
    assert (changed["name"], changed["streamKey"]) == ("new", made["streamKey"])
    assert [each["name"] for each in await sdk.call("ingress", "listIngress", {"roomName": "js-in"})] == ["new"]
    await sdk.call("ingress", "deleteIngress", made["ingressId"])
    assert await sdk.call("ingress", "listIngress", {"roomName": "js-in"}) == []
    with pytest.raises(SdkError) as refused:
        await sdk.call("ingress", "createIngress", 0, about)  # RTMP_INPUT
    assert refused.value.code == "unimplemented"
    await sdk.call("room", "createRoom", {"name": "js-agents"})
    dispatch = await sdk.call("dispatch", "createDispatch", "js-agents", "helper", {"metadata": "m"})
    assert (dispatch["agentName"], dispatch["metadata"]) == ("helper", "m")
    listed = await sdk.call("dispatch", "listDispatch", "js-agents")
    assert [each["agentName"] for each in listed] == ["", "helper"], "the first is of whoever is there for all rooms"
    assert (await sdk.call("dispatch", "getDispatch", dispatch["id"], "js-agents"))["id"] == dispatch["id"]
    await sdk.call("dispatch", "deleteDispatch", dispatch["id"], "js-agents")
    assert [each["agentName"] for each in await sdk.call("dispatch", "listDispatch", "js-agents")] == [""]
    await sdk.call("room", "deleteRoom", "js-agents")


async def test_its_receiver_takes_webhooks_and_only_as_they_were_sent(sdk: Sdk, node: Node, receiver: Receiver) -> None:
    await sdk.call("room", "createRoom", {"name": "js-hooks"})
    await sdk.call("room", "deleteRoom", "js-hooks")
    await until(lambda: "room_finished" in receiver.names("js-hooks"))
    told = [(body, bearer) for body, bearer in receiver.bodies if "js-hooks" in body]
    events = [await sdk.call("webhook", "receive", body, bearer) for body, bearer in told]
    assert [event["event"] for event in events] == ["room_started", "room_finished"]
    assert {event["room"]["name"] for event in events} == {"js-hooks"}
    with pytest.raises(SdkError, match="sha256"):
        await sdk.call("webhook", "receive", told[0][0] + " ", told[0][1])
