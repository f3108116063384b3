"""The dependency descriptor: the structures of the specification's section A.10.2, and what browsers sent."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sfu.wire.extensions import Extension
from sfu.wire.kernels.dependency import FINE, describe_dependencies
from sfu.wire.kernels.dependency_rewrite import MAX_GROWTH_BYTES, active_mask, write_dependencies
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.layers import layer_bit, layers_from, layers_of
from sfu.wire.kernels.rtp import PACKET, parse_rtp
from sfu.wire.layers import ALL_LAYERS

TESTS = Path(__file__).parents[1]
KIND = int(Extension.DEPENDENCY_DESCRIPTOR)


def _module(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"_{path.stem}_of_vectors", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


oracle = _module(TESTS / "property" / "dependency_oracle.py")
reading = _module(TESTS / "vectors" / "rtp" / "reading.py")

# spatial, temporal | TemplateFdiff | template_chain_fdiff | template_dti
L1T3 = """
0 0 |      |  0 | SSS
0 0 | 4    |  4 | SSS
0 1 | 2    |  2 | SD-
0 2 | 1    |  1 | D--
0 2 | 1    |  3 | D--
protected by 0 0 0"""
L3T3 = """
0 0 |      |  0  0  0 | SSSSSSSSS
0 0 | 12   | 12 11 10 | RRRRRRSSS
0 1 | 6    |  6  5  4 | RR-RR-SD-
0 2 | 3    |  3  2  1 | R--R--D--
0 2 | 3    |  9  8  7 | R--R--D--
1 0 | 1    |  1  1  1 | SSSSSS---
1 0 | 12 1 |  1  1  1 | RRRSSS---
1 1 | 6 1  |  7  6  5 | RR-SD----
1 2 | 3 1  |  4  3  2 | R--D-----
1 2 | 3 1  | 10  9  8 | R--D-----
2 0 | 1    |  2  1  1 | SSS------
2 0 | 12 1 |  2  1  1 | SSS------
2 1 | 6 1  |  8  7  6 | SD-------
2 2 | 3 1  |  5  4  3 | D--------
2 2 | 3 1  | 11 10  9 | D--------
protected by 2 2 2 1 1 1 0 0 0"""
L3T3_KEY_SHIFT = """
0 0 |    |  0  0  0 | SSSSSSSSS
0 0 | 3  |  3  2  1 | ------SSS
0 0 | 12 | 12  8  1 | ------SSS
0 1 | 6  |  6  2  7 | ------SD-
0 2 | 3  |  3  5  4 | ------D--
0 2 | 3  |  9  5 10 | ------D--
0 2 | 3  |  3 11  4 | ------D--
1 0 | 1  |  1  1  1 | SSSSSS---
1 0 | 6  |  4  6  5 | ---SSS---
1 0 | 12 |  4 12  5 | ---SSS---
1 1 | 6  | 10  6 11 | ---SD----
1 2 | 3  |  1  3  2 | ---D-----
1 2 | 3  |  7  3  8 | ---D-----
1 2 | 3  |  1  9  2 | ---D-----
2 0 | 1  |  2  1  1 | SSS------
2 0 | 12 | 11  7 12 | SSS------
2 1 | 6  |  5  1  6 | SD-------
2 2 | 3  |  2  4  3 | D--------
2 2 | 3  |  8  4  9 | D--------
2 2 | 3  |  2 10  3 | D--------
protected by 2 2 2 1 1 1 0 0 0"""
TABLES = {"L1T3": L1T3, "L3T3": L3T3, "L3T3_KEY_SHIFT": L3T3_KEY_SHIFT}


def structure_of(table: str, offset: int = 0) -> oracle.Structure:
    *rows, protected = table.strip().splitlines()
    templates = []
    for row in rows:
        ids, fdiffs, chains, dtis = row.split("|")
        numbers = [[int(word) for word in part.split()] for part in (ids, fdiffs, chains)]
        templates.append(oracle.Template(*numbers[0], dtis.strip(), numbers[1], numbers[2]))
    return oracle.Structure(offset, templates, [int(word) for word in protected.split()[2:]])


class Encoding:
    """The kernels with one encoding's structure."""

    def __init__(self) -> None:
        self.structures = np.zeros(1, STRUCTURE)
        self.packets = np.zeros(1, PACKET)

    def take(self, value: bytes) -> int:
        buffer = np.frombuffer(value, np.uint8)
        self.packets[0]["extension_at"][KIND], self.packets[0]["extension_bytes"][KIND] = 0, len(value)
        return describe_dependencies(buffer, self.packets, 0, self.structures, 0)

    def frame(self, offset: int, template: int) -> np.void:
        assert self.take(bytes([0xC0 | (offset + template) % 64, 0, 9])) == FINE
        return self.packets[0]


