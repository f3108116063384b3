"""Of sessions that have ended nothing stays in memory, whatever the garbage collector does."""

from __future__ import annotations

import httpx
from starlette.applications import Starlette

import sfu
from tests.leftovers import nothing_left_over
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer
from tests.unit.signaling.layered import reading


async def test_of_sessions_that_have_ended_nothing_is_left(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer
) -> None:
    token = authorizer.add("bob", peer="bob", publish=False)

    async def meet() -> None:
        """A publisher who is replaced, then ends; a viewer who reads what is told of it; a refusal."""
        for _ in range(2):
            published = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)
        watching = "/rooms/lobby/whep?publisher=alice"
        viewed = await http.post(watching, content=RECEIVE, headers=SDP | token)
        events = await http.post(f"{viewed.headers['location']}/sse", headers=token)
        async with reading(app, events.headers["location"], token) as stream:
            assert await stream.events()
        refused = await http.post(watching, content=RECEIVE.replace("VP8/", "H265/"), headers=SDP | token)
        assert refused.status_code == 406
        for location in (published, viewed):
            answer = await http.delete(location.headers["location"], headers=token if location is viewed else {})
            assert answer.status_code == 200, answer.text
        assert not server.rooms

    await meet()  # what is made once is there
    async with nothing_left_over():
        await meet()
