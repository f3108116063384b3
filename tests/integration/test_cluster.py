"""Three real nodes and a real Redis: each door leads to a room's home, whatever ends or is away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.clients import client, until
from tests.integration.cluster_nodes import (
    SDP,
    ClusterNode,
    cluster_node,
    eventually,
    find_free_port,
    make_token,
    open_room,
)
from tests.redis_server import RedisServer, run_redis
from tests.unit.node.process import START_TIMEOUT

Nodes = tuple[ClusterNode, ClusterNode, ClusterNode]
pytestmark = pytest.mark.timeout(3 * START_TIMEOUT)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def nodes(redis: RedisServer) -> Iterator[Nodes]:
    with contextlib.ExitStack() as stack:
        a, b, c = (stack.enter_context(cluster_node(name, redis.url, find_free_port())) for name in "abc")
        yield a, b, c


def find_home(redis: RedisServer, room: str) -> str:
    """As the directory has it."""
    answer = redis.tell("HGET", f"sfu:room:{room}", "node").split(b"\r\n")
    return answer[1].decode() if answer[0] != b"$-1" else ""


async def split(nodes: Nodes, room: str) -> tuple[ClusterNode, list[ClusterNode]]:
    """Open a room; return its home, and the other nodes."""
    home = await open_room(nodes[1], room, nodes)
    return home, [each for each in nodes if each is not home]


async def test_whoever_offers_at_another_node_is_led_to_the_home_and_publishes_there(
    nodes: Nodes, redis: RedisServer
) -> None:
    home, (away, _) = await split(nodes, "hearing")
    assert find_home(redis, "hearing") == home.name
    async with client() as alice:
        alice.send()
        offer = await alice.offer()
        led = await away.publish("hearing", "alice", offer)
        assert (led.status_code, led.headers["location"]) == (307, f"{home.url}/rooms/hearing/whip?peer=alice")
        headers = {"Authorization": f"Bearer {make_token()}", **SDP}
        async with httpx.AsyncClient() as http:
            made = await http.post(led.headers["location"], content=offer, headers=headers)
        assert made.status_code == 201
        await alice.take_answer(made.text)
        await until(lambda: alice.pc.connectionState == "connected")
        there = (await home.ask("GET", "/rooms/hearing")).json()
        assert {"alice", "opener"} == {peer["name"] for peer in there["peers"]}
    asked = await away.ask("GET", "/rooms/hearing")
    assert (asked.status_code, asked.headers["location"]) == (307, f"{home.url}/rooms/hearing")


async def test_without_redis_known_rooms_go_on_and_nothing_is_opened_twice(nodes: Nodes, redis: RedisServer) -> None:
    home, (away, _) = await split(nodes, "known")
    assert (await away.publish("known", "bob")).status_code == 307
    redis.stop()
    try:
        for each in nodes:
            assert (await each.ask("GET", "/healthz")).status_code == 200
            assert (await each.ask("GET", "/readyz")).status_code == 200
        assert (await home.publish("known", "carol")).status_code == 201
        assert (await away.publish("known", "bob")).status_code == 307
        refused = await away.publish("new", "bob")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        await until(lambda: all(each.log.find("cluster: cut off") for each in nodes))
        assert (await home.publish("known", "dave")).status_code == 201
    finally:
        redis.start()
    await until(lambda: all(each.log.find("cluster: back") for each in nodes))
    await until(lambda: find_home(redis, "known") == home.name)
    assert (await eventually(lambda: away.publish("known", "erin"), 307)).headers["location"].startswith(home.url)
    opened = await open_room(away, "new", nodes)
    assert find_home(redis, "new") == opened.name
    assert not any(each.log.find("cluster: a room was taken over by another node") for each in nodes)


async def test_the_server_api_finds_each_room_from_each_node(nodes: Nodes) -> None:
    for number, each in enumerate(nodes):
        made = await each.call("CreateRoom", {"name": f"made-{number}", "metadata": each.name})
        assert (made.status_code, made.json()["metadata"]) == (200, each.name)
    for each in nodes:
        listed = {room["name"]: room["metadata"] for room in (await each.call("ListRooms", {})).json()["rooms"]}
        assert {f"made-{number}": node.name for number, node in enumerate(nodes)}.items() <= listed.items()
        assert (await each.call("ListParticipants", {"room": "made-1"})).json() == {"participants": []}
    assert (await nodes[0].call("DeleteRoom", {"room": "made-2"})).status_code == 200
    assert (await nodes[2].call("DeleteRoom", {"room": "made-2"})).json()["code"] == "not_found"


async def test_the_rooms_of_a_node_that_is_killed_open_elsewhere(nodes: Nodes, redis: RedisServer) -> None:
    home, others = await split(nodes, "orphan")
    home.process.kill()
    heir = await open_room(others[0], "orphan", others)
    assert find_home(redis, "orphan") == heir.name
    for each in others:
        await until(lambda each=each: bool(each.log.find("cluster: node gone")))  # type: ignore[misc]


async def test_a_restart_in_place_keeps_the_rooms_and_the_end_gives_them_up(redis: RedisServer) -> None:
    with contextlib.ExitStack() as stack:
        nodes = tuple(stack.enter_context(cluster_node(name, redis.url, find_free_port())) for name in ("p", "q"))
        home = await open_room(nodes[0], "going-on", nodes)
        (away,) = (each for each in nodes if each is not home)
        epoch = redis.tell("GET", f"sfu:node:{home.name}")
        serving = home.process.pid
        try:
            os.kill(serving, signal.SIGUSR2)
            await until(lambda: bool(home.log.find("restarted: the successor serves")))
            serving = home.log.find("restarting: the successor starts")[-1]["successor"]
            await until(lambda: len(home.log.find("cluster joined")) == 2)
            assert redis.tell("GET", f"sfu:node:{home.name}") == epoch
            assert (await home.publish("going-on", "opener")).status_code == 201
            led = await away.publish("going-on", "bob")
            assert (led.status_code, find_home(redis, "going-on")) == (307, home.name)
            assert not away.log.find("cluster: node gone")
            os.kill(serving, signal.SIGINT)
            assert (await eventually(lambda: away.publish("going-on", "bob"), 201)).status_code == 201
            assert find_home(redis, "going-on") == away.name
            await until(lambda: bool(away.log.find("cluster: node gone")))
            assert await asyncio.to_thread(home.process.wait, 60) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(serving, signal.SIGKILL)
