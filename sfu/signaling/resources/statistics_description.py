"""Statistics as JSON. The names are those of `TrackStats`, `EncodingStats` and `SubscriptionStats`."""

from __future__ import annotations

import dataclasses
from typing import Any

from sfu import Layer, Peer, Room, Subscription, Track

JsonObject = dict[str, Any]

_ENCODING = (
    "rid",
    "ssrc",
    "active",
    "packets",
    "octets",
    "bit_rate_bps",
    "packets_lost",
    "fraction_lost",
    "jitter_s",
    "round_trip_time_s",
    "nacks_sent",
    "packets_repaired",
    "key_frame_requests",
    "spatial_layers",
    "temporal_layers",
)
_SUBSCRIPTION = (
    "id",
    "track",
    "packets",
    "octets",
    "bit_rate_bps",
    "packets_lost",
    "fraction_lost",
    "jitter_s",
    "round_trip_time_s",
    "nacks_received",
    "packets_retransmitted",
    "packets_not_retransmitted",
    "key_frame_requests",
    "paused",
    "starved",
    "layer_switches",
    "freezes",
)


def measure_track(track: Track) -> JsonObject:
    """A Track with its Encodings, the lowest first, and the number of its Subscriptions."""
    stats = track.stats()
    encodings = []
    for encoding in stats.encodings:
        about: JsonObject = {name: getattr(encoding, name) for name in _ENCODING}
        about["layer_bit_rates_bps"] = [
            {**_describe(layer), "bit_rate_bps": rate} for layer, rate in sorted(encoding.layer_bit_rates_bps.items())
        ]
        encodings.append(about)
    return {
        "id": stats.id,
        "kind": stats.kind,
        "codec": stats.codec,
        "muted": track.muted,
        "subscriptions": len(track.subscriptions),
        "encodings": encodings,
    }


def measure_subscription(subscription: Subscription) -> JsonObject:
    """A Subscription with its Layers; `publisher` names the peer that the Track is of."""
    stats = subscription.stats()
    about: JsonObject = {name: getattr(stats, name) for name in _SUBSCRIPTION}
    about["publisher"] = subscription.track.peer
    about["kind"] = subscription.track.kind
    about["mid"] = subscription.mid
    about["ceiling"] = _describe(stats.ceiling)
    about["target"] = None if stats.target is None else _describe(stats.target)
    about["current"] = None if stats.current is None else _describe(stats.current)
    return about


def measure_room(room: Room) -> list[JsonObject]:
    """All peers with what they publish: `{"name", "tracks"}`."""
    return [{"name": peer.name, "tracks": list(map(measure_track, peer.tracks))} for peer in room.peers.values()]


def measure_peer(peer: Peer) -> JsonObject:
    """One peer with what it publishes and what it receives: `{"name", "tracks", "subscriptions", "connections"}`."""
    return {
        "name": peer.name,
        "tracks": list(map(measure_track, peer.tracks)),
        "subscriptions": list(map(measure_subscription, peer.subscriptions)),
        "connections": [
            {"id": connection.id, "bandwidth": dataclasses.asdict(connection.bandwidth)}
            for connection in peer.connections
        ],
    }


def _describe(layer: Layer) -> JsonObject:
    return {"spatial": layer.spatial, "temporal": layer.temporal}
