"""What the estimator does with any feedback: operations of a sender and of a hostile receiver, and what must hold.

An input is a sequence of operations, each a byte that says which, one that it may use, and what that needs:

* packets are sent, time passes, or nothing comes for a while;
* transport-wide feedback whose body is the input's, about numbers near those that were sent;
* a REMB whose body is the input's; or any compound packet.

The kernels run as plain Python (`NUMBA_DISABLE_JIT`): a compiled `@stage` cannot be called from there.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from sfu.bwe.kernels.reset import reset_estimator
from sfu.bwe.kernels.state import LEAST_BPS, MOST_BPS
from sfu.routing.kernels.counters import COUNTER_COUNT
from sfu.routing.kernels.estimates import sweep_estimates
from sfu.routing.kernels.feedback import take_feedback
from sfu.routing.kernels.messages import make_buffers
from sfu.routing.kernels.notice_records import NOTICE
from sfu.routing.kernels.pacing import note_departure
from sfu.routing.kernels.tables import make_tables

START_US = 1_000_000_000
KINDS = 6
RECEIVE = 3
"""Kinds of operations from here on bring a body: transport-wide feedback, a REMB, any packet."""
SENDER_SSRC, MEDIA_SSRC = 1, 2
ROUNDED = 1.0 + 1e-12
_MOST_OPERATIONS = 400
_NOTICES = 64
NO_SOCKET = -1


class Path:
    """One connection of a plane without a socket, and its receiver."""

    def __init__(self) -> None:
        self.tables = make_tables(1, 1, 1, 1, COUNTER_COUNT)
        self.buffers = make_buffers()
        self.index = np.zeros(16, np.int64)
        self.notices = np.zeros(_NOTICES, NOTICE)
        self.now_us = START_US
        self.tables.connections[0]["active"] = 1
        self.tables.connections[0]["first_subscription"] = -1
        self.tables.connections[0]["controlled"] = 1

    def run(self, data: bytes) -> None:
        """Run one input; an AssertionError or an IndexError is a finding."""
        reset_estimator(self.tables.estimators[0], self.now_us)
        at = 0
        for _ in range(_MOST_OPERATIONS):
            if at + 2 > len(data):
                return
            kind, detail = data[at] % KINDS, data[at + 1]
            at += 2
            if kind >= RECEIVE:
                body, at = data[at : at + detail], at + detail
                self._receive(kind, body)
            else:
                self._send_or_wait(kind, detail)
            self.check()

    def _send_or_wait(self, kind: int, detail: int) -> None:
        entry = self.tables.connections[0]
        if kind == 0:
            for _ in range(detail % 16 + 1):
                entry["transport_sequence"] += 1
                note_departure(self.tables, 0, True, 60 + 5 * detail, self.now_us)
                self.now_us += 40 * detail
        elif kind == 1:
            self.now_us += 1 << (detail % 36)
        else:
            sweep_estimates(self.tables, self.buffers, self.index, self.notices, self.now_us)

    def _receive(self, kind: int, body: bytes) -> None:
        if kind == RECEIVE and len(body) >= 2:
            first = (int(self.tables.connections[0]["transport_sequence"]) - body[0]) & 0xFFFF
            reference = (self.now_us // 64_000 + body[1] - 128) & 0xFFFFFF
            count = 1 + body[0] % 200
            rest = (
                struct.pack("!LLHH", SENDER_SSRC, MEDIA_SSRC, first, count)
                + (reference << 8).to_bytes(4, "big")
                + body[2:]
            )
            packet = _with_header(0x8F, 205, rest)
        elif kind == RECEIVE + 1:
            packet = _with_header(0x8F, 206, struct.pack("!LL4s", SENDER_SSRC, 0, b"REMB") + body)
        else:
            packet = body
        received = self.buffers.received
        received[: len(packet)] = np.frombuffer(packet, np.uint8)
        take_feedback(self.tables, self.buffers, self.index, self.notices, 0, 0, len(packet), NO_SOCKET, self.now_us)
        self.index[:] = 0  # the control side has taken the notices

    def check(self) -> None:
        """The estimate stays within its bounds, and so does what is told of the path."""
        state = self.tables.estimators[0]
        for name in ("estimate_bps", "lasting_bps", "delay_bps", "loss_bps"):
            assert LEAST_BPS <= state[name] <= MOST_BPS, f"{name}: {state[name]}"
        most = (
            max(state["estimate_bps"], state["recover_bps"]) * ROUNDED
        )  # it is the one and a part of their difference
        assert state["estimate_bps"] <= state["lasting_bps"] <= most
        assert state["remote_bps"] >= LEAST_BPS
        assert 0.0 <= state["loss"] <= 1.0
        for name in ("round_trip_us", "acked_bps", "sent_bps", "capacity_bps", "recover_bps"):
            assert math.isfinite(state[name]), name
            assert state[name] >= 0.0, f"{name}: {state[name]}"
        assert math.isfinite(state["queue_ms"])
        assert math.isfinite(state["trend"])


def _with_header(first: int, kind: int, rest: bytes) -> bytes:
    rest += bytes(-len(rest) % 4)
    return struct.pack("!BBH", first, kind, len(rest) // 4) + rest


def run(data: bytes) -> None:
    """Run one input on a fresh connection."""
    Path().run(data)
