"""The tap ring: decrypted packets of the tracks that are recorded, on their way from the plane to the recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.rings import READ, PacketRings, make_packet_rings
from sfu.routing.ring_ends import ReadEnd
from sfu.wire.payload_format import PayloadFormat

_SLOTS = 16384
"""Number of slots: a second of a hundred tracks of 1.5 Mbit/s; memory is committed only as it is used."""


class TappedPacket(NamedTuple):
    """A decrypted RTP packet of a tapped track."""

    track: int
    """The track's row on this shard."""
    generation: int
    """Which use of that row the packet belongs to: a number of the row's own."""
    source: int
    """The packet's source: it changes when another SSRC sends, or its numbering begins anew."""
    encoding: int
    """Index of the track's Encoding, 0 for the lowest."""
    sequence: int
    """Sequence number, 16 bits."""
    timestamp: int
    """RTP timestamp, 32 bits."""
    ssrc: int
    marker: bool
    key: bool
    """Whether a key frame begins with this packet."""
    spatial: int
    """Spatial layer within the Encoding (SVC)."""
    redundant: bool
    """Whether the payload is RED (RFC 2198)."""
    late: bool
    """Whether the packet was repaired, or overtaken by others."""
    arrival_us: int
    """Arrival time on CLOCK_MONOTONIC."""
    payload: bytes
    """The payload without padding."""


class TappedPackets(Sequence[TappedPacket]):
    """Packets of one use of a track, in order of arrival. By columns: to make a tuple of each costs more than to take
    them, and most are only one more of the same frame.
    """

    __slots__ = ("_rest", "arrivals", "generation", "payloads", "run_ends", "sequences", "sources", "track")

    def __init__(
        self,
        track: int,
        generation: int,
        *,
        sources: list[int],
        sequences: list[int],
        arrivals: list[int],
        payloads: list[bytes],
        run_ends: list[int],
        rest: Mapping[str, list[Any]],
    ) -> None:
        """`rest` holds the other fields of each packet."""
        self.track = track
        self.generation = generation
        self.sources = sources
        self.sequences = sequences
        self.arrivals = arrivals
        self.payloads = payloads
        self.run_ends = run_ends
        """For each packet, the place behind its run: packets that follow each other, none missing, late or empty.
        Of video they are of one frame, and only the last one of a run may have the marker.
        """
        self._rest = rest

    @classmethod
    def of(cls, packets: Sequence[TappedPacket], *, audio: bool = False) -> TappedPackets:
        """Join single packets of one use of a track, at least one."""
        rest = {name: [getattr(packet, name) for packet in packets] for name in _REST}
        sequences = [packet.sequence for packet in packets]
        sources = [packet.source for packet in packets]
        payloads = [packet.payload for packet in packets]
        plain = np.array([len(packet.payload) > 0 and not packet.late for packet in packets])
        frames = np.zeros(len(packets)) if audio else np.array(rest["timestamp"])
        markers = np.array([packet.marker and not audio for packet in packets])
        ends = _find_runs((np.array(sources), frames), np.array(sequences), plain, markers)
        return cls(
            packets[0].track,
            packets[0].generation,
            sources=sources,
            sequences=sequences,
            arrivals=[packet.arrival_us for packet in packets],
            payloads=payloads,
            run_ends=ends.tolist(),
            rest=rest,
        )

    def __len__(self) -> int:
        return len(self.sequences)

    @overload
    def __getitem__(self, at: int) -> TappedPacket: ...

    @overload
    def __getitem__(self, at: slice) -> list[TappedPacket]: ...

    def __getitem__(self, at: int | slice) -> TappedPacket | list[TappedPacket]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        rest = self._rest
        return TappedPacket(
            self.track,
            self.generation,
            self.sources[at],
            rest["encoding"][at],
            self.sequences[at],
            rest["timestamp"][at],
            rest["ssrc"][at],
            rest["marker"][at],
            rest["key"][at],
            rest["spatial"][at],
            rest["redundant"][at],
            rest["late"][at],
            self.arrivals[at],
            self.payloads[at],
        )

    def has_marker(self, at: int) -> bool:
        """Whether the packet at this place is the last of its frame."""
        marker: bool = self._rest["marker"][at]
        return marker


