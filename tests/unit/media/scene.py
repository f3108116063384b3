"""A Track with its publisher and a subscription, in a plane that does nothing."""

from __future__ import annotations

from typing import Any

from sfu.events import EncodingActive, EncodingInactive, EncodingUnwanted, EncodingWanted, Event
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import Codec, Incoming
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import SourceLearned
from sfu.wire.rtcp import parse_compound
from tests.unit.fakes import FakeClock, FakePlane, make_context, make_shard

OURS = 11


class Publisher:
    rtcp_ssrc = OURS

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[bytes] = []
        self.touched = 0
        self.events: list[Event] = []
        self.changed: list[tuple[str, bool]] = []
        self.wanted: list[tuple[str, bool]] = []

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(packet)

    def touch(self) -> None:
        self.touched += 1

    def post(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case EncodingActive() | EncodingInactive():
                self.changed.append((event.rid, isinstance(event, EncodingActive)))
            case EncodingWanted() | EncodingUnwanted():
                self.wanted.append((event.rid, isinstance(event, EncodingWanted)))


RIDS = ("q", "h", "f")


class Subscriber:
    row, connected, says_goodbye = 3, True, True

    def __init__(self, shard: Any, *, reads: bool = False) -> None:
        self.context = make_context(shard, self.row, peer="bob", clock=self.now, post=self.post)
        self.reads_dependencies = reads
        self.decodes_layers = False

    def take(self, track: Track, id: str, *, ssrc: int, repair_ssrc: int) -> Subscription:
        return Subscription(
            track, id=id, mid="0", ssrc=ssrc, repair_ssrc=repair_ssrc, context=self.context, subscriber=self
        )

    def now(self) -> float:
        return 100.0

    def post(self, event: Event) -> None: ...

    def demand_changed(self) -> None: ...

    def end_subscription(self, subscription: Subscription) -> None: ...


class Scene:
    def __init__(self, plane: FakePlane, *encodings: IncomingEncoding, codec: str = "VP8", reads: bool = False) -> None:
        self.plane = plane
        self.publisher = Publisher()
        self.shard = make_shard(plane, FakeClock())
        feedback = ("nack", "nack pli")
        self.track = Track(
            Incoming(
                "0", "video", Codec("video", codec, 90000, 0, 96, {}, feedback, repair_type=97), encodings, "", "", ""
            ),
            id="t1",
            stream_id="alice",
            cname="c",
            context=make_context(self.shard, post=self.publisher.post),
            publisher=self.publisher,
            keyframe_interval=0.4,
        )
        self.subscriber = Subscriber(self.shard, reads=reads)
        self.subscription = self.subscriber.take(self.track, "s1", ssrc=7, repair_ssrc=8)

    def start(self) -> None:
        self.subscription.start(Codec("video", "VP8", 90000, 0, 100, repair_type=101))

    def learn(self, index: int, now: float = 100.0) -> None:
        encoding = self.track.encodings[index]
        self.track.handle_notice(encoding, SourceLearned(0, encoding.row, 500 + index), now)

    def asked(self) -> list[Any]:
        packets = [packet for data in self.publisher.sent for packet in parse_compound(data)]
        self.publisher.sent.clear()
        return packets
