"""The kernels that read payload descriptors agree with plain-Python readers of the RFCs and stay within the payload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.kernels.frame_marking import describe_frame_marking
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.kernels.red import primary_of, retarget
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer

from . import descriptor_oracle as oracle
from .modes import examples

BEFORE = 5
MASKS = ("present", "switch", "discardable")
RIGHT_VALUES = {"key": {0, 1}, "frame_start": {0, 1}, "frame_end": {0, 1}, "spatial": set(range(4))}


class Kernel:
    """A packet in a table, and its buffer: the payload stands at the end, so that reading on is out of bounds."""

    def __init__(self, payload: bytes, marker: int = 0, after: bytes = b"") -> None:
        self.buffer = np.frombuffer(bytes(BEFORE) + payload + after, np.uint8).copy()
        self.packets = np.zeros(3, PACKET)
        packet = self.packets[1]
        packet["payload"], packet["payload_bytes"], packet["marker"] = BEFORE, len(payload), marker
        describe_opaque(self.packets, 1)

    def fields(self) -> dict[str, Any]:
        """As the oracle's `Meaning` has them."""
        packet = self.packets[1]
        found = {each.name: int(packet[each.name]) for each in dataclasses.fields(oracle.Meaning)}
        masked = {name: frozenset((k >> 3, k & 7) for k in range(64) if found[name] >> k & 1) for name in MASKS}
        return found | masked


def describe(function: Callable[..., int], payload: bytes, *more: int, marker: int = 0, after: bytes = b"") -> Any:
    """What a kernel says of a payload; None when it calls it broken."""
    kernel = Kernel(payload, marker, after)
    status = function(kernel.buffer, kernel.packets, 1, *more)
    assert status in (0, 1)
    return kernel.fields() if status == 0 else None


def meant(meaning: oracle.Meaning | None) -> dict[str, Any] | None:
    return None if meaning is None else {f.name: getattr(meaning, f.name) for f in dataclasses.fields(meaning)}


def octets(*values: int) -> bytes:
    return bytes(values)


bits = st.integers(0, 1)
bytes_1 = st.integers(0, 255)


@st.composite
def picture_ids(draw: st.DrawFn) -> bytes:
    return draw(st.one_of(st.integers(0, 127).map(octets), st.integers(0x8000, 0xFFFF).map(lambda n: n.to_bytes(2))))


@st.composite
def cut(draw: st.DrawFn, payloads: st.SearchStrategy[bytes]) -> bytes:
    """Mostly whole ones, else a beginning."""
    data = draw(payloads)
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 3)) == 0 else data


@st.composite
def vp8_payloads(draw: st.DrawFn) -> bytes:
    """Descriptors with every combination of fields, and a frame."""
    extended, reserved, unused, starts = draw(bits), draw(st.integers(0, 3)), draw(bits), draw(bits)
    partition = draw(st.sampled_from([0, 0, 0, 1, 7]))
    first = extended << 7 | (reserved >> 1) << 6 | unused << 5 | starts << 4 | (reserved & 1) << 3 | partition
    data = octets(first)
    if extended:
        has = [draw(bits) for _ in range(4)]
        data += octets(has[0] << 7 | has[1] << 6 | has[2] << 5 | has[3] << 4 | draw(st.integers(0, 15)))
        data += draw(picture_ids()) if has[0] else b""
        data += octets(draw(bytes_1)) if has[1] else b""
        data += octets(draw(bytes_1)) if has[2] or has[3] else b""
    return data + draw(st.binary(max_size=4))


@st.composite
def structures(draw: st.DrawFn) -> oracle.Structure:
    references = st.lists(bytes_1, max_size=3)
    pictures = draw(st.none() | st.lists(references, max_size=9))
    return oracle.Structure(draw(st.integers(1, 8)), draw(st.booleans()), pictures)


