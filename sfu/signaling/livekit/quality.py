"""How good a participant's connection is, as the protocol shows it: by what is lost on the way, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from livekit.protocol.models import ConnectionQuality
from livekit.protocol.rtc import ConnectionQualityInfo, ConnectionQualityUpdate, SignalResponse

from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.participant import State

INTERVAL = 5.0
"""Seconds between two looks."""
_POOR_LOSS, _GOOD_LOSS = 0.08, 0.02
_POOR_ROUND_TRIP_S, _GOOD_ROUND_TRIP_S = 0.8, 0.35
_SCORES = {
    ConnectionQuality.EXCELLENT: 5.0,
    ConnectionQuality.GOOD: 3.5,
    ConnectionQuality.POOR: 2.0,
    ConnectionQuality.LOST: 0.0,
}


def judge(*, connected: bool, losses: Iterable[float], round_trip_s: float, starved: bool) -> ConnectionQuality:
    """By the worst of what is lost (0..1), the round-trip time, and whether a video had to stop."""
    if not connected:
        return ConnectionQuality.LOST
    loss = max(losses, default=0.0)
    if starved or loss >= _POOR_LOSS or round_trip_s >= _POOR_ROUND_TRIP_S:
        return ConnectionQuality.POOR
    if loss >= _GOOD_LOSS or round_trip_s >= _GOOD_ROUND_TRIP_S:
        return ConnectionQuality.GOOD
    return ConnectionQuality.EXCELLENT


def measure(client: Client) -> ConnectionQuality | None:
    """That of a client; None before it was connected."""
    if client.state != State.ACTIVE:
        return None
    transports = client.transports
    both = dict.fromkeys((transports.publisher, transports.subscriber))  # which may be one
    connections = [each for each in both if each is not None]
    losses = [
        encoding.fraction_lost
        for connection in connections
        for track in connection.tracks
        for encoding in track.stats().encodings
    ]
    held = [each for connection in connections for each in connection.subscriptions]
    losses += [each.reports.fraction_lost for each in held]
    return judge(
        connected=client.connected,
        losses=losses,
        round_trip_s=max((each.bandwidth.round_trip_time_s for each in connections), default=0.0),
        starved=any(each.starved for each in held),
    )


class QualityNews:
    """What has changed since the last look."""

    def __init__(self) -> None:
        self._reported: dict[str, ConnectionQuality] = {}

    def find_changes(self, clients: Iterable[Client]) -> SignalResponse | None:
        """What is to be told now; None: nothing."""
        found = {client.sid: quality for client in clients if (quality := measure(client)) is not None}
        changed = {sid: quality for sid, quality in found.items() if self._reported.get(sid) != quality}
        self._reported = found
        return build_update(changed) if changed else None

    def describe(self) -> SignalResponse | None:
        """All of them, for who has just come."""
        return build_update(self._reported) if self._reported else None


def build_update(qualities: Mapping[str, ConnectionQuality]) -> SignalResponse:
    """By the participants' ids."""
    updates = [
        ConnectionQualityInfo(participant_sid=sid, quality=quality, score=_SCORES[quality])
        for sid, quality in qualities.items()
    ]
    return SignalResponse(connection_quality=ConnectionQualityUpdate(updates=updates))
