"""What is received: one connection's copy of one Track."""

from __future__ import annotations

from typing import Protocol

from sfu.feedback.reports import EgressReports
from sfu.forwarding import Forwarding
from sfu.layer import WHOLE, Layer
from sfu.shard import Shard
from sfu.track import Track


class Subscriber(Protocol):
    """What a Subscription uses of the connection that it goes out on."""

    @property
    def row(self) -> int:
        """The connection's row."""
        ...

    @property
    def shard(self) -> Shard:
        """The connection's shard."""
        ...

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        ...

    def now(self) -> float:
        """The server's clock."""
        ...

    def send_sender_report(self, subscription: Subscription, now: float) -> None:
        """Pass the publisher's clock on to the client."""
        ...

    def end_subscription(self, subscription: Subscription) -> None:
        """The Subscription has closed: give up its place."""
        ...


class Subscription:
    """Forwards while its connection is up, unless paused; ends with its Track, its connection, or by `close`."""

    def __init__(self, track: Track, *, id: str, mid: str, ssrc: int, subscriber: Subscriber) -> None:
        self.id = id
        self.track = track
        self.mid = mid
        """The media section in which it goes out."""
        self.ssrc = ssrc
        self.paused = False
        self.closed = False
        self.reports = EgressReports(ssrc, track.cname)
        """What its receiver reports: loss, jitter, round-trip time."""
        self._subscriber = subscriber
        self._forwarding: Forwarding | None = None
        track.subscriptions[id] = self

    def __repr__(self) -> str:
        return f"<Subscription {self.id} mid={self.mid} of {self.track!r}>"

    @property
    def negotiated(self) -> bool:
        """Whether the client has agreed to it."""
        return self._forwarding is not None

    @property
    def current(self) -> Layer | None:
        """The layer that is forwarded; None while nothing is."""
        return WHOLE if self.negotiated and not self.paused and self._subscriber.connected else None

    def pause(self) -> None:
        """Hold the media back; its place in the session stays."""
        self._set_paused(True)

    def resume(self) -> None:
        """Let the media through again, video from the next key frame on."""
        self._set_paused(False)

    def close(self) -> None:
        """End it. On a server-offered connection `NegotiationNeeded` follows. Idempotent."""
        if self.closed:
            return
        self.closed = True
        del self.track.subscriptions[self.id]
        if self._forwarding is not None:
            self._forwarding.close()
            self._forwarding = None
        self._subscriber.end_subscription(self)

    def start(self, payload_type: int) -> None:
        """The client agreed: forward with its `payload_type`. May raise ServerFullError."""
        if self._forwarding is not None or self.closed:
            return
        self._forwarding = Forwarding(
            self.track.route,
            self._subscriber.shard,
            self._subscriber.row,
            mid=self.mid,
            ssrc=self.ssrc,
            payload_type=payload_type,
        )
        if self.paused:
            self._forwarding.set_paused(True)
        if self._subscriber.connected:
            self.track.request_key_frame(self._subscriber.now())

    def pass_sender_report(self, now: float) -> None:
        """The publisher has sent a sender report."""
        if self._forwarding is not None and self._subscriber.connected:
            self._subscriber.send_sender_report(self, now)

    def build_sender_report(self, now: float) -> bytes | None:
        """The publisher's last sender report in our numbering; None while there is nothing to tell."""
        reception = self.track.encodings[0].reception
        if self._forwarding is None or reception is None or reception.clock is None:
            return None
        state = self._forwarding.state()
        if state.ssrc != self.ssrc or not state.started:
            return None
        return self.reports.build(
            reception.clock,
            timestamp_offset=state.timestamp_offset,
            packets=state.packets,
            octets=state.octets,
            now=now,
        )

    def _set_paused(self, paused: bool) -> None:
        if paused == self.paused or self.closed:
            return
        self.paused = paused
        if self._forwarding is not None:
            self._forwarding.set_paused(paused)
            if not paused and self._subscriber.connected:
                self.track.request_key_frame(self._subscriber.now())
