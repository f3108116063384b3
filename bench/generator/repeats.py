"""A publisher's retransmissions (RFC 4588): the last second of its video, sent again in a stream of its own."""

from __future__ import annotations

import numpy as np

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel, stage
from bench.generator.layout import KEPT, KEPT_BYTES, Tables
from bench.generator.native import MSG_DONTWAIT, memcpy, send, srtp_protect
from bench.generator.octets import Octets, find_extension, get_u16, put_u16, put_u32

#: The original sequence number before the payload (RFC 4588 section 4).
OSN_BYTES = 2


@kernel
def keep_packet(row: int, packet: Octets, size: int, header: int, tables: Tables) -> None:
    """Keep the packet, in the clear, that the encoding `row` sends next; `header` bytes stand before its payload."""
    if size > KEPT_BYTES:
        return
    sequence = np.int64(tables.encodings[row]["sequence"])
    kept = tables.kept_packets[row, sequence % KEPT]
    kept["sequence"] = sequence
    kept["length"] = size
    kept["header"] = header
    memcpy(tables.kept[row, sequence % KEPT].ctypes.data, packet.ctypes.data, size)


@kernel
def write_repeat(row: int, sequence: int, tables: Tables, out: Octets) -> int:
    """Write the retransmission of packet `sequence` (16 bits) to `out`, in the clear; its length, 0: it is gone."""
    encoding = tables.encodings[row]
    kept = tables.kept_packets[row, sequence % KEPT]
    if kept["sequence"] == 0 or kept["sequence"] & 0xFFFF != sequence:
        return 0
    packet = tables.kept[row, sequence % KEPT]
    header = np.int64(kept["header"])
    rest = np.int64(kept["length"]) - header
    memcpy(out.ctypes.data, packet.ctypes.data, header)
    out[1] = (out[1] & 0x80) | encoding["repair_type"]
    put_u16(out, 2, np.int64(encoding["repair_sequence"]) & 0xFFFF)
    put_u32(out, 8, np.int64(encoding["repair_ssrc"]))
    put_u16(out, header, get_u16(packet, 2))
    memcpy(out.ctypes.data + header + OSN_BYTES, packet.ctypes.data + header, rest)
    encoding["repair_sequence"] += np.uint64(1)
    at = find_extension(out, header, np.int64(encoding["transport_sequence_id"]))
    if at >= 0:
        connection = tables.connections[encoding["connection"]]
        put_u16(out, at, np.int64(connection["transport_sequence"]) & 0xFFFF)
        connection["transport_sequence"] += np.uint64(1)
    at = find_extension(out, header, np.int64(encoding["rid_id"])) if encoding["rid_id"] != 0 else -1
    if at >= 0:
        # Whose repeat it is says another extension (RFC 8852 section 3.2).
        out[at - 1] = encoding["repaired_rid_id"] << 4
    return header + OSN_BYTES + rest


@stage
def repeat_packet(row: int, sequence: int, tables: Tables, buffers: Buffers) -> None:
    """Send packet `sequence` of the encoding `row` again, if RTX was agreed on and the packet is still there."""
    encoding = tables.encodings[row]
    size = 0
    if encoding["repair_ssrc"] != 0:
        size = write_repeat(row, sequence, tables, buffers.repeat)
    if size == 0:
        encoding["unrepeatable"] += np.uint64(1)
        return
    buffers.length[0] = size
    srtp_protect(encoding["srtp_out"], buffers.repeat.ctypes.data, buffers.length.ctypes.data)
    fd = tables.connections[encoding["connection"]]["fd"]
    send(fd, buffers.repeat.ctypes.data, buffers.length[0], MSG_DONTWAIT)
    encoding["repeated"] += np.uint64(1)
