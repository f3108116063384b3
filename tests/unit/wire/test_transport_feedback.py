"""Transport-wide feedback, octet by octet: what is read, what is refused, and which chunks we choose."""

from __future__ import annotations

import numpy as np
import pytest
from aiortc import rtp
from numpy.typing import NDArray

from sfu.wire.kernels.transport_feedback import (
    BASE_SEQUENCE,
    FEEDBACK_COUNT,
    HEAD,
    NOT_RECEIVED,
    REFERENCE_US,
    STATUS_COUNT,
    FeedbackStatus,
    parse_transport_feedback,
)
from sfu.wire.kernels.transport_feedback_build import MIN_FEEDBACK_BYTES, build_transport_feedback
from sfu.wire.rtcp import parse_compound

LOST = NOT_RECEIVED
UNIT_US = 64_000
RING = 128


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


MIXED = octets(
    "8fcd0008 11111111 22222222"
    "fffe 000b"  # from 65,534 on, 11 packets
    "fffffe 2a"  # 2 * 64 ms before the clock's zero; the 42nd
    "d240"  # 1 1 01 00 10 01 00 00 00
    "2003"  # 0 01 3: three small ones
    "6000"  # 0 11 0: a run of nobody, which does no harm
    "0001"  # 0 00 1: one did not come
    "04 fff8 ff 00 01 02"  # 1 ms, -2 ms, 63.75 ms, 0, 0.25 ms, 0.5 ms
    "000000"  # to a multiple of four
)
MIXED_ARRIVALS = [1000, LOST, -1000, 62_750, LOST, LOST, LOST, 62_750, 63_000, 63_500, LOST]


def parse(data: bytes, room: int = 64) -> tuple[int, list[int], list[int]]:
    """Also among other octets: they make no difference."""
    results = []
    for before, after in ((b"", b""), (b"\xff" * 3, b"\x20\x01" * 9)):
        buffer = np.frombuffer(before + data + after, np.uint8)
        head, arrivals = np.zeros(HEAD, np.int64), np.full(room + 2, 77, np.int64)
        found = parse_transport_feedback(buffer, len(before), len(before) + len(data), head, arrivals[:room])
        assert set(arrivals[room if found < 0 else found :].tolist()) == {77}
        results.append((int(found), head.tolist(), arrivals[: max(found, 0)].tolist()))
    assert results[0][0] == results[1][0]
    assert results[0][0] < 0 or results[0] == results[1]
    return results[0]


def ring_of(arrivals: list[int], first: int, size: int = RING) -> NDArray[np.int64]:
    ring = np.full(size, LOST, np.int64)
    for k, arrival in enumerate(arrivals):
        ring[(first + k) % size] = arrival
    return ring


def build(arrivals: list[int], first: int = 0, limit: int = 1200, size: int = RING) -> tuple[bytes, int]:
    """Nothing may be written outside of the packet."""
    out = np.full(5 + limit + 5, 0xEE, np.uint8)
    ring = ring_of(arrivals, first, size)
    kept = ring.copy()
    length, covered = build_transport_feedback(out, 5, limit, 1, 2, 3, ring, first, first + len(arrivals) - 1)
    assert ring.tolist() == kept.tolist()
    assert set(out[:5].tolist()) == set(out[5 + length :].tolist()) == {0xEE}
    assert length <= limit and length % 4 == 0
    return bytes(out[5 : 5 + length]), covered


def body(arrivals: list[int]) -> bytes:
    """What stands behind the header of a packet on all of them."""
    packet, covered = build(arrivals, size=max(RING, len(arrivals)))
    assert covered == len(arrivals)
    return packet[20:]


def test_all_kinds_of_chunks_are_read() -> None:
    found, head, arrivals = parse(MIXED)
    assert found == 11
    assert (head[BASE_SEQUENCE], head[STATUS_COUNT], head[FEEDBACK_COUNT]) == (65_534, 11, 42)
    assert head[REFERENCE_US] == -2 * UNIT_US
    expected = [LOST if arrival == LOST else arrival - 2 * UNIT_US for arrival in MIXED_ARRIVALS]
    assert arrivals == expected


def test_the_reference_time_has_24_bits_with_a_sign() -> None:
    for text, units in (("000001", 1), ("7fffff", (1 << 23) - 1), ("800000", -(1 << 23)), ("ffffff", -1)):
        packet = bytearray(MIXED)
        packet[16:19] = octets(text)
        found, head, arrivals = parse(bytes(packet))
        assert (found, head[REFERENCE_US], arrivals[0]) == (11, units * UNIT_US, units * UNIT_US + 1000)


