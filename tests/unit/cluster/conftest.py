"""Both directories, for tests that hold for each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from sfu.cluster.directory import Directory, MemoryDirectory
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.redis_directory import RedisDirectory
from sfu.cluster.timing import Timing
from tests.redis_server import RedisServer, run_redis

TIMING = Timing(ask_timeout=5.0, lease=30.0)
"""Longer than this machine ever stands still."""


class Bench:
    """A directory, and what happens to its store."""

    def __init__(self, directory: Directory, store: MemoryStore | RedisServer) -> None:
        self.directory = directory
        self._store = store

    def flush(self) -> None:
        if isinstance(self._store, MemoryStore):
            self._store.flush()
        else:
            self._store.tell("FLUSHALL")

    def end_lease(self, node: str) -> None:
        """As if its time were over."""
        if isinstance(self._store, MemoryStore):
            self._store._leases.pop(node, None)
        else:
            self._store.tell("DEL", f"sfu:node:{node}")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        store = MemoryStore(time.time, TIMING.lease_ms)
        yield Bench(MemoryDirectory(store, timing=TIMING), store)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.tell("FLUSHALL")
    directory = RedisDirectory(server.url, timing=TIMING)
    yield Bench(directory, server)
    await directory.close()
