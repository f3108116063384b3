"""The process as it runs: pages, rooms and record together, with a client of the LiveKit SDK (scenarios 1, 10, 11)."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from livekit import rtc

from court.config import CourtConfig
from court.demo.people import PASSWORD, PEOPLE, STAFF
from court.demo.seed import seed
from court.serve import open_court
from court_pen import Pen, explain, state_explanation
from court_process import CourtProcess
from sfu.recording import Outcome, load_public_key, verify_record
from tests.unit.tcp.certificates import make_certificate

LONGEST_S = 30
PHONES = {role: phone for role, _, phone, *_ in (*STAFF, *PEOPLE)}
NUMBERS = {role: (name, number) for role, name, _, number, *_ in (*STAFF, *PEOPLE)}


@asynccontextmanager
async def run(folder: Path, **settings: Any) -> AsyncIterator[str]:
    """The court as its process serves it, with its demonstration; tells its URL."""
    config = CourtConfig(folder=folder, **settings)
    started = asyncio.Event()
    async with open_court(config, "127.0.0.1", 0) as (app, port):
        await seed(app.state.court)
        serving = asyncio.create_task(port.serve(app, started.set))
        try:
            async with asyncio.timeout(LONGEST_S):
                await started.wait()
            yield port.url
        finally:
            port.stop()
            await serving


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    async with run(tmp_path) as url:
        yield url


async def log_in(base: str, role: str, verify: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=base, timeout=LONGEST_S, verify=verify)
    me = await client.post("/api/login", json={"phone": PHONES[role], "password": PASSWORD})
    client.headers["X-CSRF"] = me.json()["csrf"]
    return client


async def ask(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def until_present(client: httpx.AsyncClient, path: str, role: str, present: bool) -> None:
    async with asyncio.timeout(LONGEST_S):
        while True:
            people = (await client.get(f"{path}/people")).json()
            if next(each["present"] for each in people if each["role"] == role) is present:
                return
            await asyncio.sleep(0.1)


async def test_the_gallery_is_put_out_in_camera_and_its_token_is_good_no_more(base: str) -> None:
    judge, visitor = await log_in(base, "judge"), await log_in(base, "gallery")
    (hearing,) = (await judge.get("/api/hearings")).json()["items"]
    path = f"/api/hearings/{hearing['id']}"
    opened = await ask(judge, f"{path}/acts", act="open")
    assert opened["recording"]["state"] == "recording"
    name, number = NUMBERS["gallery"]
    await ask(visitor, f"{path}/identity", name=name, identity_number=number)
    await ask(visitor, f"{path}/declaration")
    joined = await ask(visitor, f"{path}/join")
    room, gone = rtc.Room(), asyncio.Event()
    room.on("disconnected", lambda *_: gone.set())
    await room.connect(joined["url"], joined["token"])
    assert (room.local_participant.name, room.local_participant.attributes["role"]) == (name, "gallery")
    await until_present(judge, path, "gallery", True)
    told = await ask(judge, f"{path}/acts", act="in_camera")
    assert (told["recording"]["state"], told["recording"]["ground"]) == ("paused", "closed_evidence")
    await asyncio.wait_for(gone.wait(), LONGEST_S)
    with pytest.raises(rtc.ConnectError):
        await rtc.Room().connect(joined["url"], joined["token"])
    await until_present(judge, path, "gallery", False)
    await ask(judge, f"{path}/acts", act="resume")
    await ask(judge, f"{path}/acts", act="close")
    verdicts = (await judge.get(f"{path}/verify")).json()
    assert [(each["part"].partition(":")[0], each["good"]) for each in verdicts] == [("audit", True), ("record", True)]
    for client in (judge, visitor):
        await client.aclose()


async def speak(joined: dict[str, Any]) -> rtc.Room:
    """Come in and be heard, without a break."""
    room, source = rtc.Room(), rtc.AudioSource(48_000, 1)
    await room.connect(joined["url"], joined["token"])
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("voice", source), options)
    frame = rtc.AudioFrame(bytes(960), 48_000, 1, 480)

    async def talk() -> None:
        while room.isconnected():
            await source.capture_frame(frame)

    room.talking = asyncio.create_task(talk())  # type: ignore[attr-defined]
    return room


async def test_after_a_kill_the_hearing_goes_on_with_a_second_record_and_all_of_it_is_sealed(tmp_path: Path) -> None:
    court = CourtProcess(tmp_path, countdown=0)
    await court.start()
    try:
        judge = await log_in(court.url(), "judge")
        (hearing,) = (await judge.get("/api/hearings")).json()["items"]
        path = f"/api/hearings/{hearing['id']}"
        await ask(judge, f"{path}/acts", act="open")
        await ask(judge, f"{path}/acts", act="phase", phase="evidence")
        room = await speak(await ask(judge, f"{path}/join"))
        await until_signed(tmp_path)
        await court.kill()
        await room.disconnect()

        await court.start()
        told = (await judge.get(path)).json()
        assert (told["state"], told["phase"], told["recording"]["state"]) == ("open", "evidence", "recording")
        await until_present(judge, path, "judge", False)
        assert [each["kind"] for each in (await judge.get("/api/board")).json()[0]["alerts"]] == ["recording_lost"]
        first, second = await until_closed(judge, f"{path}/recordings")
        assert (first["fault"], first["ended"] is None, second["fault"], second["ended"]) == (True, False, False, None)
        room = await speak(await ask(judge, f"{path}/join"))
        await until_present(judge, path, "judge", True)
        await until_signed(tmp_path)
        await ask(judge, f"{path}/acts", act="recess")
        await court.kill()
        await room.disconnect()

        await court.start()
        told = (await judge.get(path)).json()
        assert (told["state"], told["recording"]["state"], told["recording"]["ground"]) == (
            "recess",
            "paused",
            "recess",
        )
        await until_closed(judge, f"{path}/recordings", 2)
        await ask(judge, f"{path}/acts", act="close")
        recordings = (await judge.get(f"{path}/recordings")).json()
        assert [each["fault"] for each in recordings] == [True, True, False]
        assert len({each["head"] for each in recordings} - {""}) == 3
        verdicts = (await judge.get(f"{path}/verify")).json()
        kinds = [(each["part"].partition(":")[0], each["good"]) for each in verdicts]
        assert kinds == [("audit", True), *[("record", True)] * 3]
        starts = [json.loads(read_ledger(folder)[0]) for folder in sorted(tmp_path.glob("records/*"))]
        assert [each.get("follows") for each in starts] == [None, recordings[0]["id"], recordings[1]["id"]]
        assert await refuse(judge, f"{path}/acts", act="seal") == "recording.unexplained"
        await settle(court.url(), judge, hearing)
        assert (await ask(judge, f"{path}/acts", act="seal"))["state"] == "sealed"
        package = await judge.get(f"{path}/package")
        check_records(package.content, tmp_path / "package", [each["id"] for each in recordings])
        await judge.aclose()
    finally:
        await court.stop()


async def settle(base: str, judge: httpx.AsyncClient, hearing: dict[str, Any]) -> None:
    """What sealing asks for: each fault is explained, and that nobody signs is noted."""
    path = f"/api/hearings/{hearing['id']}"
    for recording in (await judge.get(f"{path}/recordings")).json():
        if recording["fault"]:
            words = "停电"
            statement = state_explanation(hearing["number"], recording["id"], words)
            asked = {"explanation": words} | explain(Pen(), statement)
            await ask(judge, f"{path}/recordings/{recording['id']}/explanation", **asked)
    clerk = await log_in(base, "clerk")
    await ask(clerk, f"{path}/transcript/segments", text="继续审理。")
    await ask(judge, f"{path}/transcript/freeze")
    unsigned = (await clerk.get(f"{path}/transcript")).json()["unsigned"]
    for person in (await clerk.get(f"{path}/people")).json():
        if person["name"] in unsigned:
            await ask(clerk, f"{path}/transcript/refuse", reason="缺席", person_id=person["id"])
    await clerk.aclose()


def check_records(package: bytes, folder: Path, ids: list[str]) -> None:
    """Unpacked, each record is there, follows the one before, and verifies with the court's key."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        archive.extractall(folder)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    told = json.loads((folder / "manifest.json").read_text())
    assert told["defective"] == []
    assert [each["recording"] for each in told["faults"]] == ids[:2]
    records = sorted((folder / "records").glob("*-0"))
    starts = [json.loads(read_ledger(each)[0]) for each in records]
    assert [each.get("follows") for each in starts] == [None, *ids[:2]]
    key = load_public_key(folder / "public-key.pem")
    found = [verify_record(each, key).outcome for each in records]
    assert found == [Outcome.RECOVERED, Outcome.RECOVERED, Outcome.INTACT]


