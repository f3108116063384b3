"""Transport-wide feedback to publishers: which of their packets came, and when
(draft-holmer-rmcat-transport-wide-cc-extensions-01).

It goes out every 50 to 250 ms, so often that it takes up a twentieth of what comes in, as libwebrtc does.
"""

from __future__ import annotations

from sfu.routing.kernels import native
from sfu.routing.kernels.connection_columns import REPORTED_PACKETS
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.media_columns import NEVER
from sfu.routing.kernels.messages import POSITION, Buffers
from sfu.routing.kernels.send import append_packet, flush, room_for
from sfu.routing.kernels.space import PACKET_SPACE
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import store16, store32
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED
from sfu.wire.kernels.transport_feedback_build import build_transport_feedback

_SENT = int(Counter.SENT_FEEDBACK)
_SHARE = 0.05
_REPORT_BITS = 544
_LEAST_US, _MOST_US = 50_000, 250_000
_LIMIT_BYTES = 1_100
_MOST_REPORTS = 8
"""Most packets of feedback in one report, whatever the numbers that came."""
_LOOK_BACK = 512
"""A packet so late is told of again with all that came after it; one that is later still is left out."""
_FAR_US = 1 << 62


@stage
def report_arrival(tables: Tables, connection: int, sequence: int, ssrc: int, size: int, now_us: int) -> None:
    """Note that an authentic packet with the transport-wide sequence number (0..65535) has come."""
    entry = tables.connections[connection]
    arrived = tables.arrived[connection]
    entry["report_media"] = ssrc
    entry["report_bytes"] += size
    highest = entry["report_highest"]
    if highest == NEVER:
        number = sequence
        entry["report_first"] = number
        entry["report_highest"] = number
        entry["report_us"] = now_us
    else:
        ahead = (sequence - highest) & 0xFFFF
        number = highest + (ahead if ahead < 0x8000 else ahead - 0x10000)
        if number > highest:
            if number - entry["report_first"] >= REPORTED_PACKETS:
                entry["report_first"] = number  # too much is missing to tell of it
                highest = number - 1
            for missing in range(highest + 1, number):
                arrived[missing % REPORTED_PACKETS] = NOT_RECEIVED
            entry["report_highest"] = number
        elif number < entry["report_first"]:
            if entry["report_first"] - number > _LOOK_BACK or number < 0:
                return
            entry["report_first"] = number
    arrived[number % REPORTED_PACKETS] = now_us
    if entry["reporting"] == 0:
        entry["reporting"] = 1
        entry["report_due_us"] = max(i64(entry["report_us"]) + _interval_us(tables, connection, now_us), now_us)
        tables.reporting[0] += 1
        tables.reporting[tables.reporting[0]] = connection


@stage
def _interval_us(tables: Tables, connection: int, now_us: int) -> int:
    entry = tables.connections[connection]
    elapsed = now_us - entry["report_us"]
    if elapsed <= 0 or entry["report_bytes"] <= 0:
        return _LEAST_US
    rate = entry["report_bytes"] * 8e6 / elapsed
    return min(max(i64(_REPORT_BITS * 1e6 / (_SHARE * rate)), _LEAST_US), _MOST_US)


@stage
def _send_report(tables: Tables, buffers: Buffers, connection: int, socket: int) -> None:
    """Send what has not been told yet, an empty receiver report before it (RFC 3550 section 6.1)."""
    entry = tables.connections[connection]
    out = buffers.out
    for _ in range(_MOST_REPORTS):
        if entry["report_first"] > entry["report_highest"]:
            break
        if not room_for(buffers, PACKET_SPACE):
            flush(buffers, tables, socket)
        at = buffers.state[POSITION]
        out[at] = 0x80
        out[at + 1] = 201
        store16(out, at + 2, 1)
        store32(out, at + 4, entry["report_ssrc"])
        size, covered = build_transport_feedback(
            out,
            at + 8,
            _LIMIT_BYTES,
            entry["report_ssrc"],
            entry["report_media"],
            entry["report_count"] & 0xFF,
            tables.arrived[connection],
            entry["report_first"],
            entry["report_highest"],
        )
        if covered <= 0:
            break
        entry["report_first"] += covered
        entry["report_count"] += 1
        buffers.length[0] = 8 + size
        length = buffers.length.ctypes.data
        if native.srtp_protect_rtcp(entry["send_srtp"], out.ctypes.data + at, length) == native.SRTP_OK:
            append_packet(buffers, connection, i64(buffers.length[0]), False)
            tables.counters[_SENT] += 1
    entry["report_first"] = max(i64(entry["report_first"]), i64(entry["report_highest"]) + 1)


@stage
def send_due_reports(tables: Tables, buffers: Buffers, socket: int, now_us: int) -> int:
    """Send the reports that are due; return when the next one is, or a time that never comes."""
    earliest = _FAR_US
    k = 1
    while k <= tables.reporting[0]:
        connection = i64(tables.reporting[k])
        entry = tables.connections[connection]
        able = entry["active"] == 1 and entry["send_srtp"] != 0 and entry["address_bytes"] > 0
        if able and entry["report_due_us"] > now_us:
            earliest = min(earliest, i64(entry["report_due_us"]))
            k += 1
            continue
        if able and entry["reports"] == 1:
            _send_report(tables, buffers, connection, socket)
        entry["report_us"] = now_us
        entry["report_bytes"] = 0
        entry["reporting"] = 0
        tables.reporting[k] = tables.reporting[tables.reporting[0]]
        tables.reporting[0] -= 1
    flush(buffers, tables, socket)
    return earliest
