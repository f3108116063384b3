"""A source's parts. `test_modes.py` runs this module again, unjitted and bounds-checked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.media_columns import MAX_SHARDS
from sfu.routing.kernels.source_id import is_relayed, make_source, next_generation, relayed_source, source_encoding

from .modes import examples

_MOST_ENCODING, _MOST_GENERATION = (1 << 24) - 1, (1 << 31) - 1

encodings = st.one_of(st.sampled_from([0, 1, _MOST_ENCODING]), st.integers(0, _MOST_ENCODING))
generations = st.one_of(st.sampled_from([0, 1, _MOST_GENERATION]), st.integers(0, _MOST_GENERATION))
shards = st.one_of(st.none(), st.integers(0, MAX_SHARDS - 1))
parts = st.tuples(encodings, generations, shards)


def source_of(encoding: int, generation: int, shard: int | None) -> int:
    source = make_source(encoding, generation)
    return source if shard is None else relayed_source(source, shard)


@given(parts)
@settings(deadline=None, max_examples=examples(100))
def test_a_source_tells_its_encoding_and_whether_another_shard_has_relayed_it(
    parts: tuple[int, int, int | None],
) -> None:
    source = source_of(*parts)
    assert 0 <= source < 1 << 63  # -1 is none
    assert source_encoding(source) == parts[0]
    assert is_relayed(source) == (parts[2] is not None)


@given(parts, parts)
@settings(deadline=None, max_examples=examples(100))
def test_no_two_are_the_same(one: tuple[int, int, int | None], other: tuple[int, int, int | None]) -> None:
    assert (source_of(*one) == source_of(*other)) == (one == other)


@given(generations)
@settings(deadline=None, max_examples=examples(100))
def test_a_generation_is_followed_by_another_that_fits(generation: int) -> None:
    following = next_generation(generation)
    assert following == (generation + 1 if generation < _MOST_GENERATION else 0)
