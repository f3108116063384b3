"""The header that a subscriber sees: SSRC, numbering, payload type and header extensions.

What is the same in all packets of a subscription stands ready in its row as a template: the fixed header and the
extensions abs-send-time, transport-wide sequence number and MID. Extensions that pass through from the publisher
(audio level, video orientation, dependency descriptor, playout delay) follow where the packet has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.numbering import FRAME, MARKER, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.kernels.source_id import is_relayed, source_encoding
from sfu.routing.kernels.subscription_columns import TEMPLATE_BYTES
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.template import is_two_byte, stamp, write_element, write_two_byte_template
from sfu.wire.extensions import Extension
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.dependency import MANDATORY_BYTES
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES as MAX_DEPENDENCY_GROWTH
from sfu.wire.kernels.dependency_rewrite import active_mask, write_dependencies
from sfu.wire.kernels.kernel import i64, inlined, stage
from sfu.wire.kernels.octets import Octets, store16, store32
from sfu.wire.kernels.red import retarget
from sfu.wire.kernels.rtp import HEADER_BYTES
from sfu.wire.payload_format import PayloadFormat

_DEPENDENCIES = int(Extension.DEPENDENCY_DESCRIPTOR)
_PASSED = (
    int(Extension.AUDIO_LEVEL),
    int(Extension.VIDEO_ORIENTATION),
    _DEPENDENCIES,
    int(Extension.PLAYOUT_DELAY),
    int(Extension.FRAME_MARKING),
)
_RED = int(PayloadFormat.RED)
_MAX_SHORT_BYTES = 16
"""The longest value in the one-byte form (RFC 8285 section 4.2). Longer ones, the dependency descriptors of key frames,
take the two-byte form where the client mixes the two, and are left out otherwise."""
MAX_PASSED_BYTES = 255

MAX_GROWTH_BYTES = TEMPLATE_BYTES + (len(_PASSED) - 1) * (_MAX_SHORT_BYTES + 2) + MAX_PASSED_BYTES + 16
"""How much longer than the ingress payload an egress packet can be, before SRTP and padding."""


@stage
def _write_dependencies(
    tables: Tables,
    entry: Any,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
    out: Octets,
    value: int,
    longest: int,
    numbers: NDArray[np.int64],
) -> int:
    """Write the dependency descriptor for a subscription's current Layer; return its length.

    Which decode targets are active is said anew only on the shard of the publisher, who has the structure: where the
    publisher says it, and where the subscription has entered another Layer.
    """
    packet = packets[row]
    at = packet["extension_at"][_DEPENDENCIES]
    length = i64(packet["extension_bytes"][_DEPENDENCIES])
    source = packet["source"]
    announce = packet["frame_start"] == 1 and packet["timestamp"] == entry["changed_at"]
    if (length <= MANDATORY_BYTES and not announce) or length + MAX_DEPENDENCY_GROWTH > longest or is_relayed(source):
        copy_octets(out, value, buffer, at, length)
        store16(out, value + 1, numbers[FRAME])
        return length
    encoding = source_encoding(source)
    mask = active_mask(tables.structures, encoding, i64(entry["current_spatial"]), i64(entry["current_temporal"]))
    return write_dependencies(
        buffer, at, length, out, value, tables.structures, encoding, numbers[FRAME], mask, announce
    )


@stage
def _write_header(
    tables: Tables,
    subscription: int,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
    out: Octets,
    at: int,
    now_us: int,
    numbers: NDArray[np.int64],
) -> int:
    """Write the fixed header and the extensions; return their length in bytes."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    connection = tables.connections[entry["connection"]]
    ids = connection["extension_id"]
    two_byte = connection["mixed"] == 1 and is_two_byte(packet, ids)
    if two_byte:
        end = write_two_byte_template(entry, out, at)
    else:
        end = i64(entry["template_bytes"])
        copy_octets(out, at, entry["template"], 0, end)
    out[at + 1] = i64(entry["template"][1]) | (numbers[MARKER] << 7)
    store16(out, at + 2, numbers[SEQUENCE])
    store32(out, at + 4, numbers[TIMESTAMP])
    stamp(entry, connection, out, at, now_us, two_byte)
    longest = MAX_PASSED_BYTES if two_byte else _MAX_SHORT_BYTES
    for kind in _PASSED:
        length = i64(packet["extension_bytes"][kind])
        if 0 < length <= longest and ids[kind] > 0:
            value = write_element(out, at + end, i64(ids[kind]), length, two_byte)
            if kind == _DEPENDENCIES and packet["frame_number"] >= 0:
                written = _write_dependencies(tables, entry, packets, row, buffer, out, value, longest, numbers)
                out[value - 1] = i64(out[value - 1]) + written - length
                length = written
            else:
                copy_octets(out, value, buffer, packet["extension_at"][kind], length)
            end = value + length - at
    if end == HEADER_BYTES + 4:
        out[at] = 0x80  # no extension at all
        return HEADER_BYTES
    while end & 3:
        out[at + end] = 0
        end += 1
    store16(out, at + 14, (end - HEADER_BYTES - 4) >> 2)
    return end


