"""What an RTP packet that came in is, by its header and, where that does not tell, by its content."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.generator.arrivals import note_arrival
from bench.generator.buffers import Buffers
from bench.generator.kernel import inlined, stage
from bench.generator.layout import (
    AUDIO,
    EPOCH_NS,
    LATENCY_COUNT,
    LATENCY_SAMPLES,
    NUMBERS,
    OTHER,
    REPAIR,
    SHORT_BYTES,
    STAMP_BYTES,
    STAMP_MARK,
    Tables,
)
from bench.generator.native import REPLAY_FAIL, REPLAY_OLD, srtp_unprotect
from bench.generator.numbers import FRESH, extend_in_stream, note_number, stream_of
from bench.generator.octets import Octets, find_extension, get_u16, get_u32, header_end
from bench.generator.repeats import OSN_BYTES

_PADDED = 0x20
_VIDEO_RATE, _AUDIO_RATE = 90_000, 48_000


@stage
def note_transit(stream: Any, timestamp: int, arrived_ns: int) -> None:
    """Interarrival jitter (RFC 3550 appendix A.8), by the first packet of each timestamp as libwebrtc does."""
    if stream["arrived"] > 1 and timestamp == stream["timestamp"]:
        return
    rate = _AUDIO_RATE if stream["kind"] == AUDIO else _VIDEO_RATE
    transit = arrived_ns // 1000 * rate // 1_000_000 - timestamp
    if stream["arrived"] > 1:
        change = (transit - np.int64(stream["transit"])) & 0xFFFFFFFF
        if change >= 0x80000000:
            change = 0x100000000 - change
        stream["jitter"] += (change - stream["jitter"]) / 16.0
    stream["timestamp"] = timestamp
    stream["transit"] = transit


@stage
def check_stamp(stream: Any, packet: Octets, start: int, end: int, extended: int, now_ns: int, tables: Tables) -> None:
    """Check that `packet[start:end]` is a payload that was sent, and stands in its order; note the latency.

    A server may renumber: what it leaves out moves what follows. It may not change the order.
    """
    stream["sampled"] += np.uint64(1)
    at = end - STAMP_BYTES
    if at < start or get_u32(packet, at + 12) != STAMP_MARK:
        stream["malformed"] += np.uint64(1)
        return
    counter = get_u32(packet, at + 8)
    if stream["counter"] >= 0 and (extended > stream["counted"]) != (counter > stream["counter"]):
        stream["malformed"] += np.uint64(1)
        return
    stream["counter"] = counter
    stream["counted"] = extended
    sent_ns = (get_u32(packet, at) << 32) | get_u32(packet, at + 4)
    index = tables.control[LATENCY_COUNT]
    if index < LATENCY_SAMPLES:
        tables.latency_ns[index] = now_ns - sent_ns
    tables.control[LATENCY_COUNT] = index + 1


@stage
def open_packet(connection: Any, stream: Any, packet: Octets, size: int, buffers: Buffers) -> int:
    """Decrypt `packet[:size]` in place; where its payload ends, without padding; -1: a replay or not authentic."""
    buffers.length[0] = size
    status = srtp_unprotect(connection["srtp_in"], packet.ctypes.data, buffers.length.ctypes.data)
    if status in (REPLAY_FAIL, REPLAY_OLD):
        stream["duplicates"] += np.uint64(1)
        return -1
    if status != 0:
        stream["unauthentic"] += np.uint64(1)
        return -1
    end = np.int64(buffers.length[0])
    if packet[0] & _PADDED:
        # RFC 3550 section 5.1.
        end -= np.int64(packet[end - 1])
    return end


@stage
def deliver(connection: Any, stream: Any, size: int) -> None:
    """Count one packet of media."""
    stream["delivered"] += np.uint64(1)
    connection["packets"] += np.uint64(1)
    connection["bytes"] += np.uint64(size)


@stage
def restore(index: int, row: int, packet: Octets, start: int, end: int, now_ns: int, tables: Tables) -> None:
    """A decrypted retransmission (RFC 4588 section 4) in the stream `row` counts for what it repeats, once."""
    repair = tables.streams[index, row]
    if end - start <= OSN_BYTES:
        repair["padding"] += np.uint64(1)
        return
    repaired = np.int64(repair["repairs"])
    media = tables.streams[index, repaired]
    extended = extend_in_stream(media, get_u16(packet, start))
    if note_number(index, repaired, extended, now_ns, tables) != FRESH:
        repair["duplicates"] += np.uint64(1)
        return
    deliver(tables.connections[index], media, end)
    media["repaired"] += np.uint64(1)
    check_stamp(media, packet, start + OSN_BYTES, end, extended, now_ns, tables)


@stage
def count_plain(
    connection: Any, stream: Any, seen: Octets, packet: Octets, size: int, sampled: bool, arrived_ns: int
) -> bool:
    """Count the packet if it is what nearly all are: media, the next of its stream, not to be decrypted."""
    doubtful = sampled or (packet[0] & _PADDED != 0 and size <= SHORT_BYTES)
    extended = np.int64(stream["highest"]) + 1
    if doubtful or (extended ^ get_u16(packet, 2)) & 0xFFFF != 0 or stream["highest"] == 0:
        return False
    if stream["kind"] == OTHER or stream["kind"] == REPAIR:
        return False
    seen[extended % NUMBERS] = 1
    stream["highest"] = extended
    stream["arrived"] += np.uint64(1)
    stream["bytes"] += np.uint64(size)
    note_transit(stream, get_u32(packet, 4), arrived_ns)
    deliver(connection, stream, size)
    return True


@stage
def count_other(
    index: int,
    row: int,
    packet: Octets,
    kept: int,
    size: int,
    sampled: bool,
    now_ns: int,
    arrived_ns: int,
    tables: Tables,
    buffers: Buffers,
) -> None:
    """Count whatever else the packet of stream `row` may be.

    Its number tells whether it is new; only a padded packet that is short, and a repeat while something is missing,
    has to be decrypted to know what it is. Of a sampled read all is decrypted and checked.
    """
    connection = tables.connections[index]
    stream = tables.streams[index, row]
    start = end = 0
    doubtful = sampled or (packet[0] & _PADDED != 0 and size <= SHORT_BYTES)
    if doubtful and kept == size and stream["kind"] != OTHER and connection["srtp_in"] != 0:
        end = open_packet(connection, stream, packet, size, buffers)
        if end < 0:
            return
        start = header_end(packet, end)
        if start < 0:
            stream["malformed"] += np.uint64(1)
            return
    extended = extend_in_stream(stream, get_u16(packet, 2))
    status = note_number(index, row, extended, now_ns, tables)
    stream["arrived"] += np.uint64(1)
    stream["bytes"] += np.uint64(size)
    if status != FRESH:
        stream["duplicates"] += np.uint64(1)
        return
    if extended == stream["highest"]:
        note_transit(stream, get_u32(packet, 4), arrived_ns)
    else:
        stream["reordered"] += np.uint64(1)
    if stream["kind"] == OTHER:
        return
    if stream["kind"] == REPAIR:
        if end > 0:
            restore(index, row, packet, start, end, now_ns, tables)
        return
    if end > 0 and end == start:
        stream["padding"] += np.uint64(1)
        return
    deliver(connection, stream, size)
    if end > 0 and sampled:
        check_stamp(stream, packet, start, end, extended, now_ns, tables)


@inlined
def handle_rtp(
    index: int,
    packet: Octets,
    kept: int,
    size: int,
    sampled: bool,
    now_ns: int,
    arrived_ns: int,
    tables: Tables,
    buffers: Buffers,
) -> None:
    """Count one RTP packet of which `packet[:kept]` was copied, and note when it came."""
    connection = tables.connections[index]
    row = stream_of(connection, tables.streams[index], get_u32(packet, 8))
    if row < 0:
        return
    if connection["transport_sequence_id"] != 0:
        at = find_extension(packet, kept, np.int64(connection["transport_sequence_id"]))
        if 0 <= at <= kept - 2:
            number = get_u16(packet, at)
            note_arrival(connection, tables.arrivals[index], number, arrived_ns - tables.control[EPOCH_NS])
    if not count_plain(
        connection, tables.streams[index, row], tables.seen[index, row], packet, size, sampled, arrived_ns
    ):
        count_other(index, row, packet, kept, size, sampled, now_ns, arrived_ns, tables, buffers)
