"""Egress of rooms with real media: the file that was asked for, and a signed record under it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import av
import pytest
from livekit.protocol.egress import (
    DirectFileOutput,
    EgressInfo,
    EgressStatus,
    EncodedFileOutput,
    EncodingOptions,
    ParticipantEgressRequest,
    RoomCompositeEgressRequest,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
)
from livekit.protocol.models import Room

from sfu import Config, RecordingOptions, Server, SigningKey, Track
from sfu.errors import LimitError
from sfu.node.livekit.egress_files import EgressFiles
from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from sfu.signaling import RecordStore
from sfu.signaling.livekit.egress.egresses import (
    ConflictError,
    Egresses,
    FilmError,
    MadeFile,
    NotFoundError,
    UnavailableError,
)
from sfu.signaling.livekit.egress.orders import Film, Request
from tests.integration.clients import PATIENCE_S, Client, client
from tests.integration.flashing import Beat, Beep, Flash, find_beeps, find_flashes

SMALL = EncodingOptions(width=320, height=180, framerate=15)


class Stage:
    """A node's room with media, and its egresses."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.key = SigningKey.generate()
        self.records = folder / "records"
        self.files = folder / "files"
        self.records.mkdir()
        self.files.mkdir()
        store = RecordStore(self.records, self.key, options=RecordingOptions(fragment=0.5), most=3)
        numbers = itertools.count(1)
        self.changes: list[tuple[str, EgressInfo]] = []
        self.maker = EgressFiles()
        self.egresses = Egresses(
            server, store, self.files, self.maker, self,
            clock=time.time, name=lambda prefix: f"{prefix}{next(numbers)}",
            random=lambda count: next(numbers).to_bytes(count, "little"),
            on_change=lambda event, info: self.changes.append((event, info)),
        )  # fmt: skip

    # what egress asks of rooms

    def find_info(self, room: str) -> Room | None:
        return Room(sid="RM_1", name=room) if room in self.server.rooms else None

    def admit_recording(self, room: str, tenant: str) -> None:
        pass

    def has_participant(self, room: str, identity: str) -> bool:
        return identity in self.server.room(room).peers

    def find_track(self, room: str, sid: str) -> Track | None:
        return next((track for track in self.server.room(room).tracks if f"TR_{track.id}" == sid), None)

    # what tests do

    def sid(self, peer: str, kind: str) -> str:
        (track,) = (track for track in self.server.room("court").peers[peer].tracks if track.kind == kind)
        return f"TR_{track.id}"

    async def enter(self, publisher: Client, name: str, beat: Beat) -> None:
        publisher.pc.addTrack(Beep(beat))
        publisher.pc.addTrack(Flash(beat))
        peer = self.server.room("court").join(name, leave_when_idle=True)
        await publisher.take_answer(peer.answer(await publisher.offer()).sdp)
        await self.until(lambda: len(peer.tracks) == 2 and all(track.connected for track in peer.tracks))

    async def until(self, condition, within: float = PATIENCE_S * 4) -> None:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - the condition is anything
                await asyncio.sleep(0.05)

    async def run(self, request: Request, nbytes: int = 60_000) -> EgressInfo:
        """Begin an egress, stop it once so much is on disk, and wait for its file."""
        info = self.egresses.start(request)
        assert info.status == EgressStatus.EGRESS_ACTIVE
        (recording,) = self.server.recordings
        await self.until(lambda: recording.stats()[0].written_bytes > nbytes)
        assert self.egresses.stop(info.egress_id).status == EgressStatus.EGRESS_ENDING
        return await self.ended(info.egress_id)

    async def ended(self, id: str) -> EgressInfo:
        await self.until(lambda: any(e == "egress_ended" and i.egress_id == id for e, i in self.changes))
        (info,) = self.egresses.find(id=id)
        return info

    def record_of(self, info: EgressInfo) -> Path:
        """The record under an egress, which must be intact, and be the one that its details name."""
        name, _, head = info.details.removeprefix("record ").partition(", head ")
        path = self.records / name
        verdict = verify_record(path, self.key.public)
        assert verdict.outcome is Outcome.INTACT
        record = read_record(path)
        assert record.head == head
        assert record.metadata == {"egress": info.egress_id}
        return path


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Server(Config()) as server:
        stage = Stage(server, tmp_path)
        yield stage
        await stage.egresses.close()


