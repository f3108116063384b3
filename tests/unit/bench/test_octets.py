"""Where things stand in an RTP packet."""

from __future__ import annotations

import numpy as np
import pytest

from bench.generator.octets import find_extension

_ID = 3


@pytest.mark.parametrize(
    ("extensions", "found"),
    [
        ("bede0001 310007 00", 17),
        ("bede0002 4030 22abcdef 00 00", -1),
        ("bede0002 4030 00 310007 0000", 20),
        ("10000002 0401 30 03020007 00", 21),
        ("bede0001 3f0007 00", -1),  # longer than what there is
        ("abcd0001 310007 00", -1),
    ],
)
def test_extensions_are_found_in_both_forms(extensions: str, found: int) -> None:
    data = bytes([0x90, 96]) + bytes(10) + bytes.fromhex(extensions)
    packet = np.frombuffer(data, np.uint8)
    assert find_extension(packet, len(data), _ID) == found
    assert find_extension(packet, 14, _ID) == -1, "cut off"
    plain = np.frombuffer(bytes([0x80]) + data[1:], np.uint8)
    assert find_extension(plain, len(data), _ID) == -1