@st.composite
def vp9_payloads(draw: st.DrawFn) -> bytes:
    """Descriptors of both modes with all optional parts, now and then with a reference too many."""
    first = draw(bytes_1)
    data = octets(first) + (draw(picture_ids()) if first & 0x80 else b"")
    flexible = first & 0x10 and first & 0x80
    if first & 0x20:
        spatial = draw(st.sampled_from([0, 0, 1, 2, 3, 5]))
        dependent = 0 if spatial == 0 and draw(bytes_1) else draw(bits)
        data += octets(draw(st.integers(0, 7)) << 5 | draw(bits) << 4 | spatial << 1 | dependent)
        data += b"" if flexible else octets(draw(bytes_1))
    if flexible and first & 0x40:
        count = draw(st.sampled_from([1, 1, 2, 3, 3, 4]))
        for k in range(count):
            data += octets(draw(st.integers(1, 127)) << 1 | (k < count - 1))
    if first & 0x02:
        data += draw(structures()).build()
    return data + draw(st.binary(max_size=3))


messages = st.lists(
    st.tuples(
        st.sampled_from([5, 6, 255, 261]), st.sampled_from([b"", b"\x84", bytes(2) + b"\x03\x01", bytes(range(6))])
    ),
    max_size=3,
).map(
    lambda found: (
        b"".join(
            b"\xff" * (kind // 255) + octets(kind % 255, len(body.replace(b"\0\0\3", b"\0\0"))) + body
            for kind, body in found
        )
        + b"\x80"
    )
)
units = st.one_of(
    st.tuples(st.sampled_from([0x67, 0x68, 0x65, 0x61, 0x42, 0x09, 0x06]), st.binary(max_size=5)).map(
        lambda unit: octets(unit[0]) + unit[1]
    ),
    messages.map(lambda body: b"\x06" + body),
)


@st.composite
def h264_payloads(draw: st.DrawFn) -> bytes:
    """The three ways of a packet that are used, and those that are not."""
    kind = draw(st.sampled_from(["single", "aggregate", "fragment", "other"]))
    if kind == "single":
        return draw(units)
    if kind == "fragment":
        return octets(0x7C, draw(bits) << 7 | draw(bits) << 6 | draw(st.sampled_from([1, 5, 7]))) + draw(
            st.binary(max_size=3)
        )
    if kind == "other":
        return octets(draw(bytes_1)) + draw(st.binary(max_size=6))
    inner = draw(st.lists(units, max_size=4))
    return octets(0x78) + b"".join(len(unit).to_bytes(2) + unit for unit in inner)


red_payloads = st.builds(
    oracle.Red,
    st.integers(0, 127),
    st.lists(
        st.tuples(st.integers(0, 2**14 - 1), st.binary(max_size=20) | st.integers(500, 1023).map(bytes)), max_size=9
    ),
    st.binary(max_size=20),
)
anything = st.binary(max_size=40)


@given(st.one_of(anything, cut(vp8_payloads())), bits)
@settings(max_examples=examples(1200), deadline=None)
def test_vp8_agrees_with_the_oracle(payload, marker):
    assert describe(describe_vp8, payload, marker=marker) == meant(oracle.read_vp8(payload, marker))


@given(st.one_of(anything, cut(vp9_payloads())), bits, st.integers(-1, 7))
@settings(max_examples=examples(1500), deadline=None)
def test_vp9_agrees_with_the_oracle(payload, marker, top):
    expected = oracle.read_vp9(payload, marker, top)
    found = describe(describe_vp9, payload, top, marker=marker)
    assert found == (None if expected is None else meant(expected[0]))
    if expected is not None:
        kernel = Kernel(payload)
        describe_vp9(kernel.buffer, kernel.packets, 1, top)
        assert find_top_layer(kernel.buffer, kernel.packets, 1) == expected[1]


@given(structures())
@settings(max_examples=examples(300), deadline=None)
def test_vp9_structures_are_read_to_their_last_octet(structure):
    descriptor = octets(0x0A) + structure.build()
    kernel = Kernel(descriptor + b"F")
    assert describe_vp9(kernel.buffer, kernel.packets, 1, -1) == 0
    assert find_top_layer(kernel.buffer, kernel.packets, 1) == structure.spatial_layers - 1
    assert describe(describe_vp9, descriptor, -1) is None  # no frame follows


@given(st.one_of(anything, cut(h264_payloads())), bits)
@settings(max_examples=examples(1200), deadline=None)
def test_h264_agrees_with_the_oracle(payload, marker):
    assert describe(describe_h264, payload, marker=marker) == meant(oracle.read_h264(payload, marker))


@given(st.one_of(anything, cut(red_payloads.map(oracle.Red.build))))
@settings(max_examples=examples(1200), deadline=None)
def test_the_primary_block_agrees_with_the_oracle(payload):
    kernel = Kernel(payload)
    found = primary_of(kernel.buffer, BEFORE, BEFORE + len(payload))
    expected = oracle.primary_of(payload)
    assert found == (-1 if expected is None else BEFORE + expected)


@given(red_payloads, st.integers(0, 127))
@settings(max_examples=examples(400), deadline=None)
def test_redundancy_gets_another_payload_type_and_stays_whole(red, payload_type):
    payload = red.build()
    if oracle.primary_of(payload) is None:
        return
    kernel = Kernel(payload, after=b"\xee\xee")
    retarget(kernel.buffer, BEFORE, len(payload), payload_type)
    again = dataclasses.replace(red, payload_type=payload_type).build()
    assert bytes(kernel.buffer) == bytes(BEFORE) + again + b"\xee\xee"
    at = oracle.primary_of(payload)
    assert payload[at:] == red.primary


KERNELS = [(describe_vp8, ()), (describe_vp9, (-1,)), (describe_vp9, (2,)), (describe_h264, ())]


@pytest.mark.parametrize(("function", "more"), KERNELS)
@given(
    payload=st.one_of(anything, cut(vp8_payloads()), cut(vp9_payloads()), cut(h264_payloads())),
    after=st.tuples(st.binary(max_size=30), st.binary(max_size=30)),
)
@settings(max_examples=examples(250), deadline=None)
def test_what_stands_behind_the_payload_does_not_matter(function, more, payload, after):
    first, second = (describe(function, payload, *more, after=each) for each in after)
    assert first == second == describe(function, payload, *more)


@pytest.mark.parametrize(("function", "more"), KERNELS)
@given(payload=st.one_of(anything, vp8_payloads(), vp9_payloads(), h264_payloads()))
@settings(max_examples=examples(250), deadline=None)
def test_fields_stay_within_their_ranges(function, more, payload):
    """Whatever comes in, selection and rewriting may index and write by what is said of it."""
    found = describe(function, payload, *more)
    if found is None:
        return
    assert all(found[name] in values for name, values in RIGHT_VALUES.items())
    assert 0 <= found["temporal"] < 8
    assert found["raises"] in {-1, found["temporal"]}
    assert all(found[name] <= oracle.EVERY for name in MASKS)
    assert (found["spatial"], found["temporal"]) in found["present"]
    assert found["discardable"] <= found["present"]
    assert not found["key"] or (found["frame_start"] and found["switch"] == oracle.EVERY)
    width = {0: 0, 7: 1, 15: 2}[found["picture_id_bits"]]
    if width:
        assert payload[found["picture_id_at"] :][:width] == (found["picture_id"] | 0x8000 * (width == 2)).to_bytes(
            width
        )
    if found["tl0_picture_at"] >= 0:
        assert payload[found["tl0_picture_at"]] == found["tl0_picture"]


@given(bytes_1, st.binary(max_size=2), bits)
@settings(max_examples=examples(400), deadline=None)
def test_frame_marking_says_what_its_bits_say(value, more, marker):
    """RFC 9626 section 3: |S|E|I|D|B|TID|, then LID and TL0PICIDX, which do not matter here."""
    kernel = Kernel(octets(value) + more, marker)
    assert describe_frame_marking(kernel.buffer, BEFORE, 1 + len(more), kernel.packets, 1) == 0
    found = kernel.fields()
    start, end, independent, unused, sync, *_ = (value >> k & 1 for k in range(7, -1, -1))
    tid = value & 7 if more else 0
    present = oracle.layers(lambda s, t: t >= tid)
    switch = oracle.layers(lambda s, t: bool(independent or (sync and tid and t == tid)))
    assert (found["frame_start"], found["frame_end"]) == (start, end)
    assert (found["spatial"], found["temporal"], found["present"]) == (0, tid, present)
    assert (found["switch"], found["discardable"]) == (switch, present if unused else oracle.NONE)