@stage
def _renumber_picture(out: Octets, at: int, packet: Any, numbers: NDArray[np.int64]) -> None:
    """Write picture ID and TL0PICIDX into a payload descriptor (RFC 7741 and RFC 9628, section 4.2)."""
    if packet["picture_id_at"] >= 0:
        place = at + packet["picture_id_at"]
        if packet["picture_id_bits"] == 15:
            store16(out, place, 0x8000 | numbers[PICTURE])
        else:
            out[place] = numbers[PICTURE] & 0x7F
    if packet["tl0_picture_at"] >= 0:
        out[at + packet["tl0_picture_at"]] = numbers[TL0]


@stage
def next_repair_number(entry: Any) -> int:
    """Take the next number of a subscription's retransmission stream."""
    sequence = i64(entry["repair_sequence"])
    entry["repair_sequence"] = (sequence + 1) & 0xFFFF
    return sequence


@stage
def count_packet(entry: Any, octets: int) -> None:
    """Count a written packet of a subscription's own stream, with the octets of its payload."""
    entry["packets"] += 1
    entry["octets"] += octets


@stage
def count_repeat(entry: Any) -> None:
    """Count a packet that goes out again, or one of padding in the retransmission stream."""
    entry["repeated"] += 1


@stage
def _head_repeat(entry: Any, out: Octets, at: int, end: int, numbers: NDArray[np.int64]) -> int:
    """Make the header that ends at `end` one of the retransmission stream; return where the payload goes."""
    out[at + 1] = (i64(out[at + 1]) & 0x80) | entry["repair_type"]
    store16(out, at + 2, next_repair_number(entry))
    store32(out, at + 8, entry["repair_ssrc"])
    store16(out, at + end, numbers[SEQUENCE])
    return end + 2


@inlined
def write_packet(
    tables: Tables,
    subscription: int,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
    out: Octets,
    at: int,
    now_us: int,
    numbers: NDArray[np.int64],
    repeat: bool,
) -> int:
    """Write the subscriber's copy of a packet to `out[at:]`, unencrypted; return its length in bytes.

    `numbers`: see `numbering.py`. As a `repeat` it goes into the retransmission stream: own SSRC, payload type and
    sequence number, and the original one before the payload (RFC 4588 section 4).
    """
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    end = _write_header(tables, subscription, packets, row, buffer, out, at, now_us, numbers)
    payload = packet["payload"]
    payload_bytes = i64(packet["payload_bytes"])
    if repeat:
        end = _head_repeat(entry, out, at, end, numbers)
    redundant = packet["codec"] == _RED
    if redundant and entry["redundant_type"] == 0:
        payload += packet["primary"]
        payload_bytes -= packet["primary"]
    copy_octets(out, at + end, buffer, payload, payload_bytes)
    if redundant and entry["redundant_type"] > 0:
        out[at + 1] = (i64(out[at + 1]) & 0x80) | entry["redundant_type"]
        retarget(out, at + end, payload_bytes, i64(entry["payload_type"]))
    else:
        _renumber_picture(out, at + end, packet, numbers)
    end += payload_bytes
    pad = i64(packet["pad"])
    if pad > 0 and not repeat:
        out[at] = i64(out[at]) | 0x20
        for k in range(pad - 1):
            out[at + end + k] = 0
        out[at + end + pad - 1] = pad
        end += pad
    if not repeat:
        count_packet(entry, payload_bytes)
    return end


@stage
def write_filler(
    tables: Tables,
    subscription: int,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
    out: Octets,
    at: int,
    now_us: int,
    numbers: NDArray[np.int64],
    repeat: bool,
) -> int:
    """Write an empty packet, all padding, in the place of one that is left out late; return its length in bytes.

    As a `repeat` it goes into the retransmission stream: nothing follows the original sequence number.
    """
    numbers[MARKER] = 0
    entry = tables.subscriptions[subscription]
    end = _write_header(tables, subscription, packets, row, buffer, out, at, now_us, numbers)
    if repeat:
        return _head_repeat(entry, out, at, end, numbers)
    out[at] = i64(out[at]) | 0x20
    out[at + end] = 1
    count_packet(entry, 0)
    return end + 1
