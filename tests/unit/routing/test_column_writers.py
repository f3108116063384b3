"""Each column of the tables is written by the module that owns it, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import sfu
from sfu.wire.kernels.columns import Anybody, Columns, Whole

from .column_writers import COLUMNS, DEFINITIONS, SAME, WHOLE, Column, read_writers

PACKAGES = ("wire", "bwe", "routing")
ROOT = Path(sfu.__file__).parent


def read_sources() -> dict[str, str]:
    return {
        f"{name}.kernels.{path.stem}": path.read_text()
        for name in PACKAGES
        for path in sorted((ROOT / name / "kernels").glob("*.py"))
        if path.stem != "__init__"
    }


@pytest.fixture(scope="module")
def writers() -> dict[Column, set[str]]:
    """By what a definition calls them."""
    return {
        column: {module.rpartition(".")[2] for module in modules}
        for column, modules in read_writers(read_sources()).items()
    }


def may_write(table: str, column: str) -> set[str]:
    """The modules that the definition lets write a column."""
    match DEFINITIONS[table]:
        case Columns() as columns:
            owner = {columns.owners[column]} if column in columns.owners else set()
            return owner | set(columns.opened_by)
        case Whole(owner):
            return {owner}
        case _:
            return set()


def test_every_table_says_who_writes_it() -> None:
    assert DEFINITIONS.keys() - SAME.keys() == COLUMNS.keys()
    for table, columns in COLUMNS.items():
        match DEFINITIONS[table]:
            case Columns() as definition:
                assert columns == definition.dtype.names == tuple(definition.owners)
            case definition:
                assert isinstance(definition, Whole | Anybody)


def test_a_module_is_known_by_its_name_alone() -> None:
    names = [module.rpartition(".")[2] for module in read_sources()]
    assert len(names) == len(set(names))


def test_nobody_else_writes_a_column(writers: dict[Column, set[str]]) -> None:
    strangers = [
        f"{module}.py writes {table}.{column}, which is for {may_write(table, column) or 'nobody'}"
        for (table, column), modules in sorted(writers.items())
        if not isinstance(DEFINITIONS[table], Anybody)
        for module in sorted(modules - may_write(table, column))
    ]
    assert not strangers, "let the owner do it, by a kernel of its own"


def test_who_is_named_does_write(writers: dict[Column, set[str]]) -> None:
    idle = []
    for table in COLUMNS:
        of_table = set().union(*(modules for (name, _), modules in writers.items() if name == table))
        match DEFINITIONS[table]:
            case Columns(owners=owners, opened_by=opened_by):
                idle += [
                    (table, column, one)
                    for column, one in owners.items()
                    if one not in writers.get((table, column), ())
                ]
                idle += [(table, WHOLE, one) for one in opened_by if one not in of_table]
            case Whole(owner):
                idle += [(table, WHOLE, owner)] if owner not in of_table else []
    assert not idle, "they no longer write it: take them out of the table's definition"


WAYS = {
    "by its table": "tables.connections[row]['free_us'] = 0",
    "by a name for the row": "entry = tables.connections[row]\n    entry['free_us'] += 1",
    "by one of two rows": "entry = tables.connections[row] if row else tables.connections[0]\n    entry['free_us'] = 1",
    "by a name for the table": "one, rows = 1, tables.connections\n    rows[row]['free_us'] = one",
    "in a kernel that it calls": "_pass_on(tables.connections[row])",
    "by a helper": "copy_octets(tables.connections[row]['free_us'], 0, tables.history_data, 0, 8)",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_an_added_writer_is_found_whichever_way_it_writes(way: str) -> None:
    added = f"""
from sfu.wire.kernels.copying import copy_octets

def intrude(tables, row):
    {way}

def _pass_on(one):
    _write(one)

def _write(one):
    one["free_us"] = 1
"""
    helper = (ROOT / "wire" / "kernels" / "copying.py").read_text()
    writers = read_writers({"wire.kernels.copying": helper, "routing.kernels.stranger": added})
    assert "routing.kernels.stranger" in writers["connections", "free_us"]
    assert ("history_data", WHOLE) not in writers  # which is only read
