"""What the parsers of descriptors do with one payload, or with a stream of dependency descriptors, and what must hold.

An input is a byte that picks the target, one that it may use, and the rest. For dependency descriptors the rest is a
sequence of them, each behind a byte of what a subscriber wants (see `_Wish`) and one of its length, so that what a
structure leaves behind is fuzzed, too. The readers of `tests/property` say what is right.

Nothing outside of a payload may be looked at: it stands at the end of its buffer, where NumPy refuses to read on, and
then among other octets, which must make no difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.wire.extensions import Extension
from sfu.wire.kernels.av1 import describe_av1
from sfu.wire.kernels.dependency import BROKEN, FINE, MAX_BYTES, UNKNOWN, describe_dependencies
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES, active_mask, write_dependencies
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.frame_marking import describe_frame_marking
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.kernels.red import primary_of, retarget
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer
from sfu.wire.layers import ALL_LAYERS
from tests.property import dependency_oracle, descriptor_oracle

TARGETS = ("vp8", "vp9", "h264", "av1", "red", "frame_marking", "dependency")
_KIND = int(Extension.DEPENDENCY_DESCRIPTOR)
_MASKS = ("present", "switch", "discardable")
_FRAME = ("frame_start", "frame_end", "frame_number")
_ROW, _ROWS = 1, 3
_AROUND = ((b"\x00" * 5, b""), (b"\xff" * 9, b"\xff" * 40))
_MOST_DESCRIPTORS = 24
_PAYLOAD_TYPE = 111


def run(data: bytes) -> None:
    """Run one input; an AssertionError or an IndexError is a finding."""
    if len(data) < 2:
        return
    target, detail, rest = TARGETS[data[0] % len(TARGETS)], data[1], data[2:]
    if target == "dependency":
        _Stream().run(rest)
    elif target == "red":
        _check_red(rest)
    elif target == "frame_marking":
        _check_frame_marking(rest[: detail % 16 + 1])
    else:
        _check_payload(target, rest, detail & 1, detail // 2 % 9 - 1)


# --- payload descriptors -------------------------------------------------------------------------------------------


def _packet(octets: bytes, before: bytes, after: bytes, marker: int = 0) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    packets = np.zeros(_ROWS, PACKET)
    packet = packets[_ROW]
    packet["payload"], packet["payload_bytes"], packet["marker"] = len(before), len(octets), marker
    describe_opaque(packets, _ROW)
    return np.frombuffer(before + octets + after, np.uint8).copy(), packets


def _fields(packets: NDArray[Any]) -> dict[str, int]:
    """What the row says, apart from where its payload stands; the other rows have been left alone."""
    others = packets[[0, _ROWS - 1]]
    assert not any(others.tobytes())
    packet = packets[_ROW]
    return {each.name: int(packet[each.name]) for each in dataclasses.fields(descriptor_oracle.Meaning)}


def _check_payload(codec: str, payload: bytes, marker: int, top: int) -> None:
    """`top`: -1..7, what VP9's scalability structure said before."""
    outcomes = [_describe(codec, payload, marker, top, *around) for around in _AROUND]
    assert outcomes[0] == outcomes[1]
    found, announced = outcomes[0]
    expected = _EXPECTED[codec](payload, marker, top)
    assert (found is None) == (expected is None)
    if found is None or expected is None:
        return
    meaning, said = expected
    assert announced == said
    for name in _MASKS:
        assert 0 <= found[name] <= ALL_LAYERS
        assert {(k >> 3, k & 7) for k in range(32) if found[name] >> k & 1} == getattr(meaning, name)
    for name in found.keys() - set(_MASKS):
        assert found[name] == getattr(meaning, name), name
    _check_ranges(found, len(payload))


def _describe(
    codec: str, payload: bytes, marker: int, top: int, before: bytes, after: bytes
) -> tuple[dict[str, int] | None, int]:
    """The fields, None for a broken payload; and the highest layer that a VP9 packet announces."""
    buffer, packets = _packet(payload, before, after, marker)
    if codec == "vp9":
        status = describe_vp9(buffer, packets, _ROW, top)
    else:
        status = _PARSERS[codec](buffer, packets, _ROW)
    assert status in (0, 1)
    found = _fields(packets)
    if status == 1:
        return None, -1
    return found, find_top_layer(buffer, packets, _ROW) if codec == "vp9" else -1


