"""The dependency descriptor's kernels agree with a plain-Python reader and writer of the specification."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sfu.wire.extensions import Extension
from sfu.wire.kernels.bits import copy_bits, ns_bits, read_bits, read_ns, write_bits
from sfu.wire.kernels.dependency import BROKEN, FINE, UNKNOWN, describe_dependencies
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES, active_mask, write_dependencies
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.rtp import PACKET

from . import dependency_oracle as oracle
from .dependency_oracle import Descriptor, Structure, Template
from .modes import examples

BEFORE = 7
KIND = int(Extension.DEPENDENCY_DESCRIPTOR)


class Kernel:
    """One encoding as the plane holds it."""

    def __init__(self) -> None:
        self.structures = np.zeros(2, STRUCTURE)
        self.packets = np.zeros(3, PACKET)
        self.sequence = 65000

    def take(self, data: bytes, *, late: bool = False, after: bytes = b"") -> int:
        """Describe a packet, whose descriptor is followed by the octets `after`."""
        buffer = np.frombuffer(bytes(BEFORE) + data + after, np.uint8).copy()
        self.sequence = (self.sequence + 1) & 0xFFFF
        packet = self.packets[1]
        packet["extension_at"][KIND], packet["extension_bytes"][KIND] = BEFORE, len(data)
        packet["late"], packet["sequence"] = late, self.sequence
        return describe_dependencies(buffer, self.packets, 1, self.structures, 1)

    @property
    def meaning(self) -> oracle.Meaning:
        names = ("spatial", "temporal", "present", "switch", "discardable")
        return oracle.Meaning(*[int(self.packets[1][name]) for name in names])

    def write(self, data: bytes, number: int, mask: int, announce: bool) -> bytes:
        """The descriptor as a subscriber gets it; nothing is written around it."""
        buffer = np.frombuffer(bytes(BEFORE) + data, np.uint8).copy()
        room = len(data) + MAX_GROWTH_BYTES
        out = np.full(3 + room + 3, 0xEE, np.uint8)
        length = write_dependencies(buffer, BEFORE, len(data), out, 3, self.structures, 1, number, mask, announce)
        assert length <= room
        assert set(out[:3]) == set(out[3 + max(length, len(data)) :]) == {0xEE}
        return bytes(out[3 : 3 + length])


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    targets = draw(st.one_of(st.integers(1, 9), st.integers(1, 32)))
    chains = draw(st.integers(0, min(targets, 4)) | st.integers(0, targets))
    symbols = st.text("-DSR", min_size=targets, max_size=targets)
    diffs = st.lists(st.integers(1, 16), max_size=3)
    fdiffs = st.lists(st.integers(0, 15), min_size=chains, max_size=chains)
    templates, spatial, temporal = [], 0, 0
    for step in [0] + draw(st.lists(st.integers(0, 2), max_size=12)):
        if step == 1 and temporal < 7:
            temporal += 1
        elif step == 2 and spatial < 3:
            spatial, temporal = spatial + 1, 0
        templates.append(Template(spatial, temporal, draw(symbols), draw(diffs), draw(fdiffs)))
    protected = [draw(st.integers(0, chains - 1)) for _ in range(targets)] if chains else []
    sizes = st.lists(
        st.tuples(st.integers(1, 65536), st.integers(1, 65536)), min_size=spatial + 1, max_size=spatial + 1
    )
    return Structure(draw(st.integers(0, 63)), templates, protected, draw(st.none() | sizes))


@st.composite
def descriptors(draw: st.DrawFn, structure: Structure, attached: bool) -> Descriptor:
    targets, chains = structure.targets, structure.chains
    customs = draw(st.booleans())
    return Descriptor(
        draw(st.integers(0, 1)),
        draw(st.integers(0, 1)),
        (structure.offset + draw(st.integers(0, len(structure.templates) - 1))) % 64,
        draw(st.integers(0, 65535)),
        structure if attached else None,
        draw(st.none() | st.integers(0, (1 << targets) - 1)),
        draw(st.none() | st.text("-DSR", min_size=targets, max_size=targets)) if customs else None,
        draw(st.none() | st.lists(st.integers(1, 4096), max_size=4)) if customs else None,
        draw(st.none() | st.lists(st.integers(0, 255), min_size=chains, max_size=chains)) if customs else None,
    )


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bytes, int]]:
    """Descriptors in the order of their sending, each with the number of decode targets then."""
    sent = []
    for _ in range(draw(st.integers(1, 3))):
        structure = draw(structures())
        for k in range(draw(st.integers(1, 5))):
            descriptor = draw(descriptors(structure, attached=k == 0 or draw(st.integers(0, 3)) == 0))
            data = oracle.write_descriptor(descriptor, structure.targets, padding=draw(st.integers(0, 2)))
            assume(len(data) <= 255)
            sent.append((data, structure.targets))
    return sent


@given(streams())
@settings(max_examples=examples(100), deadline=None)
def test_streams_mean_what_the_oracle_says(stream):
    kernel, reader = Kernel(), oracle.Reader()
    for data, _ in stream:
        assert kernel.take(data) == FINE
        descriptor, meaning = reader.take(data)
        assert kernel.meaning == meaning
        packet = kernel.packets[1]
        assert (packet["frame_start"], packet["frame_end"]) == (descriptor.start, descriptor.end)
        assert packet["frame_number"] == descriptor.number
        structure = reader.structure
        template = structure.templates[(descriptor.template - structure.offset) % 64]
        diffs = template.fdiffs if descriptor.fdiffs is None else descriptor.fdiffs
        assert packet["key"] == (descriptor.structure is not None and descriptor.start == 1 and not diffs)
        for layer in [(0, 0), (0, 7), (1, 1), (3, 7)]:
            assert active_mask(kernel.structures, 1, *layer) == reader.complete(layer)
        assert kernel.structures[1]["needs_key_frame"] == reader.stranded()
    assert not kernel.packets[[0, 2]].tobytes().strip(b"\0")  # other rows are left alone
    assert not kernel.structures[0].tobytes().strip(b"\0")


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Descriptors that are cut short, have bits turned over, or are noise."""
    structure = draw(structures())
    data = oracle.write_descriptor(draw(descriptors(structure, draw(st.booleans()))), structure.targets)
    kind = draw(st.sampled_from(["cut", "turned", "noise", "noise after flags"]))
    if kind == "cut":
        return data[: draw(st.integers(0, len(data)))][:255]
    if kind == "turned":
        octets = bytearray(data[:255])
        for _ in range(draw(st.integers(1, 3))):
            octets[draw(st.integers(0, len(octets) - 1))] ^= 1 << draw(st.integers(0, 7))
        return bytes(octets)
    noise = draw(st.binary(max_size=255))
    return noise if kind == "noise" else bytes([*data[:3], 0x80 | draw(st.integers(0, 127))]) + noise[:251]


