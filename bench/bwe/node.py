"""A node in virtual time: a real plane, stepped by the simulator, and the control side's Tracks and Subscriptions."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pylibsrtp import Policy, Session

from bench.netem.simulator import Simulator
from sfu.events import EncodingUnwanted, EncodingWanted, Event, SubscriptionStarved
from sfu.media.context import MediaContext
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import Codec, Incoming
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import Datagram, Estimate, Feedback, Plane, PlaneLimits, RepeatMissed, UplinkEstimate
from sfu.session.bandwidth import Budget
from sfu.shard.shard import Shard
from sfu.wire.extensions import Extension

PROFILE = Policy.SRTP_PROFILE_AEAD_AES_128_GCM
EXTENSIONS = {Extension.MID: 1, Extension.TRANSPORT_SEQUENCE: 3, Extension.RID: 4}
EPOCH_US = 1_000_000_000
"""Virtual time 0 on the plane's clock."""
_LIMITS = PlaneLimits(64, 64, 256, 1024, 1024, 8192)
_TICK_S = 1.0
_BUDGET_TICK_S = 0.1


def make_session(direction: int, fill: int) -> Session:
    """A libsrtp session with a key that both sides can make."""
    policy = Policy(key=bytes([fill & 0xFF, fill >> 8]) * 14, ssrc_type=direction, srtp_profile=PROFILE)
    policy.window_size = 1024
    return Session(policy)


