"""What an encoding's reception looks like: the figures of RFC 3550 appendices A.1, A.3 and A.8."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernel import kernel

_RESTART_GAP = 3000
"""A jump of more than this many packets is taken for a restart of the numbering (RFC 3550 A.1, MAX_DROPOUT)."""


@kernel
def account_packet(encodings: NDArray[Any], encoding: int, packets: NDArray[Any], row: int, now_us: int) -> None:
    """Count `packets[row]` in its encoding's statistics."""
    entry = encodings[encoding]
    sequence = packets[row]["sequence"]
    timestamp = packets[row]["timestamp"]
    clock = entry["clock_rate"]
    arrival = now_us // 1000 * clock // 1000 + now_us % 1000 * clock // 1000000
    transit = (arrival - timestamp) & 0xFFFFFFFF
    if entry["packets"] == 0:
        entry["base_sequence"] = sequence
        entry["extended_sequence"] = sequence
    else:
        ahead = (sequence - entry["extended_sequence"]) & 0xFFFF
        if ahead < _RESTART_GAP:
            entry["extended_sequence"] += ahead
        elif ahead < 0x10000 - _RESTART_GAP:
            entry["packets"] = 0
            entry["base_sequence"] = sequence
            entry["extended_sequence"] = sequence
        if timestamp != entry["last_timestamp"]:
            difference = (transit - entry["transit"]) & 0xFFFFFFFF
            if difference >= 0x80000000:
                difference = 0x100000000 - difference
            entry["jitter_16"] += difference - ((entry["jitter_16"] + 8) >> 4)
    entry["transit"] = transit
    entry["last_timestamp"] = timestamp
    entry["last_arrival_us"] = now_us
    entry["packets"] += 1
    entry["octets"] += packets[row]["payload_bytes"]
