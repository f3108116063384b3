"""Packets on their way out of the plane: to the tap, and to other shards and from them."""

from __future__ import annotations

from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.fanout import add_to_batch
from sfu.routing.kernels.media_columns import PACKET_SLOT_BYTES
from sfu.routing.kernels.messages import (
    BATCH_PACKETS,
    PACKETS,
    RELAY_BASE,
    RELAY_PACKETS,
    Buffers,
)
from sfu.routing.kernels.rings import READ, push_packet, readable, release
from sfu.routing.kernels.source_id import relayed_source
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.wiring import Wiring
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.rtp import move_offsets

_RELAYED = int(Counter.RELAYED_PACKETS)
_RELAY_FULL = int(Counter.DROP_RELAY_RING_FULL)
_TAPPED = int(Counter.TAPPED_PACKETS)
_TAP_FULL = int(Counter.DROP_TAP_RING_FULL)


@stage
def signal(buffers: Buffers, event: int) -> None:
    """Wake whoever waits for this event."""
    buffers.event[0] = 1
    native.write(event, buffers.event.ctypes.data, 8)


@stage
def copy_out(tables: Tables, buffers: Buffers, wiring: Wiring, track: int, row: int) -> None:
    """Copy an accepted packet to the tap ring and to other shards, where its track asks for it."""
    entry = tables.tracks[track]
    if (entry["tapped"] >> buffers.packets[row]["index"]) & 1:
        if push_packet(wiring.tap, 0, 0, track, entry["generation"], buffers.packets, row, buffers.received):
            tables.counters[_TAPPED] += 1
        else:
            tables.counters[_TAP_FULL] += 1
    if entry["relayed"] > 0:
        for shard in range(wiring.shards):
            target = i64(entry["relay"][shard])
            if target >= 0:
                generation = entry["relay_generation"][shard]
                if push_packet(
                    wiring.relay, wiring.shard, shard, target, generation, buffers.packets, row, buffers.received
                ):
                    tables.counters[_RELAYED] += 1
                else:
                    tables.counters[_RELAY_FULL] += 1


@stage
def wake_shards(wiring: Wiring, buffers: Buffers) -> None:
    """Wake the shards for which something new is in a ring."""
    for shard in range(wiring.shards):
        index = wiring.relay.indexes[wiring.shard, shard]
        if shard != wiring.shard and index[1] != index[0]:
            index[1] = index[0]  # [1] is the producer's own: how far it has woken the consumer
            signal(buffers, i64(wiring.wake_events[shard]))


@stage
def relay_waiting(wiring: Wiring) -> bool:
    """Whether the last round has left relayed packets in a ring."""
    for shard in range(wiring.shards):
        if shard != wiring.shard and readable(wiring.relay.indexes[shard, wiring.shard]) > 0:
            return True
    return False


@stage
def take_relayed(tables: Tables, buffers: Buffers, wiring: Wiring) -> None:
    """Put the packets that other shards have relayed into the batch."""
    taken = 0
    for shard in range(wiring.shards):
        if shard == wiring.shard:
            continue
        index = wiring.relay.indexes[shard, wiring.shard]
        held = wiring.relay.packets[shard, wiring.shard]
        data = wiring.relay.data[shard, wiring.shard]
        waiting = min(readable(index), RELAY_PACKETS - taken)
        for _ in range(waiting):
            slot = index[READ] % len(held)
            track = i64(wiring.relay.tracks[shard, wiring.shard, slot])
            row = buffers.state[PACKETS]
            # a packet that is late may find another track in its row
            meant = tables.tracks[track]["generation"] == wiring.relay.generations[shard, wiring.shard, slot]
            if meant and tables.tracks[track]["active"] == 1 and row < BATCH_PACKETS:
                base = RELAY_BASE + taken * PACKET_SLOT_BYTES
                source = slot * PACKET_SLOT_BYTES
                length = held[slot]["payload"] + held[slot]["payload_bytes"] - held[slot]["start"]
                copy_octets(buffers.received, base, data, source, length)
                buffers.packets[row] = held[slot]
                move_offsets(buffers.packets, row, base - source)
                buffers.packets[row]["source"] = relayed_source(held[slot]["source"], shard)
                buffers.packets[row]["history"] = -1
                buffers.state[PACKETS] = row + 1
                add_to_batch(tables, buffers.packets, track, row)
                taken += 1
            release(index, 1)
