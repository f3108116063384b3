"""Each column of the tables is written by the module that owns it, and by no other unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

import sfu

from .column_owners import ALSO, FREE, OPENING, OWNERS
from .column_writers import COLUMNS, WHOLE, Column, read_writers

PACKAGES = ("wire", "bwe", "routing")
ROOT = Path(sfu.__file__).parent


def read_sources() -> dict[str, str]:
    return {
        f"{name}.kernels.{path.stem}": path.read_text()
        for name in PACKAGES
        for path in sorted((ROOT / name / "kernels").glob("*.py"))
    }


@pytest.fixture(scope="module")
def writers() -> dict[Column, set[str]]:
    return read_writers(read_sources())


def owner_of() -> dict[Column, str]:
    return {
        (table, column): module
        for table, modules in OWNERS.items()
        for module, columns in modules.items()
        for column in columns.split()
    }


def others_of() -> dict[Column, set[str]]:
    return {
        (table, column): set(modules.split()) for table, columns in ALSO.items() for column, modules in columns.items()
    }


def test_every_column_has_one_owner() -> None:
    named = [
        (table, column)
        for table, modules in OWNERS.items()
        for columns in modules.values()
        for column in columns.split()
    ]
    assert len(named) == len(set(named))
    unknown = [(table, column) for table, column in named if column not in (*COLUMNS[table], WHOLE)]
    assert not unknown, "these columns are no longer there"
    assert COLUMNS.keys() - FREE == OWNERS.keys()


def test_nobody_else_writes_a_column(writers: dict[Column, set[str]]) -> None:
    owners, others = owner_of(), others_of()
    strangers = [
        f"sfu/{module.replace('.', '/')}.py writes {table}.{column}, which is {owners.get((table, column), 'nobody')}'s"
        for (table, column), modules in sorted(writers.items())
        if table not in FREE
        for module in sorted(modules)
        if module != owners.get((table, column))
        and module not in others.get((table, column), ())
        and module not in OPENING.get(table, "").split()
    ]
    assert not strangers, "let the owner do it, by a kernel of its own; or say in column_owners.py who may"


def test_who_is_named_does_write(writers: dict[Column, set[str]]) -> None:
    idle = [
        (table, column, module)
        for (table, column), module in owner_of().items()
        if module not in writers.get((table, column), ())
    ]
    idle += [
        (table, column, module)
        for (table, column), modules in others_of().items()
        for module in modules - writers.get((table, column), set())
    ]
    assert not idle, "they no longer write it: take them out of column_owners.py"


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
