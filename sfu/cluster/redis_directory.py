"""The directory in Redis, by redis-py's asyncio client (the extra `cluster`)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
from collections import Counter
from typing import Any, TypeVar

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from sfu.cluster.directory import DirectoryUnavailableError
from sfu.cluster.memory_store import Hint
from sfu.cluster.records import RecordError
from sfu.cluster.redis_url import RedisUrl, parse_redis_url
from sfu.cluster.requests import Request
from sfu.cluster.scripts import PROLOGUE, SCRIPTS
from sfu.cluster.timing import CLUSTER, Timing
from sfu.errors import ConfigError

Reply = TypeVar("Reply")
_PREFIX = re.compile(r"[A-Za-z0-9_.{}-]{1,64}")
_LISTEN_AGAIN = 1.0
_MAX_CONNECTIONS = 16

_SOURCES = {name: PROLOGUE + script for name, script in SCRIPTS.items()}
_DIGESTS = {name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _SOURCES.items()}

RIGHTS = (
    "~sfu:* &sfu:* +evalsha +eval +info +time +subscribe +publish +ping "
    "+get +set +del +exists +pttl +pexpire +incr +scan +@hash +@sortedset"
)
"""What a user of Redis has to have, as ACL SETUSER takes it."""

_ADVICE = {
    "READONLY": "it is a replica: the address must lead to the master, or name the Sentinels (redis+sentinel://)",
    "LOADING": "it is still reading its file; nodes go on with what they know until it has",
    "MASTERDOWN": "it is a replica that has lost its master",
    "NOREPLICAS": "it has too few replicas to take writes (min-replicas-to-write)",
    "OOM": "its memory is full: raise maxmemory; the directory needs about 1 kB a room",
    "MISCONF": "it cannot write its file, and takes no writes until it can",
    "NOAUTH": "it asks for a password: put it into the address",
    "unauthenticated": "it asks for a password: put it into the address",
    "WRONGPASS": "it does not take this user and password",
    "NOPERM": f"this user may not do that; with the prefix `sfu` it needs {RIGHTS}",
    "BUSY": "it is busy with somebody's script",
    "MOVED": "it is a part of a Redis Cluster, which does not fit: take one Redis, or Sentinels",
    "CROSSSLOT": "it is a part of a Redis Cluster, which does not fit: take one Redis, or Sentinels",
}
"""What an answer that begins with that word means."""


class RedisDirectory:
    """What all nodes with the same address and prefix share. Nothing is tried again here: whoever asks does that."""

    def __init__(self, url: str, *, timing: Timing = CLUSTER) -> None:
        self._url = parse_redis_url(url)
        self._prefix = self._url.options.get("prefix", "sfu")
        if not _PREFIX.fullmatch(self._prefix):
            raise ConfigError("cluster_url", "its prefix is 1 to 64 letters, digits, dots, dashes or underscores")
        self._timing = timing
        self._client = _open(self._url, timing.ask_timeout)
        self._listener: Any = None
        self._turns = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._listening: asyncio.Task[None] | None = None
        self._hints: list[Hint] = []
        self.failures: Counter[str] = Counter()

    async def ask(self, request: Request[Reply]) -> Reply:
        """Have it done in one step.

        Raises:
            ArgumentError: it asks for what cannot stand there.
            DirectoryUnavailableError: there is no usable answer.
        """
        arguments = (f"{self._prefix}:", secrets.token_hex(8), str(self._timing.lease_ms), *request.arguments())
        try:
            async with asyncio.timeout(self._timing.ask_timeout), self._turns:
                raw = await self._run(request.script, arguments)
            return request.read(raw)
        except (exceptions.RedisError, OSError, TimeoutError, RecordError, UnicodeError) as error:
            reason, advice = _explain(error)
            self.failures[reason] += 1
            raise DirectoryUnavailableError(reason, f"the directory at {self._url.place}: {advice}") from error

    async def _run(self, script: str, arguments: tuple[str, ...]) -> object:
        try:
            return await self._client.execute_command("EVALSHA", _DIGESTS[script], 1, *arguments)
        except exceptions.NoScriptError:
            return await self._client.execute_command("EVAL", _SOURCES[script], 1, *arguments)

    def listen(self, hint: Hint) -> None:
        """Have somebody told of changes, as long as an event loop runs and until `close`."""
        self._hints.append(hint)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="hints of the directory")

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(exceptions.RedisError, OSError, TimeoutError):
                await self._listen_once()
            await asyncio.sleep(_LISTEN_AGAIN)

    async def _listen_once(self) -> None:
        self._listener = self._listener or _open(self._url, self._timing.ask_timeout)
        async with self._listener.pubsub() as channel:
            await channel.subscribe(f"{self._prefix}:hints")
            while True:
                # a message is waited for by this timeout, and a connection that is gone is found out by the ping
                message = await channel.get_message(timeout=5.0)
                if message is None:
                    await channel.ping()
                elif message.get("type") == "subscribe":
                    self._tell("doubt")
                elif message.get("type") == "message" and isinstance(data := message.get("data"), bytes):
                    self._tell(data[:64].decode(errors="replace"))

    def _tell(self, text: str) -> None:
        for hint in self._hints:
            hint(text)

    async def close(self) -> None:
        """Let go of its connections."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        for client in (self._client, self._listener):
            if client is not None:
                with contextlib.suppress(exceptions.RedisError, OSError, TimeoutError):
                    await client.aclose()


def _open(url: RedisUrl, timeout: float) -> Any:
    common: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "db": url.database,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **url.build_tls(),
    }
    if url.service:
        asked = {
            "socket_timeout": timeout / 2,
            "socket_connect_timeout": timeout / 2,
            "username": url.options.get("sentinel_username"),
            "password": url.options.get("sentinel_password"),
            "retry": Retry(NoBackoff(), 0),
            **url.build_tls(),
        }
        sentinels: Any = Sentinel
        return sentinels(list(url.hosts), sentinel_kwargs=asked).master_for(url.service, **common)
    if url.path:
        return redis.Redis(unix_socket_path=url.path, **common)
    host, port = url.hosts[0]
    return redis.Redis(host=host, port=port, **common)


def _explain(error: Exception) -> tuple[str, str]:
    """Return why there is no answer, in a word, and what to do about it."""
    if isinstance(error, exceptions.ConnectionError) and isinstance(error.__cause__, exceptions.RedisError):
        error = error.__cause__  # why there is no connection
    text = str(error)
    for word, advice in _ADVICE.items():
        if text.startswith(word) or f" {word} " in f" {text} "[:200]:
            return "noauth" if word == "unauthenticated" else word.lower(), f"{advice} ({text[:200]})"
    match error:
        case RecordError():
            return "unreadable", f"{text}: another program writes under the same prefix, or it is no Redis"
        case exceptions.AuthenticationError() | exceptions.AuthorizationError():
            return "auth", f"it does not take us: {text[:200]}"
        case exceptions.ReadOnlyError():
            return "readonly", _ADVICE["READONLY"]
        case exceptions.BusyLoadingError():
            return "loading", _ADVICE["LOADING"]
        case exceptions.OutOfMemoryError():
            return "oom", _ADVICE["OOM"]
        case exceptions.NoPermissionError():
            return "noperm", f"{_ADVICE['NOPERM']} ({text[:200]})"
        case exceptions.TimeoutError() | TimeoutError():
            return "timeout", "no answer in time; is it overloaded, or the network?"
        case exceptions.ConnectionError() | OSError():
            return "connection", f"it cannot be reached: {text[:200]}; does it run, and may we connect?"
    return "wrong_answer", f"it answers what cannot be used: {text[:200]}"
