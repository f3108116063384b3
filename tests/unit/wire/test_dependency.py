"""The dependency descriptor over time: changes of structure, late packets, active decode targets, rewriting."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.wire.extensions import Extension
from sfu.wire.kernels.dependency import BROKEN, FINE, UNKNOWN, describe_dependencies
from sfu.wire.kernels.dependency_rewrite import active_mask, write_dependencies
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.layers import describe_opaque, layers_from, layers_of
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.layers import ALL_LAYERS
from tests.unit.wire.descriptors import head, octets, two_layers

KIND = int(Extension.DEPENDENCY_DESCRIPTOR)


class Encoding:
    """One row of the plane's tables and the sequence of its packets."""

    def __init__(self) -> None:
        self.structures = np.zeros(1, STRUCTURE)
        self.packets = np.zeros(1, PACKET)
        self.sequence = 65530

    def take(self, value: str | bytes, *, back: int = 0) -> int:
        """The next packet, or a late one from `back` packets ago."""
        data = octets(value) if isinstance(value, str) else value
        self.sequence = self.sequence if back else (self.sequence + 1) & 0xFFFF
        packet = self.packets[0]
        describe_opaque(self.packets, 0)
        packet["extension_at"][KIND], packet["extension_bytes"][KIND] = 0, len(data)
        packet["late"], packet["sequence"] = int(back > 0), (self.sequence - back) & 0xFFFF
        return describe_dependencies(np.frombuffer(data, np.uint8), self.packets, 0, self.structures, 0)

    def value(self, name: str) -> int:
        return int(self.packets[0][name])

    def write(self, value: str | bytes, mask: int, *, announce: bool = False) -> bytes:
        data = octets(value) if isinstance(value, str) else value
        out = np.zeros(300, np.uint8)
        length = write_dependencies(
            np.frombuffer(data, np.uint8), 0, len(data), out, 0, self.structures, 0, 513, mask, announce
        )
        return bytes(out[:length])


@pytest.fixture
def encoding():
    made = Encoding()
    assert made.take(head(0) + "10000" + two_layers()) == FINE
    return made


def test_a_key_frame_brings_its_structure(encoding):
    assert encoding.value("key") == 1
    assert encoding.value("present") == encoding.value("switch") == ALL_LAYERS
    assert encoding.take(head(2, 2)) == FINE
    assert encoding.value("key") == 0
    assert encoding.value("present") == layers_from(1, 0)
    assert encoding.take(head(1, 3)) == FINE
    assert (encoding.value("present"), encoding.value("switch")) == (ALL_LAYERS, layers_of(0, 0))


@pytest.mark.parametrize(("template", "start"), [(0, 0), (1, 1)])
def test_neither_the_middle_of_a_frame_nor_one_that_refers_to_others_begins_a_key_frame(template, start):
    made = Encoding()
    assert made.take(head(template, start=start) + "10000" + two_layers()) == FINE
    assert made.value("key") == 0


@pytest.mark.parametrize(("template", "differences", "key"), [(0, "010000" + "00", 0), (1, "00", 1)])
def test_a_frames_own_references_decide_whether_it_is_a_key_frame(template, differences, key):
    made = Encoding()
    assert made.take(head(template) + "10110" + two_layers() + "1010" + differences) == FINE
    assert made.value("key") == key


def test_before_a_structure_only_the_frame_is_known():
    made = Encoding()
    for value in (head(5, 77, start=0), head(5, 77, start=0) + "01000" + "111"):
        assert made.take(value) == UNKNOWN
        assert (made.value("frame_number"), made.value("frame_start"), made.value("frame_end")) == (77, 0, 1)
        assert made.value("present") == ALL_LAYERS


def test_template_ids_wrap():
    made = Encoding()
    assert made.take(head(62) + "10000" + two_layers(offset=62)) == FINE
    assert made.take(head(0, 2)) == FINE
    assert made.value("spatial") == 1
    assert made.take(head(1, 3)) == UNKNOWN
    assert made.take(head(61, 3)) == UNKNOWN


@pytest.mark.parametrize("length", [0, 1, 2, 256])
def test_lengths_that_no_descriptor_has_are_broken(encoding, length):
    assert encoding.take(octets(head(0) + "10000" + two_layers()).ljust(256, b"\0")[:length]) == BROKEN


def test_a_broken_structure_leaves_the_former(encoding):
    former = encoding.structures.tobytes()
    whole = octets(head(7) + "11111" + two_layers(offset=7) + "11" + "1111" + "00")
    for length in range(4, len(whole)):
        assert encoding.take(whole[:length]) == BROKEN
        assert encoding.structures.tobytes() == former
    assert encoding.take(whole) == FINE
    assert encoding.structures[0]["offset"] == 7


def test_a_structure_without_the_frames_own_template_is_broken(encoding):
    assert encoding.take(head(3) + "10000" + two_layers()) == BROKEN


