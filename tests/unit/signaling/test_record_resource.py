"""Rooms recorded over HTTP, by a real server into real folders."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.recording.reader import read_record
from sfu.signaling import RecordStore, SignalingOptions, create_app
from sfu.signaling.records.description import strip_paths
from sfu.signaling.streams.roster import describe_room
from tests.unit.signaling.conftest import SDP, SEND, FakeAuthorizer
from tests.unit.signaling.event_streams import opened

URL = "/rooms/lobby/recording"
NAME = re.compile(r"lobby-\d{8}T\d{6}Z-[0-9a-f]{8}")
PAUSE = {"ground": "Recess", "authoriser": "Judge Weiß"}


@pytest.fixture
def shelf(tmp_path: Path) -> RecordStore:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (tmp_path / "main").mkdir()
    return RecordStore(tmp_path / "main", sfu.SigningKey.generate(), (mirror,), most=2)


@pytest.fixture
async def app(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, shelf: RecordStore
) -> AsyncIterator[Starlette]:
    app = create_app(server, authorizer, options, records=shelf)
    yield app
    await app.state.signaling.close()


@pytest.fixture
async def clerk(app: Starlette, authorizer: FakeAuthorizer) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token may record any room, and nothing else."""
    headers = authorizer.add("clerk", room="*", publish=False, subscribe=False, record=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sfu.test", headers=headers
    ) as http:
        yield http


