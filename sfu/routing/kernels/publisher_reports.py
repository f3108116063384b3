"""Receiver reports to publishers (RFC 3550 section 6.4.2): what has come of each of their Encodings, once a second."""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.classify import find_source
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.sender_reports import can_send, make_room, protect_report
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load32
from sfu.wire.kernels.rtcp_build import RECEIVER_REPORT_BYTES, write_block, write_description, write_receiver_report

_INTERVAL_US = 1_000_000
_MOST_BLOCKS = 31
_MOST_LOST, _LEAST_LOST = 0x7FFFFF, -0x800000
_MASK_32 = 0xFFFFFFFF


@stage
def _follow_source(entry: Any) -> None:
    """Count anew where another source has taken an Encoding's place, or its numbering began anew."""
    if entry["told_generation"] != entry["generation"]:
        entry["told_generation"] = entry["generation"]
        entry["told_expected"] = 0
        entry["told_packets"] = 0
        entry["lost_256"] = 0
        entry["sender_ntp"] = 0
        entry["sender_us"] = 0


@stage
def note_sender_report(tables: Tables, connection: int, octets: Octets, at: int, now_us: int) -> None:
    """Note when a client's sender report came, which begins at `at`, for the round trip that it finds by ours."""
    encoding = find_source(tables, connection, load32(octets, at + 4))
    if encoding >= 0:
        entry = tables.encodings[encoding]
        _follow_source(entry)
        entry["sender_ntp"] = ((load32(octets, at + 8) << 16) | (load32(octets, at + 12) >> 16)) & _MASK_32
        entry["sender_us"] = now_us


@kernel
def write_encoding_block(tables: Tables, encoding: int, out: Octets, at: int, now_us: int) -> int:
    """Write the report block of an Encoding for the time since the former one (RFC 3550 appendix A.3); return where it
    ends.
    """
    entry = tables.encodings[encoding]
    _follow_source(entry)
    packets, highest = i64(entry["packets"]), i64(entry["extended_sequence"])
    expected = highest - i64(entry["base_sequence"]) + 1
    expected_now = expected - i64(entry["told_expected"])
    lost_now = expected_now - (packets - i64(entry["told_packets"]))
    entry["told_expected"] = expected
    entry["told_packets"] = packets
    entry["lost_256"] = min((lost_now << 8) // expected_now, 255) if expected_now > 0 and lost_now > 0 else 0
    last, delay = i64(entry["sender_ntp"]), i64(0)
    if entry["sender_us"] > 0:
        delay = min((max(now_us - i64(entry["sender_us"]), 0) << 16) // 1_000_000, _MASK_32)
    return write_block(
        out,
        at,
        i64(entry["ssrc"]),
        i64(entry["lost_256"]),
        min(max(expected - packets, _LEAST_LOST), _MOST_LOST),
        highest & _MASK_32,
        (i64(entry["jitter_16"]) >> 4) & _MASK_32,
        last,
        delay,
    )


@stage
def _is_told_of(entry: Any) -> bool:
    """Whether packets of an Encoding have come. What repairs another one is part of that."""
    return entry["ssrc"] >= 0 and entry["repairs"] < 0 and entry["packets"] > 0


@stage
def send_publisher_reports(tables: Tables, buffers: Buffers, connection: int, socket: int, now_us: int) -> None:
    """Tell a client of its Encodings, if that is due, in packets of 31 blocks at most."""
    entry = tables.connections[connection]
    encoding = i64(entry["first_encoding"])
    if encoding < 0 or entry["report_ssrc"] <= 0 or now_us < entry["tell_us"] or not can_send(entry):
        return
    entry["tell_us"] = max(i64(entry["tell_us"]) + _INTERVAL_US, now_us)
    out = buffers.out
    ssrc = i64(entry["report_ssrc"])
    while encoding >= 0:
        at = make_room(tables, buffers, socket)
        end = at + RECEIVER_REPORT_BYTES
        blocks = 0
        while encoding >= 0 and blocks < _MOST_BLOCKS:
            if _is_told_of(tables.encodings[encoding]):
                end = write_encoding_block(tables, encoding, out, end, now_us)
                blocks += 1
            encoding = i64(tables.encodings[encoding]["next"])
        if blocks == 0:
            break
        write_receiver_report(out, at, ssrc, blocks)
        end = write_description(out, end, ssrc, entry["cname"], i64(entry["cname_bytes"]))
        protect_report(tables, buffers, connection, at, end)
