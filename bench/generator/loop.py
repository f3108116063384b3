"""The generator's one loop: publish what is due, then take what came, until told to stop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.generator.buffers import Buffers
from bench.generator.frames import send_frame
from bench.generator.kernel import kernel, stage
from bench.generator.layout import DEADLINE_NS, RUNNING, SENDING, STOP, Tables
from bench.generator.native import epoll_pwait2, monotonic_ns
from bench.generator.receive import drain, drain_gro
from bench.generator.reports import send_due

_REPORT_SCAN_NS = 10_000_000
_MAX_WAIT_NS = 5_000_000
#: A publisher this many frames behind gives up on catching up.
_MAX_BEHIND = 3
#: Sockets drained between two looks at the clock.
_LOOK_EVERY = 8


@stage
def publish_due(tables: Tables, buffers: Buffers, now_ns: int) -> int:
    """Send every frame due at `now_ns`; returns when the next one is."""
    soonest = now_ns + _MAX_WAIT_NS
    for index in range(tables.encodings.shape[0]):
        encoding = tables.encodings[index]
        if now_ns >= encoding["next_frame_ns"]:
            send_frame(index, tables, buffers)
            due = encoding["next_frame_ns"] + encoding["interval_ns"]
            if due < now_ns - _MAX_BEHIND * encoding["interval_ns"]:
                encoding["late"] += np.uint64(max((now_ns - due) // encoding["interval_ns"], 1))
                due = now_ns
            encoding["next_frame_ns"] = due
        soonest = min(soonest, np.int64(encoding["next_frame_ns"]))
    return soonest


@kernel
def run(tables: Tables, buffers: Buffers, epoll: int, rows: NDArray[np.int32]) -> None:
    """Run until STOP or DEADLINE_NS. rows: a descriptor's row in the connection table."""
    control = tables.control
    events = buffers.events
    next_scan_ns = np.int64(0)
    control[RUNNING] = 1
    while True:
        now_ns = monotonic_ns(buffers.timespec)
        if control[STOP] != 0 or now_ns >= control[DEADLINE_NS]:
            break
        soonest = now_ns + _MAX_WAIT_NS
        if control[SENDING] != 0:
            soonest = publish_due(tables, buffers, now_ns)
        if now_ns >= next_scan_ns:
            send_due(tables, buffers, now_ns)
            next_scan_ns = now_ns + _REPORT_SCAN_NS
        buffers.wait[0] = 0
        buffers.wait[1] = max(soonest - monotonic_ns(buffers.timespec), 0)
        ready = epoll_pwait2(epoll, events.ctypes.data, events.shape[0], buffers.wait.ctypes.data, 0)
        for at in range(ready):
            if at % _LOOK_EVERY == _LOOK_EVERY - 1 and control[SENDING] != 0:
                now_ns = monotonic_ns(buffers.timespec)
                if now_ns >= soonest:
                    soonest = publish_due(tables, buffers, now_ns)
            # The upper half of the data word is whatever it was when the descriptor was stored in it.
            index = np.int64(rows[np.int64(events[at]["data"] & np.uint64(0xFFFFFFFF))])
            if tables.connections[index]["gro"] == 1:
                drain_gro(index, tables, buffers)
            else:
                drain(index, tables, buffers)
    control[RUNNING] = 0