def _check_ranges(found: dict[str, int], length: int) -> None:
    """Selection and rewriting index and write by these."""
    assert found["key"] in (0, 1) and found["frame_start"] in (0, 1) and found["frame_end"] in (0, 1)
    assert 0 <= found["spatial"] < 4 and 0 <= found["temporal"] < 8
    assert found["raises"] in (-1, found["temporal"])
    assert found["discardable"] & ~found["present"] == 0
    assert not found["key"] or found["switch"] == ALL_LAYERS
    octets = {0: 0, 7: 1, 15: 2}[found["picture_id_bits"]]
    assert (found["picture_id_at"] >= 0) == (octets > 0)
    assert found["picture_id_at"] + octets <= length
    assert found["tl0_picture_at"] < max(length, 1)


def _expect_av1(payload: bytes, marker: int, _top: int) -> tuple[descriptor_oracle.Meaning, int] | None:
    """|Z|Y|W W|N|: a new coded video sequence does not begin with what goes on."""
    continues, new = (bool(payload and payload[0] & bit) for bit in (0x80, 0x08))
    if continues and new:
        return None
    meaning = descriptor_oracle.Meaning(marker)
    if new:
        meaning.key, meaning.frame_start, meaning.switch = 1, 1, descriptor_oracle.EVERY
    return meaning, -1


def _unannounced(
    read: Callable[[bytes, int], descriptor_oracle.Meaning | None],
) -> Callable[[bytes, int, int], tuple[descriptor_oracle.Meaning, int] | None]:
    def expect(payload: bytes, marker: int, _top: int) -> tuple[descriptor_oracle.Meaning, int] | None:
        meaning = read(payload, marker)
        return None if meaning is None else (meaning, -1)

    return expect


_PARSERS: dict[str, Callable[..., int]] = {"vp8": describe_vp8, "h264": describe_h264, "av1": describe_av1}
_EXPECTED = {
    "vp8": _unannounced(descriptor_oracle.read_vp8),
    "vp9": descriptor_oracle.read_vp9,
    "h264": _unannounced(descriptor_oracle.read_h264),
    "av1": _expect_av1,
}


def _check_red(payload: bytes) -> None:
    expected = descriptor_oracle.primary_of(payload)
    for before, after in _AROUND:
        buffer, _ = _packet(payload, before, after)
        at = len(before)
        found = primary_of(buffer, at, at + len(payload))
        assert found == (-1 if expected is None else at + expected)
        if expected is None:
            continue
        assert 0 <= expected <= max(0, len(payload) - 1)
        retarget(buffer, at, len(payload), _PAYLOAD_TYPE)
        written = bytes(buffer)
        assert (written[:at], written[at + len(payload) :]) == (before, after)
        inside = written[at : at + len(payload)]
        assert primary_of(buffer, at, at + len(payload)) == found
        heads = [k for k, (old, new) in enumerate(zip(payload, inside, strict=True)) if old != new]
        assert all(k % 4 == 0 and k < expected and inside[k] & 0x7F == _PAYLOAD_TYPE for k in heads)
        assert all((payload[k] ^ inside[k]) & 0x80 == 0 for k in heads)
        assert inside[expected:] == payload[expected:]


def _check_frame_marking(value: bytes) -> None:
    if not value:
        return  # an extension that is not there is not read
    outcomes = []
    for before, after in _AROUND:
        buffer, packets = _packet(value, before, after)
        assert describe_frame_marking(buffer, len(before), len(value), packets, _ROW) == 0
        outcomes.append(_fields(packets))
    found = outcomes[0]
    assert found == outcomes[1]
    assert all(0 <= found[name] <= ALL_LAYERS for name in _MASKS)
    assert found["temporal"] == (value[0] & 7 if len(value) > 1 else 0)
    assert found["discardable"] in (0, found["present"])
    _check_ranges(found, len(value))


# --- dependency descriptors ----------------------------------------------------------------------------------------


class _Wish(NamedTuple):
    """What a byte before a descriptor says of the subscriber to whom it goes, and of its way."""

    spatial: int
    temporal: int
    announce: bool
    late: bool
    far: bool
    """Sequence numbers jump before it."""

    @classmethod
    def of(cls, byte: int) -> _Wish:
        return cls(byte & 3, byte >> 2 & 7, byte & 0x20 != 0, byte & 0x40 != 0, byte & 0x80 != 0)


