"""Sender reports toward subscribers (RFC 3550 section 6.4.1), and the BYE of a subscription that ends.

The control side hears a publisher's report and passes it on. The NTP time stays as it is; only the RTP timestamp moves,
by the subscription's offset: so all Tracks of one publisher keep their common clock, which is what keeps lips in sync
(RFC 7667 section 3.7, a media-switching mixer's duty to translate timestamps).

All RTCP under a subscription's SSRC is made here and protected by the connection's `send_srtp`, which alone counts its
SRTCP index.
"""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.media_columns import CLOCKS
from sfu.routing.kernels.messages import POSITION, Buffers
from sfu.routing.kernels.send import append_packet, flush, room_for
from sfu.routing.kernels.space import PACKET_SPACE
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.rtcp_build import write_description, write_goodbye, write_receiver_report, write_sender_report

_SENT = int(Counter.SENT_REPORTS)
_PROTECT_FAILED = int(Counter.DROP_PROTECT_FAILED)
_MASK_32 = 0xFFFFFFFF
_LOOK_US = 10_000
_MOST_LOOK_US = 1_000_000


@stage
def forget_reports(tables: Tables, track: int) -> None:
    """Begin a fresh track, of whose Encodings no report has come."""
    for index in range(CLOCKS):
        tables.tracks[track]["clock_known"][index] = 0


@stage
def forget_report(tables: Tables, track: int, index: int) -> None:
    """Forget the last report on an Encoding, since another source has taken its place."""
    if 0 <= index < CLOCKS:
        tables.tracks[track]["clock_known"][index] = 0


@stage
def pass_report(tables: Tables, buffers: Buffers, track: int, command: Any, socket: int, now_us: int) -> None:
    """Take over what a publisher has reported of an Encoding, and send it to each subscription that shows it."""
    index = i64(command["index"])
    entry = tables.tracks[track]
    if not 0 <= index < CLOCKS or entry["active"] == 0:
        return
    entry["clock_known"][index] = 1
    entry["clock_seconds"][index] = command["ntp_seconds"]
    entry["clock_fraction"][index] = command["ntp_fraction"]
    entry["clock_timestamp"][index] = command["rtp_timestamp"]
    subscription = i64(entry["first_subscription"])
    while subscription >= 0:
        if _shown_index(tables.subscriptions[subscription]) == index:
            _send_report(tables, buffers, subscription, index, socket, now_us)
        subscription = i64(tables.subscriptions[subscription]["next"])


@stage
def _shown_index(entry: Any) -> int:
    """The Encoding in whose numbering a subscription is; -1: none, so its timestamps have no meaning now."""
    if entry["started"] == 0 or entry["source"] < 0:
        return -1
    return max(0, i64(entry["current_index"]))


@stage
def _is_known(tables: Tables, entry: Any, index: int) -> bool:
    """Whether an Encoding of a subscription's track has been reported on."""
    return 0 <= index < CLOCKS and entry["track"] >= 0 and tables.tracks[entry["track"]]["clock_known"][index] == 1


@stage
def can_send(connection: Any) -> bool:
    """Whether anything can be sent to a connection's client."""
    return connection["send_srtp"] != 0 and connection["address_bytes"] > 0


@stage
def make_room(tables: Tables, buffers: Buffers, socket: int) -> int:
    """Return where in `out` a packet may be written."""
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    return i64(buffers.state[POSITION])


@stage
def protect_report(tables: Tables, buffers: Buffers, connection: int, at: int, end: int) -> bool:
    """Encrypt the compound packet in `out[at:end]` and queue it; return whether it goes out."""
    length = buffers.length
    length[0] = end - at
    session = tables.connections[connection]["send_srtp"]
    if native.srtp_protect_rtcp(session, buffers.out.ctypes.data + at, length.ctypes.data) != native.SRTP_OK:
        tables.counters[_PROTECT_FAILED] += 1
        return False
    append_packet(buffers, connection, i64(length[0]), False)
    tables.counters[_SENT] += 1
    return True