@pytest.fixture(params=list(TABLES))
def known(request):
    structure = structure_of(TABLES[request.param], offset=50)
    encoding = Encoding()
    assert encoding.take(oracle.write_descriptor(oracle.Descriptor(1, 0, 50, 8, structure))) == FINE
    assert encoding.packets[0]["key"] == 1
    return encoding, structure


def test_structures_have_the_ids_and_counts_of_their_tables(known):
    encoding, structure = known
    entry = encoding.structures[0]
    spatial = max(t.spatial for t in structure.templates) + 1
    counts = (len(structure.templates), 3 * spatial, spatial)
    assert (entry["templates"], entry["targets"], entry["chains"]) == counts
    expected = [(s, t) for s in reversed(range(spatial)) for t in (2, 1, 0)]  # the tables' columns: HD 30 fps first
    ids = zip(entry["highest_spatial"], entry["highest_temporal"], strict=True)
    assert list(ids)[: 3 * spatial] == expected


def test_templates_mean_for_each_layer_what_their_column_says(known):
    encoding, structure = known
    top = max(t.spatial for t in structure.templates)
    for k, template in enumerate(structure.templates):
        packet = encoding.frame(50, k)
        assert (packet["spatial"], packet["temporal"]) == (template.spatial, template.temporal)
        for s, t in itertools.product(range(4), range(8)):
            symbol = template.dtis[3 * (top - min(s, top)) + 2 - min(t, 2)]
            found = [packet[name] & layer_bit(s, t) != 0 for name in ("present", "switch", "discardable")]
            assert found == [symbol != "-", symbol == "S", symbol == "D"], (k, s, t)


def test_a_key_picture_of_full_svc_can_be_entered_at_its_first_frame_only_below_its_layer():
    encoding = Encoding()
    encoding.take(oracle.write_descriptor(oracle.Descriptor(1, 1, 0, 0, structure_of(L3T3))))
    assert encoding.packets[0]["switch"] == ALL_LAYERS
    later = encoding.frame(0, 1)  # the base layer of a picture that is no key picture
    assert later["present"] == ALL_LAYERS
    assert later["switch"] == layers_of(0, 0)
    enhancing = encoding.frame(0, 7)
    assert enhancing["present"] == layers_from(1, 1)
    assert enhancing["discardable"] == layer_bit(1, 1)


def test_the_targets_announced_are_those_that_the_subscriber_gets_in_full():
    full, keyed = Encoding(), Encoding()
    full.take(oracle.write_descriptor(oracle.Descriptor(1, 1, 0, 0, structure_of(L3T3))))
    keyed.take(oracle.write_descriptor(oracle.Descriptor(1, 1, 0, 0, structure_of(L3T3_KEY_SHIFT))))
    assert active_mask(full.structures, 0, 3, 7) == 0b111111111
    assert active_mask(full.structures, 0, 1, 1) == 0b110110000
    assert active_mask(full.structures, 0, 0, 0) == 0b100000000
    assert active_mask(keyed.structures, 0, 3, 7) == 0b000000111  # the lower layers' frames are left out
    assert active_mask(keyed.structures, 0, 1, 1) == 0b000110000


# --- browsers ------------------------------------------------------------------------------------------------------

LAYERS = {"l1t2": (1, 2), "l1t3": (1, 3), "l3t3": (3, 3), "l3t3_key": (3, 3)}
URI = Extension.DEPENDENCY_DESCRIPTOR.uri


