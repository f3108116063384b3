"""Kernels agree with plain-Python oracles. `test_modes.py` runs this module again, unjitted and bounds-checked."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.gso_leveling import MAX_PAD_BYTES, level_sizes
from sfu.routing.kernels.index import (
    find_address,
    find_encoding,
    insert_address,
    insert_encoding,
    remove_address,
    remove_encoding,
)
from sfu.routing.kernels.media_columns import PACKET_SLOT_BYTES
from sfu.routing.kernels.numbering import NUMBERS, number_packet
from sfu.routing.kernels.rewrite import write_packet
from sfu.routing.kernels.rings import make_packet_rings, push_packet, readable, release
from sfu.routing.kernels.select import FORWARD, select_packet
from sfu.routing.kernels.tables import make_tables
from sfu.routing.kernels.template import build_template
from sfu.wire.extensions import Extension
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.kernels.row_index import ROW
from sfu.wire.kernels.rtp import PACKET, parse_rtp, strip_padding
from sfu.wire.sockaddr import encode_address

from . import oracle
from .modes import examples

KINDS = np.zeros(16, np.uint8)
KINDS[1:10] = range(1, 10)


def parse(data: bytes, packets: np.ndarray, row: int = 0) -> tuple[bool, np.ndarray]:
    buffer = np.frombuffer(bytes(5) + data, np.uint8).copy()
    accepted = parse_rtp(buffer, 5, len(buffer), KINDS, packets, row) == 0
    accepted = accepted and strip_padding(buffer, len(buffer), packets, row) == 0
    return accepted, buffer


elements = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=6)


@st.composite
def rtp_like(draw: st.DrawFn) -> bytes:
    """Packets that are right, nearly right, and cut short."""
    head = bytes([draw(st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0x91, 0x40]))]) + draw(
        st.binary(min_size=11, max_size=15)
    )
    two_byte = draw(st.booleans())
    block = b""
    for identifier, value in draw(elements):
        block += (
            bytes([identifier, len(value)]) if two_byte else bytes([identifier & 0xF0 | max(len(value) - 1, 0) & 15])
        )
        block += value
    block += bytes(-len(block) % 4)
    words = draw(st.sampled_from([len(block) // 4, len(block) // 4, 0, 70, 65535]))
    profile = b"\x10\x00" if two_byte else b"\xbe\xde"
    data = head[:12] + profile + words.to_bytes(2, "big") + block + draw(st.binary(max_size=40))
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@given(st.one_of(rtp_like(), st.binary(max_size=80)))
@settings(max_examples=examples(1500), deadline=None)
def test_parse_agrees_with_the_oracle(data):
    packets = np.zeros(1, PACKET)
    accepted, buffer = parse(data, packets)
    expected = oracle.parse_rtp(data, {k: k for k in range(1, 10)})
    assert accepted == (expected is not None)
    if expected is None:
        return
    packet = packets[0]
    names = ("marker", "payload_type", "sequence", "timestamp", "ssrc")
    assert [packet[n] for n in names] == [getattr(expected, n) for n in names]
    at, length = packet["payload"], packet["payload_bytes"]
    assert bytes(buffer[at : at + length]) == expected.payload
    found = {
        k: bytes(buffer[packet["extension_at"][k] :][: packet["extension_bytes"][k]])
        for k in range(1, 10)
        if packet["extension_bytes"][k]
    }
    assert found == expected.extensions


PASSED = [
    Extension.AUDIO_LEVEL,
    Extension.VIDEO_ORIENTATION,
    Extension.DEPENDENCY_DESCRIPTOR,
    Extension.PLAYOUT_DELAY,
]


def forward(tables, subscription, packets, buffer, out, at, now_us):
    """Select, number and write the one packet; 0 when it is not forwarded."""
    describe_opaque(packets, 0)
    if select_packet(tables, subscription, packets, 0) != FORWARD:
        return 0
    numbers = np.zeros(NUMBERS, np.int64)
    number_packet(tables, subscription, packets, 0, numbers)
    return write_packet(tables, subscription, packets, 0, buffer, out, at, now_us, numbers, False)


@given(
    payload=st.binary(max_size=1300),
    values=st.dictionaries(st.sampled_from(PASSED), st.binary(min_size=1, max_size=20)),
    identifiers=st.permutations(range(1, 15)),
    agreed=st.sets(st.sampled_from(list(Extension))),
    mid=st.text("abcdefghij0123456789", max_size=16),
    numbers=st.tuples(*[st.integers(0, 2**32 - 1)] * 4),
    payload_types=st.tuples(st.integers(0, 127), st.integers(0, 127)),
    marker=st.integers(0, 1),
    pad=st.integers(0, MAX_PAD_BYTES),
    now_us=st.integers(0, 2**50),
)
@settings(max_examples=examples(400), deadline=None)
def test_rewrite_agrees_with_the_oracle(
    payload, values, identifiers, agreed, mid, numbers, payload_types, marker, pad, now_us
):
    ssrc, egress_ssrc, timestamp, seed = numbers
    ids = {kind: identifiers[k] for k, kind in enumerate(Extension) if kind in agreed}
    tables = make_tables(2, 2, 2, 2, 40)
    for kind, identifier in ids.items():
        tables.connections[1]["extension_id"][kind] = identifier
    tables.connections[1]["transport_sequence"] = seed & 0xFFFF
    entry = tables.subscriptions[1]
    entry["connection"] = 1
    entry["transport_cc"] = 1
    entry["ssrc"], entry["payload_type"] = egress_ssrc, payload_types[1]
    entry["seed_sequence"], entry["seed_timestamp"] = seed & 0xFFFF, seed
    entry["mid_bytes"] = len(mid)
    entry["mid"][: len(mid)] = np.frombuffer(mid.encode(), np.uint8)
    build_template(tables, 1)
    in_order = [(k, v) for k, v in values.items() if len(v) <= 16]
    data = oracle.build_rtp(
        marker=marker,
        payload_type=payload_types[0],
        sequence=77,
        timestamp=timestamp,
        ssrc=ssrc,
        extensions=[(int(k), v) for k, v in in_order],
        payload=payload,
        pad=0,
    )
    packets = np.zeros(1, PACKET)
    accepted, buffer = parse(data, packets)
    assert accepted
    packets[0]["pad"] = pad
    packets[0]["source"] = 5
    out = np.full(2000, 0xEE, np.uint8)
    for step in range(2):  # the same numbers from another source: the numbering goes on, and the transport sequence
        packets[0]["source"] = 5 + step
        length = forward(tables, 1, packets, buffer, out, 100, now_us)
        expected = []
        if Extension.ABS_SEND_TIME in ids:
            stamp = (now_us % 64_000_000) * 2**18 // 1_000_000
            expected.append((ids[Extension.ABS_SEND_TIME], stamp.to_bytes(3, "big")))
        if Extension.TRANSPORT_SEQUENCE in ids:
            expected.append((ids[Extension.TRANSPORT_SEQUENCE], ((seed + step) & 0xFFFF).to_bytes(2, "big")))
        if Extension.MID in ids and mid:
            expected.append((ids[Extension.MID], mid.encode()))
        expected += [(ids[k], dict(in_order)[k]) for k in PASSED if k in ids and k in dict(in_order)]
        assert bytes(out[100 : 100 + length]) == oracle.build_rtp(
            marker=marker,
            payload_type=payload_types[1],
            sequence=(seed + step) & 0xFFFF,
            timestamp=(seed + 1 * step) & 0xFFFFFFFF if step else seed,
            ssrc=egress_ssrc,
            extensions=expected,
            payload=payload,
            pad=pad,
        )
        assert out[100 + max(length, 16)] == 0xEE  # nothing is written beyond


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 3)), min_size=1, max_size=60))
@settings(deadline=None)
def test_numbering_is_continuous_over_changes_of_source(steps):
    """Whatever the publisher's numbers do when its source changes, the subscriber's go on by one."""
    tables = make_tables(2, 2, 2, 2, 40)
    entry = tables.subscriptions[0]
    build_template(tables, 0)
    packets, out = np.zeros(1, PACKET), np.zeros(2000, np.uint8)
    buffer = np.zeros(100, np.uint8)
    sent, source, sequence = [], None, 0
    for k, (number, new_source) in enumerate(steps):
        sequence = number if new_source != source else (sequence + 1) & 0xFFFF
        source = new_source
        packets[0]["sequence"], packets[0]["timestamp"] = sequence, (number * 90) & 0xFFFFFFFF
        packets[0]["source"], packets[0]["clock_rate"], packets[0]["arrival_us"] = source, 90000, k * 33000
        assert forward(tables, 0, packets, buffer, out, 0, 0) > 0
        sent.append(int(out[2]) << 8 | int(out[3]))
    assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(sent)] == [1] * (len(sent) - 1)
    assert entry["packets"] == len(steps)


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=40))
@settings(deadline=None)
def test_levelling_pads_little_and_never_a_whole_message_apart(shape):
    sizes = [1000 + size for size, _ in shape]
    packets = np.zeros(len(sizes), PACKET)
    for k, size in enumerate(sizes):
        packets[k]["payload_bytes"] = size
        packets[k]["next"] = k + 1 if k + 1 < len(sizes) else -1
    level_sizes(packets, 0)
    pads = [int(p) for p in packets["pad"]]
    assert all(0 <= pad <= MAX_PAD_BYTES for pad in pads)
    levelled = [size + pad for size, pad in zip(sizes, pads, strict=True)]
    assert messages(levelled) <= messages(sizes)


def messages(sizes: list[int]) -> int:
    """How many UDP_SEGMENT messages these packets take."""
    count, size, closed = 0, 0, True
    for each in sizes:
        if closed or each > size:
            count, size, closed = count + 1, each, False
        elif each < size:
            closed = True
    return count


def test_a_frame_as_libwebrtc_splits_it_becomes_one_message():
    packets = np.zeros(9, PACKET)
    sizes = [1131] * 4 + [1132] * 5  # SplitAboutEqually: smaller ones first
    for k, size in enumerate(sizes):
        packets[k]["payload_bytes"] = size
        packets[k]["next"] = k + 1 if k < 8 else -1
    level_sizes(packets, 0)
    assert list(packets["pad"]) == [1] * 4 + [0] * 5
    assert messages([size + int(pad) for size, pad in zip(sizes, packets["pad"], strict=True)]) == 1


addresses = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1"]), st.integers(1, 6)
)


@given(st.lists(st.tuples(addresses, st.booleans()), max_size=80))
@settings(deadline=None)
def test_the_address_index_agrees_with_a_dict(steps):
    tables = make_tables(32, 1, 1, 1, 1)
    held: dict[bytes, int] = {}
    free = list(range(32))
    for (ip, port), insert in steps:
        raw = encode_address((ip, port), 10)
        key = raw.tobytes()
        assert find_address(tables.by_address, tables.addresses, raw, 0) == held.get(key, -1)
        if insert and key not in held:
            held[key] = free.pop()
            tables.addresses[held[key]]["address"][:28] = raw
            insert_address(tables.by_address, tables.addresses, held[key])
        elif not insert and key in held:
            remove_address(tables.by_address, tables.addresses, held[key])
            free.append(held.pop(key))
    assert sorted(row for row in tables.by_address[:, ROW] if row >= 0) == sorted(held.values())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.booleans()), max_size=80))
@settings(deadline=None)
def test_the_ssrc_index_agrees_with_a_dict(steps):
    tables = make_tables(1, 1, 64, 1, 1)
    held: dict[tuple[int, int], int] = {}
    free = list(range(64))
    for connection, ssrc, insert in steps:
        key = (connection, ssrc)
        assert find_encoding(tables.by_ssrc, tables.encodings, connection, ssrc) == held.get(key, -1)
        if insert and key not in held:
            held[key] = free.pop()
            tables.encodings[held[key]]["connection"] = connection
            tables.encodings[held[key]]["ssrc"] = ssrc
            insert_encoding(tables.by_ssrc, tables.encodings, held[key])
        elif not insert and key in held:
            remove_encoding(tables.by_ssrc, tables.encodings, held[key])
            free.append(held.pop(key))
    assert sorted(row for row in tables.by_ssrc[:, ROW] if row >= 0) == sorted(held.values())


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=300), st.just(None)), max_size=60))
@settings(deadline=None)
def test_a_packet_ring_is_a_bounded_queue(steps):
    rings = make_packet_rings(1, 1, 8)
    index = rings.indexes[0, 0]
    packets = np.zeros(1, PACKET)
    waiting: list[bytes] = []
    for payload in steps:
        if payload is None:
            if waiting:
                slot = int(index[8]) % 8
                packet = rings.packets[0, 0, slot]
                assert packet["start"] == slot * PACKET_SLOT_BYTES
                at = int(packet["payload"])
                assert bytes(rings.data[0, 0, at : at + packet["payload_bytes"]]) == waiting.pop(0)
                release(index, 1)
            continue
        buffer = np.frombuffer(bytes(19) + payload, np.uint8)
        packets[0]["start"], packets[0]["payload"], packets[0]["payload_bytes"] = 7, 19, len(payload)
        pushed = push_packet(rings, 0, 0, 3, 1, packets, 0, buffer)
        assert pushed == (len(waiting) < 8)
        if pushed:
            waiting.append(payload)
        assert readable(index) == len(waiting)
