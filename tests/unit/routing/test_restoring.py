"""What a publisher sends again becomes the media packet that it was (RFC 4588)."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.routing.kernels.counters import COUNTER_COUNT, Counter
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.rtp import PACKET, parse_rtp, strip_padding

from . import kernels
from .conftest import rtp

MEDIA, REPAIR = 1, 2
SSRC, REPAIR_SSRC = 0x1234, 0x9999
NO_IDS = np.zeros(16, np.uint8)


def make_publisher(*, ssrc: int = SSRC, active: int = 1) -> Tables:
    tables = make_tables(1, 1, 3, 1, COUNTER_COUNT)
    tables.encodings[MEDIA]["ssrc"], tables.encodings[MEDIA]["active"] = ssrc, active
    tables.encodings[MEDIA]["payload_type"] = 96
    tables.encodings[REPAIR]["repairs"] = MEDIA
    return tables


def restore(tables: Tables, payload: bytes, **options: object) -> bytes | None:
    """The media packet in a packet of the repair stream; None: there is none."""
    data = rtp(40, payload, ssrc=REPAIR_SSRC, payload_type=97, **options)  # type: ignore[arg-type]
    buffer = np.frombuffer(bytes(9) + data + bytes(9), np.uint8).copy()
    packets = np.zeros(1, PACKET)
    assert parse_rtp(buffer, 9, 9 + len(data), NO_IDS, packets, 0) == 0
    assert strip_padding(buffer, 9 + len(data), packets, 0) == 0
    if not kernels.restore(tables, REPAIR, buffer, packets, 0):
        return None
    packet = packets[0]
    found = bytes(buffer[packet["start"] : packet["payload"] + packet["payload_bytes"]])
    assert (packet["sequence"], packet["ssrc"], packet["payload_type"]) == (int.from_bytes(payload[:2]), SSRC, 96)
    again = np.zeros(1, PACKET)
    assert parse_rtp(buffer, int(packet["start"]), int(packet["start"]) + len(found), NO_IDS, again, 0) == 0
    assert [again[0][name] for name in ("payload", "payload_bytes", "timestamp", "marker")] == [
        packet[name] for name in ("payload", "payload_bytes", "timestamp", "marker")
    ]
    assert len(packet["extension_at"]) == EXTENSION_COUNT
    return found


@pytest.mark.parametrize("marker", [False, True])
@pytest.mark.parametrize("extensions", [None, {3: b"abc", 4: b"z"}])
def test_it_is_the_packet_that_it_was(marker: bool, extensions: dict[int, bytes] | None) -> None:
    was = rtp(65535, b"media", ssrc=SSRC, payload_type=96, timestamp=777, marker=marker, extensions=extensions)
    assert restore(make_publisher(), b"\xff\xffmedia", timestamp=777, marker=marker, extensions=extensions) == was


def test_its_padding_is_none_of_the_medias() -> None:
    was = rtp(5, b"media", ssrc=SSRC, payload_type=96)
    assert restore(make_publisher(), b"\0\5media", padding=20) == was


def test_padding_alone_is_counted_for_itself() -> None:
    tables = make_publisher()
    assert restore(tables, b"", padding=50) is None
    assert tables.counters[Counter.REPAIR_PADDING] == 1
    assert tables.counters[Counter.DROP_REPAIR] == 0


@pytest.mark.parametrize(
    ("payload", "publisher"),
    [
        (b"\0", {}),
        (b"\0\1", {}),
        (b"\0\1media", {"ssrc": -1}),
        (b"\0\1media", {"active": 0}),
    ],
    ids=["half a number", "a number alone", "of nobody yet", "of nobody any more"],
)
def test_what_cannot_be_restored_is_dropped_and_counted(payload: bytes, publisher: dict[str, int]) -> None:
    tables = make_publisher(**publisher)
    assert restore(tables, payload) is None
    assert tables.counters[Counter.DROP_REPAIR] == 1
