"""Rooms recorded from real clients: what is on disk afterwards, seen with a player's eyes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu import Config, Recording, RecordingOptions, Server, SigningKey
from sfu.errors import LocalError, PrivateError
from sfu.events import Event, RecordingPaused, RecordingResumed, RecordingStarted, RecordingStopped
from sfu.recording.compare import compare_records
from sfu.recording.errors import RecordError
from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from tests.integration.clients import PATIENCE_S, client
from tests.integration.flashing import Beat, find_beeps, find_flashes, match
from tests.integration.growing_record import covers
from tests.integration.recorded_room import publish, source, written

MOST_OFFSET_S = 0.04


@pytest.fixture(params=[1])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """With as many shards as the test asks for."""
    async with Server(Config(shards=request.param)) as running:
        yield running
        assert "drop_internal_error" not in running.counters()


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.mark.parametrize("server", [1, 2], indirect=True, ids=["one_shard", "two_shards"])
async def test_flash_and_beep_coincide_in_the_files(server: Server, key: SigningKey, tmp_path: Path) -> None:
    async with client() as alice:
        recording = server.room("court").record(tmp_path / "record", key=key, metadata={"case": "1 C 1/26"})
        await publish(server, alice, "alice")
        await covers(tmp_path / "record", 5.2, sources=2)
        (closed,) = await recording.stop()
    record = read_record(tmp_path / "record")
    assert (record.closed, record.head, record.metadata) == (True, closed.head, {"case": "1 C 1/26"})
    assert verify_record(tmp_path / "record", key.public).outcome is Outcome.INTACT
    video, audio = source(record, "video"), source(record, "audio")
    assert video.metadata == {"name": "Alice", "role": "judge"}
    assert (video.codec, audio.codec) == ("VP8", "opus")
    assert not [gap for gap in (*video.gaps, *audio.gaps) if gap.cause in ("loss", "recorder_fault", "stall")]
    flashes, beeps = find_flashes(video.file), find_beeps(audio.file)
    offsets = match(flashes, beeps)
    assert len(offsets) >= 4
    assert max(map(abs, offsets)) < MOST_OFFSET_S


async def test_a_mirror_holds_the_same_media(server: Server, key: SigningKey, tmp_path: Path) -> None:
    async with client() as alice:
        await publish(server, alice, "alice")
        recording = server.room("court").record(tmp_path / "a", key=key, mirrors=[tmp_path / "b"])
        await written(recording, 50_000)
        assert len(await recording.stop()) == 2
    verdicts = [verify_record(tmp_path / name, key.public) for name in "ab"]
    found = compare_records(tmp_path / "a", tmp_path / "b", *verdicts)
    assert (found.outcome, found.differences) == (Outcome.INTACT, ())
    assert found.agreeing_lines > 3 and found.agreeing_frames > 20
    a, b = (source(read_record(tmp_path / name), "video") for name in "ab")
    shorter = min(a.file.stat().st_size, b.file.stat().st_size)
    assert abs(len(find_flashes(a.file)) - len(find_flashes(b.file))) <= 1
    assert shorter > 20_000


async def test_not_a_byte_of_a_pause_is_kept(server: Server, key: SigningKey, tmp_path: Path) -> None:
    stream = server.room("court").events()
    async with client() as alice:
        await publish(server, alice, "alice", beat := Beat())
        recording = server.room("court").record(tmp_path / "record", key=key)
        await written(recording, 20_000)
        recording.mark("evidence", exhibit=7)
        recording.pause(ground="closed evidence", authoriser="presiding judge")
        with pytest.raises(LocalError, match="court"):
            server.room("court").record(tmp_path / "second", key=key)
        paused_bytes = await rest_written(recording, beat)
        await beat.more(2.5)
        assert recording.stats()[0].written_bytes == paused_bytes
        assert recording.state == "paused"
        recording.resume(authoriser="presiding judge")
        await written(recording, 20_000)
        await recording.stop()
    record = read_record(tmp_path / "record")
    (pause,) = record.pauses
    assert (pause.ground, pause.authoriser) == ("closed evidence", "presiding judge")
    assert pause.end_us - pause.begin_us > 3_000_000
    (mark,) = record.marks
    assert (mark.name, mark.data) == ("evidence", {"exhibit": 7})
    for each in record.sources:
        assert any(gap.cause == "pause" for gap in each.gaps)
        for span in each.spans:
            assert span.end_us <= pause.begin_us + 40_000 or span.begin_us >= pause.end_us - 40_000
    assert verify_record(tmp_path / "record", key.public).outcome is Outcome.INTACT
    kinds = await collect(stream)
    assert [kind for kind in kinds if "Recording" in kind.__name__] == [
        RecordingStarted, RecordingPaused, RecordingResumed, RecordingStopped,
    ]  # fmt: skip


async def rest_written(recording: Recording, beat: Beat) -> int:
    """What is on disk once all that came before a pause is there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            before = recording.stats()[0].written_bytes
            await beat.more(1.0)
            if recording.stats()[0].written_bytes == before:
                return before


