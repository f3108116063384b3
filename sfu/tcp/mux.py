"""What a client carries by TCP is told by its first octets, behind TLS too, and it is led where it belongs.

HTTP goes to the HTTP server. ICE-TCP (RFC 6544, passive) goes to the shard whose connection its first check is for,
TURN (RFC 8656) to the shards' media addresses, also what comes of it by UDP. Media never come through here: the pump
moves them (`pump.py`).
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence

from OpenSSL import SSL

from sfu.tcp.pump import LEGS, Carries, NoticeKind, Pump, Told
from sfu.tcp.tls import Certificate
from sfu.tcp.turn import TurnOptions, TurnSession
from sfu.tcp.ways import TcpLimits, Ways
from sfu.wire.local_address import LOCAL_BYTES, send_from, trim_local
from sfu.wire.sockaddr import SOCKADDR_BYTES, Address, decode_address, encode_address, sendable

_log = logging.getLogger("sfu.tcp")

_TLS_HANDSHAKE = 0x16
_TICK_S = 1.0
_LOOK_S = 0.02
_FIRST_OCTETS = 16


class _Client:
    """One connection in the pump, or what a client of TURN has there by UDP."""

    __slots__ = ("address", "carries", "legs", "local", "origin", "since", "turn", "twin")

    def __init__(self, address: Address, since: float, twin: int | None = None, local: bytes = b"") -> None:
        self.address = address
        self.since = since
        self.twin = twin
        """Where it comes by UDP."""
        self.local = local
        """To which of our addresses; see wire/local_address.py."""
        self.origin = address
        """Where it is, as its ICE knows it: at its relayed address, if it has one."""
        self.legs: list[Address] = []
        self.carries = Carries.UNKNOWN
        self.turn: TurnSession | None = None


def _serve_nothing(accepted: socket.socket, address: Address, tls: bool) -> None:
    accepted.close()


class TcpMux:
    """Lives in an event loop, between `start` and `close`."""

    def __init__(
        self,
        ways: Ways,
        *,
        turn: TurnOptions | None,
        certificate: Certificate | None,
        limits: TcpLimits | None = None,
        twins: Sequence[socket.socket] = (),
    ) -> None:
        """Without `turn` TURN is refused, without `certificate` TLS. `twins`: UDP sockets on which clients of TURN
        come; they are closed with the mux.
        """
        self.serve_http: Callable[[socket.socket, Address, bool], None] = _serve_nothing
        """Serves a connection as HTTP, and is told whether it came by TLS. Set by the HTTP server."""
        self._ways = ways
        self._turn = turn
        self.certificate = certificate
        """What is served by TLS, if anything is."""
        self._limits = limits or TcpLimits()
        self._twins = tuple(twins)
        self._pump = Pump(self._limits.connections, self._tell, self._twins)
        self._loop = asyncio.get_running_loop()
        self._peeking: dict[socket.socket, tuple[Address, asyncio.TimerHandle]] = {}
        self._clients: dict[int, _Client] = {}
        self._by_datagrams: dict[tuple[int, Address, bytes], int] = {}
        self._legs: set[Address] = set()
        self._unsent = 0
        self._ends = False
        self._ticker: asyncio.TimerHandle | None = None
        self.ended: collections.Counter[str] = collections.Counter()
        """Connections that were ended, by reason."""

    async def start(self) -> None:
        """Begin to serve; compiles at the first start of a machine."""
        await asyncio.to_thread(self._pump.start)
        self._ticker = self._loop.call_later(_TICK_S, self._tick)

    async def close(self) -> None:
        """End all connections. Idempotent."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        for accepted in self.withdraw():
            accepted.close()
        await asyncio.to_thread(self._pump.stop)
        self._clients.clear()
        self._by_datagrams.clear()

    def withdraw(self) -> list[socket.socket]:
        """Give up the connections on which nothing has come yet: the caller serves or closes them."""
        waiting = list(self._peeking)
        for accepted in waiting:
            self._stop_peeking(accepted)
        return waiting

    async def end_media(self) -> None:
        """Go on with HTTP alone, until `close`: another process serves the rest."""
        self._ends = True
        for row, client in list(self._clients.items()):
            if client.carries in (Carries.ICE, Carries.TURN):
                self._pump.close(row)
        await asyncio.to_thread(self._pump.close_twins)

    async def wait_without(self, carries: Carries, within: float) -> None:
        """Wait until no open connection carries this, for at most `within` seconds."""
        until = self._loop.time() + within
        while self.count(carries) and self._loop.time() < until:  # noqa: ASYNC110 - seldom, and not for long
            await asyncio.sleep(_LOOK_S)

    def counters(self) -> dict[str, int]:
        """Totals, each of which only grows."""
        counted = self._pump.counters()
        return counted | {"drop_send_failed": counted["drop_send_failed"] + self._unsent}

    @property
    def cpu_s(self) -> float | None:
        """Processor time of the pump's thread so far, in seconds; None where there is none."""
        return self._pump.cpu_s

    def count(self, carries: Carries) -> int:
        """Open connections that carry this."""
        return sum(1 for each in self._clients.values() if each.carries is carries)

    # the first octets

    def take(self, accepted: socket.socket, address: Address) -> None:
        """Lead an accepted connection on, once its first octets are there. `address`: IPv4 as such, not within IPv6."""
        accepted.setblocking(False)
        timer = self._loop.call_later(self._limits.first_timeout, self._give_up, accepted)
        self._peeking[accepted] = address, timer
        self._loop.add_reader(accepted, self._peek, accepted)

    def _stop_peeking(self, accepted: socket.socket) -> Address:
        address, timer = self._peeking.pop(accepted)
        timer.cancel()
        self._loop.remove_reader(accepted)
        return address

    def _give_up(self, accepted: socket.socket) -> None:
        self._refuse(accepted, self._stop_peeking(accepted), "nothing_came")

    def _refuse(self, accepted: socket.socket, address: Address, reason: str) -> None:
        self.ended[reason] += 1
        accepted.close()
        self._ways.left(address[0])

    def _peek(self, accepted: socket.socket) -> None:
        try:
            first = accepted.recv(_FIRST_OCTETS, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        address = self._stop_peeking(accepted)
        if not first:
            self._refuse(accepted, address, "closed")
        elif first[0] == _TLS_HANDSHAKE:
            if self.certificate is None:
                self._refuse(accepted, address, "tls_not_set_up")
            else:
                connection = SSL.Connection(self.certificate.context, accepted)
                connection.set_accept_state()
                self._pump_it(accepted, address, connection)
        elif first[0] < 0x20 or first[0] >= 0x80:
            self._pump_it(accepted, address, None)
        else:
            self.serve_http(accepted, address, False)

    def _pump_it(self, accepted: socket.socket, address: Address, tls: SSL.Connection | None) -> None:
        row = self._pump.open(accepted, tls)
        if row is None:
            self._refuse(accepted, address, "too_many")
            return
        self._clients[row] = _Client(address, time.monotonic())

    # what the pump tells

    def _tell(self, told: list[Told]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._handle, told)

    def _handle(self, told: list[Told]) -> None:
        for each in told:
            if each.kind is NoticeKind.STRANGER:
                if not self._ends:
                    address, local = decode_address(each.data[:SOCKADDR_BYTES]), each.data[SOCKADDR_BYTES:]
                    self._meet_stranger(each.row, address, trim_local(local), local[LOCAL_BYTES:])
                continue
            client = self._clients.get(each.row)
            if client is None:
                continue
            client.carries = each.carries
            if each.kind is NoticeKind.ENDED:
                self._forget(each, client)
            elif each.kind is NoticeKind.CARRIES:
                self._serve_http(each.row, client)
            elif self._ends:
                self._pump.close(each.row)
            elif each.carries is Carries.ICE:
                self._lead_to_shard(each, client)
            else:
                self._answer_turn(each.row, client, each.data)

    def _forget(self, told: Told, client: _Client) -> None:
        del self._clients[told.row]
        client.turn = None  # which knows its client
        if client.twin is not None:
            del self._by_datagrams[client.twin, client.address, client.local]
        self._legs.difference_update(client.legs)
        self._pump.release(told.row)
        self.ended[told.ended.name.lower()] += 1
        for leg in client.legs:
            self._ways.set_origin(leg, None, client.twin is None)
        if told.carries is not Carries.HTTP:
            self._ways.left(client.address[0])

    def _serve_http(self, row: int, client: _Client) -> None:
        try:
            near, far = socket.socketpair()
        except OSError as error:
            self._give_up_leg(row, error)
            self._ways.left(client.address[0])  # there is no HTTP connection that would say so
            return
        self._pump.attach(row, 0, near)
        self._pump.answer(row)
        self.serve_http(far, client.address, True)

    def _lead_to_shard(self, told: Told, client: _Client) -> None:
        port = self._ways.find_port(told.data)
        if port is None:
            self.ended["unknown_check"] += 1
            self._pump.close(told.row)
            return
        if self._attach(told.row, client, 0, port, b""):
            self._pump.answer(told.row)

    def _answer_turn(self, row: int, client: _Client, data: bytes) -> None:
        if self._turn is None:
            self.ended["turn_not_set_up"] += 1
            self._pump.close(row)
            return
        if client.turn is None:
            client.origin = self._name_relayed(row, self._turn)
            client.turn = TurnSession(self._turn, client.address, lambda: client.origin, time.time(), os.urandom)
        outcome = client.turn.handle_message(data, time.time())
        for leg, peer, prefix in outcome.opened:
            if not self._attach(row, client, leg, peer[1], prefix):
                return
        if outcome.bound is not None:
            self._pump.bind(row, *outcome.bound)
        self._pump.answer(row, outcome.reply)
        if outcome.ends:
            self._pump.close(row)

    @staticmethod
    def _name_relayed(row: int, turn: TurnOptions) -> Address:
        """What no other client is told as its relayed address; the first of ours is as good as any."""
        return next(iter(turn.peers)), row + 1

    # TURN by UDP

    def _meet_stranger(self, twin: int, address: Address, local: bytes, data: bytes) -> None:
        """Answer who has no allocation by UDP. He gets a row once he has shown that he knows the credentials, and that
        he is where he says he is, since the nonce was sent there.
        """
        row = self._by_datagrams.get((twin, address, local))
        if row is not None:  # he has asked twice before the pump knew of his row
            self._answer_turn(row, self._clients[row], data)
            return
        if self._turn is None or address in self._legs:  # TURN within TURN
            self.ended["turn_not_set_up" if self._turn is None else "within_turn"] += 1
            return
        client = _Client(address, time.monotonic(), twin, local)
        client.carries = Carries.TURN
        turn = self._turn

        def allot() -> Address | None:
            row = self._admit(client, twin)
            return None if row is None else self._name_relayed(row, turn)

        session = TurnSession(turn, address, allot, time.time(), os.urandom, datagrams=True)
        reply = session.handle_message(data, time.time()).reply
        if session.allocated:
            row = self._by_datagrams[twin, address, local]
            client.turn, client.origin = session, self._name_relayed(row, turn)
            self._pump.answer(row, reply)
        elif reply:
            self._send_by_twin(twin, address, local, reply)

    def _admit(self, client: _Client, twin: int) -> int | None:
        """Give a client by UDP a row; None where there are enough of its address, or altogether."""
        if not self._ways.enter(client.address[0]):
            self.ended["address"] += 1
            return None
        name = encode_address(client.address, self._twins[twin].family).tobytes()
        row = self._pump.open_datagrams(twin, name, client.local)
        if row is None:
            self.ended["too_many"] += 1
            self._ways.left(client.address[0])
            return None
        self._clients[row] = client
        self._by_datagrams[twin, client.address, client.local] = row
        return row

    def _send_by_twin(self, twin: int, address: Address, local: bytes, reply: bytes) -> None:
        try:
            send_from(self._twins[twin], reply, sendable(address, self._twins[twin].family), local)
        except OSError:
            self._unsent += 1

    def _attach(self, row: int, client: _Client, leg: int, port: int, prefix: bytes) -> bool:
        """Open a leg to a shard's port; where the system has no socket for it, end the connection."""
        host = self._ways.media_host
        made = None
        try:
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            made.connect((host, port))
        except OSError as error:
            if made is not None:
                made.close()
            self._give_up_leg(row, error)
            return False
        address: Address = made.getsockname()[:2]
        client.legs.append(address)
        self._legs.add(address)
        self._ways.set_origin(address, client.origin, client.twin is None)
        self._pump.attach(row, leg, made, prefix)
        return True

    def _give_up_leg(self, row: int, error: OSError) -> None:
        """End a connection for which the system has no socket."""
        _log.warning("a connection cannot be led on", extra={"error": error.strerror})
        self._pump.close(row)

    # time

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(_TICK_S, self._tick)
        now, wall = time.monotonic(), time.time()
        if self.certificate is not None:
            self.certificate.refresh()
        for row, client in list(self._clients.items()):
            reason = self._find_fault(row, client, now, wall)
            if reason:
                self.ended[reason] += 1
                self._pump.close(row)

    def _find_fault(self, row: int, client: _Client, now: float, wall: float) -> str:
        """Why a connection is to end now; empty: it may go on."""
        limits, turn = self._limits, client.turn
        if self._pump.stalled_s(row, now) > limits.stall:
            return "stalled"
        if client.carries is Carries.HTTP:
            return ""
        if client.carries is Carries.UNKNOWN or (turn is not None and not turn.allocated):
            return "too_slow" if now - client.since > limits.first_timeout else ""
        if turn is not None:
            return "expired" if wall > turn.expires else ""
        return "silent" if self._pump.silent_s(row, now) > limits.silence else ""


__all__ = ["LEGS", "Address", "Carries", "TcpMux"]
