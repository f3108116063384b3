"""Rules of the house that no other tool checks: no circles of imports; modules and classes of a bounded size."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "sfu").rglob("*.py"))

MOST_LINES, MOST_KERNEL_LINES = 400, 250
STILL_LONGER = {}
"""Modules that are to shrink; a figure here may only go down."""

MOST_METHODS = 25
STILL_MORE_METHODS = {"sfu/media/subscription.py:Subscription": 27, "sfu/routing/commander.py:Commander": 29}
"""Classes with more public methods; properties do not count. A figure here may only go down."""


def test_no_module_imports_itself_by_way_of_others_not_even_for_types() -> None:
    graph = grimp.build_graph("sfu", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' > '.join(error.args[1])}")


def test_the_architecture_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page))
    there = [f"/{path.relative_to(ROOT)}" for top in ("sfu", "bench", "tests") for path in (ROOT / top).rglob("*.py")]
    assert len(named) > 50
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_modules_are_of_a_bounded_length() -> None:
    longer = {}
    for path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > (MOST_KERNEL_LINES if "kernels" in path.parts else MOST_LINES):
            longer[str(path.relative_to(ROOT))] = lines
    check_against(STILL_LONGER, longer)


def test_classes_have_a_bounded_number_of_public_methods() -> None:
    more = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and (methods := count_methods(node)) > MOST_METHODS:
                more[f"{path.relative_to(ROOT)}:{node.name}"] = methods
    check_against(STILL_MORE_METHODS, more)


def count_methods(node: ast.ClassDef) -> int:
    """Public ones of its own, without properties."""
    return sum(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and not each.name.startswith("_")
        and not any(ast.unparse(one).endswith(("property", ".setter")) for one in each.decorator_list)
        for each in node.body
    )


def check_against(known: dict[str, int], found: dict[str, int]) -> None:
    """What is found is known and has not grown; what is known is still there."""
    grown = {name: size for name, size in found.items() if size > known.get(name, 0)}
    assert not grown, f"too large, or larger than before: {grown}"
    assert known.keys() == found.keys(), f"small enough by now, take them off the list: {known.keys() - found.keys()}"
