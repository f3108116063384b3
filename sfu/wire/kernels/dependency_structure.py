"""The template dependency structure of the dependency descriptor (RTP Payload Format For AV1, A.8.2), kept by encoding.

It is sent once for each coded video sequence; all later packets name one of its templates. So a template's meaning for
each Layer is worked out when the structure comes, or the set of active decode targets changes, and not for each packet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.bits import ns_bits, read_bits, read_ns, skip_bits
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS

MAX_TEMPLATES = 64
MAX_TARGETS = 32
STRUCTURE_BIT = 29
"""Where a structure begins in the descriptor: after the mandatory fields and the five flags."""
_TEXT_BYTES = 256

STRUCTURE = np.dtype(
    [
        ("valid", np.int32),  # 0: nothing is known, the other fields mean nothing
        ("offset", np.int32),  # template_id_offset
        ("templates", np.int32),
        ("targets", np.int32),
        ("chains", np.int32),
        ("sequence", np.int32),  # RTP sequence number of the last change, or not far behind the newest
        ("active", np.int64),  # the active decode targets, bit by target
        # by template
        ("spatial", np.int32, (MAX_TEMPLATES,)),
        ("temporal", np.int32, (MAX_TEMPLATES,)),
        ("independent", np.int32, (MAX_TEMPLATES,)),  # 1: refers to no other frame
        (
            "target_present",
            np.int64,
            (MAX_TEMPLATES,),
        ),  # the decode targets with this indication, bit by target
        ("target_switch", np.int64, (MAX_TEMPLATES,)),
        ("target_discardable", np.int64, (MAX_TEMPLATES,)),
        ("present", np.int64, (MAX_TEMPLATES,)),  # the same as masks of Layers, see layers.py
        ("switch", np.int64, (MAX_TEMPLATES,)),
        ("discardable", np.int64, (MAX_TEMPLATES,)),
        # by decode target
        ("highest_spatial", np.int32, (MAX_TARGETS,)),  # of the templates in which it is present
        ("highest_temporal", np.int32, (MAX_TARGETS,)),
        (
            "contained",
            np.int64,
            (MAX_TARGETS,),
        ),  # the decode targets all of whose frames belong to it, bit by target
        ("layers", np.int64, (MAX_TARGETS,)),  # the Layers that are served by it
        (
            "substitute",
            np.int64,
            (MAX_TARGETS,),
        ),  # the Layers for which it stands in, see dependency_layers.py
        ("server", np.int32, (SPATIAL_LAYERS * TEMPORAL_LAYERS,)),  # by Layer: its decode target, -1: none
        (
            "entered",
            np.int32,
        ),  # 1: this is so since a key frame, 0: the active decode targets have changed since
        ("needs_key_frame", np.int64),  # the Layers whose frames have stopped, though those of lower ones come
        # the structure as it stood on the wire, from the octet where it begins; bits before and after it are 0
        ("text", np.uint8, (_TEXT_BYTES,)),
        ("text_bytes", np.int32),
    ]
)
"""What is known of one encoding's structure. All zeros if nothing is known yet."""

_NOT_PRESENT, _DISCARDABLE, _SWITCH = 0, 1, 2
_SAME_LAYER, _NEXT_TEMPORAL, _NEXT_SPATIAL = 0, 1, 2


@kernel
def measure_structure(buffer: Octets, at: int, end: int) -> tuple[int, int, int, int, int]:
    """Check the structure in the descriptor at `buffer[at]`, which ends at bit `end`.

    Returns its end as a bit, its template_id_offset, and its numbers of templates, decode targets and chains. The
    first is -1 where the structure is cut off, or has more than 64 templates or ids that AV1 has not.
    """
    offset = read_bits(buffer, at, STRUCTURE_BIT, 6, end)
    targets = read_bits(buffer, at, STRUCTURE_BIT + 6, 5, end) + 1
    bit = STRUCTURE_BIT + 11
    templates, spatial, temporal, step = 0, 0, 0, 0
    while step <= _NEXT_SPATIAL:
        templates += 1
        step = read_bits(buffer, at, bit, 2, end)
        bit += 2
        if step == _NEXT_TEMPORAL:
            temporal += 1
        elif step == _NEXT_SPATIAL:
            temporal = 0
            spatial += 1
        if step < 0 or templates > MAX_TEMPLATES or spatial >= SPATIAL_LAYERS or temporal >= TEMPORAL_LAYERS:
            return -1, 0, 0, 0, 0
    bit = skip_bits(bit, 2 * templates * targets, end)
    for _ in range(templates):
        follows = read_bits(buffer, at, bit, 1, end)
        while follows == 1:
            bit += 5
            follows = read_bits(buffer, at, bit, 1, end)
        bit = skip_bits(bit, 1, end)
    chains = read_ns(buffer, at, bit, targets + 1, end)
    if bit < 0 or chains < 0:
        return -1, 0, 0, 0, 0
    bit += ns_bits(chains, targets + 1)
    if chains > 0:
        for _ in range(targets):
            protecting = read_ns(buffer, at, bit, chains, end)
            if protecting < 0:
                return -1, 0, 0, 0, 0
            bit += ns_bits(protecting, chains)
        bit = skip_bits(bit, 4 * templates * chains, end)
    resolutions = read_bits(buffer, at, bit, 1, end)
    bit = skip_bits(bit, 1, end)
    if resolutions == 1:
        bit = skip_bits(bit, 32 * (spatial + 1), end)
    return bit, offset, templates, targets, chains


