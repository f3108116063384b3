"""Retransmissions from publishers (RFC 4588): back to the packet that they repeat."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.tables import Tables
from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, load16, store16, store32

_PADDING = int(Counter.REPAIR_PADDING)
_DROP = int(Counter.DROP_REPAIR)
ORIGINAL_BYTES = 2
"""The original sequence number stands before the payload (RFC 4588 section 4)."""


@stage
def restore_packet(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> bool:
    """Turn the decrypted packet `row` of a repair stream into the media packet that it repeats, header included.

    The header moves up by two bytes over the original sequence number, so that whoever reads the bytes finds the
    media packet. False for what carries nothing or cannot be restored; both are counted.
    """
    packet = packets[row]
    media = tables.encodings[tables.encodings[encoding]["repairs"]]
    if packet["payload_bytes"] == 0:
        tables.counters[_PADDING] += 1
        return False
    if packet["payload_bytes"] <= ORIGINAL_BYTES or media["ssrc"] < 0 or media["active"] == 0:
        tables.counters[_DROP] += 1
        return False
    start = packet["start"]
    payload = packet["payload"]
    sequence = load16(buffer, payload)
    at = payload - 1
    while at >= start:
        buffer[at + ORIGINAL_BYTES] = buffer[at]
        at -= 1
    start += ORIGINAL_BYTES
    buffer[start] = i64(buffer[start]) & 0xDF  # the padding was taken off
    buffer[start + 1] = (packet["marker"] << 7) | media["payload_type"]
    store16(buffer, start + 2, sequence)
    store32(buffer, start + 8, media["ssrc"])
    packet["start"] = start
    packet["payload"] = payload + ORIGINAL_BYTES
    packet["payload_bytes"] -= ORIGINAL_BYTES
    for kind in range(EXTENSION_COUNT):
        packet["extension_at"][kind] += ORIGINAL_BYTES
    packet["sequence"] = sequence
    packet["ssrc"] = media["ssrc"]
    packet["payload_type"] = media["payload_type"]
    return True