class Tap:
    """The consumer's end of the tap ring; for one thread at a time, which need not be the control side's."""

    def __init__(self) -> None:
        self.rings: PacketRings = make_packet_rings(1, 1, _SLOTS)
        packets: NDArray[Any] = self.rings.packets[0, 0]
        self._index = self.rings.indexes[0, 0]
        self._end = ReadEnd(self._index)
        self._tracks, self._generations = self.rings.tracks[0, 0], self.rings.generations[0, 0]
        self._data = memoryview(self.rings.data[0, 0])
        # by column, since a read by record and field costs several times as much
        self._columns = {name: packets[name] for name in _COLUMNS}

    def poll(self, limit: int = 1024) -> list[TappedPackets]:
        """Return up to `limit` packets, those of each use of a track together."""
        waiting = min(self._end.readable(), limit)
        if waiting == 0:
            return []
        first = int(self._index[READ])
        slots = np.arange(first, first + waiting) % _SLOTS
        slots = slots[np.argsort(self._tracks[slots], kind="stable")]
        tracks, generations = self._tracks[slots], self._generations[slots]
        column = {name: values[slots] for name, values in self._columns.items()}
        sizes = column["payload_bytes"]
        starts = column["payload"].tolist()
        ends = (column["payload"] + sizes).tolist()
        payloads = [bytes(self._data[start:end]) for start, end in zip(starts, ends, strict=True)]
        marker, late, redundant = column["marker"] == 1, column["late"] == 1, column["codec"] == _RED
        audio = redundant | (column["codec"] == _OPUS)
        rest = {
            "encoding": column["index"].tolist(),
            "timestamp": column["timestamp"].tolist(),
            "ssrc": column["ssrc"].tolist(),
            "marker": marker.tolist(),
            "key": (column["key"] == 1).tolist(),
            "spatial": column["spatial"].tolist(),
            "redundant": redundant.tolist(),
            "late": late.tolist(),
        }
        lists = (column["source"].tolist(), column["sequence"].tolist(), column["arrival_us"].tolist())
        runs = _find_runs(
            (tracks, generations, column["source"], np.where(audio, 0, column["timestamp"])),
            column["sequence"],
            (sizes > 0) & ~late,
            marker & ~audio,
        )
        found = []
        others = (tracks[1:] != tracks[:-1]) | (generations[1:] != generations[:-1])
        bounds = [0, *(np.flatnonzero(others) + 1).tolist(), waiting]
        for begin, end in pairwise(bounds):
            part = slice(begin, end)
            sources, sequences, arrivals = (values[part] for values in lists)
            found.append(
                TappedPackets(
                    int(tracks[begin]),
                    int(generations[begin]),
                    sources=sources,
                    sequences=sequences,
                    arrivals=arrivals,
                    payloads=payloads[part],
                    run_ends=(runs[part] - begin).tolist(),
                    rest={name: values[part] for name, values in rest.items()},
                )
            )
        self._end.release(waiting)
        return found


def _find_runs(
    alike: tuple[NDArray[Any], ...], sequences: NDArray[Any], plain: NDArray[Any], ends_frame: NDArray[Any]
) -> NDArray[Any]:
    """See `TappedPackets.run_ends`. `alike`: what a run's packets have in common; `plain`: neither late nor empty."""
    goes_on = plain[1:] & plain[:-1] & ~ends_frame[:-1] & ((sequences[1:] - sequences[:-1]) % 0x10000 == 1)
    for values in alike:
        goes_on &= values[1:] == values[:-1]
    bounds = np.concatenate(([0], np.flatnonzero(~goes_on) + 1, [len(sequences)]))
    return np.repeat(bounds[1:], np.diff(bounds))


_REST = ("encoding", "timestamp", "ssrc", "marker", "key", "spatial", "redundant", "late")
_OPUS, _RED = int(PayloadFormat.OPUS), int(PayloadFormat.RED)
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
