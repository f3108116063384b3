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
from sfu.shard.timers import Timers
from sfu.transport import Address, parse_username

_log = logging.getLogger("sfu.shard.shard")

MediaNotice = SourceLearned | Gap | Repaired | RepeatMissed | KeyFrameNeeded | Estimate | UplinkEstimate
"""What a plane tells of media."""

_MEDIA_HOLD_S = 8.0
"""So long after media came from an address it stays with the connection that they were of: who only listens to audio
reports each 7.5 s at the latest (RFC 3550 section 6.2).
"""

_PORTION = 256
"""Notices that are handled before others have a turn on the event loop: some ten milliseconds."""

_STALL_S = 1.0
"""A deadline that is noticed so late says that this process stood still, and with it all that clients had sent."""

_EARLIEST_S = 0.001
"""Timers are not set closer than the event loop's clock can tell."""


class Member(Protocol):
    """A connection as its shard sees it."""

    @property
    def row(self) -> int:
        """Its row in the plane."""
        ...

    @property
    def drops(self) -> Mapping[str, int]:
        """What its endpoint has dropped, by reason."""
        ...

    def local_ufrags(self) -> list[str]:
        """The ICE user fragments that checks for it carry."""
        ...

    def handle_datagram(self, data: bytes, address: Address, now: float) -> None:
        """Take STUN or DTLS."""
        ...

    def forget_address(self, address: Address, now: float) -> None:
        """Another member's client has proved to be there."""
        ...

    def handle_rtcp(self, data: bytes, now: float) -> None:
        """Take an authentic RTCP packet."""
        ...

    def handle_notice(self, notice: MediaNotice, now: float) -> None:
        """The plane tells of one of its encodings or subscriptions."""
        ...

    def poll_timeout(self) -> float | None:
        """Its next deadline, absolute seconds."""
        ...

    def handle_timeout(self, now: float) -> None:
        """Its deadline has come."""
        ...

    def handle_stall(self, now: float) -> None:
        """We stood still: what did not come in time may not be its client's fault."""
        ...

    def abort(self, now: float) -> None:
        """Close after a defect of ours."""
        ...


class Shard:
    """One plane and the connections on it."""

    def __init__(self, plane: Plane, *, announce: Sequence[str], clock: Clock) -> None:
        """`announce`: the IP addresses that clients reach this machine at."""
        self.plane = plane
        self.drops: collections.Counter[str] = collections.Counter()
        """What the control side dropped, by reason."""
        self._announce = tuple(announce)
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
        """Connections on this shard."""
        return len(self._members)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Where clients can reach it."""
        port = self.plane.port
        return tuple(Candidate(ip, port) for ip in self._announce)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read notices; the plane runs already."""
        self._loop = loop
        loop.add_reader(self.plane.notice_fd, self._handle_notices)

    def stop(self) -> None:
        """Read no more, and stop the plane. The connections have been closed before."""
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
        """Take a connection in; its row is open."""
        self._members[member.row] = member
        self.update_ufrags(member)
        self.touch(member)

    def touch(self, member: Member) -> None:
        """The member's deadline may have changed."""
        if self._members.get(member.row) is member:
            self._timers.schedule(member, member.poll_timeout())
            self._arm()

    def update_ufrags(self, member: Member) -> None:
        """The member's ICE user fragments may have changed."""
        if self._members.get(member.row) is member:
            ufrags = member.local_ufrags()
            if self._demux.set_ufrags(member, ufrags):
                self.plane.set_ufrags(member.row, ufrags)

    def set_addresses(self, member: Member, addresses: Sequence[Address], selected: Address | None) -> None:
        """The member's client has proved to be at these addresses: send to `selected`, take what comes from any.

        Of two members that claim an address the newest claim counts, since it passed the newest check.
        """
        for loser, address in self._demux.set_addresses(member, addresses):
            now = self._clock()
            with self._contained(loser, now):
                loser.forget_address(address, now)
            self.touch(loser)
        self.plane.addresses.set(member.row, addresses, selected)

    def detach(self, member: Member) -> None:
        """Forget a connection; it closes its row itself."""
        if self._members.get(member.row) is member:
            del self._members[member.row]
        self._demux.remove(member)
        self._timers.schedule(member, None)

    def keep_drops(self, drops: Mapping[str, int]) -> None:
        """Keep the counts of a connection that ends."""
        for reason, count in drops.items():
            self.drops[f"drop_endpoint_{reason}"] += count

    def counters(self) -> collections.Counter[str]:
        """Totals and drops of the plane, the control side and all connections, since the start."""
        counted = collections.Counter(self.plane.counters())
        counted.update(self.drops)
        for member in self._members.values():
            for reason, count in member.drops.items():
                counted[f"drop_endpoint_{reason}"] += count
        return counted

    # from the plane and the clock

    def _handle_notices(self) -> None:
        """A portion of what waits; the rest when others have had their turn."""
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
            touched[member] = None
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
        """Whether another member's media come from an address, which then is not given away for a check.

        Sender addresses are easily forged, and a check passes for whoever has a session of his own; media do not.
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
            member.handle_datagram(notice.data, notice.address, now)
            if notice.kind == "stun":
                self.update_ufrags(member)  # a check can complete an ICE restart

    def _handle_alarm(self) -> None:
        """Read what has come by now, then act on what has not."""
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
        """A defect of ours met in one connection must not stop the others' datagrams: it closes that one only."""
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever it is, it is logged, and the others go on
            _log.exception("a connection failed and is closed", extra={"shard": self.index, "row": member.row})
            self.drops["drop_internal_error"] += 1
            member.abort(now)

    def _arm(self) -> None:
        """Let the event loop call at the next deadline; an alarm that is too early does no harm."""
        due = self._timers.poll_timeout()
        if due is None or self._loop is None:
            return
        if self._alarm is not None:
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._loop.call_later(max(_EARLIEST_S, due - self._clock()), self._handle_alarm)