def ledger(shelf: RecordStore, kind: str, place: int = 0) -> list[dict[str, Any]]:
    """The lines of one type, of the only record."""
    (record,) = shelf.places[place].iterdir()
    lines = [json.loads(line) for line in (record / "ledger.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if line["type"] == kind]


@pytest.mark.parametrize("order", ["", "/marks", "/phase", "/pause", "/resume"])
async def test_an_order_whose_body_comes_while_the_server_ends_is_for_the_process_that_follows(
    app: Starlette, clerk: httpx.AsyncClient, shelf: RecordStore, order: str
) -> None:
    if order:
        assert (await clerk.post(URL)).status_code == 201

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        app.state.signaling.end_streams()
        yield b"}"

    refused = await clerk.post(URL + order, content=body(), headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert len(list(shelf.places[0].iterdir())) == bool(order)


async def test_what_another_process_may_have_by_now_is_not_stopped_here(
    app: Starlette, clerk: httpx.AsyncClient, server: sfu.Server
) -> None:
    assert (await clerk.post(URL)).status_code == 201
    app.state.signaling.end_streams()
    assert (await clerk.delete(URL)).status_code == 503
    assert not server.recordings[0].stopped


async def test_a_room_is_recorded_from_start_to_stop(clerk: httpx.AsyncClient, shelf: RecordStore) -> None:
    started = await clerk.post(URL, json={"metadata": {"case": "1 C 1/26"}})
    assert (started.status_code, started.headers["location"]) == (201, URL)
    about = started.json()
    assert NAME.fullmatch(about["folder"])
    assert (about["state"], "ground" in about) == ("recording", False)
    assert [recorder["place"] for recorder in about["recorders"]] == ["main", "mirror 1"]
    assert all((r["bytes"], r["alarms"], r["failure"]) == (0, {}, None) for r in about["recorders"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", about["since"])

    assert (await clerk.post(f"{URL}/phase", json={"name": "pleadings"})).status_code == 204
    exhibit = {"name": "exhibit", "data": {"name": "K1", "self": 1}}
    assert (await clerk.post(f"{URL}/marks", json=exhibit)).status_code == 204
    assert (await clerk.post(f"{URL}/pause", json={**PAUSE, "note": "coffee"})).status_code == 204
    paused = (await clerk.get(URL)).json()
    assert (paused["state"], paused["ground"], paused["id"]) == ("paused", "Recess", about["id"])
    assert (await clerk.post(f"{URL}/resume", json={"authoriser": "Judge Weiß"})).status_code == 204
    assert (await clerk.get(URL)).json()["state"] == "recording"

    stopped = await clerk.delete(URL)
    assert stopped.status_code == 200
    closed = stopped.json()
    assert (closed["state"], closed["folder"], closed["id"]) == ("stopped", about["folder"], about["id"])
    for recorder, place in zip(closed["recorders"], shelf.places, strict=True):
        record = place / about["folder"]
        manifest = json.loads((record / "manifest.json").read_text())
        assert recorder["head"] == manifest["head"]
    assert closed["head"] == closed["recorders"][0]["head"]
    (start,), (mark,), (phase,), (pause,) = (ledger(shelf, kind) for kind in ("start", "mark", "phase", "pause"))
    assert (start["room"], start["metadata"]) == ("lobby", {"case": "1 C 1/26"})
    assert (mark["name"], mark["data"]) == ("exhibit", {"name": "K1", "self": 1})
    assert phase["name"] == "pleadings"
    assert (pause["ground"], pause["authoriser"], pause["note"]) == ("Recess", "Judge Weiß", "coffee")
    assert ledger(shelf, "resume", 1)[0]["authoriser"] == "Judge Weiß"
    for place in shelf.places:
        read_record(place / about["folder"])
    assert (await clerk.get(URL)).status_code == 404


async def test_off_the_record_are_all_recordings_of_the_room(
    clerk: httpx.AsyncClient, server: sfu.Server, shelf: RecordStore, tmp_path: Path
) -> None:
    await clerk.post(URL)
    another = server.room("lobby").record(tmp_path / "another", key=shelf.key, beside=True)
    assert (await clerk.post(f"{URL}/pause", json=PAUSE)).status_code == 204
    about = describe_room(server, "lobby")
    assert [each["state"] for each in about["recordings"]] == ["paused", "paused"]
    assert about["recording"] == about["recordings"][0] and about["recordings"][1]["id"] == another.id
    another.resume(authoriser="the program")
    assert (await clerk.post(f"{URL}/resume", json={"authoriser": "Judge Weiß"})).status_code == 204
    assert (await clerk.post(f"{URL}/resume", json={"authoriser": "Judge Weiß"})).status_code == 409
    await clerk.delete(URL)
    assert server.room("lobby").recordings == (another,)
    await another.stop()


@pytest.mark.parametrize("peer", ["trainee", None])
async def test_each_act_says_whose_token_ordered_it_beside_what_is_claimed(
    app: Starlette, authorizer: FakeAuthorizer, shelf: RecordStore, peer: str | None
) -> None:
    """Whatever can be posted below the recording, so that an order to come is not forgotten."""
    headers = authorizer.add("of the trainee", room="lobby", peer=peer, record=True)
    claimed = {"subject": "Presiding Judge"}
    orders: dict[str, dict[str, Any]] = {
        "phase": {"name": "pleadings"},
        "marks": {"name": "exhibit", "data": claimed},
        "pause": {"ground": "Recess", "authoriser": "Presiding Judge"},
        "resume": {"authoriser": "Presiding Judge"},
    }
    paths = [str(getattr(route, "path", "")) for route in app.routes]
    assert {path.rpartition("/")[2] for path in paths if "/recording/" in path} - {""} == orders.keys()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sfu.test", headers=headers
    ) as http:
        assert (await http.post(URL, json={"metadata": claimed})).status_code == 201
        for name, body in orders.items():
            assert (await http.post(f"{URL}/{name}", json=body)).status_code == 204
        assert (await http.delete(URL)).status_code == 200
    for place in range(2):
        for kind in ("start", "phase", "mark", "pause", "resume", "stop"):
            (line,) = ledger(shelf, kind, place)
            assert line["subject"] == peer, kind
        (mark,) = ledger(shelf, "mark", place)
        assert mark["data"] == claimed
        (pause,) = ledger(shelf, "pause", place)
        assert pause["authoriser"] == "Presiding Judge"


async def test_no_answer_tells_a_path_of_the_machine(clerk: httpx.AsyncClient, shelf: RecordStore) -> None:
    answers = [await clerk.post(URL), await clerk.get(URL), await clerk.delete(URL)]
    os.rmdir(shelf.mirrors[0] / answers[0].json()["folder"] / "media")
    shelf.mirrors[0].rename(shelf.mirrors[0].with_name("gone"))
    shelf.mirrors[0].write_text("no folder")
    answers.append(await clerk.post(URL))
    assert [answer.status_code for answer in answers] == [201, 200, 200, 503]
    assert answers[3].headers["content-type"] == "application/problem+json"
    assert "retry-after" in answers[3].headers
    for answer in answers:
        assert str(shelf.folder.parent) not in answer.text


def test_reasons_are_told_without_paths() -> None:
    record = Path("/srv/records/lobby-1")
    full = f"{record}/media/001-audio.mkv: cannot be written: No space left on device"
    assert strip_paths(full, record) == "media/001-audio.mkv: cannot be written: No space left on device"
    assert strip_paths(f"{record}: is gone", record) == "lobby-1: is gone"
    assert strip_paths("3 MiB are left on the disk", record) == "3 MiB are left on the disk"
    for reason in ("internal error: 'x'", "/etc/other: is gone", f"{record}/media: see '/var/log'"):
        assert strip_paths(reason, record) == "The server has logged why."


async def test_only_the_right_to_record_changes_anything(
    http: httpx.AsyncClient, clerk: httpx.AsyncClient, authorizer: FakeAuthorizer, shelf: RecordStore
) -> None:
    orders = {"marks": {"name": "x"}, "phase": {"name": "x"}, "pause": PAUSE, "resume": {"authoriser": "x"}}
    attic = authorizer.add("attic", room="attic", record=True)
    for headers in ({}, attic):  # publish and subscribe; record, but of another room
        assert (await http.post(URL, headers=headers)).status_code == 403
    assert list(shelf.folder.iterdir()) == []
    await clerk.post(URL)
    for headers in ({}, attic):
        assert (await http.delete(URL, headers=headers)).status_code == 403
        for name, order in orders.items():
            assert (await http.post(f"{URL}/{name}", json=order, headers=headers)).status_code == 403, name
    assert (await http.get(URL, headers={"Authorization": ""})).status_code == 401
    # it concerns everyone who may be in the room, also who only sends
    assert (await http.get(URL)).json() == (await clerk.get(URL)).json()
    assert (await http.get(URL, headers=authorizer.add("camera", subscribe=False))).status_code == 200
    assert (await http.get(URL, headers=authorizer.add("nobody", subscribe=False, publish=False))).status_code == 403
    await clerk.delete(URL)
    assert [line["type"] for kind in orders for line in ledger(shelf, kind.rstrip("s"))] == []


async def test_what_does_not_fit_the_state_is_refused(clerk: httpx.AsyncClient, server: sfu.Server) -> None:
    assert (await clerk.get(URL)).status_code == (await clerk.delete(URL)).status_code == 404
    assert (await clerk.post(f"{URL}/marks", json={"name": "x"})).status_code == 404
    assert (await clerk.post(f"{URL}/pause", json=PAUSE)).status_code == 404
    assert server.find_room("lobby") is None  # to ask does not make a room
    assert (await clerk.post(URL)).status_code == 201
    again = await clerk.post(URL)
    assert (again.status_code, again.json()["title"]) == (409, "Recorded already")
    assert (await clerk.post(f"{URL}/resume", json={"authoriser": "x"})).status_code == 409
    await clerk.post(f"{URL}/pause", json=PAUSE)
    assert (await clerk.post(f"{URL}/pause", json={**PAUSE, "ground": "Deliberation"})).status_code == 204
    assert (await clerk.get(URL)).json()["ground"] == "Deliberation"
    first, second = await asyncio.gather(clerk.delete(URL), clerk.delete(URL))
    assert (first.status_code, second.status_code) == (200, 404)
    assert (first.json()["state"], "ground" in first.json()) == ("stopped", False)
    assert (await clerk.put(URL)).status_code == 405


async def test_a_private_room_is_not_recorded(clerk: httpx.AsyncClient, server: sfu.Server, shelf: RecordStore) -> None:
    room = server.room("lobby")
    room.set_private(True)
    refused = await clerk.post(URL)
    assert (refused.status_code, refused.json()["title"]) == (409, "Private room")
    assert list(shelf.folder.iterdir()) == []


async def test_a_recording_needs_nobody_in_the_room(
    clerk: httpx.AsyncClient, http: httpx.AsyncClient, server: sfu.Server
) -> None:
    id = (await clerk.post(URL)).json()["id"]
    assert "lobby" not in server.rooms
    seen = (await http.get("/rooms/lobby")).json()
    assert (seen["recording"], seen["peers"]) == ({"id": id, "state": "recording"}, [])
    posted = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await http.delete(posted.headers["location"])
    assert "lobby" not in server.rooms
    assert (await clerk.get(URL)).json()["id"] == id


async def test_there_are_so_many_recordings_and_no_more(clerk: httpx.AsyncClient, shelf: RecordStore) -> None:
    for room in ("one", "two"):
        assert (await clerk.post(f"/rooms/{room}/recording")).status_code == 201
    refused = await clerk.post("/rooms/three/recording")
    assert (refused.status_code, refused.json()["title"]) == (503, "Too many recordings")
    assert len(list(shelf.folder.iterdir())) == 2
    await clerk.delete("/rooms/one/recording")
    assert (await clerk.post("/rooms/three/recording")).status_code == 201


async def test_everyone_in_the_room_hears_of_it(
    app: Starlette, clerk: httpx.AsyncClient, authorizer: FakeAuthorizer
) -> None:
    async with opened(app, "lobby", authorizer.add("viewer", publish=False)) as stream:
        ((_, snapshot),) = await stream.events()
        assert snapshot["recording"] is None
        id = (await clerk.post(URL)).json()["id"]
        assert await stream.events() == [("recording", {"id": id, "state": "recording"})]
        await clerk.post(f"{URL}/pause", json=PAUSE)
        paused = {"id": id, "state": "paused", "ground": "Recess"}
        assert await stream.events() == [("recording", paused)]
        async with opened(app, "lobby", authorizer.add("late", publish=False)) as late:
            ((_, snapshot),) = await late.events()
            assert snapshot["recording"] == paused
        await clerk.post(f"{URL}/resume", json={"authoriser": "x"})
        assert await stream.events() == [("recording", {"id": id, "state": "recording"})]
        await clerk.delete(URL)
        assert await stream.events() == [("recording", {"id": id, "state": "stopped"})]


DEEP: Any = {"a": 1}
for _ in range(40):
    DEEP = {"a": DEEP}
UNFIT: list[dict[str, Any]] = [{"x": 1 << 64}, {"x": "\ud800"}, {"\ud800": 1}, DEEP, {"x": [[-(1 << 70)]]}]


@pytest.mark.parametrize("data", UNFIT, ids=lambda data: ascii(data)[:30])
async def test_what_a_ledger_cannot_hold_breaks_no_record(
    clerk: httpx.AsyncClient, shelf: RecordStore, data: dict[str, Any]
) -> None:
    body = json.dumps({"metadata": data})
    headers = {"Content-Type": "application/json"}
    refused = await clerk.post(URL, content=body, headers=headers)
    assert (refused.status_code, refused.json()["title"]) == (422, "Not for a ledger")
    assert list(shelf.folder.iterdir()) == list(shelf.mirrors[0].iterdir()) == []
    assert (await clerk.post(URL)).status_code == 201
    body = json.dumps({"name": "x", "data": data})
    assert (await clerk.post(f"{URL}/marks", content=body, headers=headers)).status_code == 422
    assert (await clerk.post(f"{URL}/marks", json={"name": "after"})).status_code == 204
    closed = (await clerk.delete(URL)).json()
    assert [recorder["failure"] for recorder in closed["recorders"]] == [None, None]
    assert [mark["name"] for mark in ledger(shelf, "mark")] == ["after"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name": "x"}', "text/plain", 415),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"name": "x", "nmae": 1}', "application/json", 400),
        (b'{"name": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_wrong_body_changes_nothing(
    clerk: httpx.AsyncClient, shelf: RecordStore, body: bytes, kind: str, status: int
) -> None:
    await clerk.post(URL)
    for order in ("marks", "phase"):
        answer = await clerk.post(f"{URL}/{order}", content=body, headers={"Content-Type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    await clerk.delete(URL)
    assert ledger(shelf, "mark") == ledger(shelf, "phase") == []


async def test_a_closed_server_has_closed_its_records(
    clerk: httpx.AsyncClient, server: sfu.Server, shelf: RecordStore
) -> None:
    folder = (await clerk.post(URL)).json()["folder"]
    await server.close()
    assert ledger(shelf, "stop")[0]["cause"] == "server_closed"
    assert (shelf.folder / folder / "manifest.json.sig").stat().st_size == 64
    assert (await clerk.get(URL)).status_code == 404
    assert (await clerk.post(URL)).status_code == 503


async def test_a_server_without_a_place_does_not_record(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions
) -> None:
    app = create_app(server, authorizer, options)
    headers = authorizer.add("clerk", record=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sfu.test", headers=headers
    ) as http:
        refused = await http.post(URL)
        assert (refused.status_code, refused.json()["title"]) == (503, "No recording here")
        assert (await http.get(URL)).status_code == 404
    await app.state.signaling.close()
