"""What waits to be sent on a TCP connection: in order, bounded, and media that come too late are left out.

TCP loses nothing, so what does not get through waits, and what comes behind it waits longer. It waits with us, not in
the system's buffer (`TCP_NOTSENT_LOWAT`): here a packet of video that is late can still be left out, before audio is.
The estimator sees both, as delay first and then as loss, and brings the rate down.
"""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.polling import end, set_writes
from sfu.tcp.kernels.rows import ENTRIES, OUT_BYTES, Ended, Pumped
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.system import EAGAIN, EINTR, MSG_DONTWAIT, MSG_NOSIGNAL, errno

_LATE, _FULL = int(Counter.DROP_LATE), int(Counter.DROP_FULL)
_FAILED, _SERVED = int(Ended.FAILED), int(Ended.SERVED)

LATE_MS = 400
"""A large packet of media that has waited so long is left out."""
TOO_LATE_MS = 1000
"""And any packet of media after so long."""
LARGE_BYTES = 400
"""Video, in nearly all cases; what is smaller is audio, feedback, or the end of a frame."""
PRUNE_MS = 20
"""Time between two looks at what is late."""
RECORD_BYTES = 16_384
"""What one record of TLS carries (RFC 8446 section 5.1)."""


@stage
def count_waiting(pumped: Pumped, row: int) -> int:
    """Octets that wait to be sent."""
    return i64(pumped.rows[row]["tail"] - pumped.rows[row]["head"])


@stage
def _move_down(pumped: Pumped, row: int) -> None:
    """Let what waits begin where the buffer does."""
    held = pumped.rows[row]
    if held["head"] > 0:
        base = pumped.outbox.ctypes.data + row * OUT_BYTES
        native.memmove(base, base + held["head"], i64(held["tail"] - held["head"]))
        held["tail"] -= held["head"]
        held["head"] = 0
    if held["first"] > 0:
        entries = pumped.entries[row]
        for k in range(held["first"], held["last"]):
            entries[k - held["first"]] = entries[k]
        held["last"] -= held["first"]
        held["first"] = 0


@stage
def _prune(pumped: Pumped, row: int, late_ms: int, now_ms: int) -> None:
    """Leave out what is late, large ones after `late_ms`, but nothing of which a part is out already."""
    held = pumped.rows[row]
    held["pruned_ms"] = now_ms
    _move_down(pumped, row)
    base = pumped.outbox.ctypes.data + row * OUT_BYTES
    entries = pumped.entries[row]
    at = to = kept = i64(0)
    for k in range(held["last"]):
        size = i64(entries[k]["bytes"])
        age = now_ms - entries[k]["came_ms"]
        late = (age >= late_ms and size > LARGE_BYTES) or age > TOO_LATE_MS
        if entries[k]["media"] and late and at >= held["locked"]:
            pumped.counters[_LATE] += 1
        else:
            if to < at:
                native.memmove(base + to, base + at, size)
                entries[kept] = entries[k]
            to += size
            kept += 1
        at += size
    held["tail"] = to
    held["last"] = kept


@stage
def _fits(pumped: Pumped, row: int, size: int) -> bool:
    return bool(pumped.rows[row]["tail"] + size <= OUT_BYTES and pumped.rows[row]["last"] < ENTRIES)


@kernel
def open_frame(pumped: Pumped, row: int, size: int, media: int, now_ms: int) -> int:
    """Make room for a frame of so many octets; return where it begins in the outbox, or -1: it does not fit."""
    held = pumped.rows[row]
    oldest_ms = now_ms - pumped.entries[row, held["first"]]["came_ms"] if held["first"] < held["last"] else i64(0)
    if oldest_ms > LATE_MS and now_ms - held["pruned_ms"] >= PRUNE_MS:
        _prune(pumped, row, LATE_MS, now_ms)
    if not _fits(pumped, row, size):
        _move_down(pumped, row)
    if not _fits(pumped, row, size):  # the older half of what is large makes way, for what is small all of it
        _prune(pumped, row, oldest_ms // 2, now_ms)
        if not _fits(pumped, row, size) and size <= LARGE_BYTES:
            _prune(pumped, row, i64(0), now_ms)
    if not _fits(pumped, row, size):
        pumped.counters[_FULL] += 1
        return -1
    if held["head"] == held["tail"]:
        held["moved_ms"] = now_ms  # from now on something waits
    at = i64(held["tail"])
    entry = pumped.entries[row, held["last"]]
    entry["came_ms"] = now_ms
    entry["bytes"] = size
    entry["media"] = media
    held["last"] += 1
    held["tail"] += size
    return at


@stage
def _advance(pumped: Pumped, row: int, sent: int, now_ms: int) -> None:
    """So many octets are out: what is left of a frame that they cut has to follow."""
    held = pumped.rows[row]
    held["out_total"] += sent
    held["moved_ms"] = now_ms
    held["head"] += sent
    left = sent
    while held["first"] < held["last"] and left > 0:
        entry = pumped.entries[row, held["first"]]
        if entry["bytes"] > left:
            entry["bytes"] -= left
            break
        left -= entry["bytes"]
        held["first"] += 1
    held["locked"] = i64(pumped.entries[row, held["first"]]["bytes"]) if left > 0 else i64(0)
    if held["head"] == held["tail"]:
        held["head"] = held["tail"] = 0
        held["first"] = held["last"] = 0
        held["locked"] = 0


@stage
def _send_some(pumped: Pumped, row: int, count: int) -> int:
    """Hand octets to TLS or to the system: how many it took, 0 when none now, -1 when there is no way on."""
    held = pumped.rows[row]
    start = pumped.outbox.ctypes.data + row * OUT_BYTES + held["head"]
    if held["ssl"] == 0:
        sent = native.send(held["tcp"], start, count, MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent > 0:
            return i64(sent)
        error = errno()
        return i64(0) if error in (EAGAIN, EINTR) else i64(-1)
    native.ssl_clear_errors()
    sent = native.ssl_write(held["ssl"], start, count)
    if sent > 0:
        return i64(sent)
    reason = native.ssl_get_error(held["ssl"], sent)
    if reason in (native.SSL_WANT_WRITE, native.SSL_WANT_READ):
        held["locked"] = max(i64(held["locked"]), count)  # it is in a record already
        return i64(0)
    return i64(-1)


@kernel
def flush(pumped: Pumped, row: int, now_ms: int) -> None:
    """Send what the connection takes."""
    held = pumped.rows[row]
    while held["head"] < held["tail"]:
        count = min(i64(held["tail"] - held["head"]), RECORD_BYTES)
        sent = _send_some(pumped, row, count)
        if sent < 0:
            end(pumped, row, _FAILED)
            return
        if sent == 0:
            set_writes(pumped, row, 1)
            return
        _advance(pumped, row, sent, now_ms)
    set_writes(pumped, row, 0)
    if held["closing"]:
        end(pumped, row, _SERVED)


@kernel
def put(pumped: Pumped, row: int, data: Octets, start: int, count: int, now_ms: int) -> bool:
    """Let octets wait that are never left out; False if they do not fit."""
    at = open_frame(pumped, row, count, i64(0), now_ms)
    if at < 0:
        return False
    copy_octets(pumped.outbox[row], at, data, start, count)
    return True
