"""How many whole requests one client may send in a time, and whose request is answered next. No IO.

Slow and half requests have deadlines; these are the quick ones: thousands, each of them cheap and none of them wrong.
"""

from __future__ import annotations

import asyncio
import collections
import math
import time
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from sfu.node.http.limits import HttpLimits
from sfu.node.http.refusal import Refusal
from sfu.signaling.http.authorization import digest_token, find_token
from sfu.signaling.http.client_address import group_address

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_SWEPT = 2
"""How many full buckets are forgotten for each new one."""


class Client(NamedTuple):
    """Who sends a request: the bearer of a valid token, or else an address. An address has another bucket for new
    connections.
    """

    kind: Literal["token", "address", "connection"]
    value: Hashable


class RequestRates:
    """A bucket for each client, by GCRA (ITU-T I.371): only the time at which it will be full again is kept.

    A client with a valid token draws on the token's bucket alone, so that a stranger behind the same address cannot
    empty it. All others draw on the bucket of their address.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        is_valid: Callable[[str], bool] = lambda _token: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_valid` says whether a token is valid here; `clock` returns seconds."""
        limits = limits or HttpLimits()
        self.refused: collections.Counter[str] = collections.Counter()
        """Requests and new connections that were answered with 429, by kind."""
        self._is_valid = is_valid
        self._clock = clock
        self._most = limits.request_buckets
        self._rates = {
            "address": (1.0 / limits.requests_per_address, limits.request_burst_per_address),
            "token": (1.0 / limits.requests_per_token, limits.request_burst_per_token),
            "connection": (1.0 / limits.connection_rate_per_address, limits.connection_burst_per_address),
        }
        self._full_at: collections.OrderedDict[Client, float] = collections.OrderedDict()

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._full_at)

    def find_client(self, host: str, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Client:
        """Return the client that a request from `host` counts for. Header names must be in lower case."""
        token = _read_token(url, headers)
        if token and self._is_valid(token):
            return Client("token", digest_token(token))
        return Client("address", group_address(host))

    def take(self, client: Client) -> float:
        """Count one request of `client`; return 0.0 if it may be answered, else the seconds until one may."""
        now = self._clock()
        interval, burst = self._rates[client.kind]
        full_at = max(self._full_at.pop(client, now), now)
        wait = full_at - now - (burst - 1) * interval
        # a hair's breadth of rounding is nobody's fault
        refused = wait > 1e-6
        self._make_room(now)
        self._full_at[client] = full_at if refused else full_at + interval
        if refused:
            self.refused[client.kind] += 1
        return wait if refused else 0.0

    def _make_room(self, now: float) -> None:
        """Forget full buckets of clients that were heard least lately; one that is not full only at the limit."""
        for _ in range(_SWEPT):
            if not self._full_at or next(iter(self._full_at.values())) > now:
                break
            self._full_at.popitem(last=False)
        if len(self._full_at) >= self._most:
            self._full_at.popitem(last=False)


class RequestQueue:
    """A queue of requests: a few are begun in each round of the event loop, and the clients take turns.

    However many connections one client has, another client waits for as many answers as there are clients, not
    connections. Other work of the loop (control of media, new connections) has its turn after a few answers.
    """

    def __init__(self, at_once: int) -> None:
        """`at_once` is how many requests begin in one round of the loop."""
        self._at_once = at_once
        self._left = at_once
        self._waiting: collections.OrderedDict[Client, collections.OrderedDict[object, Callable[[], None]]]
        self._waiting = collections.OrderedDict()
        self._count = 0
        self._scheduled = False

    def __len__(self) -> int:
        return self._count

    def ask(self, client: Client, connection: object, begin: Callable[[], None]) -> None:
        """Call `begin` when it is the client's turn, now if nobody waits. At most one request of a connection waits."""
        self._schedule()
        if self._left and not self._waiting:
            self._left -= 1
            begin()
            return
        self._waiting.setdefault(client, collections.OrderedDict())[connection] = begin
        self._count += 1

    def leave(self, client: Client, connection: object) -> None:
        """Remove the request of a connection that is over."""
        requests = self._waiting.get(client)
        if requests is not None and requests.pop(connection, None) is not None:
            self._count -= 1
            if not requests:
                del self._waiting[client]

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin_some)

    def _begin_some(self) -> None:
        self._scheduled = False
        self._left = self._at_once
        while self._left and self._waiting:
            self._left -= 1
            client, requests = self._waiting.popitem(last=False)
            _, begin = requests.popitem(last=False)
            self._count -= 1
            if requests:
                self._waiting[client] = requests
            begin()
        if self._left < self._at_once:
            self._schedule()


def refuse(client: Client, wait: float) -> ASGI3Application:
    """Return an app that answers 429: try again after `wait` seconds (RFC 6585 section 4)."""
    detail = f"This {client.kind} has sent more requests than it may; wait before the next one."
    return Refusal(429, "Too many requests", detail, max(1, math.ceil(wait))).answer


def _read_token(url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the token that signalling would find in the request's header or query."""
    authorization = next((value.decode("latin-1") for name, value in headers if name == b"authorization"), None)
    return find_token(authorization, url.partition(b"#")[0].partition(b"?")[2].decode("latin-1"))
