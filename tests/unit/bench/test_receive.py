"""What the generator's receiving side makes of datagrams, one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from bench.generator import layout as lay
from bench.generator.buffers import Buffers, make_buffers
from bench.generator.frames import build_stamp
from bench.generator.layout import Tables, add_repair, add_stream, make_tables
from bench.generator.native import session_address
from bench.generator.numbers import extend_sequence
from bench.generator.receive import handle_datagram, is_sampled, segment_size
from bench.links import GCM_128, new_session

_KEY = bytes(range(28))
_VIDEO, _AUDIO, _REPAIR = 7, 8, 9


class Receiver:
    """One connection that expects video with retransmission, and audio; datagrams are handed to it one by one."""

    def __init__(self) -> None:
        self.tables: Tables = make_tables(1, 1)
        self.buffers: Buffers = make_buffers()
        self.connection = self.tables.connections[0]
        self.video = self.tables.streams[0, add_stream(self.tables, 0, _VIDEO, lay.VIDEO)]
        self.repair = self.tables.streams[0, add_repair(self.tables, 0, 0, _REPAIR)]
        self.audio = self.tables.streams[0, add_stream(self.tables, 0, _AUDIO, lay.AUDIO)]
        self._inbound = new_session(GCM_128, _KEY, outbound=False)
        self.connection["srtp_in"] = session_address(self._inbound)
        self.outbound = new_session(GCM_128, _KEY, outbound=True)
        self.tables.control[lay.SAMPLE_EVERY] = 1

    def take(self, data: bytes, *, full: bool = False, now_ns: int = 5_000_000) -> None:
        """As a read would: whole where it is sampled, else the beginning."""
        kept = len(data) if full else min(len(data), lay.SHORT_BYTES)
        packet = np.frombuffer(data[:kept], np.uint8).copy()
        handle_datagram(0, packet, kept, len(data), full, now_ns, now_ns, self.tables, self.buffers)

    def take_protected(self, data: bytes, *, full: bool = False) -> None:
        self.take(self.outbound.protect(data), full=full)

    def take_repeat(self, sequence: int, original: bytes) -> None:
        """A retransmission (RFC 4588 section 4) of a whole packet, read as reads are while something is missing."""
        payload = original[2:4] + original[12:]
        self.take_protected(_rtp(sequence, _REPAIR, 97, payload), full=self.connection["missing"] > 0)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def _rtp(sequence: int, ssrc: int = _VIDEO, payload_type: int = 96, payload: bytes = bytes(88), pad: int = 0) -> bytes:
    first = 0xA0 if pad else 0x80
    padding = bytes(pad - 1) + bytes([pad]) if pad else b""
    head = bytes([first, payload_type]) + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big")
    return head + payload + padding


def _stamped(sequence: int, counter: int, sent_ns: int, ssrc: int = _VIDEO, pad: int = 0, size: int = 100) -> bytes:
    payload = np.zeros(size, np.uint8)
    build_stamp(payload, size - lay.STAMP_BYTES, sent_ns, counter)
    return _rtp(sequence, ssrc, payload=payload.tobytes(), pad=pad)


@pytest.mark.parametrize(
    ("highest", "sequence", "extended"),
    [(0x1FFFF, 0, 0x20000), (0x20000, 0xFFFF, 0x1FFFF), (0x10005, 5, 0x10005), (0x10005, 9, 0x10009)],
)
def test_sequence_numbers_extend_to_the_nearest(highest: int, sequence: int, extended: int) -> None:
    assert extend_sequence(highest, sequence) == extended


def test_a_stream_counts_gaps_over_a_wrap_and_reordering(receiver: Receiver) -> None:
    for sequence in (0xFFFE, 0xFFFD, 0xFFFF, 2, 1):
        receiver.take(_rtp(sequence))
    video = receiver.video
    assert video["highest"] - video["first"] + 1 == 6  # 0 is missing
    assert (video["arrived"], video["delivered"], video["reordered"], video["duplicates"]) == (5, 5, 2, 0)
    assert receiver.connection["missing"] == 1
    assert receiver.tables.missing[0, 0]["sequence"] & 0xFFFF == 0


def test_a_packet_that_comes_twice_is_delivered_once(receiver: Receiver) -> None:
    for sequence in (1, 2, 2, 3, 1):
        receiver.take(_rtp(sequence))
    assert (receiver.video["delivered"], receiver.video["duplicates"]) == (3, 2)
    assert receiver.connection["packets"] == 3


def test_a_replay_in_a_sampled_read_is_a_duplicate_and_no_forgery(receiver: Receiver) -> None:
    protected = receiver.outbound.protect(_stamped(1, 1, 1))
    receiver.take(protected, full=True)
    receiver.take(protected, full=True)
    assert (receiver.video["delivered"], receiver.video["duplicates"], receiver.video["unauthentic"]) == (1, 1, 0)


def test_a_packet_older_than_is_remembered_counts_for_nothing(receiver: Receiver) -> None:
    for sequence in (5000, 5000 + lay.NUMBERS, 5000):
        receiver.take(_rtp(sequence))
    assert (receiver.video["delivered"], receiver.video["duplicates"]) == (2, 1)


def test_a_repair_counts_for_what_it_repairs_once(receiver: Receiver) -> None:
    originals = {sequence: _stamped(sequence, sequence + 900, 1_000_000) for sequence in range(10, 16)}
    for sequence in (10, 11, 14):
        receiver.take_protected(originals[sequence])
    assert receiver.connection["missing"] == 2
    receiver.take_repeat(100, originals[12])
    receiver.take_repeat(101, originals[12])  # asked for twice
    receiver.take_protected(originals[12])  # late after all
    receiver.take_repeat(102, originals[13])
    assert receiver.connection["missing"] == 0
    receiver.take_repeat(103, originals[14])  # a probe repeats what was never missing
    assert (receiver.video["delivered"], receiver.video["repaired"], receiver.video["duplicates"]) == (5, 2, 1)
    assert (receiver.repair["arrived"], receiver.repair["duplicates"]) == (4, 1)
    assert receiver.connection["packets"] == 5
    assert (receiver.video["malformed"], receiver.video["unauthentic"]) == (0, 0)


def test_a_repair_of_another_payload_is_seen(receiver: Receiver) -> None:
    for sequence in (10, 12):
        receiver.take_protected(_stamped(sequence, sequence, 1))
    receiver.take_repeat(100, _rtp(11, payload=bytes(100)))
    assert (receiver.video["repaired"], receiver.video["malformed"]) == (1, 1)


@pytest.mark.parametrize("full", [False, True])
def test_padding_is_no_media_wherever_it_comes(receiver: Receiver, full: bool) -> None:
    receiver.take_protected(_stamped(1, 1, 1), full=full)
    receiver.take_protected(_rtp(2, payload=b"", pad=255), full=full)
    receiver.take_protected(_rtp(500, _REPAIR, 97, b"", pad=255), full=full)
    receiver.take_protected(_stamped(3, 2, 1, pad=1, size=1000), full=full)
    assert receiver.video["delivered"] == 2
    assert (receiver.video["padding"], receiver.repair["padding"]) == (1, 1)
    assert receiver.connection["missing"] == 0
    assert receiver.video["malformed"] == 0


def test_audio_is_not_asked_for_again(receiver: Receiver) -> None:
    for sequence in (1, 4):
        receiver.take(_rtp(sequence, _AUDIO, 111))
    assert receiver.audio["delivered"] == 2
    assert receiver.connection["missing"] == 0


def test_streams_that_nobody_named_are_no_media(receiver: Receiver) -> None:
    for ssrc in range(1000, 1000 + lay.STREAMS_PER_CONNECTION):
        receiver.take(_rtp(1, ssrc))
    assert receiver.connection["packets"] == 0
    assert receiver.connection["streams"] == lay.STREAMS_PER_CONNECTION
    assert receiver.connection["overflow"] == 3


def test_datagrams_are_told_apart(receiver: Receiver) -> None:
    receiver.take(_rtp(1))
    receiver.take(receiver.outbound.protect_rtcp(b"\x81\xc9\x00\x07" + bytes(28)))
    receiver.take(b"\x81\xc9\x00\x07" + bytes(40))  # not authentic
    receiver.take(b"\x01\x01" + bytes(18))  # a STUN response
    receiver.take(b"\x16" + bytes(40))  # DTLS
    receiver.take(b"\x80")
    counted = [int(receiver.connection[name]) for name in ("packets", "rtcp", "rtcp_failed", "stun", "other")]
    assert counted == [1, 2, 1, 1, 2]
    assert receiver.tables.control[lay.NOTICE_HEAD] == 0


def test_a_servers_own_check_goes_to_python(receiver: Receiver) -> None:
    check = b"\x00\x01" + bytes(18)
    receiver.take(check)
    assert receiver.tables.control[lay.NOTICE_HEAD] == 1
    slot = receiver.tables.notices[0]
    assert slot["data"][: slot["length"]].tobytes() == check


def test_a_full_notice_ring_drops_and_counts(receiver: Receiver) -> None:
    for _ in range(lay.NOTICES + 3):
        receiver.take(b"\x00\x01" + bytes(18))
    assert receiver.tables.control[lay.NOTICE_HEAD] == lay.NOTICES
    assert receiver.tables.control[lay.NOTICES_LOST] == 3


@pytest.mark.parametrize("pad", [0, 1, 4])
def test_a_sample_yields_its_latency_with_or_without_padding(receiver: Receiver, pad: int) -> None:
    receiver.take_protected(_stamped(10, 5, 2_000_000, pad=pad), full=True)
    video = receiver.video
    assert (video["sampled"], video["unauthentic"], video["malformed"]) == (1, 0, 0)
    assert receiver.tables.control[lay.LATENCY_COUNT] == 1
    assert receiver.tables.latency_ns[0] == 3_000_000


def test_a_forged_sample_is_counted_and_not_delivered(receiver: Receiver) -> None:
    receiver.take(new_session(GCM_128, bytes(28), outbound=True).protect(_stamped(10, 5, 1)), full=True)
    assert (receiver.video["unauthentic"], receiver.video["delivered"]) == (1, 0)
    assert receiver.tables.control[lay.LATENCY_COUNT] == 0


def test_a_payload_that_is_not_the_one_sent_is_counted(receiver: Receiver) -> None:
    receiver.take_protected(_rtp(10), full=True)
    assert receiver.video["malformed"] == 1


@pytest.mark.parametrize(
    ("packets", "wrong"),
    [
        ([(10, 5), (11, 6), (12, 7)], 0),
        ([(10, 5), (11, 9), (12, 10)], 0),  # the server left something out
        ([(10, 5), (13, 6), (14, 7)], 0),  # the server sent padding between
        ([(10, 5), (12, 7), (11, 6)], 0),  # late
        ([(10, 5), (11, 5)], 1),  # the same under two numbers
        ([(10, 5), (11, 4)], 1),  # in another order
    ],
)
def test_a_server_may_renumber_but_not_reorder(receiver: Receiver, packets: list[tuple[int, int]], wrong: int) -> None:
    for sequence, counter in packets:
        receiver.take_protected(_stamped(sequence, counter, 1), full=True)
    assert receiver.video["malformed"] == wrong


def test_one_read_in_so_many_is_sampled_and_all_while_something_is_missing(receiver: Receiver) -> None:
    tables = receiver.tables
    tables.control[lay.SAMPLE_EVERY] = 50
    assert sum(bool(is_sampled(0, tables)) for _ in range(200)) == 4
    receiver.connection["missing"] = 1
    assert all(is_sampled(0, tables) for _ in range(10))
    receiver.connection["missing"] = 0
    receiver.connection["publisher"] = 1
    assert all(is_sampled(0, tables) for _ in range(10))


def test_the_segment_size_of_a_gro_read() -> None:
    row = np.zeros(24, np.uint8)
    row[16], row[17] = 0xA8, 0x04
    assert segment_size(row, 20, 9000) == 0x4A8
    assert segment_size(row, 0, 900) == 900


def test_a_stream_that_is_named_only_after_it_has_begun_keeps_its_row_and_its_numbers() -> None:
    tables = make_tables(1, 1)
    row = add_stream(tables, 0, _VIDEO, lay.OTHER)  # as the loop makes one of an SSRC that it does not know
    tables.streams[0, row]["highest"] = 70_000
    assert add_stream(tables, 0, _VIDEO, lay.VIDEO) == row
    assert add_repair(tables, 0, row, _REPAIR) == 1
    assert int(tables.connections[0]["streams"]) == 2
    stream = tables.streams[0, row]
    assert (int(stream["kind"]), int(stream["highest"]), int(stream["repair"])) == (lay.VIDEO, 70_000, 1)
