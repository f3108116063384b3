"""Single-producer, single-consumer rings between the plane and its neighbours, in shared memory.

A ring's index array holds the number of entries ever written at [0] and ever read at [8], on cache lines of their
own. Each side writes only its own number, with release order, and reads the other's with acquire order.

* command ring: control to plane, see command_records.py;
* notice ring: plane to control, see notice_records.py;
* tap ring: plane to the recorder, decrypted packets;
* relay rings: plane to plane, decrypted packets, one ring for each ordered pair of shards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.media_columns import PACKET_SLOT_BYTES
from sfu.routing.kernels.memory import late_zeros
from sfu.routing.kernels.native import load_acquire, store_release
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import PACKET, move_offsets

WRITTEN, READ = 0, 8
INDEX_LENGTH = 16
MAX_RTP_BYTES = 1500
"""Longest RTP packet that is routed; the paths of the Internet carry no longer ones."""


@bundle
class PacketRings(NamedTuple):
    """Packet rings, addressed by (producer, consumer). The tap ring is the only one of its own array."""

    indexes: NDArray[np.int64]  # [producers, consumers, INDEX_LENGTH]
    packets: NDArray[Any]  # [producers, consumers, slots] of PACKET
    tracks: NDArray[np.int32]  # [producers, consumers, slots]: the track's row at the consumer
    generations: NDArray[np.int64]  # [producers, consumers, slots]: the generation of that row that is meant
    data: Octets  # [producers, consumers, slots * PACKET_SLOT_BYTES]


def make_packet_rings(producers: int, consumers: int, slots: int) -> PacketRings:
    """Return empty rings; memory is committed only as it is used."""
    shape = (producers, consumers)
    return PacketRings(
        late_zeros((*shape, INDEX_LENGTH), np.int64),
        late_zeros((*shape, slots), PACKET),
        late_zeros((*shape, slots), np.int32),
        late_zeros((*shape, slots), np.int64),
        late_zeros((*shape, slots * PACKET_SLOT_BYTES), np.uint8),
    )


@kernel
def writable(index: NDArray[np.int64], slots: int) -> int:
    """Return the number of free entries, as the producer sees it."""
    return slots - (index[WRITTEN] - load_acquire(index.ctypes.data + 8 * READ))


@kernel
def readable(index: NDArray[np.int64]) -> int:
    """Return the number of waiting entries, as the consumer sees it."""
    return load_acquire(index.ctypes.data + 8 * WRITTEN) - index[READ]


@kernel
def publish(index: NDArray[np.int64], count: int) -> None:
    """Hand `count` further written entries to the consumer."""
    store_release(index.ctypes.data + 8 * WRITTEN, index[WRITTEN] + count)


@kernel
def release(index: NDArray[np.int64], count: int) -> None:
    """Give `count` entries that were read back to the producer."""
    store_release(index.ctypes.data + 8 * READ, index[READ] + count)


@kernel
def push_packet(
    rings: PacketRings,
    producer: int,
    consumer: int,
    track: int,
    generation: int,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
) -> bool:
    """Copy a decrypted packet into a ring, its offsets made relative to the slot; False when the ring is full."""
    index = rings.indexes[producer, consumer]
    slots = rings.packets.shape[2]
    if writable(index, slots) == 0:
        return False
    slot = index[WRITTEN] % slots
    start = packets[row]["start"]
    base = slot * PACKET_SLOT_BYTES
    data = rings.data[producer, consumer]
    length = packets[row]["payload"] + packets[row]["payload_bytes"] - start
    copy_octets(data, base, buffer, start, length)
    held = rings.packets[producer, consumer]
    held[slot] = packets[row]
    move_offsets(held, slot, base - start)
    rings.tracks[producer, consumer, slot] = track
    rings.generations[producer, consumer, slot] = generation
    publish(index, 1)
    return True