@pytest.fixture
async def court(stage: Stage) -> AsyncIterator[Stage]:
    """With Alice and Bob, who beep and flash."""
    async with AsyncExitStack() as stack:
        beat = Beat()
        for name in ("alice", "bob"):
            await stage.enter(await stack.enter_async_context(client()), name, beat)
        yield stage


def sources(record: Path) -> set[tuple[str, str]]:
    return {(source.peer, source.kind) for source in read_record(record).sources}


def file(path: str = "") -> dict[str, list[EncodedFileOutput]]:
    return {"file_outputs": [EncodedFileOutput(filepath=path)]}


@pytest.mark.breadth
async def test_a_room_composite_is_a_film_with_a_record_under_it(court: Stage) -> None:
    request = RoomCompositeEgressRequest(room_name="court", advanced=SMALL, **file("films/{room_name}"))
    info = await court.run(request, 150_000)
    assert info.status == EgressStatus.EGRESS_COMPLETE, info.error
    assert sources(court.record_of(info)) == {(n, k) for n in ("alice", "bob") for k in ("audio", "video")}
    (result,) = info.file_results
    assert (result.filename, result.location) == ("films/court.mp4", str(court.files / "films" / "court.mp4"))
    assert result.size == Path(result.location).stat().st_size
    with av.open(result.location) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (320, 180)
        assert film.duration is not None and film.duration / 1e6 == pytest.approx(result.duration / 1e9, abs=0.3)
    assert find_beeps(Path(result.location))
    assert info.room_composite == request
    assert info.started_at <= result.started_at <= result.ended_at <= info.ended_at
    assert [event for event, _ in court.changes] == ["egress_started", "egress_updated", "egress_ended"]
    statuses = [change.status for _, change in court.changes]
    assert statuses == [EgressStatus.EGRESS_ACTIVE, EgressStatus.EGRESS_ENDING, EgressStatus.EGRESS_COMPLETE]


@pytest.mark.breadth
async def test_a_participant_is_recorded_alone_with_what_he_publishes_later(court: Stage) -> None:
    request = ParticipantEgressRequest(room_name="court", identity="alice", advanced=SMALL, **file())
    info = court.egresses.start(request)
    (recording,) = court.server.recordings
    async with client() as second:  # Alice shows her screen by another connection, Carol comes
        peer = court.server.room("court").peers["alice"]
        second.pc.addTrack(Flash(Beat()))
        await second.take_answer(peer.answer(await second.offer()).sdp)
        async with client() as carol:
            await court.enter(carol, "carol", Beat())
            await court.until(lambda: len(peer.tracks) == 3)
            await court.until(lambda: recording.stats()[0].written_bytes > 150_000)
            await asyncio.sleep(1.5)  # of media
            court.egresses.remove_participant("court", "bob")
            assert not court.egresses._egresses[info.egress_id].stopping.is_set()
            court.egresses.remove_participant("court", "alice")
            info = await court.ended(info.egress_id)
    assert info.status == EgressStatus.EGRESS_COMPLETE, info.error
    record = read_record(court.record_of(info))
    assert {source.peer for source in record.sources} == {"alice"}
    assert sorted(source.kind for source in record.sources) == ["audio", "video", "video"]


