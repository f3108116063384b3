"""Whether there is room for what comes new, and how HTTP clients are told that there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.clock import utc_now
from sfu.signaling import Admissions, Demand, RecordStore, Refusal, SignalingOptions, create_app
from tests.unit.signaling.admissions import BUSY, FULL, Asked
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer

DRAINING = Refusal(reason="draining", title="Draining", detail="Go elsewhere.", retry_after=60)


class NoRooms:
    """Refuses new rooms, as a server that is drained."""

    def check(self, demand: Demand) -> Refusal | None:
        return DRAINING if "room" in demand.wants else None


def ask(*wants: str) -> Demand:
    return Demand(wants=frozenset(wants), room="lobby")  # type: ignore[arg-type]


def test_what_any_of_several_refuses_is_refused_for_the_reason_of_the_first_and_counted() -> None:
    busy = Asked()
    admissions = Admissions([NoRooms()])
    assert admissions.check(ask("peer")) is None
    admissions.add(busy)
    busy.refusal = BUSY
    assert admissions.check(ask("room", "peer")) is DRAINING
    assert admissions.check(ask("peer")) is BUSY
    busy.refusal = None
    assert admissions.check(ask("peer")) is None
    assert admissions.refused == {"draining": 1, "plane_load": 1}


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
async def app(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, asked: Asked, tmp_path: Path
) -> AsyncIterator[Starlette]:
    records = RecordStore(tmp_path, sfu.SigningKey.generate())
    app = create_app(server, authorizer, options, admission=asked, records=records)
    yield app
    await app.state.signaling.close()


async def test_who_would_come_new_is_told_why_not_and_when_to_try_again(
    http: httpx.AsyncClient, asked: Asked, nothing_left: Callable[[], None]
) -> None:
    asked.refusal = BUSY
    for path, body in (("whip?peer=alice", SEND), ("whep?peer=bob", RECEIVE), ("whep?peer=bob", "")):
        response = await http.post(f"/rooms/lobby/{path}", content=body, headers=SDP)
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json() == {
            "title": "Server busy", "status": 503, "detail": "Try again.", "reason": "plane_load",
        }  # fmt: skip
        nothing_left()


async def test_a_quota_is_told_with_its_numbers(http: httpx.AsyncClient, asked: Asked) -> None:
    asked.refusal = FULL
    response = await http.post("/rooms/lobby/whip", content=SEND, headers=SDP)
    assert response.status_code == 429
    problem = response.json()
    assert (problem["reason"], problem["limit"], problem["used"]) == ("peers", 2, 2)


async def test_it_is_refused_before_its_body_is_looked_at(http: httpx.AsyncClient, asked: Asked) -> None:
    asked.refusal = BUSY
    assert (await http.post("/rooms/lobby/whip", content="no offer", headers=SDP)).status_code == 503
    assert len(asked.demands) == 1


async def test_what_is_asked_for_is_what_would_be_made(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer, asked: Asked
) -> None:
    headers = authorizer.add("platform", tenant="acme") | SDP
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=headers)
    assert set(asked.demands) == {Demand(wants=frozenset({"room", "peer"}), room="lobby", tenant="acme")}
    asked.demands.clear()
    await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=headers)
    assert set(asked.demands) == {Demand(wants=frozenset({"peer"}), room="lobby", tenant="acme")}


async def test_who_is_in_is_not_asked_of(http: httpx.AsyncClient, server: sfu.Server, asked: Asked) -> None:
    first = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    asked.refusal = BUSY
    again = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    watched = await http.post("/rooms/lobby/whep?peer=alice", content=SEND, headers=SDP)
    assert (first.status_code, again.status_code) == (201, 201)
    assert watched.status_code != 503
    restart = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
    fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n"
    restarted = await http.patch(again.headers["location"], content=fragment, headers=restart)
    assert restarted.status_code == 200
    assert list(server.rooms["lobby"].peers) == ["alice"]


async def test_who_comes_back_is_known_as_somebody_who_was_there(http: httpx.AsyncClient, asked: Asked) -> None:
    session = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    await http.delete(session.headers["location"])
    asked.demands.clear()
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
    assert {demand.returning for demand in asked.demands} == {True}
    asked.demands.clear()
    await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)
    assert {demand.returning for demand in asked.demands} == {False}


async def test_a_recording_is_asked_for_as_such(
    http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, asked: Asked
) -> None:
    clerk = authorizer.add("clerk", record=True, tenant="acme")
    asked.refusal = BUSY
    response = await http.post("/rooms/lobby/recording", headers=clerk)
    assert (response.status_code, response.json()["reason"]) == (503, "plane_load")
    assert asked.demands == [Demand(wants=frozenset({"recording"}), room="lobby", tenant="acme")]
    assert not server.recordings
    asked.refusal = None
    assert (await http.post("/rooms/lobby/recording", headers=clerk)).status_code == 201


async def test_recordings_are_counted_by_tenant_until_they_are_on_disk(server: sfu.Server, tmp_path: Path) -> None:
    store = RecordStore(tmp_path, sfu.SigningKey.generate())
    utc = utc_now()
    recording = store.open(server.room("lobby"), {}, utc=utc, random=b"0123", tenant="acme")
    assert (store.count("acme"), store.count("")) == (1, 0)
    await recording.stop()
    assert store.count("acme") == 0


async def test_the_bounds_of_the_configuration_are_told_in_the_same_form(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer
) -> None:
    headers = authorizer.add("everywhere", room="*") | SDP
    for room in ("one", "two"):
        assert (await http.post(f"/rooms/{room}/whip", content=SEND, headers=headers)).status_code == 201
    response = await http.post("/rooms/three/whip", content=SEND, headers=headers)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["reason"] == "max_rooms"
    for name in ("alice", "bob", "carol"):
        headers = authorizer.add(name, room="one", peer=name) | SDP
        response = await http.post("/rooms/one/whip", content=SEND, headers=headers)
    assert (response.status_code, response.json()["reason"]) == (409, "max_peers_per_room")