class _Stream:
    """One encoding as the plane keeps it, and what the oracle knows of it."""

    def __init__(self) -> None:
        self.structures = np.zeros(2, STRUCTURE)
        self.known: dependency_oracle.Structure | None = None
        self.sequence = 65_530
        self.sent: list[bytes] = []

    def run(self, data: bytes) -> None:
        at = taken = 0
        while at + 2 <= len(data) and taken < _MOST_DESCRIPTORS:
            length = data[at + 1]
            self.take(_Wish.of(data[at]), data[at + 2 : at + 2 + length])
            at += 2 + length
            taken += 1

    def take(self, wish: _Wish, value: bytes) -> None:
        """Describe a packet, and write it for a subscriber."""
        self.sequence = (self.sequence + (0x5001 if wish.far else 1)) & 0xFFFF
        sequence = (self.sequence - 40) & 0xFFFF if wish.late else self.sequence
        former = self.structures.copy()
        results = []
        for before, after in _AROUND:
            structures = former.copy()
            results.append((*_take(value, structures, sequence, wish.late, before, after), structures))
        status, packets, self.structures = results[0]
        for other, its_packets, its_structures in results[1:]:
            assert other == status
            assert its_packets.tobytes() == packets.tobytes()
            assert its_structures.tobytes() == self.structures.tobytes()
        descriptor = self._judge(value, status, wish.late)
        if status != FINE:
            assert self.structures.tobytes() == former.tobytes()
            touched = set(_FRAME) if status == UNKNOWN else set()
            fresh = _opaque(sequence, wish.late)
            assert {name for name in fresh.dtype.names if _differ(fresh, packets, name)} <= touched
        if status == BROKEN or len(value) < 3:
            return
        assert int(packets[_ROW]["frame_number"]) == int.from_bytes(value[1:3], "big")
        if status == FINE and descriptor is not None:
            if descriptor.structure is not None:
                self.known = descriptor.structure
            _check_structure(self.structures[1], self.known)
            _check_row(packets[_ROW], descriptor)
            self._check_written(wish, value, former, packets, sequence, descriptor)
        self._check_sent_again(wish, value)

    def _check_sent_again(self, wish: _Wish, value: bytes) -> None:
        """After a change of the structure, what brings another one along is left alone but for its number."""
        self.sent = [*self.sent[-2:], value]
        for old in self.sent:
            written = _write(old, self.structures, 5, int(self.structures[1]["active"]), wish.announce)
            assert (written[0], written[1:3]) == (old[0], b"\x00\x05")
            if len(old) > 3 and old[3] & 0x80 and self._brings_another(old):
                assert written[3:] == old[3:]

    def _brings_another(self, value: bytes) -> bool:
        try:
            return dependency_oracle.read_descriptor(value, None).structure != self.known
        except ValueError:
            return True

    def _judge(self, value: bytes, status: int, late: bool) -> dependency_oracle.Descriptor | None:
        try:
            descriptor = dependency_oracle.read_descriptor(value, self.known)
        except ValueError:
            # a late one with a structure that is no longer of interest is not looked at to its end
            assert status == BROKEN or (late and status == UNKNOWN)
            return None
        except dependency_oracle.UnknownTemplateError:
            assert status == UNKNOWN
            return None
        replaced = late and descriptor.structure is not None and descriptor.structure != self.known
        assert status == FINE or (replaced and status == UNKNOWN)
        return descriptor

    def _check_written(
        self,
        wish: _Wish,
        value: bytes,
        former: NDArray[Any],
        packets: NDArray[Any],
        sequence: int,
        descriptor: dependency_oracle.Descriptor,
    ) -> None:
        """What is written says the same but for the number and the active targets; said as it is, all is as it was."""
        entry = self.structures[1]
        assert self.known is not None
        every = (1 << self.known.targets) - 1
        active, number = int(entry["active"]), int(packets[_ROW]["frame_number"])
        mask = active_mask(self.structures, 1, wish.spatial, wish.temporal)
        assert mask & ~active == 0 and (mask != 0 or active == 0)
        for chosen, its_number in ((mask, (number + 1) & 0xFFFF), (active, number)):
            written = _write(value, self.structures, its_number, chosen, wish.announce)
            again = dependency_oracle.read_descriptor(written, self.known)
            says = descriptor.structure is not None or descriptor.active is not None or wish.announce
            implicit = descriptor.structure is not None and descriptor.active is None and chosen == every
            left_out = descriptor.active is None and len(value) + MAX_GROWTH_BYTES > MAX_BYTES
            if says and not implicit and not (left_out and again.active is None):
                assert again.active == chosen
                again.active = descriptor.active
            assert again.number == its_number
            again.number = descriptor.number
            assert again == descriptor
        structures = former.copy()
        status, repeated = _take(written, structures, sequence, wish.late, *_AROUND[0])
        assert status == FINE
        for name in set(PACKET.names or ()) - {"extension_bytes"}:
            assert not _differ(packets, repeated, name), name
        for name in set(STRUCTURE.names or ()) - {"sequence"}:  # moves on with each set that is announced
            assert not _differ(self.structures, structures, name), name