async def test_chosen_tracks_are_recorded_and_no_other_and_end_with_them(court: Stage) -> None:
    audio, video = court.sid("alice", "audio"), court.sid("bob", "video")
    request = TrackCompositeEgressRequest(
        room_name="court", audio_track_id=audio, video_track_id=video, advanced=SMALL, **file()
    )
    info = court.egresses.start(request)
    (recording,) = court.server.recordings
    await court.until(lambda: recording.stats()[0].written_bytes > 60_000)
    court.egresses.remove_track("court", audio)
    court.egresses.remove_track("court", court.sid("bob", "audio"))
    assert not recording.stopped
    court.egresses.remove_track("court", video)
    info = await court.ended(info.egress_id)
    assert info.status == EgressStatus.EGRESS_COMPLETE, info.error
    assert sources(court.record_of(info)) == {("alice", "audio"), ("bob", "video")}


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_a_single_track_comes_as_it_was_sent(court: Stage, kind: str) -> None:
    request = TrackEgressRequest(
        room_name="court", track_id=court.sid("bob", kind), file=DirectFileOutput(filepath="t/{track_id}.ogg")
    )
    info = await court.run(request, 10_000 if kind == "audio" else 120_000)
    assert info.status == EgressStatus.EGRESS_COMPLETE, info.error
    record = court.record_of(info)
    assert sources(record) == {("bob", kind)}
    (result,) = info.file_results
    path = Path(result.location)
    assert result.filename == f"t/{court.sid('bob', kind)}.ogg.mkv"
    assert path.read_bytes() == next((record / "media").iterdir()).read_bytes()
    assert find_beeps(path) if kind == "audio" else find_flashes(path, 60.0)
    assert result.duration > 0 and result.size == path.stat().st_size