def many(templates: int, step: str, targets: int) -> str:
    """A structure of like templates, without references and chains."""
    layers = step * (templates - 1) + "11"
    no_chains = "0" * ((targets + 1).bit_length() - 1)
    return f"000000{targets - 1:05b}" + layers + "10" * templates * targets + "0" * templates + no_chains + "0"


@pytest.mark.parametrize(
    ("templates", "step", "expected"),
    [
        (64, "00", FINE),
        (65, "00", BROKEN),
        (8, "01", FINE),
        (9, "01", BROKEN),
        (4, "10", FINE),
        (5, "10", BROKEN),
    ],
)
def test_structures_have_at_most_what_av1_has(templates, step, expected):
    assert Encoding().take(head(0) + "10000" + many(templates, step, 1)) == expected


def test_thirty_two_decode_targets_fit():
    made = Encoding()
    assert made.take(head(0) + "11000" + many(2, "01", 32) + "1" + "0" * 31) == FINE
    assert made.structures[0]["targets"] == 32
    assert made.structures[0]["active"] == 1 << 31
    assert made.value("present") == layers_from(0, 1)  # all targets have temporal id 1


# --- active decode targets -----------------------------------------------------------------------------------------


def test_an_inactive_target_that_contains_the_active_ones_still_serves_its_layers(encoding):
    """Its subscribers get what comes, and go on with it when it comes back; a switch to what comes is one to it."""
    assert encoding.take(head(1, 2) + "01000" + "01") == FINE
    assert (encoding.value("present"), encoding.value("switch")) == (ALL_LAYERS, ALL_LAYERS)
    assert encoding.take(head(2, 3) + "01000" + "11") == FINE
    assert encoding.value("present") == layers_from(1, 0)
    assert encoding.take(head(1, 4)) == FINE
    assert encoding.value("switch") == layers_of(0, 0)


def test_in_k_svc_a_lower_target_serves_a_layer_from_a_key_frame_on():
    made = Encoding()
    assert made.take(head(0) + "11000" + two_layers(second="-") + "01") == FINE
    assert made.take(head(1, 2)) == FINE
    assert made.value("present") == made.value("switch") == ALL_LAYERS
    assert made.take(head(1, 3) + "01000" + "11") == FINE  # the upper one comes, but no key frame to enter it
    assert made.value("present") == ALL_LAYERS
    assert made.take(head(2, 4)) == FINE
    assert made.value("present") == 0
    assert made.take(head(0, 5) + "10000" + two_layers(second="-")) == FINE
    assert made.value("key") == 1
    assert made.take(head(1, 6)) == FINE
    assert made.value("present") == layers_of(0, 0)
    assert made.take(head(2, 7)) == FINE
    assert made.value("present") == layers_from(1, 0)


def test_in_k_svc_a_layer_is_stranded_when_its_target_stops_between_key_frames():
    """Who was on it has not the frames that those of the lower one depend on."""
    made = Encoding()
    assert made.take(head(0) + "10000" + two_layers(second="-")) == FINE
    assert made.structures[0]["needs_key_frame"] == 0
    assert made.take(head(1, 2) + "01000" + "01") == FINE
    assert made.value("present") == layers_of(0, 0)
    assert made.structures[0]["needs_key_frame"] == layers_from(1, 0)
    assert made.take(head(0, 3) + "11000" + two_layers(second="-") + "01") == FINE
    assert made.structures[0]["needs_key_frame"] == 0
    assert made.take(head(1, 4)) == FINE
    assert made.value("present") == ALL_LAYERS


def test_no_active_target_at_all_changes_nothing_for_those_who_get_frames(encoding):
    assert encoding.take(head(1, 2) + "01000" + "00") == FINE
    assert encoding.value("present") == ALL_LAYERS


def test_a_structure_without_a_mask_makes_all_decode_targets_active(encoding):
    assert encoding.take(head(1, 2) + "01000" + "01") == FINE
    assert encoding.structures[0]["active"] == 0b01
    assert encoding.take(head(0, 3) + "10000" + two_layers()) == FINE
    assert encoding.structures[0]["active"] == 0b11


def test_a_frames_own_indications_go_before_its_templates(encoding):
    assert encoding.take(head(1, 2) + "00100" + "01" + "10") == FINE
    assert encoding.value("present") == ALL_LAYERS
    assert encoding.value("discardable") == layers_of(0, 0)
    assert encoding.value("switch") == layers_from(1, 0)
    assert encoding.take(head(1, 3) + "00100" + "01" + "1") == BROKEN


# --- late packets --------------------------------------------------------------------------------------------------


