"""The RTCP of one connection: what comes in is acted on, what is due goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sfu.feedback.reports import REPORT_INTERVAL
from sfu.media.encoding import Encoding
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import REMB
from sfu.session.events import MuteChanged, SessionEvent
from sfu.session.outbox import Outbox
from sfu.session.transport import Transport
from sfu.wire.remb import MOST_SSRCS, build_remb
from sfu.wire.rtcp import (
    FullIntraRequest,
    Goodbye,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    SenderReport,
    build_receiver_report,
    build_source_description,
    parse_compound,
)


class Reporter:
    """Handles the RTCP that comes in, and looks once a second at what is published."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox[SessionEvent],
        *,
        tracks: Iterable[Track],
        subscriptions: Mapping[int, Subscription],
        ssrc: int,
        cname: str,
    ) -> None:
        """`tracks` and `subscriptions` (by our SSRCs) are live views of what the connection publishes and receives.
        `ssrc` and `cname` are ours as a receiver, in what we ask of the client.
        """
        self.ssrc = ssrc
        self._transport = transport
        self._outbox = outbox
        self._tracks = tracks
        self._subscriptions = subscriptions
        self._description = build_source_description(ssrc, cname)
        self._next: float | None = None

    def start(self, now: float) -> None:
        """Start the once-a-second work, since the connection is up or has more to report."""
        if self._transport.connected and self._next is None:
            self._next = now + REPORT_INTERVAL

    def handle_rtcp(self, data: bytes, now: float) -> Sequence[float]:
        """Take an authentic RTCP packet; what is malformed is dropped and counted.

        Return for each report in it on what we send the share (0..1) that was lost, of the worst Subscription.
        """
        losses: list[float] = []
        try:
            packets = parse_compound(data)
        except RtcpError:
            self._transport.shard.drops["drop_rtcp_malformed"] += 1
            return losses
        for packet in packets:
            if isinstance(packet, ReceiverReport):
                losses.extend(self._find_losses(packet.blocks))
            elif isinstance(packet, SenderReport):
                self._handle_sender_report(packet, now)
                losses.extend(self._find_losses(packet.blocks))
            elif isinstance(packet, PictureLoss):
                self._handle_key_frame_request(packet.media_ssrc, now)
            elif isinstance(packet, FullIntraRequest):
                for ssrc in {ssrc for ssrc, _ in packet.entries}:
                    self._handle_key_frame_request(ssrc, now)
            elif isinstance(packet, Goodbye):
                self._handle_goodbye(packet)
        return losses

    def poll_timeout(self) -> float | None:
        """Return when the next look is due; None while nothing is published."""
        return self._next

    def handle_timeout(self, now: float) -> None:
        """Look at what is published, if that is due: which Encodings flow, and whether a mute has ended."""
        if self._next is None or now < self._next:
            return
        published = False
        for track in self._tracks:
            published = True
            for encoding in track.encodings:
                self._note_packets(track, encoding, now)
            track.handle_tick(now)
        self._next = now + REPORT_INTERVAL if published else None

    def send(self, packet: bytes) -> None:
        """Send feedback as a compound packet (RFC 3550 section 6.1: a report comes first)."""
        self._transport.send_rtcp(build_receiver_report(self.ssrc) + self._description + packet)

    def tell_bound(self, rate_bps: int) -> None:
        """Tell the client by REMB what its path carries to us, where that was negotiated."""
        ssrcs = [
            encoding.ssrc
            for track in self._tracks
            if REMB in track.codec.feedback
            for encoding in track.encodings
            if encoding.ssrc is not None
        ]
        if ssrcs:
            self.send(build_remb(self.ssrc, rate_bps, ssrcs[:MOST_SSRCS]))

    def _find_losses(self, blocks: Iterable[ReportBlock]) -> Sequence[float]:
        shares = []
        for block in blocks:
            subscription = self._subscriptions.get(block.ssrc)
            if subscription is not None:
                shares.append(_lost_behind_us(subscription, block.fraction_lost / 256))
        return (max(shares),) if shares else ()

    def _handle_sender_report(self, report: SenderReport, now: float) -> None:
        found = self._find_encoding(report.ssrc)
        if found is None:
            return
        track, encoding = found
        if encoding.reception is not None and encoding.reception.handle_sender_report(report, now):
            if len(track.encodings) > 1:
                encoding.align(track.codec.clock_rate)
            track.route.pass_report(encoding.index, report.ntp_time, report.rtp_timestamp)

    def _handle_key_frame_request(self, ssrc: int, now: float) -> None:
        subscription = self._subscriptions.get(ssrc)
        if subscription is not None:
            subscription.handle_key_frame_request(now)

    def _handle_goodbye(self, goodbye: Goodbye) -> None:
        """Mute the Tracks of a BYE: browsers send one when a sender has no track, and go on later under the same SSRC.

        A browser's own receiver does the same (W3C WebRTC section 5.3). Only SDP ends the Track.
        """
        for ssrc in goodbye.ssrcs:
            found = self._find_encoding(ssrc)
            if found is not None:
                track, encoding = found
                if any(other.ssrc not in goodbye.ssrcs for other in track.encodings if other.active):
                    continue  # one Encoding of several: the others go on
                state = self._transport.shard.plane.encoding_state(encoding.row)
                if track.mute.handle_goodbye(state.packets):
                    self._outbox.post(MuteChanged(track, muted=True))

    def _find_encoding(self, ssrc: int) -> tuple[Track, Encoding] | None:
        for track in self._tracks:
            for encoding in track.encodings:
                if encoding.ssrc == ssrc:
                    return track, encoding
        return None

    def _note_packets(self, track: Track, encoding: Encoding, now: float) -> None:
        state = self._transport.shard.plane.encoding_state(encoding.row)
        if encoding.ssrc is None or state.ssrc != encoding.ssrc or not state.packets:
            return
        if track.note_packets(encoding, state.packets, now):
            self._outbox.post(MuteChanged(track, muted=False))


def _lost_behind_us(subscription: Subscription, lost: float) -> float:
    """Return the share of what we sent that the receiver's own path lost; `lost` is missing to it. What the publisher's
    path loses is missing in the receiver's reports, too, until it is repaired, and is left out here.
    """
    missing = subscription.track.encodings[subscription.target_index].fraction_lost
    return max(0.0, lost - missing) / (1.0 - missing) if missing < 1.0 else 0.0
