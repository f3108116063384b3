"""What happens in rooms, on its way to webhooks, agents, egress and ingress."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.egress import (
    AutoParticipantEgress,
    AutoTrackEgress,
    EncodedFileOutput,
    RoomCompositeEgressRequest,
)
from livekit.protocol.ingress import CreateIngressRequest, IngressInput, IngressState
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import CreateRoomRequest, RoomConfiguration, RoomEgress
from livekit.protocol.webhook import WebhookEvent

import sfu
from sfu.errors import RemoteError
from sfu.signaling import Admission, Demand, NotAdmittedError, RecordStore, SignalingOptions
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.egress.egresses import MadeFile
from sfu.signaling.livekit.egress.orders import Film
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant, State
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms
from sfu.signaling.livekit.server_api import EgressPlace, ServerApi
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.twirp.egress import EgressService
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.room_service import RoomService
from tests.unit.signaling.admissions import FULL, Asked

CLAIMS = Claims(api_key="one", expires=0.0)


def mint(claims: Claims) -> str:
    return f"for {claims.video.room}"


class Hooks:
    """Stands for `Webhooks`."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []

    def tell(self, event: WebhookEvent, room: str) -> None:
        self.events.append(event)

    async def close(self) -> None:
        pass

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]


class RoomOwner:
    """The rooms of a server, by default of one that does not run, and its server API."""

    def __init__(
        self,
        server: sfu.Server | None = None,
        egress: EgressPlace | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.hooks = Hooks()
        self.rooms = Rooms(server or sfu.Server(sfu.Config()), LiveKitOptions(), time.time, admission=admission)
        keys = ApiKeys({"one": "s" * 40}, time.time)
        self.api = ServerApi(
            self.rooms,
            keys,
            SignalingOptions(),
            base_url="http://node",
            webhooks=self.hooks,  # type: ignore[arg-type]
            egress=egress,
        )

    def enter(self, room: LiveKitRoom, identity: str, kind: Any = ParticipantInfo.Kind.STANDARD) -> Participant:
        participant = Participant(object(), identity=identity, joined_at=0.0, kind=kind)  # type: ignore[arg-type]
        room.participants[identity] = participant
        if kind == ParticipantInfo.Kind.INGRESS:
            participant.state = State.ACTIVE
        self.tell("participant_joined", room, participant)
        return participant

    def tell(self, name: str, room: LiveKitRoom, participant: Participant | None = None) -> None:
        self.rooms._tell(name, room, participant, None)


@pytest.fixture
def house() -> RoomOwner:
    return RoomOwner()


def test_who_has_joined_is_told_of_once_he_is_connected(house: RoomOwner) -> None:
    room = house.rooms.create("lobby")
    alice = house.enter(room, "alice")
    assert house.hooks.names == ["room_started"]
    alice.state = State.ACTIVE
    house.tell("participant_active", room, alice)
    house.tell("track_published", room, alice)
    alice.state = State.DISCONNECTED
    house.tell("track_unpublished", room, alice)
    house.tell("participant_left", room, alice)
    assert house.hooks.names == [
        "room_started", "participant_joined", "track_published", "track_unpublished", "participant_left",
    ]  # fmt: skip


def test_who_never_was_connected_is_told_of_as_that(house: RoomOwner) -> None:
    room = house.rooms.create("lobby")
    house.tell("participant_left", room, house.enter(room, "alice"))
    assert house.hooks.names == ["room_started", "participant_connection_aborted"]


def test_who_publishes_before_he_is_connected_has_joined_before(house: RoomOwner) -> None:
    room = house.rooms.create("lobby")
    alice = house.enter(room, "alice")
    house.tell("track_published", room, alice)
    alice.state = State.ACTIVE
    house.tell("participant_active", room, alice)
    assert house.hooks.names == ["room_started", "participant_joined", "track_published"]


async def test_a_whip_client_is_called_as_its_ingress_says(house: RoomOwner) -> None:
    room = house.rooms.create("lobby")
    request = CreateIngressRequest(
        input_type=IngressInput.WHIP_INPUT,
        room_name="lobby",
        participant_identity="camera",
        participant_name="Camera 1",
        participant_metadata="m",
    )
    await house.api.ingresses.create(request)
    camera = house.enter(room, "camera", ParticipantInfo.Kind.INGRESS)
    assert (camera.name, camera.metadata) == ("Camera 1", "m")
    assert house.hooks.names == ["room_started", "participant_joined", "ingress_started"]
    assert house.hooks.events[1].participant.name == "Camera 1"
    (info,) = house.api.ingresses.find()
    assert info.state.status == IngressState.Status.ENDPOINT_PUBLISHING
    house.tell("participant_left", room, camera)
    assert house.hooks.names[3:] == ["participant_left", "ingress_ended"]


def test_a_client_of_that_name_is_no_ingress(house: RoomOwner) -> None:
    house.enter(house.rooms.create("lobby"), "camera")
    assert house.hooks.names == ["room_started"]


async def test_a_room_has_the_agents_that_it_was_made_with(house: RoomOwner) -> None:
    house.rooms.create("one", RoomConfiguration(agents=[RoomAgentDispatch(agent_name="helper")]))
    service = RoomService(house.rooms, mint=mint)
    await service.create_room(CLAIMS, CreateRoomRequest(name="two", agents=[RoomAgentDispatch(agent_name="other")]))
    for name, agent in (("one", "helper"), ("two", "other")):
        assert [each.agent_name for each in house.api.dispatches.list(name).values()] == [agent]
    house.rooms.end(house.rooms.by_name["one"])
    with pytest.raises(KeyError):
        house.api.dispatches.list("one")


def test_without_a_place_for_records_there_is_no_egress(house: RoomOwner) -> None:
    assert house.api.egresses is None
    assert house.api.find_info("lobby") is None
    room = house.rooms.create("lobby")
    house.enter(room, "alice")
    assert house.api.has_participant("lobby", "alice") and not house.api.has_participant("lobby", "bob")
    assert house.api.find_track("lobby", "TR_x") is None
    info = house.api.find_info("lobby")
    assert info is not None and info.sid == room.sid


class Maker:
    """Makes files at once."""

    async def compose(self, record: Path, output: Path, film: Film) -> MadeFile:
        output.write_bytes(b"film")
        return MadeFile(1.0, 4)

    async def extract(self, record: Path, output: Path) -> MadeFile:
        raise AssertionError(record)


FILE = EncodedFileOutput(filepath="{room_name}")


async def test_an_egress_may_begin_with_its_room(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    async with sfu.Server(sfu.Config()) as server:
        house = RoomOwner(
            server, EgressPlace(RecordStore(tmp_path / "records", sfu.SigningKey.generate()), tmp_path, Maker())
        )
        service = RoomService(house.rooms, mint=mint, records=True)
        egress = RoomEgress(room=RoomCompositeEgressRequest(file_outputs=[FILE]))
        await service.create_room(CLAIMS, CreateRoomRequest(name="lobby", egress=egress))
        house.rooms.create("attic", RoomConfiguration(egress=egress))
        assert house.hooks.names == ["room_started", "egress_started"] * 2
        assert len(server.recordings) == 2
        for name in ("lobby", "attic"):
            house.rooms.end(house.rooms.by_name[name])
        async with asyncio.timeout(20):
            while house.hooks.names.count("egress_ended") < 2:  # noqa: ASYNC110 - the recorder is a thread
                await asyncio.sleep(0.02)
        assert {path.name for path in tmp_path.glob("*.mp4")} == {"lobby.mp4", "attic.mp4"}
        await house.api.close()


async def test_an_egress_counts_for_whose_key_asks_and_is_refused_where_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    store, asked = RecordStore(tmp_path / "records", sfu.SigningKey.generate()), Asked()
    async with sfu.Server(sfu.Config()) as server:
        house = RoomOwner(server, EgressPlace(store, tmp_path, Maker()), asked)
        assert house.api.egresses is not None
        service = EgressService(house.api.egresses)
        house.rooms.create("lobby", tenant="two")
        request = RoomCompositeEgressRequest(room_name="lobby", file_outputs=[FILE])
        asked.refusal = FULL
        with pytest.raises(NotAdmittedError):
            await service.start(CLAIMS, request)
        assert asked.demands == [Demand(wants=frozenset({"recording"}), room="lobby", tenant="one")]
        assert not server.recordings
        asked.refusal = None
        await service.start(CLAIMS, request)
        assert (store.count("one"), store.count("two")) == (1, 0)
        await house.api.close()


@pytest.mark.parametrize(
    ("egress", "records"),
    [
        (RoomEgress(room=RoomCompositeEgressRequest(file_outputs=[FILE])), False),
        (RoomEgress(participant=AutoParticipantEgress()), True),
        (RoomEgress(tracks=AutoTrackEgress()), True),
        (RoomEgress(room=RoomCompositeEgressRequest(layout="speaker", file_outputs=[FILE])), True),
        (RoomEgress(), True),
    ],
)
async def test_an_egress_that_cannot_begin_with_a_room_makes_none(
    house: RoomOwner, egress: RoomEgress, records: bool
) -> None:
    service = RoomService(house.rooms, mint=mint, records=records)
    with pytest.raises((TwirpError, RemoteError)):
        await service.create_room(CLAIMS, CreateRoomRequest(name="lobby", egress=egress))
    assert house.rooms.find("lobby") is None


def test_a_token_that_asks_for_such_an_egress_is_told_of_in_the_log(
    house: RoomOwner, caplog: pytest.LogCaptureFixture
) -> None:
    house.rooms.create("lobby", RoomConfiguration(egress=RoomEgress(tracks=AutoTrackEgress())))
    assert [record.message for record in caplog.records] == ["egress not begun with its room"]
