"""A hearing that is recorded across a restart in place: two servers, one record, and a film of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sfu import Config, Recording, Server, SigningKey, SuspendedRecording
from sfu.recording.clock_recovery import LOOKAHEAD_US
from sfu.recording.compare import compare_records
from sfu.recording.compose.film import compose_film
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.reader import RecordSource, read_record
from sfu.recording.verify import Outcome, verify_record
from tests.integration.clients import client
from tests.integration.flashing import find_beeps, find_flashes, match, seen_to_begin
from tests.integration.recorded_room import publish, written

KEY = SigningKey.generate()
MOST_OFFSET_S = 0.06
pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def hearing() -> AsyncIterator[Server]:
    """A server with somebody who publishes."""
    async with Server(Config()) as server, client() as alice:
        await publish(server, alice, "alice")
        yield server


def of(sources: tuple[RecordSource, ...], kind: str) -> list[RecordSource]:
    return [each for each in sources if each.kind == kind]


async def record_a_part(recording: Recording, mark: str) -> None:
    await written(recording, 300_000)
    recording.mark(mark)


async def test_a_record_of_two_servers_is_one_with_a_gap_and_its_mirror_tells_the_same(tmp_path: Path) -> None:
    folders = tmp_path / "main", tmp_path / "mirror"
    async with hearing() as first:
        recording = first.room("court").record(folders[0], key=KEY, mirrors=[folders[1]])
        await record_a_part(recording, "before")
        [suspended] = await first.suspend_recordings()
    message = json.dumps(suspended.to_json())
    await asyncio.sleep(0.1)
    async with hearing() as second:
        room = second.room("court")
        again = await room.continue_recording(SuspendedRecording.from_json(json.loads(message)), key=KEY)
        await record_a_part(again, "after")
        await again.stop()
    verdicts = [verify_record(folder, KEY.public) for folder in folders]
    assert [each.outcome for each in verdicts] == [Outcome.INTACT] * 2, verdicts[0].problem
    compared = compare_records(*folders, *verdicts)
    assert compared.differences == ()

    record = read_record(folders[0])
    for kind in ("audio", "video"):
        old, new = of(record.sources, kind)
        [restart, away] = [gap for gap in old.gaps if gap.begin_us >= old.spans[-1].end_us - 200_000][-2:]
        assert (restart.cause, away.cause, restart.end_us) == ("restart", "disconnect", away.begin_us)
        assert old.spans[-1].end_us <= restart.begin_us + 100_000
        assert away.end_us <= new.spans[0].begin_us + LOOKAHEAD_US  # what came late stands where it belongs
    assert [mark.name for mark in record.marks] == ["before", "after"]
    flashes = [find_flashes(each.file) for each in of(record.sources, "video")]
    beeps = [find_beeps(each.file) for each in of(record.sources, "audio")]
    assert all(flashes) and all(beeps)

    options = ComposeOptions(width=640, height=360)
    film = await asyncio.to_thread(compose_film, folders[0], tmp_path / "film.mp4", options)
    assert (film.warnings, film.problems) == ((), ())
    begins_s = [span.begin_us / 1e6 for source in record.sources for span in source.spans]
    offsets = match(seen_to_begin(find_flashes(film.path, 60.0), begins_s), find_beeps(film.path))
    assert len(offsets) >= 2 and max(map(abs, offsets)) < MOST_OFFSET_S, offsets
    hole_s = restart.begin_us / 1e6, away.end_us / 1e6
    beeps_s = find_beeps(film.path)
    assert any(at < hole_s[0] for at in beeps_s) and any(at > hole_s[1] for at in beeps_s)
    assert not [at for at in beeps_s if hole_s[0] + 0.2 < at < hole_s[1] - 0.2]