def descriptors_of(name: str) -> dict[int, list[tuple[int, bytes]]]:
    """By SSRC in the order of sending, without retransmissions: sequence numbers and descriptors."""
    capture = reading.load(name)
    kinds = np.zeros(16, np.uint8)
    kinds[capture.extension_id(URI)] = KIND
    repairs = {int(ssrc) for ssrc, one in capture.facts["ssrcs"].items() if "repairs" in one}
    packets, found = np.zeros(1, PACKET), {}
    for captured in capture.packets:
        if captured.ssrc in repairs:
            continue
        buffer = np.frombuffer(captured.data, np.uint8)
        assert parse_rtp(buffer, 0, len(buffer), kinds, packets, 0) == 0
        at, length = int(packets[0]["extension_at"][KIND]), int(packets[0]["extension_bytes"][KIND])
        if length:
            found.setdefault(captured.ssrc, []).append((captured.sequence, captured.data[at : at + length]))
    return found


CAPTURES = [name for name in reading.names() if reading.load(name).extension_id(URI)]


def test_there_are_captures_of_every_codec():
    sent = {name.split("_")[1] for name in CAPTURES if descriptors_of(name)}
    assert sent == {"vp8", "vp9", "av1", "h264"}


@pytest.mark.parametrize("name", CAPTURES)
def test_browsers_descriptors_are_read_as_by_the_oracle(name):
    for sent in descriptors_of(name).values():
        encoding, reader = Encoding(), oracle.Reader()
        layers, keys, numbers = set(), 0, []
        for sequence, value in sent:
            packet = encoding.packets[0]
            packet["sequence"] = sequence
            assert encoding.take(value) == FINE
            descriptor, meaning = reader.take(value)
            names = ("spatial", "temporal", "present", "switch", "discardable")
            assert oracle.Meaning(*[int(packet[field]) for field in names]) == meaning
            assert packet["key"] == (descriptor.structure is not None and descriptor.start)
            keys += packet["key"]
            layers.add((int(packet["spatial"]), int(packet["temporal"])))
            numbers.append(int(packet["frame_number"]))
        assert keys >= 1
        rises = {(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)}
        assert max(rises) < 50  # none goes back; in simulcast, all encodings share the numbers
        mode = name.split("_", 2)[2].removeprefix("simulcast_")
        if mode in LAYERS:
            spatial, temporal = LAYERS[mode]
            assert layers == set(itertools.product(range(spatial), range(temporal)))


@pytest.mark.parametrize("name", CAPTURES)
def test_browsers_descriptors_are_rewritten_for_any_layer(name):
    """A receiver that knows the specification reads in what was written: the number, the active targets, and all else
    as it was."""
    for sent in descriptors_of(name).values():
        encoding, reader = Encoding(), oracle.Reader()
        for sequence, value in sent:
            encoding.packets[0]["sequence"] = sequence
            assert encoding.take(value) == FINE
            before = reader.structure
            original, _ = reader.take(value)
            for layer, announce in itertools.product([(0, 0), (1, 1), (3, 7)], [False, True]):
                mask = active_mask(encoding.structures, 0, *layer)
                buffer = np.frombuffer(value, np.uint8)
                out = np.zeros(len(value) + MAX_GROWTH_BYTES, np.uint8)
                length = write_dependencies(buffer, 0, len(value), out, 0, encoding.structures, 0, 77, mask, announce)
                written = oracle.read_descriptor(bytes(out[:length]), before)
                assert written.number == 77
                if original.active is not None or (announce and original.structure is None):
                    assert written.active == mask
                elif original.structure is not None:
                    assert written.active in (mask, None)
                    assert (written.active is None) == (mask == (1 << original.structure.targets) - 1)
                else:
                    assert written.active is None
                written.number, written.active = original.number, original.active
                assert written == original


@pytest.mark.parametrize("layer", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (3, 7)])
@pytest.mark.parametrize("name", [name for name in CAPTURES if "simulcast" not in name])
def test_the_frames_of_a_layer_refer_to_no_other_frames(name, layer):
    """So a subscriber who gets the frames with the Layer's bit, from a key frame on, can decode all of them."""
    for sent in descriptors_of(name).values():
        encoding, reader, got = Encoding(), oracle.Reader(), set()
        for _, value in sent:
            encoding.take(value)
            descriptor, _ = reader.take(value)
            if encoding.packets[0]["present"] & layer_bit(*layer) == 0:
                continue
            template = reader.structure.templates[(descriptor.template - reader.structure.offset) % 64]
            diffs = template.fdiffs if descriptor.fdiffs is None else descriptor.fdiffs
            assert {(descriptor.number - diff) & 0xFFFF for diff in diffs} <= got
            got.add(descriptor.number)
        assert len(got) >= 10
