"""A Redis that answers slowly, wrongly, or refuses is one error, which says what to do and is counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sfu.cluster.directory import DirectoryUnavailableError
from sfu.cluster.node_requests import Look, Renew
from sfu.cluster.records import NodeRecord
from sfu.cluster.redis_directory import RedisDirectory
from sfu.cluster.timing import Timing
from sfu.errors import ConfigError
from tests.redis_server import RedisServer, run_redis
from tests.unit.cluster.asking import read, register

PATIENT = Timing(ask_timeout=10.0, lease=30.0)
HASTY = Timing(ask_timeout=0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with run_redis(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def connect(url: str, timing: Timing = PATIENT) -> AsyncIterator[RedisDirectory]:
    directory = RedisDirectory(url, timing=timing)
    try:
        yield directory
    finally:
        await directory.close()


async def refuse(directory: RedisDirectory, reason: str, says: str) -> None:
    with pytest.raises(DirectoryUnavailableError, match=says) as caught:
        await directory.ask(Renew("a", 0, 0.0, NodeRecord(id="a")))
    assert caught.value.reason == reason
    assert directory.failures[reason] == 1


async def test_a_replica_says_that_it_is_one(server: RedisServer) -> None:
    async with connect(server.url) as directory:
        server.tell("REPLICAOF", "127.0.0.1", "1")
        await refuse(directory, "readonly", "must lead to the master, or name the Sentinels")


async def test_a_full_memory(server: RedisServer) -> None:
    async with connect(server.url) as directory:
        server.tell("CONFIG", "SET", "maxmemory", "1")
        await refuse(directory, "oom", "raise maxmemory")
        server.tell("CONFIG", "SET", "maxmemory", "0")
        assert (await register(directory, "a")).epoch > 0


async def test_a_password_that_is_missing_or_wrong(server: RedisServer) -> None:
    server.tell("CONFIG", "SET", "requirepass", "secret")
    async with connect(server.url) as directory:
        await refuse(directory, "noauth", "put it into the address")
    async with connect(f"unix://:wrong@{server.path}") as directory:
        await refuse(directory, "auth", "does not take us")
    async with connect(f"unix://:secret@{server.path}") as directory:
        assert (await register(directory, "a")).epoch > 0


async def test_a_user_who_may_not(server: RedisServer) -> None:
    server.tell("ACL", "SETUSER", "weak", "on", ">x", "~*", "+get", "+client", "+auth", "+hello")
    async with connect(f"unix://weak:x@{server.path}") as directory:
        await refuse(directory, "noperm", "it needs ~sfu")


async def test_the_rights_that_are_named_are_enough(server: RedisServer) -> None:
    rights = ["+evalsha", "+eval", "+info", "+time", "+subscribe", "+publish", "+ping", "+@keyspace", "+@string"]
    server.tell(
        "ACL",
        "SETUSER",
        "fit",
        "on",
        ">x",
        "~sfu:*",
        "&sfu:*",
        *rights,
        "+@hash",
        "+@sortedset",
        "-@dangerous",
        "+info",
    )
    async with connect(f"unix://fit:x@{server.path}") as directory:
        node = await register(directory, "a")
        assert await node.claim_token("r") > 0


async def test_nobody_there(tmp_path: Path) -> None:
    async with connect(f"unix://{tmp_path}/none.sock") as directory:
        await refuse(directory, "connection", "does it run")
    async with connect("redis://127.0.0.1:1") as directory:
        await refuse(directory, "connection", "redis://127.0.0.1:1")


async def test_one_that_does_not_answer_and_whose_late_answer_goes_to_nobody_else(server: RedisServer) -> None:
    async with connect(server.url) as patient, connect(server.url, HASTY) as hasty:
        node = await register(patient, "a")
        await node.claim("r")
        server.pause()
        try:
            asking = [read(hasty, "r"), hasty.ask(Look(0, "")), read(hasty, "other")]
            for error in await asyncio.gather(*asking, return_exceptions=True):
                assert isinstance(error, DirectoryUnavailableError) and error.reason == "timeout"
        finally:
            server.resume()
        assert hasty.failures["timeout"] == 3
        found = await read(patient, "r")
        assert found.home is not None and found.home.node == "a"
        for _ in range(20):
            with contextlib.suppress(DirectoryUnavailableError):  # this machine may stand still
                assert (await read(hasty, "none")).home is None


async def test_another_program_under_the_same_prefix(server: RedisServer) -> None:
    async with connect(server.url) as directory:
        node = await register(directory, "a")
        server.tell("SET", "sfu:room:r", "not ours")
        server.tell("HSET", "sfu:room:s", "token", "many", "node", "a", "epoch", "1")
        server.tell("SET", "sfu:entries:r", "not ours")
        server.tell(
            "HSET", "sfu:nodes", "b", "what is this", "c", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")
        )
        assert (await read(directory, "r")).home is None and (
            await read(directory, "s", with_entries=True)
        ).home is None
        assert await node.claim_token("r") > 0 and await node.claim_token("s") > 0
        seen = await directory.ask(Look(0, ""))
        assert [one.id for one in seen.nodes] == ["a"] and seen.unreadable == 2
        server.tell("SET", "sfu:counter", "many")
        with pytest.raises(DirectoryUnavailableError, match="integer") as caught:
            await node.claim("t")
        assert caught.value.reason == "wrong_answer"


async def test_what_is_no_redis() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    web = await asyncio.start_server(answer, "127.0.0.1")
    async with web, connect(f"redis://127.0.0.1:{web.sockets[0].getsockname()[1]}") as directory:
        with pytest.raises(DirectoryUnavailableError):
            await directory.ask(Look(0, ""))
        assert directory.failures.total() == 1


async def test_a_server_that_has_forgotten_the_scripts_gets_them_again(server: RedisServer) -> None:
    async with connect(server.url) as directory:
        node = await register(directory, "a")
        server.tell("SCRIPT", "FLUSH")
        assert (await node.renew()).outcome == "renewed"
        incarnation = node.incarnation
        server.stop()
        server.start()
        with contextlib.suppress(DirectoryUnavailableError):  # the connection to the old one
            await node.renew()
        renewed = await node.renew()
        assert not renewed.known and renewed.incarnation != incarnation


async def test_hints_come_and_doubts_where_some_may_have_been_missed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.cluster.redis_directory._LISTEN_AGAIN", 0.01)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with connect(server.url) as directory:
        directory.listen(told.put_nowait)
        assert await told.get() == "doubt"
        await register(directory, "a")
        assert await told.get() == "nodes"
        server.stop()
        server.start()
        assert await told.get() == "doubt"
        server.tell("PUBLISH", "sfu:hints", "x" * 1000)
        assert await told.get() == "x" * 64


def test_a_prefix_that_would_match_other_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="prefix"):
        RedisDirectory("redis://host?prefix=a*")