def test_a_late_packet_brings_no_older_active_targets(encoding):
    encoding.take(head(1, 2))
    assert encoding.take(head(1, 3) + "01000" + "01") == FINE
    assert encoding.take(head(1, 2) + "01000" + "11", back=1) == FINE
    assert encoding.structures[0]["active"] == 0b01
    assert encoding.take(head(0, 1) + "10000" + two_layers(), back=2) == FINE
    assert encoding.structures[0]["active"] == 0b01


def test_a_late_packet_brings_no_older_structure(encoding):
    encoding.take(head(8, 2) + "10000" + two_layers(offset=8))
    former = encoding.structures.tobytes()
    assert encoding.take(head(0, 1) + "10000" + two_layers(), back=1) == UNKNOWN
    assert encoding.value("frame_number") == 1
    assert encoding.take(head(1, 1), back=1) == UNKNOWN
    assert encoding.structures.tobytes() == former


def test_the_first_packet_of_a_key_frame_may_come_late(encoding):
    for _ in range(3):
        assert encoding.take(head(9, 10)) == UNKNOWN
    assert encoding.take(head(8, 9) + "10000" + two_layers(offset=8), back=3) == FINE
    assert encoding.value("key") == 1
    assert encoding.take(head(9, 10)) == FINE


def test_so_may_it_long_after_the_last_structure(encoding):
    """Sequence numbers wrap in between: the last structure must not seem newer than the stream."""
    number = 2
    for _ in range(90):
        encoding.sequence = (encoding.sequence + 1000) & 0xFFFF
        number += 1
        assert encoding.take(head(1, number)) == FINE
        assert encoding.take(head(1, number), back=20) == FINE
    encoding.take(head(9, 10))
    assert encoding.take(head(8, 9) + "10000" + two_layers(offset=8), back=1) == FINE
    assert encoding.structures[0]["offset"] == 8


# --- rewriting -----------------------------------------------------------------------------------------------------


def test_most_packets_get_another_number_only(encoding):
    assert encoding.write(head(1, 2), 0b01) == octets(head(1, 513))
    custom = head(1, 2) + "00100" + "01" + "10"
    assert encoding.write(custom, 0b01) == octets(head(1, 513) + "00100" + "01" + "10")


def test_an_implicit_set_of_active_targets_becomes_explicit(encoding):
    structure = head(0, 1) + "10000" + two_layers()
    assert encoding.write(structure, 0b11) == octets(head(0, 513) + "10000" + two_layers())
    assert encoding.write(structure, 0b01) == octets(head(0, 513) + "11000" + two_layers() + "01")
    custom = head(0, 1) + "10100" + two_layers() + "1010"
    encoding.take(custom)
    assert encoding.write(custom, 0b01).rstrip(b"\0") == octets(
        head(0, 513) + "11100" + two_layers() + "01" + "1010"
    ).rstrip(b"\0")


def test_an_explicit_set_of_active_targets_is_replaced(encoding):
    value = head(1, 2) + "01100" + "11" + "0111"
    assert encoding.take(value) == FINE
    assert encoding.write(value, 0b10) == octets(head(1, 513) + "01100" + "10" + "0111")


def test_a_change_can_be_announced_in_any_packet(encoding):
    assert encoding.write(head(1, 2), 0b01, announce=True) == octets(head(1, 513) + "01000" + "01")
    structure = head(0, 1) + "10000" + two_layers()
    assert encoding.write(structure, 0b01, announce=True) == octets(head(0, 513) + "11000" + two_layers() + "01")
    assert encoding.write(structure, 0b11, announce=True) == octets(head(0, 513) + "10000" + two_layers())


def test_what_cannot_be_understood_any_more_keeps_its_mask(encoding):
    value = head(9, 2) + "01000" + "11"
    assert encoding.write(value, 0b01, announce=True) == octets(head(9, 513) + "01000" + "11")
    structure = head(9, 2) + "10000" + two_layers(offset=9)
    assert encoding.write(structure, 0b01) == octets(head(9, 513) + "10000" + two_layers(offset=9))
    assert Encoding().write(head(0), 0b01, announce=True) == octets(head(0, 513))


def test_a_mask_that_would_not_fit_a_header_extension_is_left_out():
    made = Encoding()
    structure = octets(head(0, 1) + "10001" + many(50, "00", 16)).ljust(255, b"\0")
    assert made.take(structure) == FINE
    assert made.write(structure, 1) == structure[:1] + (513).to_bytes(2) + structure[3:]


def test_the_active_targets_of_a_subscriber(encoding):
    assert [active_mask(encoding.structures, 0, s, 7) for s in range(4)] == [0b01, 0b11, 0b11, 0b11]
    keyed = Encoding()
    assert keyed.take(head(0) + "10000" + two_layers(second="-")) == FINE
    assert [active_mask(keyed.structures, 0, s, 0) for s in range(2)] == [0b01, 0b10]
    encoding.take(head(1, 2) + "01000" + "10")
    assert active_mask(encoding.structures, 0, 0, 0) == 0b10  # nothing would mean the end of the stream
