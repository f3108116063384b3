"""What the parsers of RTP headers and of feedback do with one packet, and what must hold.

An input is a byte that picks the target, one that it may use, and the packet. It stands at the end of its buffer, where
NumPy refuses to read on, and then among other octets, which must make no difference. The readers of `tests/property`
say what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.extensions import EXTENSION_COUNT, MAX_EXTENSION_ID, Extension
from sfu.wire.kernels.remb import MOST_BITRATE_BPS, parse_remb
from sfu.wire.kernels.rtp import PACKET, parse_rtp, strip_padding
from sfu.wire.kernels.transport_feedback import HEAD, FeedbackStatus, parse_transport_feedback
from sfu.wire.rtcp import MAX_BLOCKS, MAX_NACK_PAIRS, GenericNack, Goodbye, RtcpError, parse_compound
from tests.property import oracle

TARGETS = ("rtp", "transport_feedback", "remb", "compound")
_AROUND = ((b"", b""), (b"\xff" * 9, b"\xff" * 40))
_ROW, _ROWS = 1, 3
ROOMS = (4096, 40)
"""For how many arrival times there is room."""


def run(data: bytes) -> None:
    """Run one input; an AssertionError or an IndexError is a finding."""
    if len(data) < 2:
        return
    _CHECKS[data[0] % len(TARGETS)](data[1], data[2:])


def kinds_of(detail: int) -> NDArray[np.uint8]:
    """The extensions that a connection has agreed on, each under an id."""
    kinds = np.zeros(16, np.uint8)
    for kind in Extension:
        kinds[1 + (kind + detail) % MAX_EXTENSION_ID] = kind
    return kinds


def _check_rtp(detail: int, packet: bytes) -> None:
    kinds = kinds_of(detail)
    outcomes = [_parse_rtp(packet, kinds, *around) for around in _AROUND]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] == oracle.parse_rtp(packet, {k: int(kinds[k]) for k in range(1, MAX_EXTENSION_ID + 1)})


def _parse_rtp(packet: bytes, kinds: NDArray[np.uint8], before: bytes, after: bytes) -> oracle.ParsedRtp | None:
    buffer = np.frombuffer(before + packet + after, np.uint8).copy()
    packets = np.zeros(_ROWS, PACKET)
    start, end = len(before), len(before) + len(packet)
    status = parse_rtp(buffer, start, end, kinds, packets, _ROW)
    assert 0 <= status <= 3
    if status == 0:
        status = strip_padding(buffer, end, packets, _ROW)
    assert not any(packets[[0, _ROWS - 1]].tobytes())
    if status != 0:
        return None
    row: Any = packets[_ROW]
    found = oracle.ParsedRtp(*(int(row[k]) for k in ("marker", "payload_type", "sequence", "timestamp", "ssrc")))
    for kind in range(EXTENSION_COUNT):
        at, length = int(row["extension_at"][kind]), int(row["extension_bytes"][kind])
        assert length >= 0 and (length == 0 or start + 16 < at <= end - length)
        if length > 0:
            found.extensions[kind] = bytes(buffer[at : at + length])
    at, length = int(row["payload"]), int(row["payload_bytes"])
    assert start + 12 <= at <= end - length and length >= 0
    found.payload = bytes(buffer[at : at + length])
    return found


def _check_transport_feedback(detail: int, packet: bytes) -> None:
    room = ROOMS[detail & 1]
    expected = oracle.read_feedback(packet, room)
    for before, after in _AROUND:
        buffer = np.frombuffer(before + packet + after, np.uint8).copy()
        head, arrivals = np.zeros(HEAD, np.int64), np.zeros(room, np.int64)
        found = parse_transport_feedback(buffer, len(before), len(before) + len(packet), head, arrivals)
        if isinstance(expected, FeedbackStatus):
            assert found == expected
        else:
            assert (head.tolist(), arrivals[:found].tolist()) == expected


def _check_remb(_detail: int, packet: bytes) -> None:
    rates = set()
    for before, after in _AROUND:
        buffer = np.frombuffer(before + packet + after, np.uint8).copy()
        rates.add(int(parse_remb(buffer, len(before), len(before) + len(packet))))
    (rate,) = rates
    assert -1 <= rate <= MOST_BITRATE_BPS
    whole = len(packet) >= 20 and packet[0] & 0xDF == 0x8F and packet[1] == 206 and packet[12:16] == b"REMB"
    assert (rate >= 0) == (whole and len(packet) == 20 + 4 * packet[16])
    if rate >= 0:
        word = int.from_bytes(packet[17:20])
        assert rate == min((word & 0x3FFFF) << (word >> 18), MOST_BITRATE_BPS)


def _check_compound(_detail: int, packet: bytes) -> None:
    """What the control side reads: packets within the bounds of their formats, or the one error."""
    try:
        found = parse_compound(packet)
    except RtcpError:
        return
    assert 4 * len(found) <= len(packet)
    for one in found:
        if isinstance(one, GenericNack):
            assert 0 < len(one.pairs) <= MAX_NACK_PAIRS
            assert len(one.sequences()) <= 17 * MAX_NACK_PAIRS
        elif isinstance(one, Goodbye):
            assert len(one.ssrcs) <= MAX_BLOCKS


_CHECKS: tuple[Callable[[int, bytes], None], ...] = (
    _check_rtp,
    _check_transport_feedback,
    _check_remb,
    _check_compound,
)
