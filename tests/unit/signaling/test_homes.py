"""A room that lives on another node: who asks here for it is led there, with all that he has asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import sfu
from sfu.signaling import SignalingOptions, create_app
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer
from tests.unit.signaling.homes import AWAY, FakeHomes


@pytest.fixture
def homes() -> FakeHomes:
    return FakeHomes()


@pytest.fixture
async def app(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, homes: FakeHomes
) -> AsyncIterator[Starlette]:
    app = create_app(server, authorizer, options, homes=homes)
    yield app
    await app.state.signaling.close()


@pytest.mark.parametrize("door", ["whip", "whep"])
async def test_an_offer_for_a_room_of_another_node_is_led_there(
    http: httpx.AsyncClient, homes: FakeHomes, door: str, nothing_left: Callable[[], None]
) -> None:
    homes.rooms["lobby"] = AWAY
    path = f"/rooms/lobby/{door}?peer=Ren%C3%A9+1"
    led = await http.post(path, content=SEND, headers=SDP | {"Origin": "https://page.example"})
    assert (led.status_code, led.headers["location"]) == (307, AWAY.url + path)
    assert led.headers["access-control-allow-origin"] == "*"
    assert "Location" in led.headers["access-control-expose-headers"]
    assert led.json()["reason"] == "elsewhere"
    assert homes.entered == ["lobby"]
    nothing_left()


async def test_who_may_not_come_in_is_told_nothing_of_where_rooms_live(
    http: httpx.AsyncClient, homes: FakeHomes, authorizer: FakeAuthorizer
) -> None:
    homes.rooms["lobby"] = AWAY
    viewer = authorizer.add("viewer", publish=False)
    stranger = {"Authorization": "Bearer nobody"}
    for headers, status in ((viewer, 403), (stranger, 401)):
        assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | headers)).status_code == status
    assert homes.entered == []


async def test_a_room_of_which_nobody_can_tell_is_not_opened_twice(http: httpx.AsyncClient, homes: FakeHomes) -> None:
    homes.unknown.add("lobby")
    for door in ("whip", "whep"):
        refused = await http.post(f"/rooms/lobby/{door}", content=SEND, headers=SDP)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["content-type"] == "application/problem+json"


async def test_a_room_that_is_here_is_entered_here(http: httpx.AsyncClient, homes: FakeHomes) -> None:
    assert (await http.post("/rooms/lobby/whip?peer=a", content=SEND, headers=SDP)).status_code == 201
    assert (await http.post("/rooms/lobby/whep?peer=b", content=RECEIVE, headers=SDP)).status_code == 201
    assert homes.entered == ["lobby", "lobby"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/rooms/lobby"),
        ("DELETE", "/rooms/lobby?keep_out=0"),
        ("GET", "/rooms/lobby/events?access_token=anyone"),
        ("GET", "/rooms/lobby/stats"),
        ("DELETE", "/rooms/lobby/peers/a%2Fb"),
        ("POST", "/rooms/lobby/tracks/t/block"),
        ("GET", "/rooms/lobby/recording"),
        ("POST", "/rooms/lobby/recording"),
    ],
)
async def test_what_is_asked_of_a_room_is_asked_of_its_home(
    http: httpx.AsyncClient, homes: FakeHomes, authorizer: FakeAuthorizer, method: str, path: str
) -> None:
    homes.rooms["lobby"] = AWAY
    headers = authorizer.add("anyone", admin=True, record=True)
    led = await http.request(method, path, headers=headers)
    assert (led.status_code, led.headers["location"]) == (307, AWAY.url + path)


async def test_a_page_learns_where_a_room_is_entered_without_opening_it(
    http: httpx.AsyncClient, homes: FakeHomes
) -> None:
    assert (await http.get("/rooms/lobby/home")).json() == {"url": ""}
    homes.rooms["lobby"] = AWAY
    told = await http.get("/rooms/lobby/home")
    assert (told.json(), told.headers["cache-control"]) == ({"url": AWAY.url}, "no-store")
    stranger = {"Authorization": "Bearer nobody"}
    assert (await http.get("/rooms/lobby/home", headers=stranger)).status_code == 401


async def test_where_the_app_is_mounted_is_no_part_of_the_other_s_path(
    app: Starlette, authorizer: FakeAuthorizer, homes: FakeHomes
) -> None:
    homes.rooms["lobby"] = AWAY
    outer = Starlette(routes=[Mount("/media", app)])
    headers = authorizer.add("anyone")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://sfu.test") as http:
        led = await http.post("/media/rooms/lobby/whip?peer=a", content=SEND, headers=SDP | headers)
    assert led.headers["location"] == f"{AWAY.url}/rooms/lobby/whip?peer=a"
