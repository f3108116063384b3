"""A publisher's retransmissions."""

from __future__ import annotations

import numpy as np

from bench.generator.frames import build_packet
from bench.generator.layout import KEPT, Tables, make_tables
from bench.generator.octets import find_extension
from bench.generator.repeats import keep_packet, write_repeat
from bench.traffic import VIDEO


def _send(tables: Tables, count: int) -> list[bytes]:
    """What an encoding sends, one packet after the other, and keeps."""
    encoding = tables.encodings[0]
    sent = []
    for index in range(count):
        out = np.zeros(2048, np.uint8)
        size, header = build_packet(out, encoding, index % VIDEO.frame_packets, 1, 0, 1000 + index, False)
        keep_packet(0, out, size, header, tables)
        sent.append(out[:size].tobytes())
        encoding["sequence"] += np.uint64(1)
    return sent


def _tables() -> Tables:
    tables = make_tables(1, 1)
    encoding = tables.encodings[0]
    for name, value in {
        "video": 1,
        "payload_type": 96,
        "repair_type": 97,
        "ssrc": 7,
        "repair_ssrc": 9,
        "mid_id": 4,
        "mid": ord("0"),
        "transport_sequence_id": 3,
        "frame_packets": VIDEO.frame_packets,
        "frame_bytes": VIDEO.frame_bytes,
        "sequence": 0x1FFF8,
        "timestamp": 123_456,
    }.items():
        encoding[name] = value
    tables.connections[0]["transport_sequence"] = 0x1FFFF
    return tables


def test_a_repeat_carries_the_packet_under_numbers_of_its_own() -> None:
    tables = _tables()
    sent = _send(tables, 20)
    out = np.zeros(2048, np.uint8)
    for index in (3, 17):  # before and after the wrap
        original = sent[index]
        size = write_repeat(0, int.from_bytes(original[2:4], "big"), tables, out)
        repeat = out[:size].tobytes()
        at = find_extension(out, size, 3)
        assert repeat[1] & 0x7F == 97
        assert repeat[1] & 0x80 == original[1] & 0x80
        assert repeat[4:8] == original[4:8], "the timestamp"
        assert int.from_bytes(repeat[8:12], "big") == 9
        header = len(repeat) - 2 - (len(original) - 24)
        assert header == 24
        assert repeat[header : header + 2] == original[2:4]
        assert repeat[header + 2 :] == original[header:]
        assert int.from_bytes(repeat[at : at + 2], "big") == (0xFFFF, 0)[index == 17]
    assert tables.encodings[0]["repair_sequence"] == 2


def test_what_is_no_longer_there_is_not_repeated() -> None:
    tables = _tables()
    sent = _send(tables, KEPT + 5)
    out = np.zeros(2048, np.uint8)
    assert write_repeat(0, int.from_bytes(sent[4][2:4], "big"), tables, out) == 0
    assert write_repeat(0, int.from_bytes(sent[5][2:4], "big"), tables, out) > 0
    assert write_repeat(0, 0x1234, tables, out) == 0


def test_a_repeat_says_which_encoding_it_is_of() -> None:
    tables = _tables()
    for name, value in {"rid_id": 10, "rid": ord("h"), "repaired_rid_id": 11}.items():
        tables.encodings[0][name] = value
    original = _send(tables, 1)[0]
    out = np.zeros(2048, np.uint8)
    size = write_repeat(0, int.from_bytes(original[2:4], "big"), tables, out)
    assert find_extension(out, size, 10) == -1
    assert out[find_extension(out, size, 11)] == ord("h")
    assert out[find_extension(out, size, 4)] == ord("0"), "its MID stays"
