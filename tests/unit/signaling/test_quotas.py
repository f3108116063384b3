"""How much of a server one token and one address can take."""

from __future__ import annotations

import dataclasses

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.events import ConnectionState, ConnectionStateChanged
from sfu.signaling.http.client_address import group_address
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem
from sfu.signaling.http.quotas import Holder, Place, Quotas
from sfu.signaling.streams.gate import StreamGate
from tests.unit.offers import make_offer
from tests.unit.signaling.conftest import FakeAuthorizer

PLENTY = SignalingOptions(
    max_peers_per_token=99, max_peers_per_address=99, max_half_open_per_token=99, max_half_open_per_address=99
)
ALICE, BOB = Holder(b"a", "192.0.2.1"), Holder(b"b", "192.0.2.1")


def quotas(most_peers: int = 500, **limits: float) -> Quotas:
    return Quotas(dataclasses.replace(PLENTY, **limits), most_peers)  # type: ignore[arg-type]


def take(quotas: Quotas, holder: Holder, peer: str, room: str = "lobby", *, named: bool = False) -> Place:
    with quotas.take(holder, room, peer, named=named) as place:
        return place


def refused(quotas: Quotas, holder: Holder, peer: str, *, named: bool = False) -> tuple[int, str]:
    with pytest.raises(Problem) as raised:
        take(quotas, holder, peer, named=named)
    return raised.value.status, raised.value.headers["Retry-After"]


@pytest.mark.parametrize(("kind", "other"), [("token", Holder(b"b", "192.0.2.1")), ("address", Holder(b"a", "2001::"))])
def test_half_open_sessions_are_few_until_they_are_up_or_over(kind: str, other: Holder) -> None:
    found = quotas(**{f"max_half_open_per_{kind}": 2})
    first, second = take(found, ALICE, "p1"), take(found, ALICE, "p2")
    assert refused(found, ALICE, "p3") == (429, "2")
    take(found, other, "p4")
    first.note_connected()
    take(found, ALICE, "p5")
    assert refused(found, ALICE, "p6") == (429, "2")
    second.release()
    second.release()
    second.note_connected()
    take(found, ALICE, "p7")
    assert refused(found, ALICE, "p8") == (429, "2")
    assert found.refused == {f"{kind}_half_open": 3}


@pytest.mark.parametrize(("kind", "other"), [("token", Holder(b"b", "192.0.2.1")), ("address", Holder(b"a", "2001::"))])
def test_peers_are_counted_whatever_sessions_they_have(kind: str, other: Holder) -> None:
    found = quotas(**{f"max_peers_per_{kind}": 2})
    places = [take(found, ALICE, "p1"), take(found, ALICE, "p1"), take(found, ALICE, "p2")]
    for place in places:
        place.note_connected()
    assert refused(found, ALICE, "p3") == (429, "30")
    take(found, ALICE, "p2")
    take(found, other, "p4")
    places[0].release()
    assert refused(found, ALICE, "p3") == (429, "30")
    places[1].release()
    take(found, ALICE, "p3")
    assert found.refused == {f"{kind}_peers": 2}


def test_a_part_of_each_room_is_kept_for_those_with_a_name() -> None:
    found = quotas(10, kept_for_named=0.2)
    places = [take(found, Holder(b"a", f"192.0.2.{n}"), f"p{n}") for n in range(8)]
    assert refused(found, BOB, "p8") == (409, "30")
    take(found, BOB, "judge", named=True)
    take(found, BOB, "p1")
    take(found, BOB, "p8", room="other")
    places[0].release()
    take(found, BOB, "p8")
    assert found.refused == {"room": 1}


def test_a_session_that_fails_gives_its_place_back() -> None:
    found = quotas(max_half_open_per_token=1, max_peers_per_token=1)
    for _ in range(3):
        with pytest.raises(LookupError), found.take(ALICE, "lobby", "p1", named=False):
            raise LookupError
    take(found, ALICE, "p2")