def test_the_extremes_of_deltas() -> None:
    header = octets("8fcd0000 00000001 00000002 0000 0004 000000 00")
    found, _, arrivals = parse(header + octets("4003 2001 7fff 8000 0000 ff"))
    assert found == 4
    assert arrivals == [8_191_750, -250, -250, 63_500]


def test_packets_behind_the_status_count_are_not_looked_at() -> None:
    header = octets("8fcd0000 00000001 00000002 0000 0002 000000 00")
    for chunk in ("3fff", "bfff", "d7ff"):  # the last has the reserved symbol behind
        assert parse(header + octets(chunk) + octets("0101"), room=2)[::2] == (2, [250, 500])


def test_the_padding_bit_is_the_callers_matter() -> None:
    assert parse(bytes([0xAF]) + MIXED[1:]) == parse(MIXED)


def test_every_truncation_is_refused() -> None:
    whole = len(MIXED) - 3
    assert {parse(MIXED[:length])[0] for length in range(whole)} == {FeedbackStatus.TRUNCATED}
    for length in range(whole, len(MIXED)):
        assert parse(MIXED[:length]) == parse(MIXED)


@pytest.mark.parametrize(
    ("at", "value", "status"),
    [
        (0, b"\x4f", FeedbackStatus.OTHER),
        (0, b"\x81", FeedbackStatus.OTHER),
        (1, b"\xce", FeedbackStatus.OTHER),
        (14, b"\x00\x00", FeedbackStatus.NO_STATUS),
        (14, b"\x00\x41", FeedbackStatus.TOO_MANY),
        (14, b"\xff\xff", FeedbackStatus.TOO_MANY),
        (20, b"\xff\xff", FeedbackStatus.BAD_SYMBOL),
        (22, b"\x60\x03", FeedbackStatus.BAD_SYMBOL),
    ],
)
def test_what_is_malformed_is_refused(at: int, value: bytes, status: FeedbackStatus) -> None:
    data = MIXED[:at] + value + MIXED[at + len(value) :]
    assert parse(data)[0] == status


@pytest.mark.parametrize(
    ("count", "rest"),
    [(15, "8000"), (8, "c000"), (8192, "1fff"), (1, "0000 0000"), (4, "4004 0001 0002 0003 00"), (1, "2001")],
)
def test_what_is_said_must_be_there(count: int, rest: str) -> None:
    header = octets("8fcd0000 00000001 00000002 0000") + count.to_bytes(2, "big") + octets("000000 00")
    assert parse(header + octets(rest), room=8192)[0] == FeedbackStatus.TRUNCATED
    assert parse(header + octets(rest) + octets("0001 00"), room=8192)[0] == count


def test_as_many_packets_as_there_is_room_for() -> None:
    header = octets("8fcd0000 00000001 00000002 0000 ffff 000000 00")
    chunks = octets("1fff") * 8 + octets("0007")
    assert parse(header + chunks, room=65_535)[::2] == (65_535, [LOST] * 65_535)
    assert parse(header + chunks[:-2], room=65_535)[0] == FeedbackStatus.TRUNCATED
    assert parse(header + chunks, room=65_534)[0] == FeedbackStatus.TOO_MANY


def test_a_packet_by_hand() -> None:
    base = 5 * UNIT_US
    packet, covered = build([base + 1000, LOST, base - 1000, base + 62_999], first=0x2_FFFE)
    assert covered == 4
    assert packet == octets(
        "8fcd0006 00000001 00000002"
        "fffe 0004"
        "000005 03"
        "d240"  # 1 1 01 00 10 01 00 00 00
        "04 fff8 ff"
        "0000"
    )


def test_the_reference_is_at_or_below_the_first_that_came() -> None:
    for arrival, reference, delta in (
        (0, "000000", "00"),
        (UNIT_US - 1, "000000", "ff"),
        (UNIT_US, "000001", "00"),
        (-1, "ffffff", "ff"),
        (-UNIT_US, "ffffff", "00"),
        ((1 << 24) * UNIT_US + 249, "000000", "00"),
        ((1 << 23) * UNIT_US + 250, "800000", "01"),
    ):
        packet, _ = build([LOST, arrival])
        assert packet[16:19] == octets(reference)
        assert packet[22:23] == octets(delta)


