"""The asyncio shell of one plane: brings notices and deadlines to the connections that they are for."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from sfu.clock import Clock
from sfu.negotiation import Candidate
from sfu.routing.plane import (
    Datagram,
    Estimate,
    Gap,
    KeyFrameNeeded,
    Notice,
    Plane,
    Repaired,
    RepeatMissed,
    SourceLearned,
    UplinkEstimate,
)
from sfu.shard.demux import Demux
from sfu.shard.origins import Origins
from sfu.shard.statistics import ShardStats
from sfu.shard.timers import Timers
from sfu.transport import Address, parse_username

_log = logging.getLogger("sfu.shard.shard")

MediaNotice = SourceLearned | Gap | Repaired | RepeatMissed | KeyFrameNeeded | Estimate | UplinkEstimate
"""A plane's notice to a connection."""

_MEDIA_HOLD_S = 8.0
"""Seconds after its last media in which an address stays with its connection. A client that only listens to audio sends
a report every 7.5 s at the latest (RFC 3550 section 6.2).
"""

_PORTION = 256
"""Notices that are handled before others have a turn on the event loop: some ten milliseconds."""

_STALL_S = 1.0
"""Seconds by which a deadline is noticed late if this process stood still, so that what clients sent went unread."""

_EARLIEST_S = 0.001
"""Least seconds to a timer: the event loop's clock cannot tell less."""


class Member(Protocol):
    """A connection as its shard sees it."""

    @property
    def row(self) -> int:
        """The connection's row in the plane."""
        ...

    @property
    def drops(self) -> Mapping[str, int]:
        """The datagrams that the endpoint has dropped, by reason."""
        ...

    def local_ufrags(self) -> list[str]:
        """Return our ICE user fragments, by which a check finds this connection."""
        ...

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        """Handle a datagram of STUN or DTLS that came to a local address of ours, after which the shard asks for the
        next deadline.
        """
        ...

    def forget_address(self, address: Address, now: float) -> None:
        """Give up an address, where another member's client has proved to be."""
        ...

    def handle_rtcp(self, data: bytes, now: float) -> None:
        """Handle an authentic RTCP packet, and call `Shard.touch` where that moves a deadline to an earlier time."""
        ...

    def handle_notice(self, notice: MediaNotice, now: float) -> None:
        """Handle the plane's notice of this connection's path, or of one of its Encodings or Subscriptions, and call
        `Shard.touch` where that moves a deadline to an earlier time.
        """
        ...

    def poll_timeout(self) -> float | None:
        """Return the connection's next deadline (absolute seconds); None: there is none."""
        ...

    def handle_timeout(self, now: float) -> None:
        """Do what is due, since the deadline has come."""
        ...

    def handle_stall(self, now: float) -> None:
        """Extend the deadlines after this process stood still: what was not read in that time is not the client's
        fault.
        """
        ...

    def abort(self, now: float) -> None:
        """Close the connection after a defect of ours."""
        ...


