"""The dependency descriptor, a header extension (RTP Payload Format For AV1, Appendix A), as publishers send it.

It says of a frame, for any codec, to which decode targets it belongs and whether one can switch to them there. Most
descriptors have three octets: then all is looked up in the structure that came with the last key frame.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.extensions import Extension
from sfu.wire.kernels.bits import read_bits, skip_bits
from sfu.wire.kernels.dependency_layers import activate, place_targets, serve_layers
from sfu.wire.kernels.dependency_structure import (
    STRUCTURE_BIT,
    is_known,
    measure_structure,
    read_indications,
    read_structure,
)
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16

FINE, BROKEN, UNKNOWN = 0, 1, 2
"""Outcomes of `describe_dependencies`."""

MANDATORY_BYTES = 3
MAX_BYTES = 255
"""Longest value of a header extension, in octets (RFC 8285 section 4.3)."""

_KIND = int(Extension.DEPENDENCY_DESCRIPTOR)
ATTACHED, ACTIVE, INDICATIONS, DIFFERENCES, CHAINS = 16, 8, 4, 2, 1
"""Flags in the highest bits of octet 3, each named by the extended field that it announces."""

_FARTHEST = 0x4000


@kernel
def describe_dependencies(
    buffer: Octets, packets: NDArray[Any], row: int, structures: NDArray[Any], structure: int
) -> int:
    """Fill in what the dependency descriptor of packet `row` says, with the help of `structures[structure]`.

    A structure in it is taken over, and so is a set of active decode targets, unless the packet is late and newer ones
    have come. Returns 0; 1 where the descriptor is broken, and nothing is taken from it; 2 where it refers to a
    template that is not known: then only `frame_number`, `frame_start` and `frame_end` are set.
    """
    at = i64(packets[row]["extension_at"][_KIND])
    length = i64(packets[row]["extension_bytes"][_KIND])
    if length < MANDATORY_BYTES or length > MAX_BYTES:
        return BROKEN
    if length > MANDATORY_BYTES:
        return _describe_extended(buffer, at, length, packets, row, structures, structure)
    _set_frame(buffer, at, packets, row)
    if structures[structure]["valid"] == 0:
        return UNKNOWN
    template = (i64(buffer[at]) - i64(structures[structure]["offset"])) & 0x3F
    if template >= structures[structure]["templates"]:
        return UNKNOWN
    _keep_near(packets, row, structures, structure)
    _set_template(packets, row, structures, structure, template)
    return FINE


@stage
def _set_frame(buffer: Octets, at: int, packets: NDArray[Any], row: int) -> None:
    first = i64(buffer[at])
    packet = packets[row]
    packet["frame_start"] = first >> 7
    packet["frame_end"] = (first >> 6) & 1
    packet["frame_number"] = load16(buffer, at + 1)


@stage
def _set_template(packets: NDArray[Any], row: int, structures: NDArray[Any], structure: int, template: int) -> None:
    packet = packets[row]
    entry = structures[structure]
    packet["key"] = 0
    packet["spatial"] = entry["spatial"][template]
    packet["temporal"] = entry["temporal"][template]
    packet["present"] = entry["present"][template]
    packet["switch"] = entry["switch"][template]
    packet["discardable"] = entry["discardable"][template]


@stage
def _is_outdated(packets: NDArray[Any], row: int, structures: NDArray[Any], structure: int) -> bool:
    """Whether the structure, or the set of active decode targets, changed after this packet was sent (A.4)."""
    if packets[row]["late"] == 0 or structures[structure]["valid"] == 0:
        return False
    return (i64(packets[row]["sequence"]) - i64(structures[structure]["sequence"])) & 0xFFFF >= 0x8000


@stage
def _keep_near(packets: NDArray[Any], row: int, structures: NDArray[Any], structure: int) -> None:
    """Let the remembered sequence number follow at a distance, so that it never seems to be ahead of the stream."""
    sequence = i64(packets[row]["sequence"])
    distance = (sequence - i64(structures[structure]["sequence"])) & 0xFFFF
    if distance > _FARTHEST and packets[row]["late"] == 0:
        structures[structure]["sequence"] = (sequence - _FARTHEST) & 0xFFFF


@stage
def _describe_extended(
    buffer: Octets,
    at: int,
    length: int,
    packets: NDArray[Any],
    row: int,
    structures: NDArray[Any],
    structure: int,
) -> int:
    end = 8 * length
    flags = i64(buffer[at + 3]) >> 3
    entry = structures[structure]
    attached = flags & ATTACHED != 0
    bit = i64(STRUCTURE_BIT)
    offset, templates, targets, chains = (
        i64(entry["offset"]),
        i64(entry["templates"]),
        i64(entry["targets"]),
        i64(entry["chains"]),
    )
    known = entry["valid"] != 0
    if attached:
        bit, offset, templates, targets, chains = measure_structure(buffer, at, end)
        if bit < 0:
            return BROKEN
        known = is_known(buffer, at, bit, structures, structure)
    template = (i64(buffer[at]) - offset) & 0x3F
    if template >= templates and attached:
        return BROKEN
    outdated = _is_outdated(packets, row, structures, structure)
    if (not known and (outdated or not attached)) or template >= templates:
        _set_frame(buffer, at, packets, row)
        return UNKNOWN
    custom = measure_rest(buffer, at, bit, flags, targets, chains, end)
    if custom < 0:
        return BROKEN
    # sound as a whole: from here on it is taken over
    _set_frame(buffer, at, packets, row)
    active = (i64(1) << targets) - 1 if attached else i64(entry["active"])
    if flags & ACTIVE:
        active = read_bits(buffer, at, bit, targets, end)
    if not known:
        read_structure(buffer, at, bit, templates, targets, chains, structures, structure)
        place_targets(structures, structure)
    enter = attached and _is_independent(buffer, at, flags, custom, structures, structure, template, end)
    if flags & (ATTACHED | ACTIVE) and not outdated:
        entry["sequence"] = packets[row]["sequence"]
        if not known or active != entry["active"] or (enter and entry["entered"] == 0):
            activate(structures, structure, active, enter or not known)
    _keep_near(packets, row, structures, structure)
    _set_template(packets, row, structures, structure, template)
    if enter:
        packets[row]["key"] = packets[row]["frame_start"]
    if flags & INDICATIONS:
        _set_indications(buffer, at, custom, packets, row, structures, structure, end)
    return FINE


@kernel
def measure_rest(buffer: Octets, at: int, bit: int, flags: int, targets: int, chains: int, end: int) -> int:
    """Check what follows the structure; the position of the frame's own dependencies, -1 where something is cut off."""
    if flags & ACTIVE:
        bit = skip_bits(bit, targets, end)
    custom = bit
    if flags & INDICATIONS:
        bit = skip_bits(bit, 2 * targets, end)
    if flags & DIFFERENCES:
        size = read_bits(buffer, at, bit, 2, end)
        while size > 0:
            bit = skip_bits(bit, 2 + 4 * size, end)
            size = read_bits(buffer, at, bit, 2, end)
        bit = skip_bits(bit, 2, end)
    if flags & CHAINS:
        bit = skip_bits(bit, 8 * chains, end)
    return custom if bit >= 0 else -1


@stage
def _is_independent(
    buffer: Octets,
    at: int,
    flags: int,
    custom: int,
    structures: NDArray[Any],
    structure: int,
    template: int,
    end: int,
) -> bool:
    """Whether the frame refers to no other. A structure comes with the first packet of a coded video sequence; but a
    frame that refers to others is no key frame, whatever it carries.
    """
    if flags & DIFFERENCES:
        after = custom + (2 * i64(structures[structure]["targets"]) if flags & INDICATIONS else 0)
        return read_bits(buffer, at, after, 2, end) == 0
    return structures[structure]["independent"][template] == 1


@stage
def _set_indications(
    buffer: Octets,
    at: int,
    custom: int,
    packets: NDArray[Any],
    row: int,
    structures: NDArray[Any],
    structure: int,
    end: int,
) -> None:
    targets = i64(structures[structure]["targets"])
    present, switch, discardable = read_indications(buffer, at, custom, targets, end)
    present, switch, discardable = serve_layers(structures, structure, present, switch, discardable)
    packet = packets[row]
    packet["present"] = present
    packet["switch"] = switch
    packet["discardable"] = discardable
