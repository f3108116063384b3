"""Reports: what the kernels write and take, against the RTCP of `sfu/wire/rtcp.py` and a slow reader.

`test_modes.py` runs this module again, unjitted and bounds-checked.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.counters import COUNTER_COUNT
from sfu.routing.kernels.publisher_reports import write_encoding_block
from sfu.routing.kernels.receiver_reports import take_blocks
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire import rtcp
from sfu.wire.kernels import rtcp_build
from sfu.wire.rtcp import ReceiverReport, ReportBlock, parse_compound

from .modes import examples

ROOM = 400
words = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from([0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]))
NOW_US = 1 << 40


def written(write: Any, at: int, *fields: Any) -> bytes:
    """What a kernel writes at `at`; nothing around it is touched."""
    out = np.full(ROOM, 0xEE, np.uint8)
    end = int(write(out, at, *fields))
    assert set(out[:at].tolist()) | set(out[end:].tolist()) == {0xEE}
    return out[at:end].tobytes()


@given(ssrc=words, ntp=st.integers(0, 2**64 - 1), timestamp=words, packets=words, octets=words, at=st.integers(1, 9))
@settings(max_examples=examples(300), deadline=None)
def test_a_sender_report_is_written_as_python_builds_it(
    ssrc: int, ntp: int, timestamp: int, packets: int, octets: int, at: int
) -> None:
    made = written(rtcp_build.write_sender_report, at, ssrc, ntp >> 32, ntp & 0xFFFF_FFFF, timestamp, packets, octets)
    assert made == rtcp.build_sender_report(ssrc, ntp, timestamp, packets, octets)


@given(ssrc=words, name=st.text("abcXYZ019", max_size=32), spare=st.binary(max_size=4), at=st.integers(1, 9))
@settings(max_examples=examples(300), deadline=None)
def test_a_description_and_a_goodbye_are_written_as_python_builds_them(
    ssrc: int, name: str, spare: bytes, at: int
) -> None:
    cname = np.frombuffer(name.encode() + spare + b"\0", np.uint8).copy()
    made = written(rtcp_build.write_description, at, ssrc, cname, len(name))
    assert made == rtcp.build_source_description(ssrc, name)
    assert written(rtcp_build.write_goodbye, at, ssrc) == rtcp.build_goodbye([ssrc])
    assert written(rtcp_build.write_receiver_report, at, ssrc, 0) == rtcp.build_receiver_report(ssrc)


class Receiver:
    """One connection's subscriptions, as the plane keeps them and as a slow reader does."""

    def __init__(self, reported: list[tuple[bool, int, int]]) -> None:
        """`reported`: of each subscription, whether it has sent a report, its compact NTP time, and how long ago."""
        self.tables: Tables = make_tables(2, 1, 1, len(reported) + 1, COUNTER_COUNT)
        self.tables.connections["first_subscription"] = -1
        self.tables.subscriptions["round_trip_us"] = -1
        self.tables.subscriptions["repeat_interval_ms"] = 20
        self.told: dict[int, tuple[int, int, int, int, int]] = {}
        for row, (sent, ntp, ago_us) in enumerate(reported):
            entry = self.tables.subscriptions[row]
            entry["ssrc"], entry["reported"], entry["report_ntp"] = 100 + row, sent, ntp
            entry["report_us"] = NOW_US - ago_us
            entry["sibling"] = self.tables.connections[1]["first_subscription"]
            self.tables.connections[1]["first_subscription"] = row
            self.told[100 + row] = (0, 0, 0, -1, 20)
        self.reported = {100 + row: one for row, one in enumerate(reported)}

    def take(self, blocks: list[ReportBlock]) -> None:
        octets = np.frombuffer(rtcp.build_receiver_report(1, blocks), np.uint8).copy()
        take_blocks(self.tables, 1, octets, 8, len(blocks), NOW_US)
        (report,) = parse_compound(octets.tobytes())
        assert isinstance(report, ReceiverReport)
        for block in report.blocks:
            if block.ssrc in self.told:
                self.told[block.ssrc] = self._read(block)

    def _read(self, block: ReportBlock) -> tuple[int, int, int, int, int]:
        sent, ntp, ago_us = self.reported[block.ssrc]
        *_, round_trip_us, interval_ms = self.told[block.ssrc]
        if sent and block.last_sender_report == ntp != 0:
            found_us = ago_us - block.delay * 1_000_000 // 65536
            if found_us >= 0:
                round_trip_us = found_us
                interval_ms = min(max((found_us + 500) // 1000, 20), 10_000)
        return block.fraction_lost, block.packets_lost, block.jitter, round_trip_us, interval_ms

    def check(self) -> None:
        names = ("lost_256", "packets_lost", "jitter", "round_trip_us", "repeat_interval_ms")
        for ssrc, told in self.told.items():
            entry = self.tables.subscriptions[ssrc - 100]
            assert tuple(int(entry[name]) for name in names) == told


NTPS = st.sampled_from([0, 1, 0xFFFF_FFFF, 0x1234_5678])
sent_reports = st.tuples(st.booleans(), NTPS, st.one_of(st.integers(0, 3_000_000), st.integers(0, 1 << 39)))
blocks = st.builds(
    ReportBlock,
    st.integers(99, 104),
    st.integers(0, 255),
    st.integers(-(1 << 23), (1 << 23) - 1),
    words,
    words,
    NTPS,
    st.one_of(st.integers(0, 65536), words),
)


@given(reported=st.lists(sent_reports, max_size=4), told=st.lists(st.lists(blocks, max_size=31), max_size=4))
@example(reported=[(True, 1, 0)], told=[[ReportBlock(100, 255, -(1 << 23), 0, 0xFFFF_FFFF, 1, 0)]])
@settings(max_examples=examples(400), deadline=None)
def test_blocks_are_taken_as_the_slow_reader_takes_them(
    reported: list[tuple[bool, int, int]], told: list[list[ReportBlock]]
) -> None:
    receiver = Receiver(reported)
    for some in told:
        receiver.take(some)
    receiver.check()


def test_what_is_beyond_a_connections_allowance_is_not_looked_at() -> None:
    receiver = Receiver([(False, 0, 0)])
    block = ReportBlock(100, 1, 0, 0, 0, 0, 0)
    octets = np.frombuffer(rtcp.build_receiver_report(1, [block] * 31), np.uint8).copy()
    for _ in range(1000 // 31 + 1):
        take_blocks(receiver.tables, 1, octets, 8, 31, NOW_US)
    assert receiver.tables.subscriptions[0]["lost_256"] == 1
    octets[12::24] = 200
    take_blocks(receiver.tables, 1, octets, 8, 31, NOW_US)
    assert receiver.tables.subscriptions[0]["lost_256"] == 1
    take_blocks(receiver.tables, 1, octets, 8, 31, NOW_US + 1_000_000)
    assert receiver.tables.subscriptions[0]["lost_256"] == 200


class Publisher:
    """One Encoding as the plane counts it, and the reports on it by RFC 3550 appendix A.3, step by step."""

    def __init__(self) -> None:
        self.tables: Tables = make_tables(1, 1, 2, 1, COUNTER_COUNT)
        self.entry = self.tables.encodings[1]
        self.entry["ssrc"], self.entry["repairs"] = 77, -1
        self.generation = self.expected = self.received = 0
        self.heard: tuple[int, int] | None = None

    def hear(self, ntp: int, now_us: int) -> None:
        self._follow()
        self.entry["sender_ntp"], self.entry["sender_us"] = ntp >> 16 & 0xFFFF_FFFF, now_us
        self.heard = ntp >> 16 & 0xFFFF_FFFF, now_us

    def _follow(self) -> None:
        if self.entry["generation"] != self.generation:
            self.generation, self.expected, self.received, self.heard = int(self.entry["generation"]), 0, 0, None
            self.entry["told_generation"] = self.generation
            for name in ("told_expected", "told_packets", "lost_256", "sender_ntp", "sender_us"):
                self.entry[name] = 0

    def expect(self, now_us: int) -> ReportBlock:
        if self.entry["generation"] != self.generation:
            self.generation, self.expected, self.received, self.heard = int(self.entry["generation"]), 0, 0, None
        packets, highest = int(self.entry["packets"]), int(self.entry["extended_sequence"])
        expected = highest - int(self.entry["base_sequence"]) + 1
        lost_now = (expected - self.expected) - (packets - self.received)
        share = Fraction(lost_now, expected - self.expected) if expected > self.expected else Fraction(0)
        self.expected, self.received = expected, packets
        lost = max(-(1 << 23), min((1 << 23) - 1, expected - packets))
        last, delay = 0, 0
        if self.heard is not None:
            last, since_us = self.heard[0], now_us - self.heard[1]
            delay = min(since_us * 65536 // 1_000_000, 0xFFFF_FFFF)
        fraction = max(0, min(255, math.floor(share * 256)))
        return ReportBlock(
            77, fraction, lost, highest & 0xFFFF_FFFF, int(self.entry["jitter_16"]) // 16 & 0xFFFF_FFFF, last, delay
        )


growths = st.tuples(
    st.sampled_from(["packets"] * 4 + ["heard", "restart"]),
    st.integers(0, 5000),
    st.integers(-20, 5000),
    st.one_of(st.integers(0, 1 << 20), st.integers(0, 1 << 40)),
)


@given(base=st.integers(0, 0xFFFF), steps=st.lists(growths, max_size=8), ntp=st.integers(0, 2**64 - 1))
@example(base=0xFFFF, steps=[("packets", 1 << 24, 0, 0), ("restart", 0, 5, 9), ("packets", 0, 0, 0)], ntp=1 << 63)
@settings(max_examples=examples(400), deadline=None)
def test_publishers_are_told_what_appendix_a3_says(base: int, steps: list[tuple[str, int, int, int]], ntp: int) -> None:
    publisher, now_us = Publisher(), NOW_US
    entry = publisher.entry
    entry["base_sequence"] = entry["extended_sequence"] = base
    entry["packets"] = 1
    for kind, sent, came, later in steps:
        now_us += later
        if kind == "heard":
            publisher.hear(ntp, now_us)
        elif kind == "restart":
            entry["generation"] += 1
            entry["base_sequence"] = entry["extended_sequence"] = came & 0xFFFF
            entry["packets"] = 1
        entry["extended_sequence"] += sent
        entry["packets"] = max(1, entry["packets"] + came)
        entry["jitter_16"] = later
        expected = publisher.expect(now_us)
        out = np.full(64, 0xEE, np.uint8)
        assert write_encoding_block(publisher.tables, 1, out, 3, now_us) == 3 + 24
        made = out[3:27].tobytes()
        assert made == rtcp.build_receiver_report(1, [expected])[8:]
        assert set(out[:3].tolist()) | set(out[27:].tolist()) == {0xEE}
        assert entry["lost_256"] == expected.fraction_lost
