"""A hearing heard again: by whom, and how far its record had come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from court.database.engine import Database
from court.errors import Refusal
from court.media.bridge import MadeRecord
from court_stage import Trial
from sfu import SigningKey
from tests.recording_samples import SECOND_US, SampleRecord


@pytest.fixture
def sample(trial: Trial, tmp_path: Path) -> SampleRecord:
    """The record of the trial, still open: three seconds of the plaintiff's camera."""
    made = SampleRecord(tmp_path / "record", SigningKey.generate())
    made.source(1, "video", "plaintiff-id")
    made.fragment(1, 0, 3 * SECOND_US)
    trial.stage.media.record = MadeRecord(str(made.folder), "")
    return made


async def test_an_opening_that_is_not_written_leaves_no_recorder_and_a_close_is_asked_for_again(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database fails when all is done but the writing."""

    @asynccontextmanager
    async def fail(_: Database) -> AsyncIterator[AsyncSession]:
        async with write(trial.stage.court.database) as session:
            yield session
            raise Refusal("court.busy", retry_after=5)

    write, media, acts = Database.write, trial.stage.media, f"{trial.path}/acts"
    await trial.agree()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", fail)
        assert await trial.judge.refused(acts, {"act": "open"}) == "court.busy"
    assert media.names().count("record") == 1
    assert media.running == {}
    assert (await trial.judge.get(trial.path))["state"] != "open"
    await trial.judge.act(trial.id, "open")
    assert list(media.running) == [trial.room]
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", fail)
        assert await trial.judge.refused(acts, {"act": "close"}) == "court.busy"
    await trial.judge.act(trial.id, "close")
    (recording,) = await trial.judge.get(f"{trial.path}/recordings")
    assert (recording["fault"], recording["head"]) == (False, "ab" * 32)


async def test_those_who_argue_hear_the_record_again_as_far_as_it_has_come(trial: Trial, sample: SampleRecord) -> None:
    await trial.agree()
    witness, gallery = await trial.invite("witness", "证人"), await trial.invite("gallery", "旁听")
    await trial.prepare(trial.plaintiff)
    await trial.judge.act(trial.id, "open")
    (recording,) = await trial.plaintiff.get(f"{trial.path}/recordings")
    path = f"{trial.path}/recordings/{recording['id']}/playback"
    told = await trial.plaintiff.post(path)
    assert (told["closed"], told["duration"]) == (False, 3.0)
    assert told["sources"][0]["spans"] == [{"begin": 0.0, "end": 3.0}]
    media = f"{path}/{told['key']}/1"
    # a sample's media are no film: what is there is asked, and answered in words
    answer = await trial.plaintiff.http.get(f"/api{media}", headers={"Range": "bytes=0-99"})
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert "Matroska" in answer.text
    assert await witness.refused(path) == "not_found"
    assert await gallery.refused(path) == await gallery.refused(media, method="GET") == "role.denied"
    await trial.judge.act(trial.id, "phase", phase="evidence")
    await trial.judge.post(f"{trial.path}/people/{await trial.person_of(witness)}/acts", {"act": "call"})
    assert await witness.refused(path) == "role.denied"
    stranger = await trial.stage.person("路人")
    assert await stranger.refused(path) == await stranger.refused(media, method="GET") == "not_found"
    assert await trial.plaintiff.refused(f"{path}/{'0' * 22}/1", method="GET") == "not_found"


async def test_a_record_that_goes_on_is_read_anew_and_one_that_cannot_be_read_says_so(
    trial: Trial, sample: SampleRecord
) -> None:
    await trial.open()
    (recording,) = await trial.plaintiff.get(f"{trial.path}/recordings")
    path = f"{trial.path}/recordings/{recording['id']}/playback"
    first = await trial.plaintiff.post(path)
    sample.fragment(1, 3 * SECOND_US, 9 * SECOND_US)
    assert (await trial.judge.post(path))["key"] == first["key"]
    trial.stage.clock.advance(6)
    later = await trial.judge.post(path)
    assert (later["key"] != first["key"], later["duration"]) == (True, 9.0)
    trial.stage.clock.advance(6)
    sample.folder.rename(sample.folder.with_name("elsewhere"))
    assert await trial.judge.refused(path) == "recording.unreadable"
