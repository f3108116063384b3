"""The protocol as an app below somebody else's path."""

from __future__ import annotations

import time

import httpx
import jwt
from starlette.applications import Starlette
from starlette.routing import Mount

from sfu import Config, Server
from sfu.signaling.livekit import create_app

KEY, SECRET = "court", "a-secret-of-at-least-32-characters"


def make_token(**video: object) -> str:
    claims = {"iss": KEY, "sub": "alice", "exp": int(time.time()) + 60, "video": video}
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def test_clients_and_servers_are_answered_below_a_path() -> None:
    async with Server(Config()) as server:
        door = create_app(server, {KEY: SECRET})
        transport = httpx.ASGITransport(app=Starlette(routes=[Mount("/media", door)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://court") as client:
            entering = make_token(roomJoin=True, room="h-1")
            entered = await client.get("/media/rtc/validate", params={"access_token": entering})
            listed = await client.post(
                "/media/twirp/livekit.RoomService/ListParticipants",
                json={"room": "h-1"},
                headers={"Authorization": f"Bearer {make_token(roomAdmin=True, room='h-1')}"},
            )
            refused = await client.get("/media/rtc/validate", params={"access_token": entering + "x"})
        await door.state.close()
    assert (entered.status_code, entered.text) == (200, "success")
    assert (listed.status_code, listed.json()) == (200, {"participants": []})
    assert refused.status_code == 401


async def test_a_client_of_another_origin_learns_that_its_network_is_back() -> None:
    """livekit-client asks for the door's own address when the browser is online again, and goes on at once."""
    async with Server(Config()) as server:
        door = create_app(server, {KEY: SECRET})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://court") as client:
            answer = await client.head("/", headers={"Origin": "http://page"})
        await door.state.close()
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


async def test_who_was_put_out_does_not_come_again_by_a_token_that_is_still_good() -> None:
    admitted = {("h-1", "alice")}
    async with Server(Config()) as server:
        door = create_app(server, {KEY: SECRET}, admits=lambda room, identity: (room, identity) in admitted)
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://court") as client:
            asked = {"access_token": make_token(roomJoin=True, room="h-1")}
            before = await client.get("/rtc/validate", params=asked)
            admitted.clear()
            after = await client.get("/rtc/v1/validate", params=asked)
        await door.state.close()
    assert (before.status_code, after.status_code) == (200, 401)