class End:
    """One client's socket and keys, as the node knows them."""

    def __init__(self, node: Node, fill: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect(("127.0.0.1", node.plane.port))
        self.socket.setblocking(False)
        self.outbound = make_session(Policy.SSRC_ANY_OUTBOUND, fill)
        self.row = node.plane.open_connection(report_ssrc=node.take_ssrc(), cname="node")
        node.plane.set_keys(
            self.row,
            make_session(Policy.SSRC_ANY_INBOUND, fill),
            make_session(Policy.SSRC_ANY_OUTBOUND, fill + 10_000),
        )
        node.plane.set_extensions(self.row, EXTENSIONS)
        address = self.socket.getsockname()[:2]
        node.plane.addresses.set(self.row, (address,), address)

    def receive(self) -> Iterator[bytes]:
        """The RTP that the node has sent since the last call, still encrypted."""
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return
            if not 192 <= data[1] < 224:
                yield data

    def close(self) -> None:
        self.socket.close()


class NodeConnection:
    """What a Track, a Subscription and a Budget need of a connection, without ICE, DTLS and SDP."""

    connected = True
    reads_dependencies = True
    rtcp_ssrc = 1
    says_goodbye = False

    def __init__(self, node: Node, end: End) -> None:
        self.node = node
        self.row = end.row
        self.context = MediaContext("room", "p", node.shard, end.row, self.now, self.post)
        self._subscriptions: dict[int, Subscription] = {}
        self.budget = Budget(node.plane, self.row, self._subscriptions.values())
        self.tracks: list[Track] = []
        self.starvations = 0
        self.unwanted: list[tuple[float, str, bool]] = []

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        return tuple(self._subscriptions.values())

    def now(self) -> float:
        return self.node.simulator.now

    def touch(self) -> None: ...

    def send_rtcp(self, packet: bytes) -> None:
        """Key-frame requests and NACKs reach the publisher model at once."""
        for track in self.tracks:
            self.node.asked.append((track, packet))

    def post(self, event: Event) -> None:
        match event:
            case EncodingWanted() | EncodingUnwanted():
                self.unwanted.append((self.now(), event.rid, isinstance(event, EncodingWanted)))
            case SubscriptionStarved():
                self.starvations += 1

    def demand_changed(self) -> None:
        self.budget.update(self.now())

    def end_subscription(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription.ssrc, None)

    def add(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.ssrc] = subscription


class Node:
    """Steps the plane whenever something arrives or is due."""

    def __init__(
        self, simulator: Simulator, seed: int = 1, limits: PlaneLimits = _LIMITS, *, deadlines_s: float = _TICK_S
    ) -> None:
        """`deadlines_s`: how often what the Tracks have to do is looked at; a real node does it when it is due."""
        self.simulator = simulator
        self.plane = Plane(0, host="127.0.0.1", port=0, limits=limits, rng=random.Random(seed))
        self.plane.start_stepped()
        self.shard = Shard(self.plane, announce=("127.0.0.1",), clock=lambda: simulator.now)
        self.asked: list[tuple[Track, bytes]] = []
        self.watchers: list[Any] = []
        self.uplink: Callable[[UplinkEstimate], None] = lambda _: None
        self._connections: dict[int, NodeConnection] = {}
        self._ids = 0
        self._armed: float | None = None
        self._ssrc = 1000
        simulator.every(_TICK_S, self._tick)
        simulator.every(_BUDGET_TICK_S, self._tick_budgets)
        simulator.every(deadlines_s, self._meet_deadlines)
        simulator.every(0.05, self.step)

    def close(self) -> None:
        self.plane.stop()

    def now_us(self) -> int:
        return EPOCH_US + round(self.simulator.now * 1e6)

    def connect(self, *, controlled: bool) -> tuple[End, NodeConnection]:
        self._ids += 1
        end = End(self, self._ids)
        connection = NodeConnection(self, end)
        self._connections[end.row] = connection
        if controlled:
            self.plane.set_control(end.row, Feedback.PACKETS, reports=Feedback.PACKETS)
            connection.budget.start(300_000.0, self.simulator.now)
        return end, connection

    def take_ssrc(self) -> int:
        self._ssrc += 1
        return self._ssrc

    def publish(self, connection: NodeConnection, ssrcs: list[int]) -> Track:
        codec = Codec("video", "VP8", 90000, 0, 96, {}, ("nack", "nack pli"), repair_type=97)
        encodings = tuple(
            IncomingEncoding(str(k) if len(ssrcs) > 1 else "", ssrc, ssrc + 500_000) for k, ssrc in enumerate(ssrcs)
        )
        self._ids += 1
        track = Track(
            Incoming("0", "video", codec, encodings, "", "", ""),
            id=f"t{self._ids}",
            stream_id="p",
            cname="c",
            context=connection.context,
            publisher=connection,
            keyframe_interval=0.33,
        )
        connection.tracks.append(track)
        return track

    def subscribe(self, connection: NodeConnection, track: Track, *, repair: bool = True) -> Subscription:
        self._ids += 1
        subscription = Subscription(
            track,
            id=f"s{self._ids}",
            mid="0",
            ssrc=self.take_ssrc(),
            repair_ssrc=self.take_ssrc() if repair else 0,
            context=connection.context,
            subscriber=connection,
        )
        connection.add(subscription)
        repair_type = 97 if repair else 0
        subscription.start(Codec("video", "VP8", 90000, 0, 96, {}, ("nack", "transport-cc"), repair_type=repair_type))
        return subscription

    def step(self) -> None:
        """Let the plane do what there is to do now, and the control side what it is told."""
        due = self.plane.step(self.now_us())
        self._drain_event()
        for notice in self.plane.poll_notices():
            self._handle(notice)
        if not self.plane.settled:
            due = self.plane.step(self.now_us())
        for watcher in self.watchers:
            watcher.collect()
        self._arm(due)

    def _handle(self, notice: Any) -> None:
        now = self.simulator.now
        if isinstance(notice, Estimate):
            self._connections[notice.connection].budget.handle_estimate(notice.rate_bps, now)
        elif isinstance(notice, UplinkEstimate):
            self.uplink(notice)
        elif not isinstance(notice, Datagram | RepeatMissed):
            for track in self._connections[notice.connection].tracks:
                for encoding in track.encodings:
                    if encoding.row == notice.encoding:
                        track.handle_notice(encoding, notice, now)

    def _tick(self) -> None:
        now = self.simulator.now
        for connection in self._connections.values():
            for track in connection.tracks:
                for encoding in track.encodings:
                    track.note_packets(encoding, self.plane.encoding_state(encoding.row).packets, now)
                track.handle_tick(now)

    def _meet_deadlines(self) -> None:
        for connection in self._connections.values():
            for track in connection.tracks:
                track.handle_timeout(self.simulator.now)

    def _tick_budgets(self) -> None:
        for connection in self._connections.values():
            connection.budget.handle_timeout(self.simulator.now)

    def _drain_event(self) -> None:
        try:
            os.eventfd_read(self.plane._queue.event)
        except BlockingIOError:
            return

    def _arm(self, due_us: int) -> None:
        due = (due_us - EPOCH_US) / 1e6
        now = self.simulator.now
        if due > now + 0.05 or (self._armed is not None and now < self._armed <= due):
            return
        self._armed = max(due, now + 0.0005)
        self.simulator.at(self._armed, self.step)
