"""The header that a subscriber sees: SSRC, numbering, payload type and header extensions.

What is the same in all packets of a subscription stands ready in its row as a template: the fixed header and the
extensions abs-send-time, transport-wide sequence number and MID. Extensions that pass through from the publisher
(audio level, video orientation, dependency descriptor, playout delay) follow where the packet has them.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.tables import TEMPLATE_BYTES, Tables
from sfu.wire.copying import copy_octets
from sfu.wire.extensions import Extension
from sfu.wire.kernel import i64, kernel
from sfu.wire.octets import Octets, store16, store24, store32
from sfu.wire.rtp import HEADER_BYTES, ONE_BYTE_PROFILE

_MID = int(Extension.MID)
_ABS_SEND_TIME = int(Extension.ABS_SEND_TIME)
_TRANSPORT_SEQUENCE = int(Extension.TRANSPORT_SEQUENCE)
_PASSED = (
    int(Extension.AUDIO_LEVEL),
    int(Extension.VIDEO_ORIENTATION),
    int(Extension.DEPENDENCY_DESCRIPTOR),
    int(Extension.PLAYOUT_DELAY),
)
_MAX_PASSED_BYTES = 16
"""The longest value in the one-byte form (RFC 8285 section 4.2); longer ones are left out."""

MAX_GROWTH_BYTES = TEMPLATE_BYTES + len(_PASSED) * (_MAX_PASSED_BYTES + 1) + 4
"""How much longer than the ingress payload an egress packet can be, before SRTP and padding."""


@kernel
def build_template(tables: Tables, subscription: int) -> None:
    """Lay out the header template of a subscription from its connection's extension ids."""
    entry = tables.subscriptions[subscription]
    ids = tables.connections[entry["connection"]]["extension_id"]
    template = entry["template"]
    for k in range(TEMPLATE_BYTES):
        template[k] = 0
    template[0] = 0x90
    template[1] = entry["payload_type"]
    store32(template, 8, entry["ssrc"])
    store16(template, 12, ONE_BYTE_PROFILE)
    at = HEADER_BYTES + 4
    entry["abs_send_time_at"] = -1
    entry["transport_sequence_at"] = -1
    if ids[_ABS_SEND_TIME] > 0:
        template[at] = (ids[_ABS_SEND_TIME] << 4) | 2
        entry["abs_send_time_at"] = at + 1
        at += 4
    if ids[_TRANSPORT_SEQUENCE] > 0:
        template[at] = (ids[_TRANSPORT_SEQUENCE] << 4) | 1
        entry["transport_sequence_at"] = at + 1
        at += 3
    if ids[_MID] > 0 and entry["mid_bytes"] > 0:
        template[at] = (ids[_MID] << 4) | (entry["mid_bytes"] - 1)
        for k in range(entry["mid_bytes"]):
            template[at + 1 + k] = entry["mid"][k]
        at += 1 + entry["mid_bytes"]
    entry["template_bytes"] = at


@kernel
def translate(subscriptions: NDArray[Any], subscription: int, packets: NDArray[Any], row: int) -> None:
    """Fit a subscription's offsets to the packet's numbering, so that what the subscriber sees is continuous.

    The first packet starts at the seeds. When the source changes, the sequence goes on with the next number and the
    timestamp by the time that has passed since the last packet.
    """
    entry = subscriptions[subscription]
    source = packets[row]["source"]
    if entry["started"] == 1 and entry["source"] == source:
        return
    if entry["started"] == 0:
        sequence = entry["seed_sequence"]
        timestamp = entry["seed_timestamp"]
        entry["started"] = 1
    else:
        sequence = entry["last_sequence"] + 1
        elapsed_us = max(packets[row]["arrival_us"] - entry["last_arrival_us"], 1000)
        timestamp = entry["last_timestamp"] + max(elapsed_us * packets[row]["clock_rate"] // 1000000, 1)
    entry["source"] = source
    entry["last_sequence"] = (sequence - 1) & 0xFFFF
    entry["last_timestamp"] = timestamp & 0xFFFFFFFF
    entry["sequence_offset"] = (sequence - packets[row]["sequence"]) & 0xFFFF
    entry["timestamp_offset"] = (timestamp - packets[row]["timestamp"]) & 0xFFFFFFFF


@kernel
def write_packet(
    tables: Tables,
    subscription: int,
    packets: NDArray[Any],
    row: int,
    buffer: Octets,
    out: Octets,
    at: int,
    now_us: int,
) -> int:
    """Write the subscriber's copy of a packet to `out[at:]`, unencrypted; return its length in bytes."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    connection = tables.connections[entry["connection"]]
    template = entry["template"]
    end = i64(entry["template_bytes"])
    copy_octets(out, at, template, 0, end)
    sequence = (packet["sequence"] + entry["sequence_offset"]) & 0xFFFF
    timestamp = (packet["timestamp"] + entry["timestamp_offset"]) & 0xFFFFFFFF
    out[at + 1] = template[1] | (packet["marker"] << 7)
    store16(out, at + 2, sequence)
    store32(out, at + 4, timestamp)
    if entry["abs_send_time_at"] >= 0:
        # 24 bits of seconds in 6.18 fixed point
        store24(out, at + entry["abs_send_time_at"], (now_us % 64000000 << 18) // 1000000)
    if entry["transport_sequence_at"] >= 0:
        store16(out, at + entry["transport_sequence_at"], connection["transport_sequence"])
        connection["transport_sequence"] = (connection["transport_sequence"] + 1) & 0xFFFF
    ids = connection["extension_id"]
    for kind in _PASSED:
        length = i64(packet["extension_bytes"][kind])
        if 0 < length <= _MAX_PASSED_BYTES and ids[kind] > 0:
            value_at = packet["extension_at"][kind]
            out[at + end] = (ids[kind] << 4) | (length - 1)
            for k in range(length):
                out[at + end + 1 + k] = buffer[value_at + k]
            end += 1 + length
    if end == HEADER_BYTES + 4:
        out[at] = 0x80  # no extension at all
        end = HEADER_BYTES
    else:
        while end & 3:
            out[at + end] = 0
            end += 1
        store16(out, at + 14, (end - HEADER_BYTES - 4) >> 2)
    payload = packet["payload"]
    payload_bytes = i64(packet["payload_bytes"])
    copy_octets(out, at + end, buffer, payload, payload_bytes)
    end += payload_bytes
    pad = i64(packet["pad"])
    if pad > 0:
        out[at] |= 0x20
        for k in range(pad - 1):
            out[at + end + k] = 0
        out[at + end + pad - 1] = pad
        end += pad
    if ((sequence - entry["last_sequence"]) & 0xFFFF) < 0x8000:
        entry["last_sequence"] = sequence
        entry["last_timestamp"] = timestamp
        entry["last_arrival_us"] = packet["arrival_us"]
    entry["packets"] += 1
    entry["octets"] += payload_bytes
    return end
