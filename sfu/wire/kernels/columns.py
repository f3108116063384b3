"""Tables whose definition says who writes what: the columns of a record stand by the module that owns them.

Kernels of many modules read a table; what changes a column is looked for in one place, its owner, named as the module
is called (`pacing` for `routing/kernels/pacing.py`; no two modules of kernels share a name). Others ask the owner to
write, by a kernel of its. Besides it only those write that begin a row anew.
`tests/unit/routing/test_column_writers.py` checks the kernels' sources against this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Column = tuple[Any, ...]
"""A column's name and type, and the shape of an array."""


class Columns:
    """The columns of a table, in groups by their owner, and the record that they make.

    A record lies in memory as its groups stand here, each column where its type may lie.
    """

    def __init__(self, *, opened_by: tuple[str, ...] = (), **owners: list[Column]) -> None:
        """`opened_by`: the modules that begin a row anew, so that they may write all of it."""
        self.opened_by = opened_by
        self.owners = {column[0]: owner for owner, columns in owners.items() for column in columns}
        """The owner of each column."""
        self.dtype = np.dtype([column for columns in owners.values() for column in columns], align=True)
        """The record. Raises ValueError at a name that stands twice."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A table that a single module writes: plain numbers, or records that are defined elsewhere."""

    owner: str
    opened_by: tuple[str, ...] = ()


class Anybody:
    """A table that every module may write."""
