from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.events import EncodingActive, EventsLost
from sfu.signaling import Problem, SignalingOptions, create_app
from sfu.signaling.resources.viewer_event import parse_event_list
from tests.unit.signaling.conftest import RECEIVE, SDP, FakeAuthorizer
from tests.unit.signaling.layered import Stream, measured, reading, subscription, video, viewing, without_header

__all__ = ["measured", "subscription", "video", "viewing"]

JSON = {"Content-Type": "application/json"}
ALL = {"active", "inactive", "layers", "viewercount"}


@pytest.fixture
def sse(viewing: httpx.Response) -> str:
    return f"{viewing.headers['location']}/sse"


@pytest.fixture
def token(authorizer: FakeAuthorizer) -> dict[str, str]:
    return authorizer.add("bob", peer="bob", publish=False)


async def make(http: httpx.AsyncClient, sse: str, *events: str) -> str:
    response = await http.post(sse, json=list(events)) if events else await http.post(sse)
    assert (response.status_code, response.content) == (201, b""), response.text
    location = response.headers["location"]
    assert location.startswith(f"{sse}/")
    return location


async def test_a_stream_tells_what_there_is_and_what_changes(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str], video: sfu.Track
) -> None:
    async with reading(app, await make(http, sse), token) as stream:
        (active, layers, viewers) = await stream.events()
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert active == ("active", {})
        assert viewers == ("viewercount", {"viewercount": 1})
        assert layers[0] == "layers"
        assert list(layers[1]) == ["1"]
        section = layers[1]["1"]
        assert [about["id"] for about in section["active"]] == ["h", "q"]
        assert section["inactive"] == [{"id": "f", "simulcastIdx": 2}]
        assert [about["bitrate"] for about in section["layers"]] == [400_000, 200_000, 100_000, 50_000]
        assert section["current"] is None  # its connection is not up

        await http.post("/rooms/lobby/whep?publisher=alice&peer=carol", content=RECEIVE, headers=SDP)
        assert await stream.events() == [("viewercount", {"viewercount": 2})]

        video.encodings[2].active = True
        app.state.signaling.viewers.handle_event(EncodingActive("lobby", "alice", video.id, "f"))
        ((name, data),) = await stream.events()
        assert (name, data["1"]["inactive"], len(data["1"]["layers"])) == ("layers", [], 6)


async def test_the_publisher_s_coming_and_going_is_told(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, sse: str, token: dict[str, str], video: sfu.Track
) -> None:
    async with reading(app, await make(http, sse, "active", "inactive"), token) as stream:
        assert await stream.events() == [("active", {})]
        server.rooms["lobby"].peers["alice"].leave()
        assert await stream.events() == [("inactive", {})]


async def test_what_does_not_flow_yet_is_not_active(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str], video: sfu.Track
) -> None:
    for encoding in video.encodings:
        encoding.active = False
    async with reading(app, await make(http, sse, "active", "inactive", "viewercount"), token) as stream:
        assert await stream.events() == [("viewercount", {"viewercount": 1})]


async def test_only_chosen_events_are_told(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str]
) -> None:
    async with reading(app, await make(http, sse, "viewercount"), token) as stream:
        assert [name for name, _ in await stream.events()] == ["viewercount"]


async def test_the_link_itself_can_be_read(app: Starlette, sse: str, token: dict[str, str]) -> None:
    async with reading(app, sse, {}, "access_token=bob") as stream:
        assert {name for name, _ in await stream.events()} == ALL - {"inactive"}


async def test_a_client_that_comes_back_is_told_all_and_the_old_response_ends(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str]
) -> None:
    location = await make(http, sse)
    first = Stream(app, location, token)
    await first.events()
    async with reading(app, location, token) as second:
        assert len(await second.events()) == 3
        await first.ended()
    assert app.state.signaling.open_streams == 0


async def test_a_deleted_stream_is_gone(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str]
) -> None:
    location = await make(http, sse)
    stream = Stream(app, location, token)
    await stream.events()
    assert (await http.delete(location)).status_code == 200
    await stream.ended()
    for response in (await http.get(location), await http.delete(location)):
        assert (response.status_code, response.json()["title"]) == (404, "Unknown event stream")


async def test_streams_end_with_their_session(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str], viewing: httpx.Response
) -> None:
    location = await make(http, sse)
    streams = [Stream(app, path, token) for path in (location, sse)]
    for stream in streams:
        await stream.events()
    await http.delete(viewing.headers["location"])
    for stream in streams:
        await stream.ended()
    assert (await http.get(location)).status_code == 404
    assert len(app.state.signaling.viewers) == 0


async def test_a_session_that_ends_by_itself_ends_its_streams(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, sse: str, token: dict[str, str]
) -> None:
    stream = Stream(app, await make(http, sse), token)
    await stream.events()
    server.rooms["lobby"].peers["bob"].leave()
    await stream.ended()


async def test_streams_end_when_the_process_is_asked_to_stop(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, sse: str, token: dict[str, str]
) -> None:
    stream = Stream(app, sse, token)
    await stream.events()
    app.state.signaling.end_streams()
    await stream.ended()
    assert server.running
    assert (await http.get(sse)).status_code == 503