class Shard:
    """One plane and the connections on it."""

    def __init__(self, plane: Plane, *, announce: Sequence[str], clock: Clock, origins: Origins | None = None) -> None:
        """`announce` lists the IP addresses at which clients reach this machine."""
        self.plane = plane
        self.drops: collections.Counter[str] = collections.Counter()
        """What the control side dropped, by reason."""
        self._announce = tuple(announce)
        self._origins = origins or Origins()
        self.tcp_port: int | None = None
        """Where clients reach this machine by TCP, at the same addresses; None: nowhere."""
        self._clock = clock
        self._members: dict[int, Member] = {}
        self._demux: Demux[Member] = Demux()
        self._timers: Timers[Member] = Timers()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.Handle | None = None
        self._alarm_at = 0.0
        self._again: asyncio.Handle | None = None
        self._read_first = 0  # notices that are read before timers fire

    @property
    def index(self) -> int:
        """The shard's number, from 0."""
        return self.plane.index

    @property
    def load(self) -> int:
        """The number of connections on this shard."""
        return len(self._members)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The ICE candidates at which clients reach this shard."""
        port, tcp = self.plane.port, self.tcp_port
        by_tcp = () if tcp is None else tuple(Candidate(ip, tcp, tcp=True) for ip in self._announce)
        return (*(Candidate(ip, port) for ip in self._announce), *by_tcp)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read notices. The plane must run already."""
        self._loop = loop
        loop.add_reader(self.plane.notice_fd, self._handle_notices)

    def stop(self) -> None:
        """Stop reading notices, and stop the plane. The connections must be closed already."""
        if self._loop is not None:
            self._loop.remove_reader(self.plane.notice_fd)
            self._loop = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self.plane.stop()

    # for connections

    def attach(self, member: Member) -> None:
        """Take in a connection whose row is open."""
        self._members[member.row] = member
        self.update_ufrags(member)
        self.touch(member)

    def find_origin(self, address: Address) -> Address:
        """Where a client is that sends from an address."""
        return self._origins.find(address)

    def has_ufrag(self, ufrag: str) -> bool:
        """Whether one of its connections has that local user fragment."""
        return self._demux.find_ufrag(ufrag) is not None

    def touch(self, member: Member) -> None:
        """Take the member's next deadline, which may have changed."""
        if self._members.get(member.row) is member:
            self._timers.schedule(member, member.poll_timeout())
            self._arm()

    def update_ufrags(self, member: Member) -> None:
        """Take the member's ICE user fragments, which may have changed."""
        if self._members.get(member.row) is member:
            ufrags = member.local_ufrags()
            if self._demux.set_ufrags(member, ufrags):
                self.plane.set_ufrags(member.row, ufrags)

    def set_addresses(
        self, member: Member, addresses: Sequence[Address], selected: Address | None, local: bytes = b""
    ) -> None:
        """Take the addresses at which the member's client has proved to be: send to `selected`, from the local
        address `local`, and accept media from any.

        If two members claim an address, the newer claim counts, since it passed the newer check.
        """
        for loser, address in self._demux.set_addresses(member, addresses):
            now = self._clock()
            with self._contained(loser, now):
                loser.forget_address(address, now)
            self.touch(loser)
        relayed = [address for address in addresses if self._origins.find(address) != address]
        tcp = self._origins.is_tcp(selected)
        self.plane.addresses.set(member.row, addresses, selected, local=local, tcp=tcp, relayed=relayed)

    def detach(self, member: Member) -> None:
        """Forget a connection, which closes its row itself."""
        if self._members.get(member.row) is member:
            del self._members[member.row]
        self._demux.remove(member)
        self._timers.schedule(member, None)

    def keep_drops(self, drops: Mapping[str, int]) -> None:
        """Add the drop counts of a connection that ends to the totals."""
        for reason, count in drops.items():
            self.drops[f"drop_endpoint_{reason}"] += count

    def counters(self) -> collections.Counter[str]:
        """Return totals and drops of the plane, the control side and all connections since the start."""
        counted = collections.Counter(self.plane.counters())
        counted.update(self.drops)
        for member in self._members.values():
            for reason, count in member.drops.items():
                counted[f"drop_endpoint_{reason}"] += count
        return counted

    def stats(self) -> ShardStats:
        """Return how much it does, and whether it keeps up."""
        plane = self.plane
        return ShardStats(self.index, plane.port, len(self._members), plane.cpu_s, plane.lost_messages)

    # from the plane and the clock

    def _handle_notices(self) -> None:
        """Handle a portion of the notices that wait; the rest follows when others have had their turn."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        now = self._clock()
        touched: dict[Member, None] = {}
        for notice in self.plane.poll_notices(_PORTION):
            member = self._find(notice, now)
            if member is None:
                continue
            with self._contained(member, now):
                self._deliver(member, notice, now)
            if isinstance(notice, Datagram) and notice.kind != "rtcp":
                touched[member] = None  # of all else most moves no deadline: a member says what does
        for member in touched:
            self.touch(member)
        if self._loop is not None and self.plane.notices_read < self.plane.notices_written:
            self._again = self._loop.call_soon(self._handle_notices)

    def _find(self, notice: Notice, now: float) -> Member | None:
        if not isinstance(notice, Datagram):
            return self._members.get(notice.connection)
        if notice.kind == "rtcp":
            member = self._members.get(notice.connection)
            if member is None:
                self.drops["drop_rtcp_unknown_address"] += 1
        elif notice.kind == "stun":
            ufrag = parse_username(notice.data)
            member = None if ufrag is None else self._demux.find_ufrag(ufrag)
            if member is None:
                self.drops["drop_stun_unknown_user"] += 1
            elif self._is_in_use(notice.address, member, now):
                self.drops["drop_stun_address_in_use"] += 1
                member = None
        else:
            member = self._demux.find_address(notice.address)
            if member is None:
                self.drops["drop_dtls_unknown_address"] += 1
        return member

    def _is_in_use(self, address: Address, member: Member, now: float) -> bool:
        """Whether another member's media come from an address, so that a mere check does not move it.

        Sender addresses are easily forged, and anyone with a session can pass a check from a forged address, but cannot
        forge another's media.
        """
        holder = self._demux.find_address(address)
        if holder is None or holder is member:
            return False
        heard = self.plane.addresses.heard(holder.row)
        return any(known == address and now - when < _MEDIA_HOLD_S for known, when in heard)

    def _deliver(self, member: Member, notice: Notice, now: float) -> None:
        if not isinstance(notice, Datagram):
            member.handle_notice(notice, now)
        elif notice.kind == "rtcp":
            member.handle_rtcp(notice.data, now)
        else:
            member.handle_datagram(notice.data, notice.address, now, notice.local)
            if notice.kind == "stun":
                self.update_ufrags(member)  # a check can complete an ICE restart

    def _handle_alarm(self) -> None:
        """Read the notices that have come so far, then handle the deadlines that have passed."""
        self._alarm = None
        self._read_first = self.plane.notices_written
        now = self._clock()
        if now - self._alarm_at >= _STALL_S:
            for member in list(self._members.values()):
                with self._contained(member, now):
                    member.handle_stall(now)
        self._fire()

    def _fire(self) -> None:
        if self._loop is None:
            return
        if self.plane.notices_read < self._read_first:
            # first, and before all deadlines: who is touched sets no other alarm beside it
            self._alarm, self._alarm_at = self._loop.call_soon(self._fire), 0.0
            self._handle_notices()
            return
        self._alarm = None
        now = self._clock()
        for member in self._timers.pop_due(now):
            with self._contained(member, now):
                member.handle_timeout(now)
            self.touch(member)
        self._arm()

    @contextlib.contextmanager
    def _contained(self, member: Member, now: float) -> Iterator[None]:
        """Close only the connection in which a defect of ours shows up, so that it does not stop the others."""
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever it is, it is logged, and the others go on
            _log.exception("a connection failed and is closed", extra={"shard": self.index, "row": member.row})
            self.drops["drop_internal_error"] += 1
            member.abort(now)

    def _arm(self) -> None:
        """Let the event loop call at the next deadline; a call that comes too early does no harm."""
        due = self._timers.poll_timeout()
        if due is None or self._loop is None:
            return
        if self._alarm is not None:
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._loop.call_later(max(_EARLIEST_S, due - self._clock()), self._handle_alarm)