def _opaque(sequence: int, late: bool) -> NDArray[Any]:
    packets = np.zeros(_ROWS, PACKET)
    describe_opaque(packets, _ROW)
    packets[_ROW]["sequence"], packets[_ROW]["late"] = sequence, late
    return packets


def _take(
    value: bytes, structures: NDArray[Any], sequence: int, late: bool, before: bytes, after: bytes
) -> tuple[int, NDArray[Any]]:
    """Describe; the offset of the descriptor is taken out of the row again, so that rows can be compared."""
    packets = _opaque(sequence, late)
    packets[_ROW]["extension_at"][_KIND] = len(before)
    packets[_ROW]["extension_bytes"][_KIND] = len(value)
    buffer = np.frombuffer(before + value + after, np.uint8).copy()
    status = describe_dependencies(buffer, packets, _ROW, structures, 1)
    assert status in (FINE, BROKEN, UNKNOWN)
    assert not any(structures[:1].tobytes())
    packets[_ROW]["extension_at"][_KIND] = packets[_ROW]["extension_bytes"][_KIND] = 0
    assert not any(packets[[0, _ROWS - 1]].tobytes())
    return status, packets


def _differ(one: NDArray[Any], other: NDArray[Any], name: str) -> bool:
    return bool(np.any(one[name] != other[name]))


def _write(value: bytes, structures: NDArray[Any], number: int, mask: int, announce: bool) -> bytes:
    """As a subscriber gets it; written is only what there is room for, and nothing is learned."""
    kept = structures.tobytes()
    buffer = np.frombuffer(bytes(5) + value, np.uint8).copy()
    room = len(value) + MAX_GROWTH_BYTES
    out = np.full(3 + room + 3, 0xEE, np.uint8)
    length = write_dependencies(buffer, 5, len(value), out, 3, structures, 1, number, mask, announce)
    assert 3 <= length <= min(room, MAX_BYTES)
    assert set(out[:3].tolist()) == set(out[3 + max(length, len(value)) :].tolist()) == {0xEE}
    assert structures.tobytes() == kept
    return bytes(out[3 : 3 + length])


def _check_structure(entry: Any, known: dependency_oracle.Structure | None) -> None:
    assert known is not None
    templates, targets = len(known.templates), known.targets
    counts = [int(entry[name]) for name in ("valid", "offset", "templates", "targets", "chains")]
    assert counts == [1, known.offset, templates, targets, known.chains]
    every = (1 << targets) - 1
    assert templates <= 64 and 1 <= targets <= 32 and 0 <= int(entry["active"]) <= every
    assert 0 <= int(entry["sequence"]) <= 0xFFFF and 0 < int(entry["text_bytes"]) <= 256
    for k, template in enumerate(known.templates):
        assert (int(entry["spatial"][k]), int(entry["temporal"][k])) == (template.spatial, template.temporal)
        assert int(entry["independent"][k]) == (not template.fdiffs)
    for name in ("target_present", "target_switch", "target_discardable", "contained"):
        values = entry[name][: targets if name == "contained" else templates]
        assert all(0 <= int(value) <= every for value in values)
    for name in (*_MASKS, "layers", "substitute"):
        assert all(0 <= int(value) <= ALL_LAYERS for value in entry[name])
    assert 0 <= int(entry["needs_key_frame"]) <= ALL_LAYERS
    assert all(-1 <= int(server) < targets for server in entry["server"])
    assert sum(int(mask).bit_count() for mask in entry["layers"][:targets]) <= 32  # one target serves a Layer


def _check_row(packet: Any, descriptor: dependency_oracle.Descriptor) -> None:
    assert (int(packet["frame_start"]), int(packet["frame_end"])) == (descriptor.start, descriptor.end)
    present, switch, discardable = (int(packet[name]) for name in _MASKS)
    assert 0 <= present <= ALL_LAYERS and 0 <= switch <= ALL_LAYERS
    assert discardable & ~present == 0
    assert 0 <= packet["spatial"] < 4 and 0 <= packet["temporal"] < 8
    assert packet["key"] in (0, descriptor.structure is not None and descriptor.start)
