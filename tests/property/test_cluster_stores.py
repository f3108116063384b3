"""The directory in memory and the one in Redis do the same, whatever is asked in whatever order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.cluster.directory import Directory, MemoryDirectory
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.node_requests import Leave, Loads, Look, Renew, Sweep
from sfu.cluster.records import NodeRecord
from sfu.cluster.redis_directory import RedisDirectory
from sfu.cluster.room_requests import Claim, Move, Put, Read, Release
from sfu.cluster.timing import Timing
from tests.property.modes import examples
from tests.redis_server import RedisServer, run_redis

TIMING = Timing(lease=300.0, ask_timeout=20.0)
NODES, ROOMS = "abc", ("r", "s é")
FAR = 1 << 50
nodes, rooms, small = st.sampled_from(NODES), st.sampled_from(ROOMS), st.integers(0, 5)
steps = st.one_of(
    st.tuples(st.just("renew"), nodes, st.booleans(), nodes),
    st.tuples(st.just("register"), nodes),
    st.tuples(st.just("leave"), nodes),
    st.tuples(st.just("end lease"), nodes),
    st.tuples(st.just("claim"), nodes, rooms, small, st.booleans(), st.sampled_from([0, 1, FAR])),
    st.tuples(st.just("release"), nodes, rooms, small),
    st.tuples(st.just("move"), nodes, rooms, small, nodes),
    st.tuples(st.just("put"), nodes, rooms, small, st.sampled_from(["track/T", "recording/R"]), st.booleans()),
    st.tuples(st.just("look"), st.integers(0, 4)),
    st.tuples(st.just("flush")),
    st.tuples(st.just("sweep"), st.sampled_from([0, 100_000])),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


class Play:
    """The same steps on one of both. Numbers and incarnations are named by when they were first seen."""

    def __init__(self, directory: Directory, store: MemoryStore | RedisServer) -> None:
        self._directory = directory
        self._store = store
        self._epochs = dict.fromkeys(NODES, 1)
        self._incarnation = ""
        self._tokens = [0]
        self._names: dict[object, str] = {}
        self.seen: list[object] = []

    async def do(self, step: Any) -> None:
        word, *rest = step
        if word == "flush":
            self._store.flush() if isinstance(self._store, MemoryStore) else self._store.tell("FLUSHALL")
        elif word == "end lease":
            if isinstance(self._store, MemoryStore):
                self._store._leases.pop(rest[0], None)
            else:
                self._store.tell("DEL", f"sfu:node:{rest[0]}")
        else:
            request = getattr(self, f"_{word}")(*rest)
            reply = await self._directory.ask(request)
            self._learn(request, reply)
            self.seen.append((word, self._name(reply)))
        found = await self._directory.ask(Read(ROOMS, True))
        self.seen.append(self._name(found))
        self.seen.append(self._name(await self._directory.ask(Loads(tuple(NODES)))))

    def _learn(self, request: object, reply: Any) -> None:
        match request:
            case Renew() if reply.outcome == "renewed":
                self._epochs[request.node] = reply.epoch
                self._incarnation = reply.incarnation
            case Claim() if reply[0].home is not None and reply[0].home.token not in self._tokens:
                self._tokens.append(reply[0].home.token)

    def _name(self, value: Any, field: str = "") -> object:
        if is_dataclass(value):
            return tuple((one.name, self._name(getattr(value, one.name), one.name)) for one in fields(value))
        if isinstance(value, list | tuple):
            named = [self._name(one, field) for one in value]
            return sorted(named, key=repr) if field in ("nodes", "gone", "entries") else named
        if field in ("time_ms", "since_ms", "soonest_ms"):
            return isinstance(value, int) and value >= 0
        if field in ("epoch", "token", "incarnation"):
            return self._names.setdefault(value, f"{field} {len(self._names)}")
        return value

    def _token(self, number: int) -> int:
        return self._tokens[-1 - number % len(self._tokens)]

    def _renew(self, node: str, tells: bool, neighbour: str) -> Renew:
        others = () if neighbour == node else (neighbour,)
        return Renew(node, self._epochs[node], 0.25, NodeRecord(id=node) if tells else None, others)

    def _register(self, node: str) -> Renew:
        return Renew(node, 0, 0.5, NodeRecord(id=node))

    def _leave(self, node: str) -> Leave:
        return Leave(node, self._epochs[node])

    def _claim(self, node: str, room: str, token: int, holding: bool, latest: int) -> Claim:
        pairs = ((room, self._token(token)),)
        return Claim(node, self._epochs[node], self._incarnation, latest, holding, pairs)

    def _release(self, node: str, room: str, token: int) -> Release:
        return Release(node, self._epochs[node], ((room, self._token(token)),))

    def _move(self, node: str, room: str, token: int, heir: str) -> Move:
        return Move(node, self._epochs[node], room, self._token(token), heir, self._epochs[heir])

    def _put(self, node: str, room: str, token: int, field: str, there: bool) -> Put:
        return Put(node, self._epochs[node], room, self._token(token), field, '{"a": 1}' if there else "")

    def _look(self, since: int) -> Look:
        return Look(since, self._incarnation)

    def _sweep(self, grace_ms: int) -> Sweep:
        return Sweep(grace_ms)


@given(st.lists(steps, max_size=40))
@settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_stores_answer_alike(server: RedisServer, play: list[Any]) -> None:
    async def run() -> None:
        server.tell("FLUSHALL")
        redis = RedisDirectory(server.url, timing=TIMING)
        memory = MemoryStore(time.time, TIMING.lease_ms)
        plays = [Play(MemoryDirectory(memory, timing=TIMING), memory), Play(redis, server)]
        try:
            for step in [("register", "a"), ("register", "b"), *play]:
                for one in plays:
                    await one.do(step)
                assert plays[0].seen == plays[1].seen
        finally:
            await redis.close()

    asyncio.run(run())
