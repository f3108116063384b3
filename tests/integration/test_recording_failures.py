"""What happens to a record when the process is killed, the disk is full, or a recorder fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest

from sfu import Config, EventStream, RecordingOptions, Server, SigningKey
from sfu.clock import utc_now
from sfu.events import Event, RecordingAlarm, RecordingStopped, RecordNotRecovered, RecordRecovered
from sfu.node.records.recovery import RecordRecovery
from sfu.recording.reader import read_record
from sfu.recording.recover import recover_record
from sfu.recording.verify import Outcome, verify_record
from sfu.signaling import RecordStore
from tests.integration.clients import PATIENCE_S, client
from tests.integration.flashing import find_beeps, find_flashes
from tests.integration.recorded_room import publish, source, written
from tests.recording_samples import begin_record

MOST_LOST_S = 2.0
ALARM_WITHIN_S = 5.0


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config()) as running:
        yield running


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


async def stream_until_stopped(stream: EventStream) -> AsyncIterator[Event]:
    """What happens until a recording ends."""
    async for event in stream:
        yield event
        if isinstance(event, RecordingStopped):
            return


def test_after_a_kill_what_was_synced_plays_and_the_rest_is_declared(tmp_path: Path, key: SigningKey) -> None:
    key_file, folder = tmp_path / "key.pem", tmp_path / "record"
    key_file.touch(0o600)
    key_file.write_bytes(key.private_pem)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.recording_process", folder, key_file],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        begun = float(process.stdout.readline())
        for line in process.stdout:
            if int(line) > 200_000:  # some seconds
                break
        process.kill()
        killed = time.monotonic()
        process.wait()
    cut_off = verify_record(folder, key.public)
    assert cut_off.outcome is Outcome.NOT_CLOSED
    record = read_record(folder)
    assert not record.closed
    for each in record.sources:
        assert killed - begun - each.spans[-1].end_us / 1e6 < MOST_LOST_S
    assert find_flashes(source(record, "video").file)
    assert find_beeps(source(record, "audio").file)

    recover_record(folder, key, utc_now())
    recovered = read_record(folder)
    assert verify_record(folder, key.public).outcome is Outcome.RECOVERED
    assert recovered.closed
    for each in recovered.sources:
        assert each.gaps[-1].cause == "recorder_fault"
        assert each.gaps[-1].begin_us >= each.spans[-1].end_us - 100_000


async def test_a_full_disk_is_an_alarm_and_the_mirror_goes_on(
    server: Server, key: SigningKey, small_disk: Path, tmp_path: Path
) -> None:
    room = server.room("court")
    stream = room.events()
    (small_disk / "filler").write_bytes(bytes(900 << 10))
    async with client() as alice:
        await publish(server, alice, "alice")
        recording = room.record(
            small_disk / "record", key=key, mirrors=[tmp_path / "mirror"], options=RecordingOptions(least_free_bytes=0)
        )
        async with asyncio.timeout(60):
            while not recording.stats()[0].failure:  # noqa: ASYNC110 - the recorder is a thread
                await asyncio.sleep(0.05)
        failed = time.monotonic()
        async with asyncio.timeout(ALARM_WITHIN_S):
            async for event in stream:
                if isinstance(event, RecordingAlarm):
                    break
        assert time.monotonic() - failed < ALARM_WITHIN_S
        assert (event.what, event.path) == ("write_failed", str(small_disk / "record"))
        assert "No space left" in event.detail
        before = recording.stats()[1].written_bytes
        async with asyncio.timeout(PATIENCE_S):
            while recording.stats()[1].written_bytes < before + 50_000:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert recording.state == "recording"
        (closed,) = await recording.stop()
    assert closed.path == tmp_path / "mirror"
    assert verify_record(tmp_path / "mirror", key.public).outcome is Outcome.INTACT
    kept = read_record(small_disk / "record")
    assert any(each.spans for each in kept.sources)
    for each in kept.sources:
        if each.spans:
            with av.open(str(each.file)) as container:
                assert sum(1 for _ in container.demux()) > 10


async def test_a_recording_whose_only_recorder_fails_ends_and_says_so(
    server: Server, key: SigningKey, small_disk: Path
) -> None:
    room = server.room("court")
    stream = room.events()
    (small_disk / "filler").write_bytes(bytes(980 << 10))
    async with client() as alice:
        await publish(server, alice, "alice")
        recording = room.record(small_disk / "record", key=key)
        async with asyncio.timeout(60):
            async for event in stream:
                if isinstance(event, RecordingStopped):
                    break
        assert event.cause == "failed"
        assert (recording.state, room.recording) == ("failed", None)
        assert await recording.stop() == ()


async def test_a_recorder_whose_folder_is_taken_away_stops_and_says_so(
    server: Server, key: SigningKey, tmp_path: Path
) -> None:
    room = server.room("court")
    stream = room.events()
    recording = room.record(tmp_path / "record", key=key)
    (tmp_path / "record").rename(tmp_path / "elsewhere")
    async with asyncio.timeout(ALARM_WITHIN_S):
        seen = [event async for event in stream_until_stopped(stream)]
    assert [(each.what, each.path) for each in seen if isinstance(each, RecordingAlarm)] == [
        ("write_failed", str(tmp_path / "record"))
    ]
    assert recording.state == "failed"
    assert await recording.stop() == ()


async def test_a_disk_that_is_nearly_full_is_an_alarm_before_it_is(
    server: Server, key: SigningKey, tmp_path: Path
) -> None:
    room = server.room("court")
    stream = room.events()
    recording = room.record(tmp_path / "record", key=key, options=RecordingOptions(least_free_bytes=1 << 60))
    async with asyncio.timeout(ALARM_WITHIN_S):
        async for event in stream:
            if isinstance(event, RecordingAlarm):
                break
    assert event.what == "disk_nearly_full"
    await recording.stop()


async def test_a_publisher_that_falls_silent_is_an_alarm(server: Server, key: SigningKey, tmp_path: Path) -> None:
    room = server.room("court")
    async with client() as alice:
        await publish(server, alice, "alice")
        recording = room.record(tmp_path / "record", key=key)
        await written(recording, 20_000)
        stream = room.events()
        begun = time.monotonic()
        for sender in alice.pc.getSenders():
            sender.replaceTrack(None)
        async with asyncio.timeout(2 * ALARM_WITHIN_S):
            async for event in stream:
                if isinstance(event, RecordingAlarm):
                    break
        assert event.what == "nothing_written"
        assert time.monotonic() - begun < ALARM_WITHIN_S + 2.0  # what was under way is written first
        await recording.stop()
    stalls = [gap for each in read_record(tmp_path / "record").sources for gap in each.gaps if gap.cause == "stall"]
    assert len(stalls) == 2


def test_a_full_disk_keeps_a_recovery_waiting_and_leaves_no_part_of_it(small_disk: Path, key: SigningKey) -> None:
    """However often it is tried: what a recovery copies is there whole, or not at all."""
    folder = begin_record(small_disk / "record", key).folder
    with (folder / "media" / "001-audio.mkv").open("ab") as file:
        file.write(bytes(300 << 10))  # of which no line tells
    filler = small_disk / "filler"
    filler.write_bytes(bytes(500 << 10))
    told: list[Event] = []
    store = RecordStore(small_disk, key)
    recovery = RecordRecovery(store, told.append, free_bytes=lambda path: 1 << 40)  # so that it is tried
    for _ in range(3):
        assert recovery.look()
    [event] = told
    assert isinstance(event, RecordNotRecovered)
    assert (event.why, "No space left" in event.reason) == ("failed", True)
    assert verify_record(folder, key.public).outcome is Outcome.NOT_CLOSED
    filler.unlink()
    assert not recovery.look()
    assert isinstance(told[-1], RecordRecovered)
    assert [each.name for each in (folder / "unattested").iterdir()] == ["0001-001-audio.mkv"]
    assert verify_record(folder, key.public).outcome is Outcome.RECOVERED