@pytest.mark.parametrize(
    ("arrivals", "chunks"),
    [
        ([0], "2001"),
        ([0] * 14, "200e"),
        ([0] * 40, "2028"),
        ([0, LOST], "d000"),
        ([0] * 6 + [LOST], "d554"),
        ([0] * 7 + [LOST], "bf80"),
        ([0, LOST] * 7, "aaaa"),
        ([0, LOST] * 7 + [0] * 20, "aaaa 2014"),
        ([0] * 20 + [LOST] * 9 + [0], "2014 8010"),
        ([0] * 20 + [LOST] * 14 + [0], "2014 000e 2001"),
        ([0] * 3 + [LOST] * 20, "b800 0009"),
        ([LOST] * 3 + [0], "c040"),
        ([LOST] * 9000 + [0], "1fff 0329 2001"),
        ([0] * 4 + [100_000], "d560"),
        ([0, LOST] * 4 + [100_000], "d111 c800"),
        ([k * 100_000 for k in range(1, 12)], "daaa 4004"),
        ([0] + [k * 100_000 for k in range(1, 31)], "daaa 4018"),
    ],
)
def test_the_choice_of_chunks(arrivals: list[int], chunks: str) -> None:
    found = body(arrivals)
    expected = octets(chunks)
    assert found[: len(expected)].hex() == expected.hex()
    came = [arrival // 250 for arrival in arrivals if arrival != LOST]
    deltas = [after - before for before, after in zip([came[0] // 256 * 256, *came], came, strict=False)]
    size = sum(1 if 0 <= delta <= 255 else 2 for delta in deltas)
    assert len(found) == len(expected) + size + -(len(expected) + size) % 4


@pytest.mark.parametrize("jump", [32_768 * 250, -32_769 * 250])
def test_a_jump_that_a_delta_cannot_tell_begins_another_packet(jump: int) -> None:
    arrivals = [100 * UNIT_US + 500] * 3
    arrivals += [LOST, arrivals[0] + jump, arrivals[0] + jump + 250]
    packet, covered = build(arrivals)
    assert covered == 4
    assert parse(packet)[2] == arrivals[:4]
    rest, covered = build(arrivals[4:], first=4)
    assert covered == 2
    assert parse(rest)[2] == arrivals[4:]
    nearer = jump - 250 if jump > 0 else jump + 250
    arrivals[4] = arrivals[0] + nearer
    assert build(arrivals)[1] >= 5


@pytest.mark.parametrize("limit", range(MIN_FEEDBACK_BYTES, 60))
def test_it_stops_where_there_is_no_more_room(limit: int) -> None:
    arrivals = [k * 300_000 if k % 3 else k * 300_000 - 299_000 for k in range(1, 40)]
    packet, covered = build(arrivals, limit=limit)
    assert 0 < covered < len(arrivals)
    assert len(packet) == limit - limit % 4
    assert parse(packet)[2] == arrivals[:covered]


def test_there_may_be_nothing_to_send() -> None:
    assert build([LOST] * 5) == (b"", 0)
    assert build([]) == (b"", 0)
    for limit in range(MIN_FEEDBACK_BYTES):
        assert build([0], limit=limit) == (b"", 0)
    assert len(build([0], limit=MIN_FEEDBACK_BYTES)[0]) == MIN_FEEDBACK_BYTES


def test_more_than_the_count_can_tell_goes_into_another_packet() -> None:
    arrivals = [0] + [LOST] * 70_000 + [500]
    packet, covered = build(arrivals, size=len(arrivals))
    assert covered == 65_535
    assert parse(packet, room=65_535)[2] == arrivals[:65_535]
    rest, covered = build(arrivals[65_535:], first=65_535, size=len(arrivals))
    assert parse(rest, room=65_535)[2] == arrivals[65_535:]


def test_numbers_and_counts_wrap() -> None:
    out = np.zeros(64, np.uint8)
    ring = ring_of([0, 250], (1 << 40) + 0xFFFF)
    first = (1 << 40) + 0xFFFF
    length, covered = build_transport_feedback(out, 0, 64, 0xFFFFFFFF, 0xFFFFFFFE, 513, ring, first, first + 1)
    assert (length, covered) == (24, 2)
    assert bytes(out[4:20]) == octets("ffffffff fffffffe ffff 0002 000000 01")


def test_a_compound_with_it_inside_is_read_by_aiortc_and_by_us() -> None:
    """As padded with zeros, it is well framed for whoever does not know it."""
    packet, _ = build([0, LOST, 250, 500])
    report = bytes(rtp.RtcpRrPacket(ssrc=9))
    goodbye = bytes(rtp.RtcpByePacket(sources=[9]))
    assert len(packet) == 28 and packet[-3:] == bytes(3)
    inside = rtp.RtcpPacket.parse(report + packet + goodbye)
    assert [type(entry) for entry in inside] == [rtp.RtcpRrPacket, rtp.RtcpRtpfbPacket, rtp.RtcpByePacket]
    assert (inside[1].fmt, inside[1].ssrc, inside[1].media_ssrc) == (15, 1, 2)
    assert len(parse_compound(report + packet + goodbye)) == 2
