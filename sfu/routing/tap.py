"""The tap ring: decrypted packets of the tracks that are recorded, on their way from the plane to the recorder."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.routing.rings import READ, PacketRings, make_packet_rings, readable, release
from sfu.wire.rtp import PayloadFormat

_SLOTS = 16384
"""A second of a hundred tracks of 1.5 Mbit/s; memory is committed only as it is used."""


class TappedPacket(NamedTuple):
    """A decrypted RTP packet of a tapped track."""

    track: int
    """Its row on this shard."""
    use: int
    """The use of that row: no two tracks of a shard share a number."""
    source: int
    """Changes when another SSRC sends, or its numbering begins anew."""
    encoding: int
    """Which Encoding of the track, 0 the lowest."""
    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits."""
    ssrc: int
    marker: bool
    key: bool
    """A key frame begins with this packet."""
    spatial: int
    """Layer within the Encoding (SVC)."""
    redundant: bool
    """The payload is RED (RFC 2198)."""
    late: bool
    """It was repaired, or overtaken by others."""
    arrival_us: int
    """CLOCK_MONOTONIC."""
    payload: bytes
    """Without padding."""


class Tap:
    """The consumer's end; for one thread at a time, which need not be the control side's."""

    def __init__(self) -> None:
        self.rings: PacketRings = make_packet_rings(1, 1, _SLOTS)
        packets: NDArray[Any] = self.rings.packets[0, 0]
        self._index = self.rings.indexes[0, 0]
        self._data = memoryview(self.rings.data[0, 0])
        # by column, since a read by record and field costs several times as much
        self._columns = {name: packets[name] for name in _COLUMNS}

    def poll(self, limit: int = 1024) -> list[TappedPacket]:
        """Up to `limit` packets, in order of arrival."""
        waiting = min(readable(self._index), limit)
        if waiting == 0:
            return []
        first = int(self._index[READ])
        slots = np.arange(first, first + waiting) % _SLOTS
        column = {name: values[slots] for name, values in self._columns.items()}
        starts = column["payload"].tolist()
        ends = (column["payload"] + column["payload_bytes"]).tolist()
        fields = (
            self.rings.tracks[0, 0][slots],
            self.rings.uses[0, 0][slots],
            column["source"],
            column["index"],
            column["sequence"],
            column["timestamp"],
            column["ssrc"],
            column["marker"] == 1,
            column["key"] == 1,
            column["spatial"],
            column["codec"] == _RED,
            column["late"] == 1,
            column["arrival_us"],
        )
        payloads = [bytes(self._data[start:end]) for start, end in zip(starts, ends, strict=True)]
        found = list(map(TappedPacket._make, zip(*(field.tolist() for field in fields), payloads, strict=True)))
        release(self._index, waiting)
        return found


_RED = int(PayloadFormat.RED)
_COLUMNS = (
    "source",
    "index",
    "sequence",
    "timestamp",
    "ssrc",
    "marker",
    "key",
    "spatial",
    "codec",
    "late",
    "arrival_us",
    "payload",
    "payload_bytes",
)