def test_what_is_not_known_is_not_counted() -> None:
    found = quotas(max_half_open_per_token=1, max_half_open_per_address=1)
    for number in range(5):
        take(found, Holder(), f"p{number}")


@pytest.mark.parametrize(("kind", "other"), [("token", Holder(b"b", "192.0.2.1")), ("address", Holder(b"a", "2001::"))])
def test_event_streams_are_counted_by_token_and_address(kind: str, other: Holder) -> None:
    gate = StreamGate(SignalingOptions(**{f"max_streams_per_{kind}": 2}))  # type: ignore[arg-type]
    gate.enter("room", "lobby", ALICE)
    gate.enter("session", "court", ALICE)
    with pytest.raises(Problem) as raised:
        gate.enter("room", "lobby", ALICE)
    assert (raised.value.status, raised.value.headers["Retry-After"]) == (429, "10")
    gate.enter("room", "lobby", other)
    gate.leave("session", "court", ALICE)
    gate.enter("room", "lobby", ALICE)
    assert (len(gate), gate.refused) == (3, {kind: 1})


def test_addresses_that_one_client_has_many_of_are_one() -> None:
    assert group_address("192.0.2.1") == group_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert group_address("2001:db8::1") == group_address("2001:db8:0:0:ffff::2") != group_address("2001:db8:0:1::1")
    assert group_address("fe80::1%eth0") == "fe80::/64"
    assert group_address("testclient") == "testclient"


@pytest.fixture
def options() -> SignalingOptions:
    return SignalingOptions(max_half_open_per_token=2, kept_for_named=0.4)  # of three places one is kept


async def post(http: httpx.AsyncClient, peer: str, token: str = "anyone") -> httpx.Response:
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
    offer = make_offer(("audio", "sendonly"), ("video", "sendonly"))
    return await http.post(f"/rooms/lobby/whip?peer={peer}", content=offer, headers=headers)


async def test_one_token_without_a_name_cannot_fill_a_room(
    http: httpx.AsyncClient, app: Starlette, server: sfu.Server, authorizer: FakeAuthorizer
) -> None:
    authorizer.add("other")
    authorizer.add("judge", peer="judge")
    assert [(await post(http, peer)).status_code for peer in "ab"] == [201, 201]
    rows = server.rows_in_use()
    response = await post(http, "c")
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert (response.headers["content-type"], response.json()["status"]) == ("application/problem+json", 429)
    response = await post(http, "c", "other")
    assert (response.status_code, response.json()["title"]) == (409, "Room full")
    assert server.rows_in_use() == rows
    assert (await post(http, "judge", "judge")).status_code == 201
    assert app.state.signaling.quotas.refused == {"token_half_open": 1, "room": 1}


async def test_what_is_up_is_half_open_no_more_and_what_is_over_counts_no_more(
    http: httpx.AsyncClient, app: Starlette, server: sfu.Server
) -> None:
    for peer in "ab":
        assert (await post(http, peer)).status_code == 201
    assert (await post(http, "a")).status_code == 429  # two are on their way, whoever they are for
    (connection,) = server.rooms["lobby"].peers["a"].connections
    app.state.signaling.sessions.handle_event(
        ConnectionStateChanged("lobby", "a", connection.id, ConnectionState.CONNECTED)
    )
    second = await post(http, "a")
    assert second.status_code == 201
    assert (await post(http, "a")).status_code == 429
    token = {"Authorization": "Bearer anyone"}
    assert (await http.delete(second.headers["location"], headers=token)).status_code == 200
    assert (await post(http, "a")).status_code == 201


async def test_a_refused_offer_holds_no_place(http: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/sdp"}
    for _ in range(5):
        assert (await http.post("/rooms/lobby/whip", content="nonsense", headers=headers)).status_code == 400
    assert (await post(http, "a")).status_code == 201
