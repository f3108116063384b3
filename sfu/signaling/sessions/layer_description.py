"""The `layers` event of WHEP: which Encodings and Layers of each video can be chosen, as JSON.

Of the two forms that the drafts know this is the one up to draft-ietf-wish-whep-01, which players read: for each media
section an object with `active`, `inactive` and `layers`. Its layers carry `rid`, too, the later name of `encodingId`;
and beside them stands `current`, the Layer that this viewer gets (clients ignore what they do not know).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from sfu import EncodingStats, Layer, Subscription, Track
from sfu.signaling.sessions.layer_choice import name_encodings
from sfu.signaling.streams.streams import encode_json

JsonObject = dict[str, Any]


def describe_layers(track: Track) -> JsonObject:
    """`{"active", "inactive", "layers"}` of a video, the best first."""
    active: list[JsonObject] = []
    inactive: list[JsonObject] = []
    layers: list[JsonObject] = []
    simulcast = len(track.encodings) > 1
    names = name_encodings(track)
    for index, (name, encoding) in enumerate(zip(names, track.stats().encodings, strict=True)):
        about: JsonObject = {"id": name, "simulcastIdx": index}
        if not encoding.active:
            inactive.append(about)
            continue
        active.append({**about, "bitrate": encoding.bit_rate_bps})
        named: JsonObject = {"encodingId": name}
        if encoding.rid:
            named["rid"] = encoding.rid
        spatial_layers = 1 if simulcast else max(1, encoding.spatial_layers)
        for spatial in range(spatial_layers):
            for temporal in range(max(1, encoding.temporal_layers)):
                layers.append(
                    {
                        **named,
                        "simulcastIdx": index,
                        "spatialLayerId": spatial,
                        "temporalLayerId": temporal,
                        "bitrate": _sum_rates(encoding, Layer(index if simulcast else spatial, temporal)),
                    }
                )
    return {"active": active[::-1], "inactive": inactive[::-1], "layers": layers[::-1]}


def _sum_rates(encoding: EncodingStats, layer: Layer) -> int:
    """Return the rate of `layer` with the Layers below, on which it builds."""
    rates = encoding.layer_bit_rates_bps
    if not rates:
        return encoding.bit_rate_bps
    return sum(
        rate for (spatial, temporal), rate in rates.items() if spatial <= layer.spatial and temporal <= layer.temporal
    )


def describe_current(subscription: Subscription) -> JsonObject | None:
    """Return the Layer that is forwarded to the viewer, or None."""
    current = subscription.current
    if current is None:
        return None
    names = name_encodings(subscription.track)
    simulcast = len(names) > 1
    return {
        "encodingId": names[min(current.spatial, len(names) - 1)] if simulcast else names[0],
        "spatialLayerId": 0 if simulcast else current.spatial,
        "temporalLayerId": current.temporal,
    }


class LayerBoard:
    """Describes each Track at most once in `interval` seconds, however many watch it."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._described: weakref.WeakKeyDictionary[Track, tuple[float, str]] = weakref.WeakKeyDictionary()

    def describe(self, received: Mapping[int, Subscription], now: float) -> str:
        """Return the `layers` event for what a session receives, by the index of the media section."""
        sections = [
            f'"{index}":{self._describe_section(subscription, now)}'
            for index, subscription in received.items()
            if subscription.track.kind == "video"
        ]
        return "{" + ",".join(sections) + "}"

    def clear(self) -> None:
        """Forget all descriptions, which no longer hold."""
        self._described.clear()

    def _describe_section(self, subscription: Subscription, now: float) -> str:
        current = describe_current(subscription)
        about = self._describe_track(subscription.track, now)
        return f'{about[:-1]},"current":{"null" if current is None else encode_json(current)}}}'

    def _describe_track(self, track: Track, now: float) -> str:
        known = self._described.get(track)
        if known is not None and now < known[0] + self._interval:
            return known[1]
        described = encode_json(describe_layers(track))
        self._described[track] = (now, described)
        return described
