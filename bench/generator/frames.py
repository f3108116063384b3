"""Publishing: a frame is split as libwebrtc does, stamped, protected and sent at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel, stage
from bench.generator.layout import STAMP_BYTES, STAMP_MARK, Tables
from bench.generator.native import (
    CLOCK_REALTIME,
    MSG_DONTWAIT,
    clock_gettime,
    monotonic_ns,
    sendmmsg,
    srtp_protect,
)
from bench.generator.octets import put_u16, put_u32
from bench.generator.repeats import keep_packet

#: VP8 payload descriptor with a 15-bit picture id (RFC 7741 section 4.2).
VP8_DESCRIPTOR_BYTES = 4
_SIZE_SPREAD = 97
_SEND_ATTEMPTS = 8
#: The audio level's highest bit says that it is voice; below it the levels wander over so many, from 0 dBov down.
_VOICE = 0x80
_LEVELS = 60


@kernel
def frame_size(mean: int, frame: int) -> int:
    """Bytes of the encoded frame number `frame`: the mean, give or take 48, so that splits are uneven."""
    return mean - _SIZE_SPREAD // 2 + (frame * 7919) % _SIZE_SPREAD


@kernel
def chunk_size(total: int, count: int, index: int) -> int:
    """Bytes of packet `index` of `count`: sizes differ by a byte at most, the smaller first (libwebrtc)."""
    larger = total % count
    return total // count + (1 if index >= count - larger else 0)


@stage
def build_header(
    buffer: NDArray[np.uint8], encoding: Any, marker: bool, abs_send_time: int, transport_sequence: int
) -> int:
    """RTP header with the extensions that were agreed on, one-byte ones (RFC 8285); its length.

    MID (RFC 8843 section 15), RID (RFC 8852), the audio level (RFC 6464), abs-send-time, and the transport-wide
    sequence number.
    """
    buffer[1] = encoding["payload_type"] | (0x80 if marker else 0)
    put_u16(buffer, 2, np.int64(encoding["sequence"] & np.uint64(0xFFFF)))
    put_u32(buffer, 4, np.int64(encoding["timestamp"]))
    put_u32(buffer, 8, np.int64(encoding["ssrc"]))
    at = 16
    if encoding["mid_id"] != 0:
        buffer[at] = encoding["mid_id"] << 4
        buffer[at + 1] = encoding["mid"]
        at += 2
    if encoding["rid_id"] != 0:
        buffer[at] = encoding["rid_id"] << 4
        buffer[at + 1] = encoding["rid"]
        at += 2
    if encoding["audio_level_id"] != 0:
        buffer[at] = encoding["audio_level_id"] << 4
        buffer[at + 1] = _VOICE | (np.int64(encoding["frames"]) % _LEVELS)
        at += 2
    if encoding["abs_send_time_id"] != 0:
        buffer[at] = (encoding["abs_send_time_id"] << 4) | 2
        buffer[at + 1] = (abs_send_time >> 16) & 0xFF
        put_u16(buffer, at + 2, abs_send_time & 0xFFFF)
        at += 4
    if encoding["transport_sequence_id"] != 0:
        buffer[at] = (encoding["transport_sequence_id"] << 4) | 1
        put_u16(buffer, at + 1, transport_sequence & 0xFFFF)
        at += 3
    if at == 16:
        buffer[0] = 0x80
        return 12
    buffer[0] = 0x90
    while at & 3:
        buffer[at] = 0
        at += 1
    put_u16(buffer, 12, 0xBEDE)
    put_u16(buffer, 14, (at - 16) // 4)
    return at


@stage
def build_vp8(buffer: NDArray[np.uint8], at: int, frame: int, first: bool, keyframe: bool) -> int:
    """VP8 payload descriptor, and on a frame's first packet the frame tag (RFC 7741, RFC 6386 s9.1)."""
    buffer[at] = 0x90 if first else 0x80
    buffer[at + 1] = 0x80
    put_u16(buffer, at + 2, 0x8000 | (frame & 0x7FFF))
    at += VP8_DESCRIPTOR_BYTES
    if first:
        # bit 0: not a key frame; version 0, show_frame, first partition size 1.
        buffer[at] = 0x30 if keyframe else 0x31
        buffer[at + 1] = 0
        buffer[at + 2] = 0
        if keyframe:
            buffer[at + 3] = 0x9D
            buffer[at + 4] = 0x01
            buffer[at + 5] = 0x2A
            buffer[at + 6] = 1280 & 0xFF
            buffer[at + 7] = 1280 >> 8
            buffer[at + 8] = 720 & 0xFF
            buffer[at + 9] = 720 >> 8
    return at