async def test_lost_events_make_it_look_again(
    app: Starlette, http: httpx.AsyncClient, sse: str, token: dict[str, str], video: sfu.Track
) -> None:
    async with reading(app, await make(http, sse, "active", "inactive"), token) as stream:
        await stream.events()
        video.mute.stated = True
        app.state.signaling.viewers.handle_event(EventsLost(""))
        assert await stream.events() == [("inactive", {})]


@pytest.fixture
async def restless(server: sfu.Server, authorizer: FakeAuthorizer) -> AsyncIterator[Starlette]:
    options = SignalingOptions(
        viewer_events_interval=0.01, viewer_events_refresh=0.02, stream_keepalive=0.1, max_streams_per_room=1
    )
    app = create_app(server, authorizer, options)
    yield app
    await app.state.signaling.close()


async def test_what_no_event_tells_is_seen_all_the_same_and_silence_is_filled(
    restless: Starlette, authorizer: FakeAuthorizer, video: sfu.Track, token: dict[str, str]
) -> None:
    transport = httpx.ASGITransport(restless)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=token) as http:
        response = await http.post("/rooms/lobby/whep?publisher=alice", content=RECEIVE, headers=SDP)
        path = f"{response.headers['location']}/sse"
        async with reading(restless, path, token) as stream:
            await stream.events()
            assert await stream.text() == ": keep-alive\n\n"
            video.mute.stated = True
            told = await stream.events()
            while not told:
                told = await stream.events()
            assert told == [("inactive", {})]
            assert (await http.get(path)).status_code == 503  # the room has the one stream that it may have
        assert restless.state.signaling.open_streams == 0


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'["layers"', JSON, 400),
        (b'["layers","reconnect"]', JSON, 400),
        (b'["scte35"]', JSON, 400),
        (b"[]", JSON, 400),
        (b"{}", JSON, 400),
        (b"null", JSON, 400),
        (b'"layers"', JSON, 400),
        (b"[1]", JSON, 400),
        (b'[["layers"]]', JSON, 400),
        (b"[" * 60_000, JSON, 400),
        (b'["\xff"]', JSON, 400),
        (b" " * 70_000, JSON, 413),
        (b'["layers"]', {"Content-Type": "text/plain"}, 415),
        (b'["layers"]', {}, 415),
    ],
)
async def test_a_refused_list_makes_no_stream(
    http: httpx.AsyncClient, sse: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    for _ in range(5):  # more than there may be streams
        response = await http.post(sse, content=content, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        assert response.json()["detail"]
    await make(http, sse, "layers")


def test_unknown_events_are_named_in_brief() -> None:
    with pytest.raises(Problem) as caught:
        parse_event_list('["layers", ' + ", ".join(f'"{"x" * 500}\ud800{n}"' for n in range(50)) + "]")
    assert caught.value.status == 400
    assert len(caught.value.detail) < 500
    assert parse_event_list("") == parse_event_list('["active","inactive","layers","viewercount","layers"]') == ALL


async def test_a_session_has_a_few_streams_at_most(http: httpx.AsyncClient, sse: str) -> None:
    made = [await make(http, sse) for _ in range(4)]
    assert len(set(made)) == 4
    assert (await http.post(sse)).status_code == 409
    await http.delete(made[0])
    await make(http, sse)


async def test_streams_are_for_those_who_may_touch_the_session(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, sse: str
) -> None:
    location = await make(http, sse)
    carol = authorizer.add("carol", peer="carol")
    for headers, status in ((carol, 403), ({"Authorization": ""}, 401), ({"Authorization": "Bearer no"}, 401)):
        answers = [
            await http.post(sse, headers=headers),
            await http.get(sse, headers=headers),
            await http.head(sse, headers=headers),
            await http.get(location, headers=headers),
            await http.head(location, headers=headers),
            await http.delete(location, headers=headers),
        ]
        assert {response.status_code for response in answers} == {status}
    async with without_header(app) as bare:
        assert (await bare.head(f"{location}?access_token=anyone")).status_code == 200
        assert (await bare.get(f"{location}?access_token=carol")).status_code == 403
        for method, path in (("DELETE", location), ("POST", sse)):
            assert (await bare.request(method, f"{path}?access_token=anyone")).status_code == 401


async def test_head_does_not_open_a_stream(app: Starlette, http: httpx.AsyncClient, sse: str) -> None:
    for path in (sse, await make(http, sse), "/rooms/lobby/events"):
        response = await asyncio.wait_for(http.head(path), 5)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert app.state.signaling.open_streams == 0


async def test_other_sites_may_read(http: httpx.AsyncClient, sse: str) -> None:
    location = await make(http, sse)
    for path, allowed in ((sse, "POST, GET, HEAD, OPTIONS"), (location, "GET, HEAD, DELETE, OPTIONS")):
        response = await http.options(path, headers={"Origin": "https://tools.example", "Authorization": ""})
        assert response.headers["access-control-allow-methods"] == allowed
