"""Tables whose definition says who writes what."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.wire.kernels.columns import Columns

TABLE = Columns(
    opened_by=("commands",),
    pacing=[("busy", np.int8), ("free_us", np.int64)],
    history=[("data", np.uint8, (3,)), ("clock_offset", np.int32, (2,))],
)


def test_each_column_has_the_owner_in_whose_group_it_stands() -> None:
    assert TABLE.owners == {"busy": "pacing", "free_us": "pacing", "data": "history", "clock_offset": "history"}


def test_the_record_has_the_columns_as_they_stand_there() -> None:
    assert TABLE.opened_by == ("commands",)
    assert TABLE.dtype.names == tuple(TABLE.owners)
    assert [TABLE.dtype[name].base for name in TABLE.owners] == [np.int8, np.int64, np.uint8, np.int32]
    assert [TABLE.dtype[name].shape for name in TABLE.owners] == [(), (), (3,), (2,)]


def test_columns_lie_where_their_type_may() -> None:
    """The control side reads them while the plane writes: none may be torn."""
    fields = TABLE.dtype.fields
    assert fields is not None
    for name, (kind, offset, *_) in fields.items():
        assert offset % kind.base.itemsize == 0, name
    assert TABLE.dtype.itemsize % 8 == 0


def test_a_column_cannot_have_two_owners() -> None:
    with pytest.raises(ValueError, match="more than once"):
        Columns(pacing=[("busy", np.int32)], release=[("busy", np.int32)])
