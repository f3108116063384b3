"""The right `admin` over HTTP: who has it can, in its room only, and nobody else."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.signaling import SignalingOptions
from tests.unit.signaling.conftest import RECEIVE, SDP, SEND, FakeAuthorizer
from tests.unit.signaling.event_streams import opened


@pytest.fixture
def options(options: SignalingOptions) -> SignalingOptions:
    return dataclasses.replace(options, max_queued_events=50)


@pytest.fixture
async def alice(http: httpx.AsyncClient, authorizer: FakeAuthorizer, server: sfu.Server) -> sfu.Peer:
    headers = authorizer.add("alice", peer="alice")
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | headers)).status_code == 201
    assert (await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)).status_code == 201
    return server.rooms["lobby"].peers["alice"]


@pytest.fixture
def admin(authorizer: FakeAuthorizer) -> dict[str, str]:
    return authorizer.add("admin", peer="clerk", publish=False, subscribe=False, admin=True)


def _orders(alice: sfu.Peer) -> list[tuple[str, str]]:
    track = f"/rooms/lobby/tracks/{alice.tracks[0].id}"
    return [
        ("DELETE", "/rooms/lobby"),
        ("DELETE", "/rooms/lobby/peers/alice"),
        ("POST", f"{track}/block"),
        ("POST", f"{track}/unblock"),
    ]


@pytest.mark.parametrize(
    ("grants", "status"),
    [
        ({"peer": "alice"}, 403),
        ({"record": True}, 403),
        ({"publish": False, "subscribe": False}, 403),
        ({"room": "attic", "admin": True}, 403),
        ({"room": "attic", "admin": True, "peer": "alice"}, 403),
        (None, 401),
    ],
)
async def test_every_other_token_is_refused_and_changes_nothing(
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    alice: sfu.Peer,
    grants: dict[str, object] | None,
    status: int,
) -> None:
    headers = {"Authorization": "Bearer unknown"} if grants is None else authorizer.add("other", **grants)
    for method, path in _orders(alice):
        response = await http.request(method, path, headers=headers)
        assert response.status_code == status, (method, path)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]
    assert not alice.left
    assert not any(track.blocked for track in alice.tracks)


@pytest.mark.parametrize("room", ["lobby", "*"])
async def test_who_has_the_right_can(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer, server: sfu.Server, alice: sfu.Peer, room: str
) -> None:
    headers = authorizer.add("admin", room=room, publish=False, subscribe=False, admin=True)
    close, remove, block, unblock = _orders(alice)
    for method, path in (block, unblock, block, remove, close):
        assert (await http.request(method, path, headers=headers)).status_code == 204, path
    assert alice.left
    assert dict(server.rooms) == {}


async def test_the_right_to_moderate_gives_no_other(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    assert (await http.get("/rooms/lobby", headers=admin)).status_code == 403
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | admin)).status_code == 403


@pytest.mark.parametrize("door", ["whip", "whep", "events", "roster", "stats"])
@pytest.mark.parametrize("name", ["alice", None])
async def test_who_was_removed_is_kept_out_at_every_door(
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    alice: sfu.Peer,
    admin: dict[str, str],
    door: str,
    name: str | None,
) -> None:
    """A named token by its name, whatever token brings it; a nameless one by itself, whatever name it brings."""
    heckler = authorizer.add("heckler", peer=name)
    query = "" if name else "?peer=heckler"
    target = name or "heckler"
    if not name:
        assert (await http.post(f"/rooms/lobby/whip{query}", content=SEND, headers=SDP | heckler)).status_code == 201
    assert (await http.delete(f"/rooms/lobby/peers/{target}", headers=admin)).status_code == 204
    again = heckler if name is None else authorizer.add("again", peer=name)
    query = "" if name else "?peer=another"
    if door in ("whip", "whep"):
        body = SEND if door == "whip" else RECEIVE
        response = await http.post(f"/rooms/lobby/{door}{query}", content=body, headers=SDP | again)
    else:
        path = {"events": "/rooms/lobby/events", "roster": "/rooms/lobby", "stats": "/rooms/lobby/stats"}[door]
        response = await http.request("HEAD" if door == "events" else "GET", path, headers=again)
    assert response.status_code == 403
    if door != "events":
        assert response.json()["title"] == "Removed from the room"
    assert (await http.get("/rooms/lobby")).status_code == 200


async def test_the_time_can_be_chosen(
    http: httpx.AsyncClient, authorizer: FakeAuthorizer, alice: sfu.Peer, admin: dict[str, str]
) -> None:
    assert (await http.delete("/rooms/lobby/peers/alice?keep_out=0", headers=admin)).status_code == 204
    headers = authorizer.add("alice", peer="alice")
    assert (await http.post("/rooms/lobby/whip", content=SEND, headers=SDP | headers)).status_code == 201
    for wrong in ("-1", "1.5", "", "x", "604801", "9" * 40, "\u0661"):
        for path in ("/rooms/lobby", "/rooms/lobby/peers/alice"):
            response = await http.delete(path, params={"keep_out": wrong}, headers=admin)
            assert (response.status_code, "keep_out" in response.json()["detail"]) == (400, True), wrong


async def test_a_closed_room_is_closed_at_every_door_and_can_be_opened(
    http: httpx.AsyncClient, server: sfu.Server, alice: sfu.Peer, admin: dict[str, str]
) -> None:
    assert (await http.delete("/rooms/lobby", headers=admin)).status_code == 204
    assert dict(server.rooms) == {}
    for response in (
        await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP),
        await http.post("/rooms/lobby/whep?peer=bob", content=RECEIVE, headers=SDP),
        await http.get("/rooms/lobby"),
        await http.get("/rooms/lobby/stats"),
    ):
        assert (response.status_code, response.json()["title"]) == (403, "Room closed")
    assert (await http.delete("/rooms/lobby?keep_out=0", headers=admin)).status_code == 204
    assert (await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)).status_code == 201


async def test_who_is_removed_reads_no_more_events(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, alice: sfu.Peer, admin: dict[str, str]
) -> None:
    mine, other = authorizer.add("alice", peer="alice"), authorizer.add("viewer", publish=False)
    async with opened(app, "lobby", mine) as removed, opened(app, "lobby", other) as staying:
        await removed.events()
        await staying.events()
        await http.delete("/rooms/lobby/peers/alice", headers=admin)
        assert [name for name, _ in await staying.events()] == ["removed", "ended", "ended", "left"]
        assert (await removed.events())[0] == ("removed", {"peer": "alice"})
        await asyncio.wait_for(removed.task, 5)
        assert not staying.task.done()
        await http.delete("/rooms/lobby", headers=admin)
        assert (await staying.events())[0] == ("closed", {})
        await asyncio.wait_for(staying.task, 5)


async def test_a_block_is_told_and_shown(
    app: Starlette, http: httpx.AsyncClient, authorizer: FakeAuthorizer, alice: sfu.Peer, admin: dict[str, str]
) -> None:
    track = alice.tracks[0]
    async with opened(app, "lobby", authorizer.add("viewer", publish=False)) as stream:
        await stream.events()
        for order in ("block", "unblock"):
            response = await http.post(f"/rooms/lobby/tracks/{track.id}/{order}", headers=admin)
            assert (response.status_code, response.content) == (204, b"")
            assert await stream.events() == [(f"{order}ed", {"peer": "alice", "track": {"id": track.id}})]
            tracks = (await http.get("/rooms/lobby")).json()["peers"][0]["tracks"]
            assert [each["blocked"] for each in tracks] == [order == "block", False]


@pytest.mark.parametrize("grants", [{"peer": "alice"}, {}, {"login": "a"}])
async def test_who_may_only_publish_is_told_of_his_own_and_of_nobody_else(
    app: Starlette,
    http: httpx.AsyncClient,
    server: sfu.Server,
    authorizer: FakeAuthorizer,
    admin: dict[str, str],
    grants: dict[str, str],
) -> None:
    headers = authorizer.add("publisher", subscribe=False, **grants)
    assert (await http.post("/rooms/lobby/whip?peer=bob", content=SEND, headers=SDP)).status_code == 201
    async with opened(app, "lobby", headers) as stream:
        ((name, snapshot),) = await stream.events()
        assert (name, snapshot["peers"], snapshot["speakers"]) == ("snapshot", [], [])
        posted = await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP | headers)
        assert [each for each, _ in await stream.events()] == ["joined", "published", "published"]
        mine, others = (server.rooms["lobby"].peers[name].tracks[0].id for name in ("alice", "bob"))
        for order in ("block", "unblock"):
            for track in (others, mine):
                assert (await http.post(f"/rooms/lobby/tracks/{track}/{order}", headers=admin)).status_code == 204
            assert await stream.events() == [(f"{order}ed", {"peer": "alice", "track": {"id": mine}})]
        async with opened(app, "lobby", headers) as second:
            assert [peer["name"] for peer in (await second.events())[0][1]["peers"]] == ["alice"]
        await http.delete(posted.headers["location"], headers=headers)
        assert [each for each, _ in await stream.events()] == ["ended", "ended", "left"]
        # the name is free, and what its next bearer does is nobody else's business
        if "peer" not in grants:
            assert (await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP)).status_code == 201
        await http.delete("/rooms/lobby", headers=admin)
        assert await stream.events() == [("closed", {})]
        await asyncio.wait_for(stream.task, 5)
    # the room itself stays out of sight
    assert (await http.get("/rooms/lobby", headers=headers)).status_code == 403


async def test_who_may_only_publish_hears_that_he_is_removed_and_recorded(
    app: Starlette, http: httpx.AsyncClient, server: sfu.Server, authorizer: FakeAuthorizer, admin: dict[str, str]
) -> None:
    headers = authorizer.add("publisher", subscribe=False)
    await http.post("/rooms/lobby/whip?peer=alice", content=SEND, headers=SDP | headers)
    async with opened(app, "lobby", headers) as stream:
        await stream.events()
        app.state.signaling.streams.handle_event(sfu.events.RecordingPaused("lobby", "r1", "a break", "the judge"))
        app.state.signaling.streams.handle_event(sfu.events.DominantSpeakerChanged("lobby", "alice"))
        app.state.signaling.streams.handle_event(sfu.events.ActiveSpeakersChanged("lobby", ("alice",)))
        assert await stream.events() == [("recording", {"id": "r1", "state": "paused", "ground": "a break"})]
        assert (await http.delete("/rooms/lobby/peers/alice?keep_out=0", headers=admin)).status_code == 204
        heard = [each for each, _ in await stream.events()]
        assert heard[0] == "removed"
        assert heard[-1] == "left"


async def test_what_is_not_there_is_404(
    http: httpx.AsyncClient, server: sfu.Server, alice: sfu.Peer, admin: dict[str, str], authorizer: FakeAuthorizer
) -> None:
    everywhere = authorizer.add("everywhere", room="*", admin=True)
    for method, path in (
        ("DELETE", "/rooms/lobby/peers/nobody"),
        ("DELETE", "/rooms/attic/peers/alice"),
        ("POST", "/rooms/lobby/tracks/0/block"),
        ("POST", f"/rooms/attic/tracks/{alice.tracks[0].id}/block"),
    ):
        assert (await http.request(method, path, headers=everywhere)).status_code == 404, path
    assert not alice.tracks[0].blocked


async def test_any_name_can_be_removed(http: httpx.AsyncClient, server: sfu.Server, admin: dict[str, str]) -> None:
    for name in ("AC/DC", "\u0928\u092e\u0938\u094d\u0924\u0947", "a?b#c", "sessions/"):
        response = await http.post("/rooms/lobby/whip", params={"peer": name}, content=SEND, headers=SDP)
        assert response.status_code == 201
        path = f"/rooms/lobby/peers/{quote(name, safe='')}?keep_out=0"
        assert (await http.delete(path, headers=admin)).status_code == 204, name
        assert dict(server.rooms) == {}


@pytest.mark.parametrize(("name", "subject"), [("clerk", "clerk"), (None, None)])
async def test_the_record_says_who_ordered_it_by_the_claim_sub_alone(
    http: httpx.AsyncClient,
    authorizer: FakeAuthorizer,
    server: sfu.Server,
    alice: sfu.Peer,
    tmp_path: Path,
    name: str | None,
    subject: str | None,
) -> None:
    headers = authorizer.add("moderator", peer=name, publish=False, subscribe=False, admin=True)
    recording = server.rooms["lobby"].record(tmp_path / "record", key=sfu.SigningKey.generate())
    close, remove, block, unblock = _orders(alice)
    for method, path in (block, unblock, remove, close):
        assert (await http.request(method, path, headers=headers)).status_code == 204, path
    await recording.stop()
    told = [json.loads(line) for line in (tmp_path / "record" / "ledger.jsonl").read_bytes().splitlines()]
    acts = ("block", "unblock", "remove", "close_room")
    assert [(each["type"], each["subject"]) for each in told if each["type"] in acts] == [
        (act, subject) for act in acts
    ]