@kernel
def build_stamp(buffer: NDArray[np.uint8], at: int, now_ns: int, counter: int) -> None:
    """The generator's own mark at the end of a payload: send time, packet counter, a constant."""
    put_u32(buffer, at, (now_ns >> 32) & 0xFFFFFFFF)
    put_u32(buffer, at + 4, now_ns & 0xFFFFFFFF)
    put_u32(buffer, at + 8, counter & 0xFFFFFFFF)
    put_u32(buffer, at + 12, STAMP_MARK)


@kernel
def build_packet(
    buffer: NDArray[np.uint8],
    encoding: Any,
    index: int,
    now_ns: int,
    abs_send_time: int,
    transport_sequence: int,
    keyframe: bool,
) -> tuple[int, int]:
    """Packet `index` of the encoding's next frame in the clear; its length and that of its header, bytes.

    What lies between the descriptor and the stamp is whatever the buffer held: it is never looked at.
    """
    count = np.int64(encoding["frame_packets"])
    frame = np.int64(encoding["frames"])
    if encoding["video"]:
        total = frame_size(np.int64(encoding["frame_bytes"]), frame)
    else:
        total = np.int64(encoding["frame_bytes"])
    last = index == count - 1 and encoding["video"] == 1
    header = build_header(buffer, encoding, last, abs_send_time, transport_sequence)
    at = header
    if encoding["video"]:
        build_vp8(buffer, at, frame, index == 0, keyframe)
        at += VP8_DESCRIPTOR_BYTES
    end = at + chunk_size(total, count, index)
    build_stamp(buffer, end - STAMP_BYTES, now_ns, np.int64(encoding["sequence"]))
    return end, header


@stage
def build_frame(row: int, tables: Tables, buffers: Buffers) -> int:
    """Build and protect the next frame of the encoding `row` in the outgoing buffers; its bytes in the clear."""
    encoding = tables.encodings[row]
    connection = tables.connections[encoding["connection"]]
    rows, timespec = buffers.outgoing, buffers.timespec
    clock_gettime(CLOCK_REALTIME, timespec.ctypes.data)
    # 24 bits of seconds in 6.18 fixed point.
    abs_send_time = (((timespec[0] & 0x3F) << 18) | ((timespec[1] << 18) // 1_000_000_000)) & 0xFFFFFF
    keyframe = encoding["keyframe"] == 1 or encoding["frames"] == 0
    encoding["keyframe"] = 0
    octets = 0
    for index in range(np.int64(encoding["frame_packets"])):
        now_ns = monotonic_ns(timespec)
        wide = np.int64(connection["transport_sequence"])
        size, header = build_packet(rows[index], encoding, index, now_ns, abs_send_time, wide, keyframe)
        connection["transport_sequence"] += np.uint64(1)
        octets += size
        if encoding["repair_ssrc"] != 0:
            keep_packet(row, rows[index], size, header, tables)
        buffers.length[0] = size
        srtp_protect(encoding["srtp_out"], rows.ctypes.data + index * rows.shape[1], buffers.length.ctypes.data)
        buffers.outgoing_vectors[index]["length"] = buffers.length[0]
        encoding["sequence"] += np.uint64(1)
    return octets


@stage
def send_frame(row: int, tables: Tables, buffers: Buffers) -> None:
    """Build, protect and send the next frame of the encoding `row` in one `sendmmsg`."""
    encoding = tables.encodings[row]
    fd = tables.connections[encoding["connection"]]["fd"]
    octets = build_frame(row, tables, buffers)
    count = np.int64(encoding["frame_packets"])
    messages = buffers.outgoing_messages
    sent = np.int64(0)
    for _attempt in range(_SEND_ATTEMPTS):
        done = sendmmsg(fd, messages.ctypes.data + sent * messages.itemsize, count - sent, MSG_DONTWAIT)
        if done > 0:
            sent += done
        if sent == count:
            break
    encoding["refused"] += np.uint64(count - sent)
    encoding["packets"] += np.uint64(sent)
    encoding["bytes"] += np.uint64(octets)
    end_frame(encoding)


@stage
def end_frame(encoding: Any) -> None:
    """Go on to the next frame's number and timestamp."""
    encoding["frames"] += np.uint64(1)
    encoding["timestamp"] = (np.int64(encoding["timestamp"]) + np.int64(encoding["timestamp_step"])) & 0xFFFFFFFF
