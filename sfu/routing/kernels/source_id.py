"""The source that a packet's numbering belongs to, as one number: the encoding, which of its numberings (`generation`),
and the shard that has relayed the packet, if any.

Of one encoding another SSRC is another source, as is a numbering that was restarted. It is unique within a shard, and
with the relaying shard in it at the receiving one, too.
"""

from __future__ import annotations

from sfu.wire.kernels.kernel import i64, kernel

_GENERATION_BITS = 32
_GENERATIONS = 0x7FFFFFFF
_ENCODING_BITS = 24
_SHARD_AT = _GENERATION_BITS + _ENCODING_BITS
_ENCODINGS = (1 << _ENCODING_BITS) - 1


@kernel
def next_generation(generation: int) -> int:
    """The generation of an encoding whose numbering begins anew."""
    return (i64(generation) + 1) & _GENERATIONS


@kernel
def make_source(encoding: int, generation: int) -> int:
    """The source of a packet that has come in on this shard."""
    return (i64(encoding) << _GENERATION_BITS) | i64(generation)


@kernel
def relayed_source(source: int, shard: int) -> int:
    """The same on another shard, to which `shard` has relayed it."""
    return i64(source) | (i64(shard + 1) << _SHARD_AT)


@kernel
def is_relayed(source: int) -> bool:
    """Whether the encoding is one of another shard."""
    return i64(source) >> _SHARD_AT != 0


@kernel
def source_encoding(source: int) -> int:
    """The row of the encoding, on the shard where the packet has come in."""
    return (i64(source) >> _GENERATION_BITS) & _ENCODINGS