def judge(reader: oracle.Reader, data: bytes) -> int:
    try:
        reader.take(data)
    except ValueError:
        return BROKEN
    except oracle.UnknownTemplateError:
        return UNKNOWN
    return FINE


@given(st.none() | structures(), st.lists(hostile(), min_size=1, max_size=3), st.binary(min_size=40, max_size=40))
@settings(max_examples=examples(300), deadline=None)
def test_hostile_descriptors_are_judged_as_by_the_oracle_and_never_read_beyond_their_end(first, attempts, after):
    """The end of the buffer is the descriptor's end, or other octets follow: it makes no difference."""
    kernel, other, reader = Kernel(), Kernel(), oracle.Reader()
    if first is not None:
        data = oracle.write_descriptor(Descriptor(1, 1, first.offset, 0, first))
        assume(len(data) <= 255)
        attempts = [data, *attempts]
    for data in attempts:
        former = kernel.structures.tobytes()
        expected = BROKEN if len(data) < 3 else judge(reader, data)
        assert kernel.take(data) == expected
        assert other.take(data, after=after) == expected
        assert kernel.structures.tobytes() == other.structures.tobytes()
        assert kernel.packets.tobytes() == other.packets.tobytes()
        if expected != FINE:
            assert kernel.structures.tobytes() == former
        if expected == UNKNOWN:
            assert kernel.packets[1]["frame_number"] == int.from_bytes(data[1:3])


@given(streams(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=examples(100), deadline=None)
def test_rewriting_changes_the_number_and_the_active_targets_only(stream, number, mask, announce):
    kernel, reader = Kernel(), oracle.Reader()
    for data, targets in stream:
        assume(len(data) + MAX_GROWTH_BYTES <= 255)
        mask &= (1 << targets) - 1
        assert kernel.take(data) == FINE
        before = reader.structure
        descriptor, _ = reader.take(data)
        written = kernel.write(data, number, mask, announce)
        again = oracle.read_descriptor(written, before)
        says = descriptor.structure is not None or descriptor.active is not None or announce
        implicit = descriptor.structure is not None and mask == (1 << targets) - 1
        descriptor.number = number
        if says and not (implicit and descriptor.active is None):
            descriptor.active = mask
        assert again == descriptor


@given(streams(), hostile(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=examples(100), deadline=None)
def test_rewriting_what_another_structure_explained_stays_within_its_room(stream, data, number, mask, announce):
    """As with a packet that is sent again after the structure has changed."""
    kernel = Kernel()
    for one, _ in stream:
        kernel.take(one)
    assume(len(data) >= 3)
    written = kernel.write(data, number, mask, announce)
    assert written[1:3] == number.to_bytes(2)
    assert written[0] == data[0]


@given(
    st.binary(min_size=1, max_size=12),
    st.integers(0, 96),
    st.integers(0, 62),
    st.integers(0, 2**62 - 1),
    st.integers(0, 96),
)
@settings(max_examples=examples(400), deadline=None)
def test_bits_agree_with_strings_of_digits(data, bit, count, value, end):
    end = min(end, 8 * len(data))
    value &= (1 << count) - 1
    buffer = np.frombuffer(b"\xff" + data, np.uint8).copy()
    digits = oracle.Bits(data).rest
    fits = bit + count <= end
    assert read_bits(buffer, 1, bit, count, end) == (int(digits[bit : bit + count] or "0", 2) if fits else -1)
    copied = buffer.copy()
    assert copy_bits(buffer, 1, 0, copied, 1, bit, count, end) == (bit + count if fits else -1)
    assert write_bits(buffer, 1, bit, count, value, end) == (bit + count if fits else -1)
    placed = [digits[:count], oracle.f(value, count)] if fits else ["", ""]
    for result, middle in zip((copied, buffer), placed, strict=True):
        expected = digits[:bit] + middle + digits[bit + count :] if fits else digits
        assert oracle.Bits(bytes(result[1:])).rest == expected
        assert result[0] == 0xFF


@given(st.integers(1, 40), st.data())
@settings(deadline=None)
def test_unequal_codes_agree_with_the_oracle(count, data):
    value = data.draw(st.integers(0, count - 1))
    code = oracle.ns(value, count)
    buffer = np.frombuffer(int("1" + code + "0" * (-(len(code) + 1) % 8), 2).to_bytes(2), np.uint8).copy()
    at = 2 - (len(code) + 1 + 7) // 8
    assert ns_bits(value, count) == len(code)
    assert read_ns(buffer, at, 1, count, 1 + len(code)) == value
    if code:
        assert read_ns(buffer, at, 1, count, len(code)) == -1
