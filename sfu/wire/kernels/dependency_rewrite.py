"""The dependency descriptor (RTP Payload Format For AV1, Appendix A) as one subscriber gets it.

Frame numbers go on where the Encoding changes, and decode targets that are left out must not be announced as active: a
receiver would wait for their chains (A.4, A.5).
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.bits import copy_bits, write_bits
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.dependency import ACTIVE, ATTACHED, CHAINS, DIFFERENCES, INDICATIONS, MANDATORY_BYTES, MAX_BYTES
from sfu.wire.kernels.dependency_structure import STRUCTURE_BIT, is_known, measure_structure
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, store16

MAX_GROWTH_BYTES = 5
"""By how much `write_dependencies` can lengthen a descriptor: the five flags, and 32 decode targets."""

_FLAGS_BIT = 24
_CUSTOM = INDICATIONS | DIFFERENCES | CHAINS


@kernel
def active_mask(structures: NDArray[Any], structure: int, spatial: int, temporal: int) -> int:
    """The decode targets that a subscriber of Layer(spatial, temporal) gets in full, bit by target.

    These are the active ones whose frames all belong to the one that serves the Layer. All active ones where there is
    none: an empty set would say that the stream ends.
    """
    entry = structures[structure]
    server = i64(entry["server"][8 * spatial + temporal])
    active = i64(entry["active"])
    if server < 0:
        return active
    mask = active & i64(entry["contained"][server])
    return mask if mask != 0 else active


@kernel
def write_dependencies(
    buffer: Octets,
    at: int,
    length: int,
    out: Octets,
    out_at: int,
    structures: NDArray[Any],
    structure: int,
    frame_number: int,
    mask: int,
    announce: bool,
) -> int:
    """Write the descriptor `buffer[at:at + length]` to `out[out_at:]` with another frame number; return its length.

    `describe_dependencies` has accepted it, at whatever time. Where it says which decode targets are active, or where
    `announce` asks for it, it says `mask` then. It may grow by MAX_GROWTH_BYTES: so much room the caller has made.
    A mask is left as it is where the descriptor's structure is no longer `structures[structure]`, and left out where
    the 255 octets of a header extension do not suffice.
    """
    copy_octets(out, out_at, buffer, at, length)
    store16(out, out_at + 1, frame_number)
    flags = i64(buffer[at + 3]) >> 3 if length > MANDATORY_BYTES else i64(0)
    entry = structures[structure]
    if not (announce or flags & (ATTACHED | ACTIVE)) or entry["valid"] == 0:
        return length
    targets = i64(entry["targets"])
    bit = i64(STRUCTURE_BIT)
    if flags & ATTACHED:
        bit = measure_structure(buffer, at, 8 * length)[0]
        if bit < 0 or not is_known(buffer, at, bit, structures, structure):
            return length
        if not flags & ACTIVE and mask == (i64(1) << targets) - 1:
            return length
    elif (i64(buffer[at]) - i64(entry["offset"])) & 0x3F >= entry["templates"]:
        return length
    if flags & ACTIVE:
        write_bits(out, out_at, bit, targets, mask, 8 * length)
        return length
    return _insert_mask(buffer, at, length, out, out_at, flags, bit, targets, mask)


@stage
def _insert_mask(
    buffer: Octets,
    at: int,
    length: int,
    out: Octets,
    out_at: int,
    flags: int,
    bit: int,
    targets: int,
    mask: int,
) -> int:
    """Put the mask at `bit`, and what stood there after it; without dependencies of the frame's own that is padding."""
    tail = 8 * length - bit if flags & _CUSTOM else 0
    grown = (bit + targets + tail + 7) >> 3
    if grown > MAX_BYTES:
        return length
    end = 8 * grown
    for k in range(length, grown):
        out[out_at + k] = 0
    write_bits(out, out_at, _FLAGS_BIT, 5, flags | ACTIVE, end)
    after = write_bits(out, out_at, bit, targets, mask, end)
    after = copy_bits(buffer, at, bit, out, out_at, after, tail, end)
    write_bits(out, out_at, after, end - after, 0, end)
    return grown