@stage
def _send_report(tables: Tables, buffers: Buffers, subscription: int, index: int, socket: int, now_us: int) -> None:
    entry = tables.subscriptions[subscription]
    row = i64(entry["connection"])
    if not can_send(tables.connections[row]):
        return
    clock = tables.tracks[entry["track"]]
    seconds, fraction = i64(clock["clock_seconds"][index]), i64(clock["clock_fraction"][index])
    timestamp = (clock["clock_timestamp"][index] + entry["timestamp_offset"]) & _MASK_32
    ssrc = i64(entry["ssrc"])
    at = make_room(tables, buffers, socket)
    end = write_sender_report(
        buffers.out,
        at,
        ssrc,
        seconds,
        fraction,
        timestamp,
        i64(entry["packets"]) & _MASK_32,
        i64(entry["octets"]) & _MASK_32,
    )
    end = write_description(buffers.out, end, ssrc, entry["cname"], i64(entry["cname_bytes"]))
    if not protect_report(tables, buffers, row, at, end):
        return
    entry["report_ntp"] = ((seconds << 16) | (fraction >> 16)) & _MASK_32
    entry["report_us"] = now_us
    entry["reported"] = 1
    _await_no_more(tables, entry)


@stage
def begin_reports(tables: Tables, subscription: int) -> None:
    """Begin a fresh subscription, of which nothing has been reported."""
    entry = tables.subscriptions[subscription]
    entry["reported"] = 0
    entry["report_ntp"] = 0
    entry["report_us"] = 0
    entry["awaits_report"] = 0
    await_report(tables, subscription)


@stage
def await_report(tables: Tables, subscription: int) -> None:
    """Give a subscription that is new to its track a report as soon as there is one."""
    entry = tables.subscriptions[subscription]
    connection = tables.connections[entry["connection"]]
    if entry["awaits_report"] == 0:
        entry["awaits_report"] = 1
        connection["unreported"] += 1
    connection["look_us"] = 0


@stage
def _await_no_more(tables: Tables, entry: Any) -> None:
    if entry["awaits_report"] == 1:
        entry["awaits_report"] = 0
        tables.connections[entry["connection"]]["unreported"] -= 1


@stage
def end_reports(tables: Tables, buffers: Buffers, subscription: int, goodbye: bool, socket: int) -> bool:
    """Send no more reports; with `goodbye`, tell a client that has got some that the source has left (RFC 3550 section
    6.3.7). Return whether the SSRC has sent RTCP.
    """
    entry = tables.subscriptions[subscription]
    row = i64(entry["connection"])
    connection = tables.connections[row]
    _await_no_more(tables, entry)
    if entry["reported"] == 0:
        return False
    if goodbye and can_send(connection):
        ssrc = i64(entry["ssrc"])
        at = make_room(tables, buffers, socket)
        end = write_receiver_report(buffers.out, at, ssrc, 0)
        end = write_description(buffers.out, end, ssrc, entry["cname"], i64(entry["cname_bytes"]))
        protect_report(tables, buffers, row, at, write_goodbye(buffers.out, end, ssrc))
    return True


@stage
def send_first_reports(tables: Tables, buffers: Buffers, connection: int, socket: int, now_us: int) -> None:
    """Send the subscriptions of a connection that await a report the last one, if it is known.

    Where many wait, perhaps since nothing is forwarded to them, they are looked at less often.
    """
    entry = tables.connections[connection]
    if entry["unreported"] <= 0 or now_us < entry["look_us"]:
        return
    subscription = i64(entry["first_subscription"])
    while subscription >= 0:
        row = tables.subscriptions[subscription]
        index = _shown_index(row)
        if row["awaits_report"] == 1 and _is_known(tables, row, index):
            _send_report(tables, buffers, subscription, index, socket, now_us)
        subscription = i64(row["sibling"])
    entry["look_us"] = now_us + min(_LOOK_US * i64(entry["unreported"]), _MOST_LOOK_US)
