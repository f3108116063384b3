"""Two nodes of a cluster, whose directory is in memory: a room lives on one, and both doors lead to it."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator
from random import Random

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.cluster.directory import DirectoryUnavailableError, MemoryDirectory
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.node_requests import Renew
from sfu.cluster.records import NodeRecord
from sfu.cluster.requests import Request
from sfu.node.app import create_node_app
from sfu.node.cluster.part import ClusterPart, open_cluster
from sfu.node.config.sources import load_settings
from sfu.node.tokens import issue_token
from tests.unit.cluster.members import PATIENT, until
from tests.unit.node.scraping import RECEIVE, SDP, SEND, scrape

SECRET = "k" * 32
SETTINGS = {"keys": {"main": SECRET}}


class Node:
    """One of them, without a listener."""

    def __init__(self, server: sfu.Server, app: Starlette, cluster: ClusterPart, http: httpx.AsyncClient) -> None:
        self.server = server
        self.app = app
        self.cluster = cluster
        self.http = http

    async def publish(self, room: str, peer: str = "alice") -> httpx.Response:
        return await self.http.post(f"/rooms/{room}/whip?peer={peer}", content=SEND, headers=SDP)


class Away(MemoryDirectory):
    """Its store can be out of reach."""

    away = False
    loads: tuple[float, ...] = ()
    """What it was told, one after the other."""

    async def ask(self, request: Request[object]) -> object:  # type: ignore[override]
        if isinstance(request, Renew):
            self.loads += (request.load,)
        if self.away:
            raise DirectoryUnavailableError("connection", "it is away")
        return await super().ask(request)


@contextlib.asynccontextmanager
async def running(store: MemoryStore, name: str, region: str = "") -> AsyncIterator[Node]:
    settings = load_settings(SETTINGS, None)
    token = issue_token(
        "main", SECRET, room="*", now=time.time(), ttl=60, publish=True, subscribe=True, record=True, admin=True
    )
    async with sfu.Server(settings.build_config()) as server:
        record = NodeRecord(id=name, client_url=f"https://{name}.sfu.test", region=region)
        directory = Away(store, timing=PATIENT)
        cluster = ClusterPart(server, directory, record, random=Random(1), timing=PATIENT)
        app = create_node_app(server, settings, cluster=cluster)
        cluster.read_load = lambda: 0.2
        cluster.start()
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{name}.sfu.test", headers=headers) as http:
            await until(lambda: cluster.member.membership.lease.epoch > 0)
            yield Node(server, app, cluster, http)
        app.state.drain.close()
        await app.state.signaling.close()
        await cluster.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(time.time, PATIENT.lease_ms)


@pytest.fixture
async def nodes(store: MemoryStore) -> AsyncIterator[tuple[Node, Node]]:
    async with running(store, "a") as a, running(store, "b") as b:
        await until(lambda: bool(a.cluster.homes.others and b.cluster.homes.others))
        yield a, b


async def test_a_room_lives_where_it_was_opened_and_its_home_is_free_once_it_is_over(
    nodes: tuple[Node, Node], store: MemoryStore
) -> None:
    a, b = nodes
    assert (await a.publish("r")).status_code == 201
    led = await b.publish("r", "bob")
    assert (led.status_code, led.headers["location"]) == (307, "https://a.sfu.test/rooms/r/whip?peer=bob")
    watched = await b.http.post("/rooms/r/whep?peer=carol", content=RECEIVE, headers=SDP)
    assert (watched.status_code, watched.headers["location"]) == (307, "https://a.sfu.test/rooms/r/whep?peer=carol")
    assert (await a.http.post("/rooms/r/whep?peer=carol", content=RECEIVE, headers=SDP)).status_code == 201
    assert (await b.http.get("/rooms/r")).status_code == 307
    assert dict(b.server.rooms) == {}
    a.cluster.homes._kept_until["r"] = 0.0
    a.cluster.handle_tick()
    assert store.rooms == 1
    for peer in list(a.server.rooms["r"].peers.values()):
        peer.leave()
    await until(lambda: store.rooms == 0)
    assert (await b.publish("r", "bob")).status_code == 201


async def test_a_room_that_keeps_somebody_out_keeps_its_home(nodes: tuple[Node, Node], store: MemoryStore) -> None:
    a, b = nodes
    assert (await a.publish("r")).status_code == 201
    assert (await b.http.delete("/rooms/r?keep_out=60")).status_code == 307
    assert (await a.http.delete("/rooms/r?keep_out=60")).status_code == 204
    a.cluster.homes._kept_until["r"] = 0.0
    a.cluster.handle_tick()
    assert store.rooms == 1
    assert (await b.publish("r")).status_code == 307
    assert (await a.publish("r")).status_code == 403


async def test_a_node_tells_its_load_from_its_registration_on(nodes: tuple[Node, Node]) -> None:
    """Else it would be taken for idle until its next renewal, also after a restart under load."""
    for node in nodes:
        directory = node.cluster.directory
        assert isinstance(directory, Away)
        assert set(directory.loads) == {0.2}


async def test_the_page_may_ask_the_other_nodes_and_nobody_else(nodes: tuple[Node, Node], store: MemoryStore) -> None:
    a, _ = nodes
    said = (await a.http.get("/")).headers["content-security-policy"]
    assert said == "frame-ancestors 'none'; connect-src 'self' https://b.sfu.test"
    wrong = NodeRecord(id="c", client_url="https://c.test; script-src *")
    a.cluster.member.membership.view.nodes["c"] = wrong
    assert (await a.http.get("/")).headers["content-security-policy"] == said
    for number in range(70):
        node = NodeRecord(id=f"n{number}", client_url=f"https://n{number}.test/x")
        a.cluster.member.membership.view.nodes[node.id] = node
    said = (await a.http.get("/")).headers["content-security-policy"]
    assert said == "frame-ancestors 'none'; connect-src 'self' http: https:"


async def test_health_and_readiness_do_not_hang_on_the_directory(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    assert (await a.publish("ours")).status_code == 201
    assert (await b.publish("theirs")).status_code == 201
    assert (await a.publish("theirs")).status_code == 307
    directory = a.cluster.directory
    assert isinstance(directory, Away)
    directory.away = True
    for path in ("/healthz", "/readyz"):
        assert (await a.http.get(path)).status_code == 200
    assert (await a.publish("ours", "bob")).status_code == 201
    assert (await a.publish("theirs")).status_code == 307
    refused = await a.publish("new")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "new" not in a.server.rooms
    directory.away = False
    assert (await a.publish("new")).status_code == 201


async def test_a_node_that_drains_opens_nothing_and_its_rooms_go_elsewhere_once_it_is_empty(
    nodes: tuple[Node, Node], store: MemoryStore
) -> None:
    a, b = nodes
    assert (await a.publish("r")).status_code == 201
    assert (await a.http.post("/admin/drain", json={"seconds": 60})).status_code == 200
    assert (await a.publish("r", "bob")).status_code == 201, "who comes to a room that is here is let in"
    led = await a.publish("new")
    assert (led.status_code, led.headers["location"]) == (307, "https://b.sfu.test/rooms/new/whip?peer=alice")
    await until(lambda: b.cluster.homes.others == [])
    assert (await b.publish("new")).status_code == 201
    assert (await b.publish("r", "carol")).status_code == 307
    await a.http.post("/admin/drain", json={"seconds": 0})
    await until(lambda: store.rooms == 1)
    assert (await a.publish("r")).headers["location"] == "https://b.sfu.test/rooms/r/whip?peer=alice"
    assert (await b.publish("r")).status_code == 201


async def test_the_people_of_a_room_that_was_taken_over_are_sent_away(
    nodes: tuple[Node, Node], store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = nodes
    assert (await a.publish("r")).status_code == 201
    directory = a.cluster.directory
    assert isinstance(directory, Away)
    directory.away = True
    store._leases.pop("a")  # as if its time were over
    assert (await b.publish("r", "bob")).status_code == 201
    assert "r" in a.server.rooms
    with caplog.at_level(logging.INFO, "sfu.cluster"):
        directory.away = False
        await until(lambda: "r" not in a.server.rooms)
    (told,) = (each for each in caplog.records if each.message == "cluster: a room was taken over by another node")
    assert (vars(told)["room"], vars(told)["url"]) == ("r", "https://b.sfu.test")
    assert (await a.publish("r")).status_code == 307
    assert set(b.server.rooms["r"].peers) == {"bob"}


async def test_metrics_tell_of_the_cluster(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    assert (await a.publish("ours")).status_code == 201
    assert (await b.publish("ours")).status_code == 307
    directory = b.cluster.directory
    assert isinstance(directory, Away)
    directory.away = True
    directory.failures["connection"] += 1
    assert (await b.publish("new")).status_code == 503

    async def read(node: Node) -> dict[tuple[str, str], float]:
        transport = httpx.ASGITransport(node.app.state.metrics)
        async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test") as http:
            return await scrape(http)

    of_a, of_b = await read(a), await read(b)
    assert (of_a["sfu_cluster_joined", ""], of_a["sfu_cluster_nodes", ""]) == (1, 2)
    assert (of_a["sfu_cluster_rooms", ""], of_b["sfu_cluster_rooms", ""]) == (1, 0)
    assert of_b["sfu_cluster_led_elsewhere_total", ""] == 1
    assert of_b["sfu_cluster_unknown_homes_total", "connection"] == 1
    assert of_b["sfu_cluster_directory_failures_total", "connection"] >= 1
    assert of_b["sfu_cluster_directory_failures_total", "timeout"] == 0
    assert of_a["sfu_cluster_lost_rooms_total", ""] == of_a["sfu_cluster_passed_on_sockets", ""] == 0


async def test_a_node_says_when_it_has_joined_and_is_cut_off_and_is_back(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sfu.cluster"):
        async with running(store, "a") as a:
            a.cluster.handle_tick()
            lease = a.cluster.member.membership.lease
            held, lease._held_until = lease._held_until, 0.0
            a.cluster.handle_tick()
            a.cluster.handle_tick()
            lease._held_until = held
            a.cluster.handle_tick()
    told = [each.message for each in caplog.records if each.name == "sfu.cluster"]
    assert told == ["cluster joined", "cluster: cut off", "cluster: back"]


async def test_another_process_goes_on_with_the_same_lease(store: MemoryStore) -> None:
    async with sfu.Server() as server:
        record = NodeRecord(id="a", client_url="https://a.sfu.test")
        first = ClusterPart(server, MemoryDirectory(store, timing=PATIENT), record, random=Random(1), timing=PATIENT)
        first.start(("r",))
        await until(lambda: first.homes.held == 1)
        handed = first.suspend()
        await first.close()
        assert store.rooms == 1
        second = ClusterPart(
            server,
            MemoryDirectory(store, timing=PATIENT),
            record,
            epoch=handed["epoch"],
            random=Random(2),
            timing=PATIENT,
        )
        second.start(("r",))
        await until(lambda: second.homes.held == 1)
        assert second.member.membership.lease.epoch == handed["epoch"]
        await second.close()
        assert not store._leases


def test_a_node_without_a_name_has_one_of_its_own_and_keeps_it() -> None:
    server = sfu.Server()
    url = {"cluster_url": "redis://127.0.0.1:1", "cluster_public_url": "https://a.sfu.test", "cluster_region": "eu"}
    one = open_cluster(server, load_settings(SETTINGS | url, None), {}).member.membership
    other = open_cluster(server, load_settings(SETTINGS | url, None), {}).member.membership
    assert one.node != other.node
    assert (one.record.client_url, one.record.region, bool(one.record.version)) == ("https://a.sfu.test", "eu", True)
    handed = {"node": one.node, "epoch": 7}
    after = open_cluster(server, load_settings(SETTINGS | url, None), handed).member.membership
    assert (after.node, after.lease.epoch) == (one.node, 7)
    named = open_cluster(server, load_settings(SETTINGS | url | {"cluster_node": "me"}, None), handed)
    assert (named.member.membership.node, named.member.membership.lease.epoch) == ("me", 0)


def test_what_is_not_installed_is_said_by_the_setting_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sfu.cluster.redis_directory", raising=False)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    url = {"cluster_url": "redis://127.0.0.1:1", "cluster_public_url": "https://a.sfu.test"}
    with pytest.raises(sfu.ConfigError, match=r"cluster_url: needs the package redis"):
        open_cluster(sfu.Server(), load_settings(SETTINGS | url, None), {})