async def collect(stream) -> list[type[Event]]:
    stream.close()
    return [type(event) async for event in stream]


async def test_who_comes_again_goes_on_in_the_same_file(server: Server, key: SigningKey, tmp_path: Path) -> None:
    recording = server.room("court").record(tmp_path / "record", key=key)
    for _ in range(2):
        async with client() as alice:
            await publish(server, alice, "alice")
            await written(recording, 100_000)
        async with asyncio.timeout(PATIENCE_S):
            while server.rooms:  # noqa: ASYNC110 - she leaves when her connection has closed
                await asyncio.sleep(0.05)
    await recording.stop()
    record = read_record(tmp_path / "record")
    assert sorted(each.kind for each in record.sources) == ["audio", "video"]
    assert verify_record(tmp_path / "record", key.public).outcome is Outcome.INTACT
    audio = source(record, "audio")
    away = next(gap for gap in audio.gaps if gap.cause == "disconnect")
    beeps = find_beeps(audio.file)
    assert beeps[0] < away.begin_us / 1e6
    assert beeps[-1] > away.end_us / 1e6


async def test_what_is_private_is_not_recorded(server: Server, key: SigningKey, tmp_path: Path) -> None:
    room = server.room("court")
    room.set_private(True)
    with pytest.raises(PrivateError, match="private"):
        room.record(tmp_path / "record", key=key)
    assert not (tmp_path / "record").exists()
    room.set_private(False)
    async with client() as alice:
        await publish(server, alice, "alice")
        async with asyncio.timeout(PATIENCE_S):
            while len(room.tracks) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (video,) = (track for track in room.tracks if track.kind == "video")
        room.set_track_private(video, True)
        with pytest.raises(PrivateError, match="private"):
            room.record(tmp_path / "record", key=key, tracks=[video])
        assert not (tmp_path / "record").exists()
        recording = room.record(tmp_path / "record", key=key)
        with pytest.raises(PrivateError, match="being recorded"):
            room.set_private(True)
        await written(recording, 5_000)
        await recording.stop()
    assert [each.kind for each in read_record(tmp_path / "record").sources] == ["audio"]


async def test_a_folder_that_cannot_be_written_is_told_at_once(server: Server, key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    room = server.room("court")
    with pytest.raises(RecordError, match="file"):
        room.record(tmp_path / "file" / "record", key=key)
    assert room.recording is None
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "something").write_text("")
    with pytest.raises(RecordError, match="mirror"):
        room.record(tmp_path / "record", key=key, mirrors=[tmp_path / "mirror"])
    assert room.recording is None
    recording = room.record(tmp_path / "other", key=key, options=RecordingOptions(fragment=0.5))
    await recording.stop()
    assert verify_record(tmp_path / "other", key.public).outcome is Outcome.INTACT


async def test_a_track_that_never_sends_is_no_source(server: Server, key: SigningKey, tmp_path: Path) -> None:
    recording = server.room("court").record(tmp_path / "record", key=key)
    async with client() as alice:
        await publish(server, alice, "alice")
        await recording.stop()
    record = read_record(tmp_path / "record")
    assert record.sources == ()
    assert verify_record(tmp_path / "record", key.public).outcome is Outcome.INTACT
