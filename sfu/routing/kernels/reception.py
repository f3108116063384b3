"""What an encoding's reception looks like: which packets have come, and the figures of RFC 3550 appendix A."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.media_columns import ARRIVALS, NEVER
from sfu.routing.kernels.source_id import next_generation
from sfu.wire.kernels.kernel import stage

_RESTART_GAP = 3000
"""A jump of more than this many packets may be a restart of the numbering (RFC 3550 A.1, MAX_DROPOUT)."""

DUPLICATE = NEVER + 1
"""The packet has come before, or is too old to tell."""
JUMP = NEVER + 2
"""The packet is far from the numbering so far; a second one in sequence with it makes that a restart."""


@stage
def forget_arrivals(encodings: NDArray[Any], arrivals: NDArray[np.int64], encoding: int) -> None:
    """Begin anew: a new SSRC, or a numbering that was restarted."""
    entry = encodings[encoding]
    entry["packets"] = 0
    entry["octets"] = 0
    entry["jitter_16"] = 0
    entry["resume_sequence"] = -1
    for k in range(ARRIVALS):
        arrivals[encoding, k] = NEVER


@stage
def begin_generation(encodings: NDArray[Any], arrivals: NDArray[np.int64], encoding: int) -> None:
    """Begin anew, and count what comes from now on as another source."""
    forget_arrivals(encodings, arrivals, encoding)
    encodings[encoding]["generation"] = next_generation(encodings[encoding]["generation"])


@stage
def extend_sequence(encodings: NDArray[Any], encoding: int, sequence: int) -> int:
    """Return the extended sequence number nearest to the highest one so far (RFC 3711 section 3.3.1)."""
    highest = encodings[encoding]["extended_sequence"]
    ahead = (sequence - highest) & 0xFFFF
    return highest + ahead if ahead < 0x8000 else highest + ahead - 0x10000


@stage
def note_arrival(encodings: NDArray[Any], arrivals: NDArray[np.int64], encoding: int, sequence: int) -> int:
    """Enter a media packet; return its extended sequence number, or `DUPLICATE`, or `JUMP`.

    Does not move the highest sequence number: `account_packet` does.
    """
    entry = encodings[encoding]
    if entry["packets"] == 0:
        entry["base_sequence"] = sequence
        entry["extended_sequence"] = sequence
        extended = sequence
    else:
        extended = extend_sequence(encodings, encoding, sequence)
        ahead = extended - entry["extended_sequence"]
        if ahead >= _RESTART_GAP or ahead <= -_RESTART_GAP:
            restarts = entry["resume_sequence"] == sequence
            entry["resume_sequence"] = (sequence + 1) & 0xFFFF
            if not restarts:
                return JUMP
            begin_generation(encodings, arrivals, encoding)
            entry["base_sequence"] = sequence
            entry["extended_sequence"] = sequence
            extended = sequence
        elif ahead <= -ARRIVALS or arrivals[encoding, extended % ARRIVALS] == extended:
            return DUPLICATE
    entry["resume_sequence"] = -1
    arrivals[encoding, extended % ARRIVALS] = extended
    return extended


@stage
def account_repaired(encodings: NDArray[Any], encoding: int, extended: int) -> None:
    """Count a media packet that came by retransmission; it does not belong to the encoding's own stream."""
    entry = encodings[encoding]
    entry["repaired"] += 1
    entry["extended_sequence"] = max(entry["extended_sequence"], extended)


@stage
def account_packet(
    encodings: NDArray[Any], encoding: int, packets: NDArray[Any], row: int, extended: int, again: bool
) -> None:
    """Count a media packet of the encoding's own stream in its statistics.

    `again`: it may have been sent a second time, so when it came says nothing of the path.
    """
    entry = encodings[encoding]
    if again:
        entry["packets"] += 1
        entry["octets"] += packets[row]["payload_bytes"]
        entry["last_arrival_us"] = packets[row]["arrival_us"]
        return
    timestamp = packets[row]["timestamp"]
    now_us = packets[row]["arrival_us"]
    clock = entry["clock_rate"]
    arrival = now_us // 1000 * clock // 1000 + now_us % 1000 * clock // 1000000
    transit = (arrival - timestamp) & 0xFFFFFFFF
    if entry["packets"] > 0 and timestamp != entry["last_timestamp"]:
        difference = (transit - entry["transit"]) & 0xFFFFFFFF
        if difference >= 0x80000000:
            difference = 0x100000000 - difference
        entry["jitter_16"] += difference - ((entry["jitter_16"] + 8) >> 4)
    entry["extended_sequence"] = max(entry["extended_sequence"], extended)
    entry["transit"] = transit
    entry["last_timestamp"] = timestamp
    entry["last_arrival_us"] = now_us
    entry["packets"] += 1
    entry["octets"] += packets[row]["payload_bytes"]