@stage
def _text_octet(buffer: Octets, at: int, k: int, end: int) -> int:
    """Octet `k` of the normalized structure: without the flags before it and what follows bit `end`."""
    first = STRUCTURE_BIT >> 3
    octet = i64(buffer[at + first + k])
    if k == 0:
        octet &= 0xFF >> (STRUCTURE_BIT & 7)
    beyond = 8 * (first + k + 1) - end
    if beyond > 0:
        octet &= (0xFF << beyond) & 0xFF
    return octet


@stage
def _text_length(end: int) -> int:
    return ((end + 7) >> 3) - (STRUCTURE_BIT >> 3)


@kernel
def is_known(buffer: Octets, at: int, end: int, structures: NDArray[Any], row: int) -> bool:
    """Whether the structure that ends at bit `end` is the one in `structures[row]`."""
    length = _text_length(end)
    if structures[row]["valid"] == 0 or structures[row]["text_bytes"] != length:
        return False
    differences = i64(0)
    for k in range(length):
        differences |= i64(structures[row]["text"][k]) ^ _text_octet(buffer, at, k, end)
    return differences == 0


@kernel
def read_structure(
    buffer: Octets,
    at: int,
    end: int,
    templates: int,
    targets: int,
    chains: int,
    structures: NDArray[Any],
    row: int,
) -> None:
    """Take the structure that `measure_structure` found to be sound; `place_targets` and `activate` have to follow."""
    entry = structures[row]
    entry["valid"] = 1
    entry["offset"] = read_bits(buffer, at, STRUCTURE_BIT, 6, end)
    entry["templates"] = templates
    entry["targets"] = targets
    entry["chains"] = chains
    bit, spatial, temporal = STRUCTURE_BIT + 11, 0, 0
    for template in range(templates):
        entry["spatial"][template] = spatial
        entry["temporal"][template] = temporal
        step = read_bits(buffer, at, bit, 2, end)
        bit += 2
        if step == _NEXT_TEMPORAL:
            temporal += 1
        elif step == _NEXT_SPATIAL:
            temporal = 0
            spatial += 1
    for template in range(templates):
        present, switch, discardable = read_indications(buffer, at, bit, targets, end)
        bit += 2 * targets
        entry["target_present"][template] = present
        entry["target_switch"][template] = switch
        entry["target_discardable"][template] = discardable
    for template in range(templates):
        entry["independent"][template] = 1 - read_bits(buffer, at, bit, 1, end)
        while read_bits(buffer, at, bit, 1, end) == 1:
            bit += 5
        bit += 1
    entry["text_bytes"] = _text_length(end)
    for k in range(_text_length(end)):
        entry["text"][k] = _text_octet(buffer, at, k, end)


@kernel
def read_indications(buffer: Octets, at: int, bit: int, targets: int, end: int) -> tuple[int, int, int]:
    """Decode target indications (table A.1) of one frame or template: the decode targets in which it is present, those
    to which it allows a switch, and those in which it is discardable, bit by target.
    """
    present, switch, discardable = i64(0), i64(0), i64(0)
    for target in range(targets):
        indication = read_bits(buffer, at, bit + 2 * target, 2, end)
        if indication != _NOT_PRESENT:
            present |= i64(1) << target
        if indication == _SWITCH:
            switch |= i64(1) << target
        elif indication == _DISCARDABLE:
            discardable |= i64(1) << target
    return present, switch, discardable