async def until_signed(folder: Path) -> None:
    """Until the newest record holds something that was said, and has signed it: a recovery vouches for no more."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            types = [json.loads(line)["type"] for line in read_ledger(max(folder.glob("records/*")))]
            if "fragment" in types and "head" in types[types.index("fragment") :]:
                return
            await asyncio.sleep(0.1)


async def until_closed(client: httpx.AsyncClient, path: str, count: int = 1) -> list[dict[str, Any]]:
    """Until the first recordings have their integrity value; returns all."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            found: list[dict[str, Any]] = (await client.get(path)).json()
            if all(each["head"] for each in found[:count]):
                return found
            await asyncio.sleep(0.1)


async def refuse(client: httpx.AsyncClient, path: str, **body: Any) -> str:
    answer = await client.post(path, json=body)
    assert answer.status_code >= 400
    return str(answer.json()["code"])


def read_ledger(folder: Path) -> list[bytes]:
    """The whole lines of a record's ledger."""
    return (folder / "ledger.jsonl").read_bytes().split(b"\n")[:-1]


async def test_a_page_is_told_over_its_socket_what_changes_and_nobody_else_is(base: str) -> None:
    url = f"{base.replace('http', 'ws', 1)}/api/live"
    for role in PHONES:  # whom the demonstration names
        await (await log_in(base, role)).aclose()
    party, other = await log_in(base, "plaintiff"), await log_in(base, "defendant")
    (case,) = (await party.get("/api/cases")).json()["items"]
    cookies = [{"Cookie": f"court_session={each.cookies['court_session']}"} for each in (party, other)]
    async with (
        websockets.connect(url, additional_headers=cookies[0]) as own,
        websockets.connect(url, additional_headers=cookies[1]) as strange,
    ):
        for each in (own, strange):
            assert json.loads(await each.recv())["what"] == "ready"
        await ask(party, f"/api/cases/{case['id']}/messages", text="您好")
        assert json.loads(await asyncio.wait_for(own.recv(), LONGEST_S))["topic"] == "messages"
        judge = await log_in(base, "judge")
        (hearing,) = (await judge.get("/api/hearings")).json()["items"]
        await ask(judge, f"/api/hearings/{hearing['id']}/acts", act="open")
        assert json.loads(await asyncio.wait_for(strange.recv(), LONGEST_S))["topic"] != "messages"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url)
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url, additional_headers={**cookies[0], "Origin": "https://evil.example"})
    for client in (party, other, judge):
        await client.aclose()


async def test_with_a_certificate_the_court_speaks_https_and_its_cookies_are_secure(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(chain))
    async with run(tmp_path, tls_cert=str(chain), tls_key=str(key)) as url:
        assert url.startswith("https://127.0.0.1:")
        judge = await log_in(url, "judge", trust)
        (cookie,) = judge.cookies.jar
        assert cookie.secure
        (hearing,) = (await judge.get("/api/hearings")).json()["items"]
        joined = await ask(judge, f"/api/hearings/{hearing['id']}/join")
        assert joined["url"] == f"{url.replace('http', 'ws', 1)}/media"
        await judge.aclose()
