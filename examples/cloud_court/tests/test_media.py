"""The media by sfu: tokens, the record's marks, private rooms; who is put out stays out (scenario 10)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

import sfu
from court.config import CourtConfig
from court.media.bridge import Happening, Seat
from court.media.gate import Gate
from court.media.live_media import KEY, LiveMedia
from court.serve import open_media
from sfu import events
from sfu.recording import Outcome, load_public_key, verify_record
from sfu.signaling.livekit import Sight, create_app

SECRET = "a-secret-of-at-least-32-characters"
SEAT = Seat(identity="p1", name="张三", attributes={"role": "plaintiff"}, publishes=frozenset({"camera", "microphone"}))


@pytest.fixture
async def media(tmp_path: Path) -> AsyncIterator[LiveMedia]:
    gate = Gate()
    async with sfu.Server(sfu.Config()) as server:
        door = create_app(server, {KEY: SECRET}, admits=gate.admits, shows=gate.shows)
        yield open_media(CourtConfig(folder=tmp_path, mirrors=(tmp_path / "mirror",)), server, door, SECRET, gate)
        await door.state.close()


async def come(media: LiveMedia, token: str) -> int:
    transport = httpx.ASGITransport(app=media.door)
    async with httpx.AsyncClient(transport=transport, base_url="http://court") as client:
        return (await client.get("/rtc/validate", params={"access_token": token})).status_code


async def test_a_token_says_role_name_and_what_may_be_published_and_ends_with_the_seat(media: LiveMedia) -> None:
    ticket = media.issue("h-1", SEAT, "ws://court/media")
    claims = jwt.decode(ticket.token, SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["name"], claims["attributes"]) == ("p1", "张三", {"role": "plaintiff"})
    assert sorted(claims["video"]["canPublishSources"]) == ["camera", "microphone"]
    watching = media.issue("h-1", Seat(identity="p2", name="旁听", attributes={}, publishes=frozenset()), "")
    assert jwt.decode(watching.token, SECRET, algorithms=["HS256"])["video"]["canPublish"] is False
    assert (await come(media, ticket.token), await come(media, watching.token)) == (200, 200)
    await media.remove("h-1", "p2")
    assert (await come(media, ticket.token), await come(media, watching.token)) == (200, 401)
    await media.close("h-1")
    assert await come(media, ticket.token) == 401


async def test_a_hearing_leaves_a_record_with_its_phases_marks_and_lawful_breaks(
    media: LiveMedia, tmp_path: Path
) -> None:
    begun = media.start_recording("h-1", "judge-1", {"hearing": "1"})
    media.phase("h-1", "evidence", "judge-1")
    media.mark("h-1", "exhibit:present", "judge-1", {"exhibit": "e1"})
    media.pause("h-1", "closed_evidence", "presiding judge", "judge-1")
    state = media.recording("h-1")
    assert state is not None and (state.state, state.ground) == ("paused", "closed_evidence")
    media.resume("h-1", "presiding judge", "judge-1")
    made, mirror = await media.stop_recording("h-1", begun.id, "judge-1")
    other = media.start_recording("h-1", "judge-1", {"hearing": "1"})
    assert await media.stop_recording("h-1", begun.id, "judge-1") == (made, mirror), "asked again, it tells the same"
    assert media.recording("h-1") is not None, "the other goes on"
    assert (await media.stop_recording("h-1", other.id, "judge-1"))[0].head not in ("", made.head)
    assert await media.stop_recording("h-1", begun.id, "judge-1") == (made, mirror)
    key = load_public_key(tmp_path / "record-public.pem")
    verdict = verify_record(made.folder, key)
    assert verdict.outcome is verify_record(mirror.folder, key).outcome is Outcome.INTACT
    assert Path(mirror.folder).parent == tmp_path / "mirror"
    assert {kind: verdict.counts[kind] for kind in ("phase", "mark", "pause", "resume")} == dict.fromkeys(
        ("phase", "mark", "pause", "resume"), 1
    )
    last = (Path(made.folder) / "ledger.jsonl").read_bytes().splitlines(keepends=True)[-1]
    assert hashlib.sha256(last).hexdigest() == made.head


async def test_two_who_are_kept_apart_hear_each_other_and_no_more(media: LiveMedia) -> None:
    media.issue("h-1", dataclasses.replace(SEAT, apart=frozenset({"p2"})), "")
    shows = [media.gate.shows("h-1", *pair) for pair in (("p1", "p2"), ("p2", "p1"), ("p1", "p3"))]
    assert shows == [Sight.SOUND, Sight.SOUND, Sight.ALL]
    await media.keep_apart("h-1", "p3", "p1")
    assert media.gate.shows("h-1", "p1", "p3") is Sight.SOUND
    await media.close("h-1")
    assert media.gate.shows("h-1", "p1", "p2") is Sight.ALL


async def test_a_consultation_can_not_be_recorded(media: LiveMedia, tmp_path: Path) -> None:
    media.set_private("c-1")
    with pytest.raises(OSError, match="private"):
        media.start_recording("c-1", "judge-1", {})
    assert list((tmp_path / "records").iterdir()) == []


async def test_what_happens_is_told_with_its_cause(media: LiveMedia) -> None:
    lost = events.ConnectionStateChanged("h-1", "p1", "c", events.ConnectionState.CLOSED, "consent_lost")
    assert media.read(lost) is None
    assert media.read(events.PeerLeft("h-1", "p1")) == Happening("left", "h-1", "p1", "disconnected")
    assert media.read(events.PeerLeft("h-1", "p1")) == Happening("left", "h-1", "p1", "left")
    for reason, cause in (
        ("signal_close", "disconnected"),
        ("participant_removed", "removed"),
        ("room_deleted", "closed"),
    ):
        closed = events.ConnectionStateChanged("h-1", "p1", "c", events.ConnectionState.CLOSED, reason)
        assert media.read(closed) is None
        assert media.read(events.PeerLeft("h-1", "p1")) == Happening("left", "h-1", "p1", cause)
    alarm = events.RecordingAlarm("h-1", "r", "/records", "write_failed", "no space")
    assert media.read(alarm) == Happening("recorder_lost", "h-1", detail="write_failed: no space")
    assert media.read(events.RecordingStopped("h-1", "r", "stopped")) is None
