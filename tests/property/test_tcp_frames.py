"""What comes of a client, by TCP in whatever pieces or by UDP: what is whole is taken once, and nothing beyond it."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.tcp.kernels import native
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.datagrams import STRANGERS_BURST_MS, meet_stranger, take_datagram
from sfu.tcp.kernels.frames import take
from sfu.tcp.kernels.rows import (
    IN_BYTES,
    MAX_MESSAGE_BYTES,
    NOTICES,
    TWINS_TOLD,
    WAITING,
    Carries,
    Ended,
    NoticeKind,
    State,
    make_pumped,
)
from sfu.wire.kernels.modes import PLAIN
from sfu.wire.local_address import LOCAL_BYTES
from sfu.wire.sockaddr import SOCKADDR_BYTES
from tests.local_addresses import build_local
from tests.property.modes import examples


@pytest.fixture(scope="module", autouse=True)
def calls() -> Iterator[None]:
    """In plain Python external functions do nothing; here those of sockets fail, as they do compiled."""
    with pytest.MonkeyPatch.context() as patch:
        if PLAIN:
            patch.setattr(native, "send", lambda *_: -1)
            patch.setattr(native, "epoll_ctl", lambda *_: -1)
            patch.setattr(native, "memmove", lambda to, source, count: ctypes.memmove(int(to), int(source), int(count)))
        yield


COOKIE = b"\x21\x12\xa4\x42"
ROW = 1
LOCAL = build_local("192.0.2.1")


def stun(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + COOKIE + bytes(12) + body


bodies = st.binary(max_size=60).map(lambda body: body[: len(body) & ~3])
attributes = st.tuples(st.sampled_from([0x12, 0x13, 6]), st.binary(max_size=40), st.integers(-9, 9)).map(
    lambda each: struct.pack("!HH", each[0], max(0, len(each[1]) + each[2])) + each[1] + bytes(-len(each[1]) % 4)
)
indications = st.lists(attributes, max_size=4).map(lambda each: stun(0x16, b"".join(each)))
channels = st.tuples(st.integers(0x4000, 0x4FFF), st.binary(max_size=300)).map(
    lambda each: struct.pack("!HH", each[0], len(each[1])) + each[1] + bytes(-len(each[1]) % 4)
)
requests = bodies.map(lambda body: stun(3, body))
frames = st.one_of(indications, channels, requests)


class Row:
    """A connection without a socket: system calls for it fail, and that changes nothing."""

    def __init__(self, carries: Carries) -> None:
        self.pumped = make_pumped(2)
        row = self.pumped.rows[ROW]
        row["state"], row["carries"], row["tcp"] = State.OPEN, carries, -1
        self.pumped.inbox[0], self.pumped.inbox[ROW] = 0xEE, 0xDD
        self.messages: list[bytes] = []

    @property
    def is_open(self) -> bool:
        return bool(self.pumped.rows["state"][ROW] == State.OPEN)

    def feed(self, data: bytes) -> None:
        held = int(self.pumped.rows["in_bytes"][ROW])
        assert held + len(data) <= IN_BYTES
        self.pumped.inbox[ROW, held : held + len(data)] = np.frombuffer(data, np.uint8)
        self.pumped.rows["in_bytes"][ROW] = held + len(data)
        while self.is_open:
            before = int(self.pumped.rows["in_bytes"][ROW])
            take(self.pumped, ROW)
            after = int(self.pumped.rows["in_bytes"][ROW])
            assert 0 <= after <= before
            waits = bool(self.pumped.rows["waits"][ROW])
            for k in range(int(self.pumped.state[WAITING])):
                count = int(self.pumped.notices["bytes"][k])
                assert count <= MAX_MESSAGE_BYTES
                self.messages.append(self.pumped.notice_data[k, :count].tobytes())
            self.pumped.state[WAITING] = 0
            self.pumped.rows["waits"][ROW] = 0
            if not waits or after == before:
                break
        assert (self.pumped.inbox[0] == 0xEE).all(), "another's"

    def result(self) -> tuple[object, ...]:
        counts = [int(self.pumped.counters[each]) for each in Counter]
        return self.is_open, int(self.pumped.rows["ended"][ROW]), self.messages, counts


@given(st.lists(frames, max_size=12), st.lists(st.integers(1, 200), min_size=1, max_size=20))
@settings(deadline=None, max_examples=examples(150))
def test_a_stream_is_the_same_in_whatever_pieces_it_comes(sent: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(sent)
    whole = Row(Carries.TURN)
    whole.feed(stream)
    pieces = Row(Carries.TURN)
    at = turn = 0
    while at < len(stream) and pieces.is_open:
        size = sizes[turn % len(sizes)]
        pieces.feed(stream[at : at + size])
        at += size
        turn += 1
    assert pieces.result() == whole.result()
    assert whole.is_open
    assert whole.messages == [each for each in sent if each[:2] == b"\x00\x03"]
    assert int(whole.pumped.rows["in_bytes"][ROW]) == 0


@given(st.sampled_from([Carries.UNKNOWN, Carries.ICE, Carries.TURN]), st.lists(st.binary(max_size=3000), max_size=5))
@settings(deadline=None, max_examples=examples(300))
def test_octets_that_are_nothing_end_their_connection_or_wait(carries: Carries, pieces: list[bytes]) -> None:
    row = Row(carries)
    for each in pieces:
        if row.is_open and int(row.pumped.rows["in_bytes"][ROW]) + len(each) <= IN_BYTES:
            row.feed(each)
    if row.is_open:
        assert int(row.pumped.rows["in_bytes"][ROW]) <= max(MAX_MESSAGE_BYTES + 4, sum(map(len, pieces)))
    else:
        assert row.pumped.rows["ended"][ROW] == Ended.NONSENSE


datagrams = st.one_of(
    frames,
    st.binary(max_size=100),
    st.tuples(frames, st.integers(0, 400)).map(lambda each: each[0][: each[1]]),
    st.integers(MAX_MESSAGE_BYTES - 40, 3000).map(lambda size: stun(3, bytes(size & ~3))),
)


@given(st.lists(st.tuples(datagrams, st.integers(0, 400)), max_size=20))
@example([(stun(3, b"")[:17], 0)])  # a header that lacks its last octets
@settings(deadline=None, max_examples=examples(200))
def test_each_datagram_of_a_client_stands_for_itself(sent: list[tuple[bytes, int]]) -> None:
    row = Row(Carries.TURN)
    pumped = row.pumped
    pumped.rows["twin"][ROW] = 1
    now_ms = 1_000
    for data, later in sent:
        now_ms += later
        pumped.received[: len(data)] = np.frombuffer(data, np.uint8)
        before = int(pumped.counters.sum())
        take_datagram(pumped, ROW, 0, len(data), now_ms)
        told = int(pumped.state[WAITING])
        if told:
            assert data[:2] != b"\x00\x16" and data[4:8] == COOKIE
            size = 20 + int.from_bytes(data[2:4], "big")
            assert pumped.notice_data[0, : pumped.notices["bytes"][0]].tobytes() == data[:size]
            assert (told, int(pumped.rows["waits"][ROW])) == (1, 1)
        assert told + int(pumped.counters.sum()) - before == 1, "done with, or counted, once"
        assert row.is_open
        pumped.state[WAITING] = pumped.state[TWINS_TOLD] = 0
        pumped.rows["waits"][ROW] = 0
    assert (pumped.inbox[0] == 0xEE).all(), "another's"


@given(st.lists(st.tuples(datagrams, st.integers(0, 30)), max_size=20))
@settings(deadline=None, max_examples=examples(200))
def test_of_strangers_only_what_asks_for_an_allocation_is_told(sent: list[tuple[bytes, int]]) -> None:
    pumped = make_pumped(2)
    pumped.names[:SOCKADDR_BYTES] = np.arange(SOCKADDR_BYTES)
    pumped.local[:] = 0xA5
    pumped.local[: len(LOCAL)] = np.frombuffer(LOCAL, np.uint8)
    now_ms = 1_000
    for data, later in sent:
        now_ms += later
        pumped.received[: len(data)] = np.frombuffer(data, np.uint8)
        before = int(pumped.counters.sum())
        meet_stranger(pumped, 0, 0, len(LOCAL), 0, len(data), now_ms)
        if pumped.state[WAITING]:
            assert data[:2] == b"\x00\x03" and data[4:8] == COOKIE
            assert pumped.notices["kind"][0] == NoticeKind.STRANGER
            told = pumped.notice_data[0, : pumped.notices["bytes"][0]].tobytes()
            assert told == bytes(range(SOCKADDR_BYTES)) + LOCAL.ljust(LOCAL_BYTES, b"\0") + data
        else:
            assert int(pumped.counters.sum()) == before + 1
        pumped.state[WAITING] = pumped.state[TWINS_TOLD] = 0


@given(st.integers(1, 2000))
@settings(deadline=None, max_examples=examples(20))
def test_a_round_tells_no_more_than_there_is_room_for(count: int) -> None:
    pumped = make_pumped(2)
    data = stun(3, bytes(8))
    pumped.received[: len(data)] = np.frombuffer(data, np.uint8)
    for k in range(count):
        meet_stranger(pumped, 0, 0, 0, 0, len(data), k * STRANGERS_BURST_MS)
    assert pumped.state[WAITING] <= min(count, NOTICES)
    assert pumped.state[WAITING] + pumped.counters.sum() == count
