"""TURN credentials of limited time, as coturn's `use-auth-secret` takes them."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import re
from collections.abc import AsyncIterator

import httpx
import pytest

import sfu
from sfu.signaling import IceServer, OwnTurn, SignalingOptions, TurnServers, create_app
from tests.unit.offers import make_answer
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer, WallClock
from tests.unit.signaling.fragments import CANDIDATE, FRAGMENT, NEW

SECRET = "a secret that coturn has"
OURS = ("turn:sfu.test:8080?transport=tcp", "turns:sfu.test:8080?transport=tcp")
URLS = ("turn:turn.example.net?transport=udp", "turns:turn.example.net:443?transport=tcp")


def test_credentials_are_the_username_s_hmac_and_expire() -> None:
    """The digest by: printf '1800043200:alice' | openssl dgst -sha1 -hmac "$SECRET" -binary | base64"""
    issued = TurnServers(URLS, SECRET).issue("alice", 1_800_000_000.9)
    credential = "hd/zn/Fuud72pD7iZaaYMictIBc="
    assert issued == [IceServer(url, "1800043200:alice", credential) for url in URLS]


@pytest.mark.parametrize(
    ("urls", "secret", "reason"),
    [
        (URLS, "short", "at least 16 bytes"),
        (("stun:stun.example.net",), SECRET, "not a turn: or turns: URL"),
        (("turn:a>; rel=x",), SECRET, "is not a stun:"),
    ],
)
def test_what_could_not_be_used_is_refused_when_it_is_set(urls: tuple[str, ...], secret: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TurnServers(urls, secret)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(SignalingOptions(turn=TurnServers(URLS, SECRET)))


@pytest.mark.parametrize(
    ("host", "tls", "udp", "urls"),
    [
        ("court.example", False, None, ["turn:court.example:443?transport=tcp"]),
        (
            "court.example",
            True,
            None,
            ["turn:court.example:443?transport=tcp", "turns:court.example:443?transport=tcp"],
        ),
        ("2001:db8::5", False, None, ["turn:[2001:db8::5]:443?transport=tcp"]),
        ("a.example", False, 5000, ["turn:a.example:5000?transport=udp", "turn:a.example:443?transport=tcp"]),
        ("", True, 5000, []),
        ("a>; rel=x", True, 5000, []),
    ],
)
def test_our_own_turn_server_is_where_the_client_has_found_us(
    host: str, tls: bool, udp: int | None, urls: list[str]
) -> None:
    issued = OwnTurn(443, SECRET, tls=tls, udp_port=udp).issue("alice", 1_800_000_000.9, host)
    assert [each.url for each in issued] == urls
    assert {each.username for each in issued} <= {"1800000600:alice"}


@pytest.fixture
async def http(
    server: sfu.Server, authorizer: FakeAuthorizer, options: SignalingOptions, clock: WallClock
) -> AsyncIterator[httpx.AsyncClient]:
    options = dataclasses.replace(
        options, turn=TurnServers(URLS, SECRET, ttl=600.0), own_turn=OwnTurn(8080, SECRET, tls=True)
    )
    app = create_app(server, authorizer, options, clock=clock)
    headers = authorizer.add("anyone")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as client:
        yield client
    await app.state.signaling.close()


@pytest.mark.parametrize("name", ["alice", "Ada \u201cthe judge\u201d \\ Lovelace"])
async def test_each_session_is_told_its_own(
    http: httpx.AsyncClient, server: sfu.Server, clock: WallClock, name: str
) -> None:
    published = await http.post("/rooms/lobby/whip", params={"peer": name}, content=SEND, headers=SDP)
    clock.now += 100
    watched = await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP)
    user = server.rooms["lobby"].peers[name].stream_id
    for response, expected in ((published, f"1800000600:{user}"), (watched, "1800000700:bob")):
        assert response.status_code == 201
        link = response.headers["link"]
        assert 'stun:stun.example.net>; rel="ice-server"' in link
        for url in (*URLS, *OURS):
            found = re.search(rf'<{re.escape(url)}>; rel="ice-server"; username="([^"]*)"; credential="([^"]*)"', link)
            assert found is not None
            assert found[1] == expected
            digest = hmac.new(SECRET.encode(), expected.encode(), "sha1").digest()
            assert found[2] == base64.b64encode(digest).decode()


@pytest.mark.parametrize(("door", "body"), [("whip", SEND), ("whep", RECEIVE), ("whep", "")])
async def test_a_restart_of_ice_brings_fresh_credentials(
    http: httpx.AsyncClient, clock: WallClock, door: str, body: str
) -> None:
    await http.post("/rooms/lobby/whip?peer=speaker", content=SEND, headers=SDP)
    made = await http.post(f"/rooms/lobby/{door}?peer=alice", content=body, headers=SDP if body else {})
    assert made.status_code == 201
    if not body:
        accepted = await http.patch(made.headers["location"], content=make_answer(made.text), headers=SDP)
        assert accepted.status_code == 204, accepted.text
    assert "1800000600:alice" in made.headers["link"]
    clock.now += 599
    condition = FRAGMENT | {"If-Match": made.headers["etag"]}
    trickled = await http.patch(made.headers["location"], content=CANDIDATE, headers=condition)
    assert (trickled.status_code, "link" in trickled.headers) == (204, False)
    restarted = await http.patch(made.headers["location"], content=NEW, headers=condition)
    assert restarted.status_code == 200
    link = restarted.headers["link"]
    assert 'stun:stun.example.net>; rel="ice-server"' in link
    for url in (*URLS, *OURS):
        assert f'<{url}>; rel="ice-server"; username="1800001199:alice"; ' in link
    assert "urn:ietf" not in link  # the extensions of a session do not change
