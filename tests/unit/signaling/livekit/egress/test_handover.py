"""An egress that runs across a restart in place: one id, one record, one file."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from livekit.protocol.egress import (
    EgressInfo,
    EgressStatus,
    EncodedFileOutput,
    RoomCompositeEgressRequest,
    TrackCompositeEgressRequest,
)
from livekit.protocol.models import Room

from sfu import Config, Server, SigningKey, SuspendedRecording, Track
from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from sfu.signaling import RecordStore
from sfu.signaling.livekit.egress.egresses import Egresses, MadeFile
from sfu.signaling.livekit.egress.handover import HandedEgress, HandoverError
from sfu.signaling.livekit.egress.orders import Film, Request
from tests.unit.offers import make_offer

KEY = SigningKey.generate()
NOON = 1_772_452_800.0
_ids = itertools.count(1)


class Maker:
    """Makes empty files."""

    async def compose(self, record: Path, output: Path, film: Film) -> MadeFile:
        return MadeFile(1.0, 0)

    async def extract(self, record: Path, output: Path) -> MadeFile:
        return MadeFile(1.0, 0)


class Process:
    """A server and its egresses; the folders are those of the other one, too."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.records, self.files = folder / "records", folder / "files"
        for each in (self.records, self.files):
            each.mkdir(exist_ok=True)
        self.changes: list[tuple[str, EgressInfo]] = []
        self.egresses = Egresses(
            server, RecordStore(self.records, KEY), self.files, Maker(), self, clock=lambda: NOON,
            name=lambda prefix: f"{prefix}{next(_ids)}", random=lambda count: next(_ids).to_bytes(count, "little"),
            on_change=lambda event, info: self.changes.append((event, info)),
        )  # fmt: skip

    def find_info(self, room: str) -> Room | None:
        return Room(sid="RM_1", name=room)

    def admit_recording(self, room: str, tenant: str) -> None:
        pass

    def has_participant(self, room: str, identity: str) -> bool:
        return True

    def find_track(self, room: str, sid: str) -> Track | None:
        return next(iter(self.server.room(room).tracks), None)

    async def ended(self) -> EgressInfo:
        async with asyncio.timeout(20):
            while self.changes[-1][0] != "egress_ended":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.changes[-1][1]


async def hand_over(folder: Path, request: Request) -> tuple[EgressInfo, Any, SuspendedRecording]:
    """Begin an egress in one process, and end that."""
    async with Server(Config()) as server:
        process = Process(server, folder)
        server.room("court").join("alice").answer(make_offer(("audio", "sendonly")))
        begun = process.egresses.start(request, "clerk")
        [handed] = process.egresses.hand_over()
        [suspended] = await server.suspend_recordings()
        await process.egresses.close()
        assert [event for event, _ in process.changes] == ["egress_started"]
        assert list(process.egresses.find()) == []
    return begun, json.loads(json.dumps(handed)), suspended


FILM = RoomCompositeEgressRequest(room_name="court", file_outputs=[EncodedFileOutput(filepath="{room_name}")])


async def test_an_egress_goes_on_under_its_id_in_the_same_record(tmp_path: Path) -> None:
    begun, handed, suspended = await hand_over(tmp_path, FILM)
    async with Server(Config()) as server:
        process = Process(server, tmp_path)
        recording = await process.egresses.take_up(handed, suspended)
        assert recording is server.room("court").recording
        [listed] = process.egresses.find(active=True)
        assert (listed.egress_id, listed.started_at, listed.room_composite) == (begun.egress_id, begun.started_at, FILM)
        process.egresses.stop(begun.egress_id)
        ended = await process.ended()
    assert [event for event, _ in process.changes] == ["egress_updated", "egress_updated", "egress_ended"]
    assert (ended.status, ended.file_results[0].filename) == (EgressStatus.EGRESS_COMPLETE, "court.mp4")
    [folder] = (tmp_path / "records").iterdir()
    assert verify_record(folder, KEY.public).outcome is Outcome.INTACT
    assert read_record(folder).metadata == {"egress": begun.egress_id}


async def test_what_was_of_certain_tracks_ends_with_the_process_that_had_them(tmp_path: Path) -> None:
    request = TrackCompositeEgressRequest(
        room_name="court", audio_track_id="TR_1", file_outputs=[EncodedFileOutput(filepath="x")]
    )
    _, handed, suspended = await hand_over(tmp_path, request)
    assert suspended.selective
    async with Server(Config()) as server:
        process = Process(server, tmp_path)
        await process.egresses.take_up(handed, suspended)
        assert (await process.ended()).status == EgressStatus.EGRESS_COMPLETE
    [folder] = (tmp_path / "records").iterdir()
    assert verify_record(folder, KEY.public).outcome is Outcome.INTACT


async def test_an_egress_that_cannot_go_on_is_told_as_failed(tmp_path: Path) -> None:
    begun, handed, suspended = await hand_over(tmp_path, FILM)
    async with Server(Config()) as server:
        process = Process(server, tmp_path)
        server.room("court").set_private(True)
        assert await process.egresses.take_up(handed, suspended) is None
    [(event, told)] = process.changes
    assert (event, told.egress_id, told.status) == ("egress_ended", begun.egress_id, EgressStatus.EGRESS_FAILED)


async def test_what_is_no_egress_is_refused(tmp_path: Path) -> None:
    _, handed, suspended = await hand_over(tmp_path, FILM)
    nothing = HandedEgress(EgressInfo(egress_id="EG_1"), suspended.id, "x.mp4", None).to_json()
    spoiled = [
        None, [], {}, nothing, handed | {"info": "!"}, handed | {"info": "AAAA"}, handed | {"recording": "0" * 32},
        handed | {"output": "../x"}, handed | {"output": "/etc/x"}, handed | {"subject": 1}, handed | {"more": 1},
        {key: each for key, each in handed.items() if key != "output"},
    ]  # fmt: skip
    async with Server(Config()) as server:
        process = Process(server, tmp_path)
        for each in spoiled:
            with pytest.raises(HandoverError):
                await process.egresses.take_up(each, suspended)
        assert process.changes == []
