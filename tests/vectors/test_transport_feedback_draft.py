"""draft-holmer-rmcat-transport-wide-cc-extensions-01: its examples of chunks, each in a packet that we put around it.

Two of them use symbol 3, which section 3.1.1 reserves.
"""

from __future__ import annotations

import numpy as np
import pytest

from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, FeedbackStatus, parse_transport_feedback

HEADER = bytes.fromhex("8fcd0000 00000001 00000002 0010")
REFERENCE = bytes.fromhex("000000 07")

RUN_OF_221_LOST = bytes.fromhex("00dd")
"""Section 3.1.3: 0 00 0000011011101."""
RUN_OF_24_RESERVED = bytes.fromhex("6018")
"""Section 3.1.3: 0 11 0000000011000."""
ONE_BIT = bytes.fromhex("9f1c")
"""Section 3.1.4: 1 0 0 1 1 1 1 1 0 0 0 1 1 1 0 0."""
TWO_BIT = bytes.fromhex("cd50")
"""Section 3.1.4: 1 1 00 11 01 01 01 00 00."""


def parse(chunk: bytes, count: int, deltas: bytes = b"") -> tuple[int, list[int]]:
    packet = np.frombuffer(HEADER + count.to_bytes(2, "big") + REFERENCE + chunk + deltas, np.uint8)
    head, arrivals = np.zeros(4, np.int64), np.zeros(300, np.int64)
    found = parse_transport_feedback(packet, 0, len(packet), head, arrivals)
    return found, arrivals[: max(found, 0)].tolist()


def test_a_run_of_221_packets_that_did_not_come() -> None:
    assert parse(RUN_OF_221_LOST, 221) == (221, [NOT_RECEIVED] * 221)


def test_fourteen_symbols_of_one_bit() -> None:
    found, arrivals = parse(ONE_BIT, 14, bytes([4] * 8))
    assert found == 14
    assert [k for k in range(14) if arrivals[k] != NOT_RECEIVED] == [1, 2, 3, 4, 5, 9, 10, 11]
    assert [arrival for arrival in arrivals if arrival != NOT_RECEIVED] == list(range(1000, 9000, 1000))


@pytest.mark.parametrize(("chunk", "count"), [(RUN_OF_24_RESERVED, 24), (TWO_BIT, 7)])
def test_the_reserved_symbol_is_refused(chunk: bytes, count: int) -> None:
    assert parse(chunk, count, bytes(48))[0] == FeedbackStatus.BAD_SYMBOL


def test_seven_symbols_of_two_bits_up_to_the_reserved_one() -> None:
    assert parse(TWO_BIT, 1) == (1, [NOT_RECEIVED])
