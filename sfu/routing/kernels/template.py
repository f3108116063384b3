"""Header extensions of what goes out: a template for each subscription, and what is stamped into it."""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.subscription_columns import TEMPLATE_BYTES
from sfu.routing.kernels.tables import Tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.dependency import MANDATORY_BYTES
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES as MAX_DEPENDENCY_GROWTH
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, store16, store24, store32
from sfu.wire.kernels.rtp import HEADER_BYTES, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE

_MID = int(Extension.MID)
_ABS_SEND_TIME = int(Extension.ABS_SEND_TIME)
_TRANSPORT_SEQUENCE = int(Extension.TRANSPORT_SEQUENCE)
_DEPENDENCIES = int(Extension.DEPENDENCY_DESCRIPTOR)
_PASSED = (
    int(Extension.AUDIO_LEVEL),
    int(Extension.VIDEO_ORIENTATION),
    _DEPENDENCIES,
    int(Extension.PLAYOUT_DELAY),
    int(Extension.FRAME_MARKING),
)
_MAX_SHORT_BYTES = 16


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
    if ids[_TRANSPORT_SEQUENCE] > 0 and entry["transport_cc"] == 1:
        template[at] = (ids[_TRANSPORT_SEQUENCE] << 4) | 1
        entry["transport_sequence_at"] = at + 1
        at += 3
    if ids[_MID] > 0 and entry["mid_bytes"] > 0:
        template[at] = (ids[_MID] << 4) | (entry["mid_bytes"] - 1)
        for k in range(entry["mid_bytes"]):
            template[at + 1 + k] = entry["mid"][k]
        at += 1 + entry["mid_bytes"]
    entry["template_bytes"] = at


@stage
def is_two_byte(packet: Any, ids: Any) -> bool:
    """Whether a value that passes through is too long for the one-byte form."""
    for kind in _PASSED:
        if packet["extension_bytes"][kind] > _MAX_SHORT_BYTES and ids[kind] > 0:
            return True
    length = packet["extension_bytes"][_DEPENDENCIES]
    if length > MANDATORY_BYTES and ids[_DEPENDENCIES] > 0:
        return length + MAX_DEPENDENCY_GROWTH > _MAX_SHORT_BYTES
    return False


@stage
def write_element(out: Octets, at: int, identifier: int, length: int, two_byte: bool) -> int:
    """Write an extension element's head; return where its value goes."""
    if two_byte:
        out[at] = identifier
        out[at + 1] = length
        return at + 2
    out[at] = (identifier << 4) | (length - 1)
    return at + 1


@stage
def write_two_byte_template(entry: Any, out: Octets, at: int) -> int:
    """Write the template with its elements in the two-byte form (RFC 8285 section 4.3); return its length."""
    template = entry["template"]
    copy_octets(out, at, template, 0, HEADER_BYTES)
    store16(out, at + HEADER_BYTES, TWO_BYTE_PROFILE)
    end = HEADER_BYTES + 4
    k = HEADER_BYTES + 4
    while k < entry["template_bytes"]:
        length = (i64(template[k]) & 0x0F) + 1
        value = write_element(out, at + end, i64(template[k]) >> 4, length, True)
        copy_octets(out, value, template, k + 1, length)
        end = value + length - at
        k += 1 + length
    return end


@stage
def stamp(entry: Any, connection: Any, out: Octets, at: int, now_us: int, two_byte: bool) -> None:
    """Set the values that differ with each packet: send time and transport-wide sequence number."""
    moved = 2 if two_byte else 0  # the first element stands a byte further in, the second two
    if entry["abs_send_time_at"] >= 0:
        # 24 bits of seconds in 6.18 fixed point
        store24(out, at + entry["abs_send_time_at"] + moved // 2, (now_us % 64000000 << 18) // 1000000)
    elif moved == 2:
        moved = 1
    if entry["transport_sequence_at"] >= 0:
        store16(out, at + entry["transport_sequence_at"] + moved, connection["transport_sequence"] & 0xFFFF)
        connection["transport_sequence"] += 1
