from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu import Layer
from sfu.media.layer import WHOLE
from tests.unit.signaling.conftest import RECEIVE, SDP, FakeAuthorizer
from tests.unit.signaling.layered import measured, subscription, video, viewing, without_header

__all__ = ["measured", "subscription", "video", "viewing"]

JSON = {"Content-Type": "application/json"}
EXTENSION = "urn:ietf:params:whep:ext:core:"


@pytest.fixture
def layer(viewing: httpx.Response) -> str:
    return f"{viewing.headers['location']}/layer"


async def test_a_viewer_is_told_of_the_extensions(viewing: httpx.Response) -> None:
    location = viewing.headers["location"]
    links = viewing.headers.get_list("link")
    assert f'<{location}/layer>; rel="{EXTENSION}layer"' in links
    events = 'events="active,inactive,layers,viewercount"'
    assert f'<{location}/sse>; rel="{EXTENSION}server-sent-events"; {events}' in links
    assert sum('rel="ice-server"' in link for link in links) == 1


async def test_who_is_offered_the_session_is_told_too(http: httpx.AsyncClient, video: sfu.Track) -> None:
    response = await http.post("/rooms/lobby/whep?peer=carol")
    assert f"{EXTENSION}layer" in response.headers["link"]
    assert (await http.post(f"{response.headers['location']}/layer", json={"encodingId": "q"})).status_code == 200
    assert [held.ceiling for held in video.subscriptions.values()] == [Layer(0, 7)]


async def test_a_choice_is_a_ceiling_until_it_is_taken_back(
    http: httpx.AsyncClient, layer: str, subscription: sfu.Subscription
) -> None:
    assert subscription.target == Layer(1, 7)  # the best of those that flow
    chosen = await http.post(layer, json={"mediaId": "1", "encodingId": "q", "temporalLayerId": 0})
    assert (chosen.status_code, chosen.content) == (200, b"")
    assert (subscription.ceiling, subscription.target) == (Layer(0, 0), Layer(0, 0))
    for content, headers in ((b"", {}), (b"null", JSON), (b"{}", JSON), (b'{"mediaId":"1"}', JSON)):
        await http.post(layer, json={"encodingId": "q"})
        assert subscription.ceiling == Layer(0, 7)
        assert (await http.post(layer, content=content, headers=headers)).status_code == 200
        assert (subscription.ceiling, subscription.target) == (WHOLE, Layer(1, 7))


async def test_a_viewer_pauses_until_it_chooses_again(
    http: httpx.AsyncClient, layer: str, subscription: sfu.Subscription
) -> None:
    assert (await http.post(layer, json={"mediaId": "1", "paused": True})).status_code == 200
    assert subscription.paused
    refused = await http.post(layer, json={"paused": "no"})
    assert (refused.status_code, subscription.paused) == (400, True)
    assert (await http.post(layer, json={"encodingId": "h"})).status_code == 200
    assert (subscription.paused, subscription.ceiling) == (False, Layer(1, 7))
    for body in ({"paused": True}, {"paused": False}):
        await http.post(layer, json=body)
    assert (subscription.paused, subscription.ceiling) == (False, WHOLE)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"encodingId":', JSON, 400),
        (b'{"encodingId":"\xff"}', JSON, 400),
        (b"[]", JSON, 400),
        (b"[" * 60_000, JSON, 400),
        (b'{"mediaId":"2"}', JSON, 404),
        (b'{"mediaId":"60000"}', JSON, 404),
        (b'{"encodingId":"x"}', JSON, 404),
        (b'{"encodingId":"q","spatialLayerId":1}', JSON, 404),
        (b'{"mediaId":"0"}', JSON, 409),
        (b'{"mediaId":"0","encodingId":"q"}', JSON, 409),
        (b" " * 70_000, JSON, 413),
        (b"{}", {}, 415),
        (b'{"encodingId":"q"}', {"Content-Type": "text/plain"}, 415),
        (b'{"maxWidth":640}', JSON, 422),
    ],
)
async def test_a_refused_choice_changes_nothing(
    http: httpx.AsyncClient,
    layer: str,
    subscription: sfu.Subscription,
    content: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    await http.post(layer, json={"encodingId": "h"})
    response = await http.post(layer, content=content, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["detail"]
    assert subscription.ceiling == Layer(1, 7)


async def test_a_session_without_video_has_nothing_to_choose(
    http: httpx.AsyncClient, layer: str, video: sfu.Track
) -> None:
    video.subscriptions.copy().popitem()[1].close()
    for body in ({}, {"mediaId": "1"}):
        assert (await http.post(layer, json=body)).status_code == 409


async def test_only_those_who_may_touch_the_session_choose(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, layer: str, subscription: sfu.Subscription
) -> None:
    refused = {
        403: [
            authorizer.add("carol", peer="carol"),
            authorizer.add("publisher", subscribe=False),
            authorizer.add("elsewhere", room="attic"),
        ],
        401: [{"Authorization": ""}, {"Authorization": "Bearer unknown"}],
    }
    for status, tokens in refused.items():
        for headers in tokens:
            response = await http.post(layer, json={"encodingId": "q"}, headers=headers)
            assert response.status_code == status, headers
    async with without_header(app) as bare:
        assert (await bare.post(f"{layer}?access_token=anyone")).status_code == 401
    assert subscription.ceiling == WHOLE
    bob = authorizer.add("bob", peer="bob", publish=False)
    assert (await http.post(layer, json={"encodingId": "q"}, headers=bob)).status_code == 200


async def test_the_publisher_s_session_has_no_layers_to_choose(http: httpx.AsyncClient, video: sfu.Track) -> None:
    offer = RECEIVE.replace("recvonly", "sendonly")
    published = await http.post("/rooms/lobby/whip?peer=dave", content=offer, headers=SDP)
    assert "whep" not in published.headers["link"]
    for path in ("layer", "sse"):
        response = await http.post(f"{published.headers['location']}/{path}")
        assert (response.status_code, response.json()["title"]) == (404, "Not a viewer's session")


async def test_an_ended_session_takes_no_choice(http: httpx.AsyncClient, layer: str, viewing: httpx.Response) -> None:
    await http.delete(viewing.headers["location"])
    assert (await http.post(layer, json={})).status_code == 404


async def test_other_sites_may_choose(http: httpx.AsyncClient, layer: str) -> None:
    response = await http.options(layer, headers={"Origin": "https://tools.example", "Authorization": ""})
    assert response.status_code == 204
    assert response.headers["allow"] == response.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert response.headers["accept-post"] == "application/json"
    assert "Content-Type" in response.headers["access-control-allow-headers"]
    assert (await http.get(layer)).status_code == 405
