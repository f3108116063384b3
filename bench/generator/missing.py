"""Asking for what is missing: Generic NACK at once and every 100 ms, ten times, then a PLI, as libwebrtc does."""

from __future__ import annotations

import numpy as np

from bench.generator.kernel import kernel, stage
from bench.generator.layout import Tables
from bench.generator.numbers import drop_missing
from bench.generator.octets import Octets, put_u16, put_u32

ASK_INTERVAL_NS = 100_000_000
MOST_TRIES = 10
_MOST_BYTES = 1100
_NACK_REACH = 16


@stage
def put_feedback_header(out: Octets, at: int, kind: int, form: int, words: int, sender: int, media: int) -> None:
    """The common head of feedback packets (RFC 4585 section 6.1) with `words` of feedback control information."""
    out[at] = 0x80 | form
    out[at + 1] = kind
    put_u16(out, at + 2, 2 + words)
    put_u32(out, at + 4, sender)
    put_u32(out, at + 8, media)


@kernel
def ask(index: int, now_ns: int, tables: Tables, out: Octets) -> int:
    """Write NACKs for what is due of the connection's missing packets, and PLIs for what is given up; their length."""
    connection = tables.connections[index]
    entries = tables.missing[index]
    sender = np.int64(connection["ssrc"])
    end = head = 0  # where the compound, and the NACK that is being written in it, end and begin
    row = first = np.int64(-1)  # the stream of that NACK, and the number that its last pair begins with
    at = np.int64(0)
    while at < connection["missing"] and end < _MOST_BYTES:
        entry = entries[at]
        if entry["next_ns"] > now_ns:
            at += 1
            continue
        media = np.int64(tables.streams[index, entry["stream"]]["ssrc"])
        if entry["tries"] >= MOST_TRIES:
            put_feedback_header(out, end, 206, 1, 0, sender, media)
            end += 12
            row = np.int64(-1)
            connection["given_up"] += np.uint64(1)
            drop_missing(index, at, tables)
            continue
        if entry["stream"] != row:
            row, first, head = np.int64(entry["stream"]), np.int64(-1), end
            put_feedback_header(out, head, 205, 1, 0, sender, media)
            end += 12
        ahead = np.int64(entry["sequence"]) - first
        if first >= 0 and 1 <= ahead <= _NACK_REACH:
            # Bit 0 of the mask, the lowest, is the number after the pair's own (RFC 4585 section 6.2.1).
            bit = ahead - 1
            out[end - 1 - (bit >> 3)] |= 1 << (bit & 7)
        else:
            first = np.int64(entry["sequence"])
            put_u16(out, end, first & 0xFFFF)
            put_u16(out, end + 2, 0)
            end += 4
            put_u16(out, head + 2, (end - head) // 4 - 1)
        if entry["tries"] == 0:
            connection["asked"] += np.uint64(1)
        entry["tries"] += 1
        entry["next_ns"] = now_ns + ASK_INTERVAL_NS
        at += 1
    return end
