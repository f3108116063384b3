"""Sequence numbers, unwrapped."""

from __future__ import annotations

from bench.generator.kernel import kernel


@kernel
def extend_sequence(highest: int, sequence: int) -> int:
    """The extended sequence number nearest to `highest` whose low 16 bits are `sequence`."""
    delta = (sequence - highest) & 0xFFFF
    if delta >= 0x8000:
        delta -= 0x10000
    return highest + delta
