"""What a probe is made of where there is not enough to send."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sfu.routing.kernels.history import EMPTY, TAKEN, WAITING
from sfu.routing.kernels.padding import PADDING_BYTES
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.kernels.rtp import HEADER_BYTES

from . import kernels

NOW_US = 5_000_000
REPAIR_SSRC, SSRC = 0xABCD, 0x1234


def make_viewer(*subscriptions: dict[str, int]) -> Tables:
    """Connection 1 with these subscriptions, in this order."""
    tables = make_tables(2, 1, 1, 4, 1, logs=4, history=8)
    tables.connections[1]["first_subscription"] = 0 if subscriptions else -1
    for row, given in enumerate(subscriptions):
        entry = tables.subscriptions[row]
        for name, value in {"log": -1, "abs_send_time_at": -1, "transport_sequence_at": -1, **given}.items():
            entry[name] = value
        entry["connection"] = 1
        entry["sibling"] = row + 1 if row + 1 < len(subscriptions) else -1
        entry["template"][0], entry["template_bytes"] = 0x90, HEADER_BYTES + 4
        entry["template"][8:12] = np.frombuffer(struct.pack("!I", SSRC), np.uint8)
        entry["repair_ssrc"] = REPAIR_SSRC
    return tables


RTX = {"repair_type": 97, "log": 2}
VIDEO = {"pads": 1, "transport_sequence_at": 20}
AUDIO = {"transport_sequence_at": 20}


@pytest.mark.parametrize(
    ("subscriptions", "padder"),
    [
        ((), -1),
        ((AUDIO,), -1),
        ((AUDIO, RTX), 1),
        ((VIDEO, RTX), 1),
        ((VIDEO | {"started": 1}, AUDIO, VIDEO | {"started": 1, "picture_ended": 1}), 2),
        ((VIDEO | {"started": 1, "paused": 1},), 0),
        ((VIDEO | {"started": 1},), -1),
        ((VIDEO | {"transport_sequence_at": -1},), -1),
        ((RTX | {"log": -1},), -1),
    ],
    ids=[
        "nothing",
        "audio carries none",
        "the retransmission stream",
        "rather that than media",
        "between two pictures",
        "a pause",
        "within a picture",
        "nobody would tell of it",
        "nothing is kept",
    ],
)
def test_who_can_carry_padding(subscriptions: tuple[dict[str, int], ...], padder: int) -> None:
    assert kernels.find_padder(make_viewer(*subscriptions), 1) == padder


@pytest.mark.parametrize("started", [0, 1])
def test_padding_goes_into_the_retransmission_stream_under_numbers_of_its_own(started: int) -> None:
    tables = make_viewer(RTX | {"repair_sequence": 65535, "started": started})
    entry = tables.subscriptions[0]
    entry["last_timestamp"], entry["seed_timestamp"], entry["last_sequence"] = 0x1_0000_0007, 9, 77
    out = np.full(400, 0xEE, np.uint8)
    for number in (65535, 0):
        size = int(kernels.pad(tables, 0, out, 3, NOW_US))
        first, kind, sequence, timestamp, ssrc = struct.unpack("!BBHII", bytes(out[3 : 3 + HEADER_BYTES]))
        assert (first, kind, sequence, ssrc) == (0xA0, 97, number, REPAIR_SSRC)
        assert timestamp == (7 if started else 9)
        assert size == HEADER_BYTES + PADDING_BYTES
        assert bytes(out[3 + HEADER_BYTES : 3 + size]) == bytes(PADDING_BYTES - 1) + bytes([PADDING_BYTES])
        assert bytes(out[3 + size :]) == b"\xee" * (400 - 3 - size)
    assert (entry["last_sequence"], entry["repeated"], entry["packets"]) == (77, 2, 0)


def test_without_one_it_takes_a_number_among_the_media() -> None:
    tables = make_viewer(VIDEO | {"started": 1, "last_sequence": 65535, "source": -1, "transport_sequence_at": -1})
    entry, out = tables.subscriptions[0], np.zeros(400, np.uint8)
    kernels.pad(tables, 0, out, 0, NOW_US)
    assert struct.unpack("!HII", bytes(out[2:12])) == (0, 0, SSRC)
    assert (entry["last_sequence"], entry["padded"], entry["packets"], entry["repeated"]) == (0, 1, 1, 0)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, 9),
        ({"flags": TAKEN | EMPTY}, 9),
        ({"flags": TAKEN | WAITING}, -1),
        ({"flags": 0}, -1),
        ({"sequence": 9 + LOGGED_PACKETS}, -1),
        ({"history": 91}, -1),
        ({"history": 92}, 9),
    ],
    ids=["sent", "an empty one", "still waits", "never sent", "a later one's place", "no longer kept", "the oldest"],
)
def test_media_are_repeated_that_were_sent_and_are_there(fields: dict[str, int], found: int) -> None:
    tables = make_viewer(RTX | {"started": 1, "last_sequence": 12})
    tables.history_written[0] = 100
    sent = tables.logs[2, 9]
    for name, value in {"flags": TAKEN, "sequence": 9, "history": 95, **fields}.items():
        sent[name] = value
    assert kernels.find_repeatable(tables, 0, 3) == found
    assert kernels.find_repeatable(tables, 0, 4) == -1
