"""What is published: a Track and its Encodings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sfu.feedback.keyframes import KeyFrameRequests
from sfu.feedback.reports import Reception
from sfu.forwarding import TrackRoute, capacity_checked
from sfu.negotiation import Codec, Incoming, Kind
from sfu.shard import Shard
from sfu.wire.rtcp import build_full_intra_request, build_picture_loss

if TYPE_CHECKING:
    from sfu.subscription import Subscription


class Publisher(Protocol):
    """What a Track uses of the connection that it comes in on."""

    @property
    def connected(self) -> bool:
        """Whether it can be asked for anything."""
        ...

    @property
    def rtcp_ssrc(self) -> int:
        """The SSRC that our RTCP names as its sender."""
        ...

    def send_rtcp(self, packet: bytes) -> None:
        """Send to the publisher, if it is connected."""
        ...

    def touch(self) -> None:
        """A deadline has changed."""
        ...


class Encoding:
    """One RTP stream of a Track."""

    def __init__(self, rid: str, row: int, ssrc: int | None, keyframe_interval: float) -> None:
        self.rid = rid
        """Restriction identifier (RFC 8852); empty without simulcast."""
        self.row = row
        self.keyframes = KeyFrameRequests(keyframe_interval)
        self.reception = Reception(ssrc) if ssrc else None
        """Our reports on it, once its SSRC is known."""
        self.intra_requests = 0

    @property
    def ssrc(self) -> int | None:
        """The publisher's SSRC, from SDP or else from the first packet; None before."""
        return None if self.reception is None else self.reception.ssrc


class Track:
    """One published media source. Ends with its media section, or with its connection."""

    def __init__(
        self,
        incoming: Incoming,
        *,
        id: str,
        peer: str,
        stream_id: str,
        cname: str,
        publisher: Publisher,
        shard: Shard,
        connection: int,
        keyframe_interval: float,
    ) -> None:
        """Open the Track's rows for the connection with row `connection`; may raise ServerFullError."""
        self.id = id
        self.peer = peer
        """Name of the Peer that publishes it."""
        self.kind: Kind = incoming.kind
        self.codec: Codec = incoming.codec
        """With the publisher's payload type."""
        self.mid = incoming.mid
        self.stream_id = stream_id
        """The same for all Tracks of a Peer: receivers keep those in sync (RFC 8830)."""
        self.cname = cname
        self.muted = False
        """The publisher has said that it stops sending for now."""
        self.ended = False
        self.subscriptions: dict[str, Subscription] = {}
        """By their ids."""
        self.route = TrackRoute(shard)
        self._publisher = publisher
        self._muted_packets = 0
        self._rids = incoming.rids
        rid = incoming.rids[0] if incoming.rids else ""
        try:
            with capacity_checked():
                row = shard.plane.open_encoding(
                    self.route.row,
                    connection,
                    mid=incoming.mid,
                    rid=rid,
                    ssrc=incoming.ssrc or 0,
                    payload_type=incoming.codec.payload_type,
                    clock_rate=incoming.codec.clock_rate,
                    audio=incoming.kind == "audio",
                )
        except BaseException:
            self.route.close()
            raise
        self.encodings: tuple[Encoding, ...] = (Encoding(rid, row, incoming.ssrc, keyframe_interval),)

    def __repr__(self) -> str:
        return f"<Track {self.id} {self.kind} {self.codec.name} of {self.peer!r}>"

    def continues(self, incoming: Incoming) -> bool:
        """Whether what the client sends in the section now is still this Track."""
        same_type = incoming.codec.payload_type == self.codec.payload_type
        return same_type and incoming.codec.matches(self.codec) and incoming.rids[:1] == self._rids[:1]

    def handle_source(self, encoding: Encoding, ssrc: int, now: float) -> None:
        """The plane learned the Encoding's SSRC; requests that waited for it can go out."""
        if encoding.ssrc == ssrc:
            return
        encoding.reception = Reception(ssrc)
        if self.subscriptions:
            self.request_key_frame(now)

    def request_key_frame(self, now: float) -> None:
        """A subscriber needs a key frame: ask the publisher now, or when the throttle allows it."""
        if self.kind != "video" or self.ended or not self._publisher.connected:
            return  # a publisher that is still to connect begins with a key frame
        for encoding in self.encodings:
            if encoding.ssrc is None:
                continue  # asked when it is known
            if encoding.keyframes.request(now):
                self._send_key_frame_request(encoding)
            else:
                self._publisher.touch()

    def poll_timeout(self) -> float | None:
        """When a throttled key-frame request is due."""
        due = [encoding.keyframes.poll_timeout() for encoding in self.encodings]
        return min((deadline for deadline in due if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Send key-frame requests that are due."""
        for encoding in self.encodings:
            if encoding.keyframes.handle_timeout(now):
                self._send_key_frame_request(encoding)

    def mute(self, packets: int) -> bool:
        """The publisher stops for now, after `packets`; return whether that is news."""
        self._muted_packets = packets
        changed, self.muted = not self.muted, True
        return changed

    def note_packets(self, packets: int) -> bool:
        """`packets` have come by now; return whether that ends a mute."""
        if not self.muted or packets == self._muted_packets:
            return False
        self.muted = False
        return True

    def close(self) -> None:
        """End the Track: its Subscriptions, then its rows. Idempotent."""
        if self.ended:
            return
        self.ended = True
        for subscription in list(self.subscriptions.values()):
            subscription.close()
        for encoding in self.encodings:
            self.route.shard.plane.close_encoding(encoding.row)
        self.route.close()

    def _send_key_frame_request(self, encoding: Encoding) -> None:
        """RFC 4585 section 4.2: only feedback that was negotiated; PLI is what every browser prefers."""
        ssrc = encoding.ssrc
        if ssrc is None:
            return
        sender = self._publisher.rtcp_ssrc
        if "nack pli" in self.codec.feedback:
            self._publisher.send_rtcp(build_picture_loss(sender, ssrc))
        elif "ccm fir" in self.codec.feedback:
            encoding.intra_requests += 1
            self._publisher.send_rtcp(build_full_intra_request(sender, ssrc, encoding.intra_requests))
        else:
            self.route.shard.drops["drop_key_frame_request_not_negotiated"] += 1