async def test_a_room_a_participant_and_a_track_are_recorded_at_once_each_with_its_record(
    court: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def compose(record: Path, output: Path, film: Film) -> MadeFile:
        return MadeFile(1.0, output.write_bytes(b"a film"))

    monkeypatch.setattr(court.maker, "compose", compose)
    begun = {
        court.egresses.start(request).egress_id: wanted
        for request, wanted in (
            (RoomCompositeEgressRequest(room_name="court", advanced=SMALL, **file("same")), {"alice", "bob"}),
            (ParticipantEgressRequest(room_name="court", identity="bob", advanced=SMALL, **file("same")), {"bob"}),
            (
                TrackEgressRequest(room_name="court", track_id=court.sid("alice", "audio"), file=DirectFileOutput()),
                None,
            ),
        )
    }
    await court.until(lambda: all(each.stats()[0].written_bytes > 10_000 for each in court.server.recordings))
    for id in reversed(begun):
        court.egresses.stop(id)
        ended = await court.ended(id)
        assert ended.status == EgressStatus.EGRESS_COMPLETE, ended.error
    for id, wanted in begun.items():
        (info,) = court.egresses.find(id=id)
        there = {(name, kind) for name in wanted or () for kind in ("audio", "video")} or {("alice", "audio")}
        assert sources(court.record_of(info)) == there
        assert Path(info.file_results[0].location).stat().st_size > 0


async def test_nothing_is_recorded_of_a_room_that_is_off_the_record(court: Stage, tmp_path: Path) -> None:
    recording = court.server.room("court").record(tmp_path / "hearing", key=court.key)
    recording.pause(ground="recess", authoriser="judge")
    with pytest.raises(ConflictError, match="off the record"):
        court.egresses.start(RoomCompositeEgressRequest(room_name="court", advanced=SMALL, **file()))
    assert court.server.recordings == (recording,)


async def test_egress_ends_with_its_room_and_not_with_another(court: Stage) -> None:
    request = RoomCompositeEgressRequest(room_name="court", advanced=SMALL, **file("same"))
    first = court.egresses.start(request)
    (recording,) = court.server.recordings
    await court.until(lambda: recording.stats()[0].written_bytes > 100_000)
    court.egresses.close_room("attic")
    assert [info.egress_id for info in court.egresses.find("court", active=True)] == [first.egress_id]
    court.egresses.close_room("court")
    ended = await court.ended(first.egress_id)
    assert ended.status == EgressStatus.EGRESS_COMPLETE, ended.error
    with pytest.raises(ConflictError, match="ended already"):
        court.egresses.stop(first.egress_id)
    second = await court.run(request, 100_000)
    assert [result.filename for result in second.file_results] == ["same-2.mp4"]
    assert [info.egress_id for info in court.egresses.find()] == [second.egress_id, first.egress_id]
    assert list(court.egresses.find("attic")) == list(court.egresses.find(active=True)) == []


async def test_what_is_not_there_or_private_begins_no_egress(court: Stage) -> None:
    for request in (
        RoomCompositeEgressRequest(room_name="attic", **file()),
        ParticipantEgressRequest(room_name="court", identity="nobody", **file()),
        TrackEgressRequest(room_name="court", track_id="TR_none", file=DirectFileOutput()),
    ):
        with pytest.raises(NotFoundError):
            court.egresses.start(request)
    with pytest.raises(NotFoundError):
        court.egresses.stop("EG_none")
    court.server.room("court").set_private(True)
    with pytest.raises(ConflictError, match="private"):
        court.egresses.start(RoomCompositeEgressRequest(room_name="court", **file()))
    court.server.room("court").set_private(False)
    court.records.rmdir()
    with pytest.raises(UnavailableError, match="has logged why") as refused:
        court.egresses.start(RoomCompositeEgressRequest(room_name="court", **file()))
    assert refused.value.status == 503
    assert court.changes == []


async def test_a_record_of_which_no_film_can_be_made_stands_and_is_told_of(
    court: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(record: Path, output: Path, film: Film) -> MadeFile:
        raise FilmError("the disk is full")

    monkeypatch.setattr(court.maker, "compose", fail)
    info = await court.run(RoomCompositeEgressRequest(room_name="court", **file()), 60_000)
    assert info.status == EgressStatus.EGRESS_FAILED
    assert info.error == "the record stands, but no file was made of it: the disk is full"
    assert not info.file_results
    court.record_of(info)


async def test_an_egress_whose_file_meets_a_mistake_of_ours_ends_and_is_told_of(
    court: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(record: Path, output: Path, film: Film) -> MadeFile:
        raise BlockingIOError("no process can be started now")

    monkeypatch.setattr(court.maker, "compose", fail)
    info = await court.run(RoomCompositeEgressRequest(room_name="court", **file()), 60_000)
    assert info.status == EgressStatus.EGRESS_FAILED
    assert "has logged why" in info.error and "no process can be started" in caplog.text
    court.record_of(info)


async def test_an_egress_in_which_nobody_has_said_anything_fails_with_its_reason(stage: Stage) -> None:
    stage.server.room("court").join("alice")
    request = RoomCompositeEgressRequest(room_name="court", **file())
    info = await stage.run(request, -1)
    assert info.status == EgressStatus.EGRESS_FAILED
    assert "nothing was recorded" in info.error
    assert str(stage.records) not in info.error and str(stage.files) not in info.error


async def test_there_are_as_many_at_once_as_recordings_are_set(stage: Stage) -> None:
    for name in ("one", "two", "three", "four"):
        stage.server.room(name).join("alice")
    for name in ("one", "two", "three"):
        stage.egresses.start(RoomCompositeEgressRequest(room_name=name, **file()))
    with pytest.raises(LimitError, match="its 3 recordings"):
        stage.egresses.start(RoomCompositeEgressRequest(room_name="four", **file()))


async def test_what_the_server_s_end_gives_up_is_told_of_with_the_record_that_stands(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    composing = asyncio.Event()

    async def compose(record: Path, output: Path, film: Film) -> MadeFile:
        composing.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(stage.maker, "compose", compose)
    stage.server.room("court").join("alice")
    request = RoomCompositeEgressRequest(room_name="court", **file())
    first, second = stage.egresses.start(request), stage.egresses.start(request)
    stage.egresses.stop(first.egress_id)
    await asyncio.wait_for(composing.wait(), PATIENCE_S)
    await stage.egresses.close()
    ended = {info.egress_id: info for event, info in stage.changes if event == "egress_ended"}
    assert set(ended) == {first.egress_id, second.egress_id}
    for info in ended.values():
        assert info.status == EgressStatus.EGRESS_ABORTED
        assert info.error == "the server has stopped: the record stands, and no file was made of it"
        stage.record_of(info)
    await stage.egresses.close()
    assert len([event for event, _ in stage.changes if event == "egress_ended"]) == 2
