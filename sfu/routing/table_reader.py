"""Reads the tables of a plane, which only the plane writes."""

from __future__ import annotations

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.media_columns import ARRIVALS, PARAMETER_INDEXES
from sfu.routing.kernels.tables import Tables
from sfu.routing.states import (
    AudioLevel,
    ConnectionState,
    EncodingState,
    EstimatorState,
    StateReader,
    SubscriptionReports,
    SubscriptionState,
)

_TRIES = 16


class TableReader:
    """Reads rows as snapshots, from any thread and without waiting."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._encoding_states = StateReader(EncodingState, tables.encodings)
        self._lost = tables.encodings["lost_256"]
        self._audio_levels = StateReader(AudioLevel, tables.encodings)
        self._subscription_states = StateReader(SubscriptionState, tables.subscriptions)
        self._subscription_reports = StateReader(SubscriptionReports, tables.subscriptions)
        self._connection_states = StateReader(ConnectionState, tables.connections)
        self._estimator_states = StateReader(EstimatorState, tables.estimators)

    def encoding_state(self, encoding: int) -> EncodingState:
        """Return the reception statistics of an encoding."""
        return self._encoding_states.read(encoding)

    def encoding_loss(self, encoding: int) -> float:
        """Return the share of an encoding's packets that were lost in the last second, before repair, 0..1."""
        return float(self._lost.item(encoding)) / 256

    def audio_level(self, encoding: int) -> AudioLevel:
        """Return what the packets of an audio encoding said of their loudness."""
        return self._audio_levels.read(encoding)

    def layer_octets(self, encoding: int) -> list[int]:
        """Return the payload octets received of each layer, at index 8 * spatial + temporal."""
        return [int(octets) for octets in self._tables.encodings["layer_octets"][encoding]]

    def arrived(self, encoding: int, sequence: int) -> bool:
        """Whether the packet with this extended sequence number has come; True too where it is too old to tell."""
        known: int = self._tables.arrivals.item(encoding, sequence % ARRIVALS)
        return known >= sequence

    def parameter_sets(self, track: int, index: int) -> tuple[bytes, ...]:
        """Return the known H.264 parameter sets of a track's Encoding, as NAL units."""
        if index >= PARAMETER_INDEXES:
            return ()
        entry = self._tables.parameters[track, index]
        for _ in range(_TRIES):
            changes = int(entry["changes"])
            data = entry["data"][: int(entry["bytes"])].tobytes()
            if not changes & 1 and changes == int(entry["changes"]):
                return _split(data)
        return ()

    def subscription_state(self, subscription: int) -> SubscriptionState:
        """Return the counters and offsets of a subscription."""
        return self._subscription_states.read(subscription)

    def subscription_reports(self, subscription: int) -> SubscriptionReports:
        """Return what a subscription's receiver has reported."""
        return self._subscription_reports.read(subscription)

    def connection_state(self, connection: int) -> ConnectionState:
        """Return the traffic of a connection."""
        return self._connection_states.read(connection)

    def estimator_state(self, connection: int) -> EstimatorState:
        """Return what is known of a connection's path."""
        return self._estimator_states.read(connection)

    def counters(self) -> dict[str, int]:
        """Return the totals, and every drop by its reason; each only grows."""
        return {counter.name.lower(): int(self._tables.counters[counter]) for counter in Counter}


def _split(data: bytes) -> tuple[bytes, ...]:
    """Split octets into units, each of which follows its length in two octets."""
    found = []
    while data:
        size = int.from_bytes(data[:2])
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return tuple(found)
