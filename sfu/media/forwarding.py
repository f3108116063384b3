"""A Track's way to its subscribers through the planes, over several shards where need be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sfu.errors import ServerFullError
from sfu.routing.plane import CapacityError, SubscriptionReports, SubscriptionState
from sfu.shard.shard import Shard


@contextmanager
def capacity_checked() -> Iterator[None]:
    """Raise ServerFullError where a table of a plane is full."""
    try:
        yield
    except CapacityError as error:
        raise ServerFullError("shards", f"the server cannot carry more: {error}") from error


class TrackRoute:
    """The rows of one Track: one on the shard where it comes in, one on each shard that it is relayed to.

    A relay is opened by the first Subscription of its shard and closed by the last.
    """

    def __init__(self, shard: Shard) -> None:
        with capacity_checked():
            self.row = shard.plane.open_track()
        self.shard = shard
        self._relays: dict[int, tuple[Shard, int]] = {}
        self._users: dict[int, int] = {}
        self._sets: tuple[bytes, ...] = ()
        self._indexes = 0
        self._reports: dict[int, tuple[int, int]] = {}

    def tell_parameters(self, sets: tuple[bytes, ...], encodings: int) -> None:
        """Give the plane the H.264 parameter sets of the publisher's SDP, for each Encoding, since SDP does not tell
        them apart.
        """
        if sets == self._sets:
            return
        self._sets, self._indexes = sets, encodings
        for shard, row in self._rows():
            self._tell(shard, row)

    def pass_report(self, index: int, ntp_time: int, rtp_timestamp: int) -> None:
        """Pass a sender report on the Encoding `index` on to all who are shown that."""
        self._reports[index] = ntp_time, rtp_timestamp
        for shard, row in self._rows():
            shard.plane.pass_report(row, index, ntp_time, rtp_timestamp)

    def forget_report(self, index: int) -> None:
        """Forget the last sender report on the Encoding `index`, since another source has taken its place."""
        if self._reports.pop(index, None) is not None:
            for shard, row in self._rows():
                shard.plane.forget_report(row, index)

    def _rows(self) -> Iterator[tuple[Shard, int]]:
        yield self.shard, self.row
        yield from self._relays.values()

    def _tell(self, shard: Shard, row: int) -> None:
        if self._sets:
            for index in range(self._indexes):
                shard.plane.tell_parameters(row, index, self._sets)

    def join(self, shard: Shard) -> int:
        """Return the Track's row on `shard` for one more Subscription."""
        row = self.row
        if shard is not self.shard:
            if shard.index not in self._relays:
                with capacity_checked():
                    row = shard.plane.open_track()
                self._relays[shard.index] = (shard, row)
                self.shard.plane.set_relay(self.row, shard.index, row)
                self._tell(shard, row)
                for index, report in self._reports.items():
                    shard.plane.pass_report(row, index, *report)
            row = self._relays[shard.index][1]
        self._users[shard.index] = self._users.get(shard.index, 0) + 1
        return row

    def leave(self, shard: Shard) -> None:
        """Count a Subscription of `shard` less, since its row is closed."""
        self._users[shard.index] -= 1
        if self._users[shard.index] == 0:
            del self._users[shard.index]
            self._close_relay(shard.index)

    def close(self) -> None:
        """Free all rows; Subscriptions and Encodings are closed already."""
        for index in list(self._relays):
            self._close_relay(index)
        self.shard.plane.close_track(self.row)

    def _close_relay(self, index: int) -> None:
        if index in self._relays:
            shard, row = self._relays.pop(index)
            self.shard.plane.set_relay(self.row, index, -1)
            shard.plane.close_track(row)


class Forwarding:
    """The forwarding of one Track to one connection: a subscription row in the plane of the connection's shard."""

    def __init__(
        self,
        route: TrackRoute,
        shard: Shard,
        connection: int,
        *,
        mid: str,
        ssrc: int,
        payload_type: int,
        redundant_type: int = 0,
        transport_cc: bool = False,
        pads: bool = False,
        cname: str,
    ) -> None:
        """`connection` is the connection's row on `shard`; `mid`, `ssrc` and the payload types go into the packets,
        `cname` into the reports.

        `transport_cc`: the media section takes transport-wide sequence numbers. `pads`: the stream may carry padding.
        """
        self._route: TrackRoute | None = route
        self._shard = shard
        track = route.join(shard)
        try:
            with capacity_checked():
                self.row = shard.plane.open_subscription(
                    track,
                    connection,
                    mid=mid,
                    ssrc=ssrc,
                    payload_type=payload_type,
                    redundant_type=redundant_type,
                    transport_cc=transport_cc,
                    pads=pads,
                    cname=cname,
                )
        except ServerFullError:
            route.leave(shard)
            raise

    def state(self) -> SubscriptionState:
        """Return what was sent so far. Check `ssrc`: until the plane has opened the row, it may show that of a former
        user.
        """
        return self._shard.plane.subscription_state(self.row)

    def reports(self) -> SubscriptionReports:
        """Return what its receiver has reported; check `ssrc` there, too."""
        return self._shard.plane.subscription_reports(self.row)

    def set_paused(self, paused: bool) -> None:
        """Hold the media back, or let them through."""
        self._shard.plane.set_paused(self.row, paused)

    def move(self, route: TrackRoute | None) -> None:
        """Go on with another Track, or with none for now, in the same numbering. May raise ServerFullError."""
        track = -1 if route is None else route.join(self._shard)
        self._shard.plane.move_subscription(self.row, track)
        self._leave()
        self._route = route

    def set_target(self, index: int, spatial: int, temporal: int) -> None:
        """Set the target: an Encoding, and a Layer within it."""
        self._shard.plane.set_target(self.row, index, spatial, temporal)

    def set_repair(self, ssrc: int, payload_type: int) -> None:
        """Retransmit packets on request, by RTX with `ssrc`. If all logs of the shard are taken, do not, and count
        that.
        """
        if not self._shard.plane.repairs.use_rtx(self.row, ssrc=ssrc, payload_type=payload_type):
            self._shard.drops["drop_repair_no_log_left"] += 1

    def set_resending(self, *, audio: bool) -> None:
        """Retransmit packets on request as they were, to a client without RTX. If the shard has no place left to keep
        them, do not, and count that.
        """
        if not self._shard.plane.repairs.use_resending(self.row, audio=audio):
            self._shard.drops["drop_resending_no_room_left"] += 1

    def close(self, *, goodbye: bool) -> None:
        """Stop forwarding, and free the row; with `goodbye`, tell the client by RTCP."""
        self._shard.plane.close_subscription(self.row, goodbye=goodbye)
        self._leave()

    def _leave(self) -> None:
        if self._route is not None:
            self._route.leave(self._shard)
