"""Which module writes which column of the tables, read from the sources of the kernels.

A kernel names a column where it writes it: `tables.connections[row]["free_us"] = ...`. Mostly it has given the row a
name before (`entry = tables.connections[row]`), or got it from who calls it. So rows are followed through names, and
through calls into the parameters of the kernels that are called. What a kernel of `sfu/wire` writes by a parameter,
which may be anybody's bytes, counts as written by the module that calls it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import get_type_hints

from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.kernels.columns import Anybody, Columns, Whole

Column = tuple[str, str]
"""A table's name and that of its column; `WHOLE` for a row or an element of a plain array."""
Origins = frozenset[Column]

WHOLE = "*"
DEFINITIONS: dict[str, Columns | Whole | Anybody] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Tables, include_extras=True).items()
}
"""What the definition of each table says of who writes it."""
_first: dict[Columns, str] = {}
SAME = {
    name: first
    for name, definition in DEFINITIONS.items()
    if isinstance(definition, Columns) and (first := _first.setdefault(definition, name)) != name
}
"""Tables that share their definition with another, so that they count as that."""
COLUMNS: dict[str, tuple[str, ...]] = {
    name: table.dtype.names or () for name, table in make_tables(1, 1, 1, 1, 1)._asdict().items() if name not in SAME
}
HELPERS = "wire"
"""The package whose kernels know of no table."""


class Kernel:
    """A function: what it does with names, and what these may stand for."""

    def __init__(self, module: str, node: ast.FunctionDef) -> None:
        self.module = module
        self.parameters = [argument.arg for argument in node.args.args]
        self.names: dict[str, Origins] = {}
        self.given: list[tuple[str, ast.expr]] = []
        self.targets: list[ast.expr] = []
        """What it writes elements of."""
        self.calls: list[tuple[str, ast.Call]] = []
        self.written: set[str] = set()
        """Of a helper: the parameters through which it writes."""
        for part in ast.walk(node):
            if isinstance(part, ast.Assign):
                for target in part.targets:
                    self.given += _pairs(target, part.value)
                    self.targets += target.elts if isinstance(target, ast.Tuple) else [target]
            elif isinstance(part, ast.AugAssign | ast.AnnAssign):
                self.targets.append(part.target)
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                self.calls.append((part.func.id, part))
        self.targets = [target for target in self.targets if isinstance(target, ast.Subscript)]

    def origins(self, value: ast.expr) -> Origins:
        """The tables or columns that an expression may be a part of."""
        match value:
            case ast.Name(name):
                return self.names.get(name, frozenset())
            case ast.Attribute(ast.Name("tables"), name) if name in Tables._fields:
                return frozenset({(SAME.get(name, name), WHOLE)})
            case ast.Subscript(base, ast.Constant(str() as column)):
                return frozenset((table, column) for table, _ in self.origins(base) if column in COLUMNS[table])
            case ast.Subscript(base):
                return self.origins(base)
            case ast.IfExp(body=one, orelse=other):
                return self.origins(one) | self.origins(other)
            case _:
                return frozenset()


def read_writers(sources: Mapping[str, str]) -> dict[Column, set[str]]:
    """The modules that write each column; `sources`: texts by module name, such as `routing.kernels.pacing`."""
    trees = {module: ast.parse(text) for module, text in sources.items()}
    scopes: dict[str, dict[str, Kernel]] = {module: {} for module in trees}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):  # where there are two of a name, the first is plain Python
                scopes[module].setdefault(node.name, Kernel(module, node))
    own = [(kernel, scopes[module]) for module in scopes for kernel in list(scopes[module].values())]
    for module, tree in trees.items():
        for known, name, here in _imports(tree):
            if name in scopes.get(known, ()):
                scopes[module][here] = scopes[known][name]
    news = True
    while news:
        news = False
        for kernel, scope in own:
            news |= _follow(kernel, scope)
    writers: dict[Column, set[str]] = {}
    for kernel, scope in own:
        for target in _written(kernel, scope):
            for column in kernel.origins(target):
                writers.setdefault(column, set()).add(kernel.module)
    return writers


def _imports(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """What a module imports of ours: from which module, under which name there and here."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("sfu."):
            for alias in node.names:
                yield node.module.removeprefix("sfu."), alias.name, alias.asname or alias.name


def _passed(kernel: Kernel, scope: Mapping[str, Kernel]) -> Iterator[tuple[Kernel, str, ast.expr]]:
    """What it passes to other kernels: to which, as which parameter."""
    for name, call in kernel.calls:
        if name in scope:
            called = scope[name]
            for parameter, value in zip(called.parameters, call.args, strict=False):
                yield called, parameter, value
            for keyword in call.keywords:
                if keyword.arg is not None:
                    yield called, keyword.arg, keyword.value


def _follow(kernel: Kernel, scope: Mapping[str, Kernel]) -> bool:
    """Note what names stand for; return whether that was news."""
    news = False
    for name, value in kernel.given:
        news |= _note(kernel, name, kernel.origins(value))
    for called, parameter, value in _passed(kernel, scope):
        if not called.module.startswith(HELPERS):
            news |= _note(called, parameter, kernel.origins(value))
    if kernel.module.startswith(HELPERS):
        through = {_root(target) for target in _written(kernel, scope)}.intersection(kernel.parameters)
        news |= not through <= kernel.written
        kernel.written |= through
    return news


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, of_it in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, of_it)


def _note(kernel: Kernel, name: str, origins: Origins) -> bool:
    before = kernel.names.get(name, frozenset())
    if origins <= before:
        return False
    kernel.names[name] = before | origins
    return True


def _written(kernel: Kernel, scope: Mapping[str, Kernel]) -> Iterator[ast.expr]:
    """The expressions whose elements it writes, itself or by a helper."""
    yield from kernel.targets
    for called, parameter, value in _passed(kernel, scope):
        if parameter in called.written:
            yield value


def _root(value: ast.expr) -> str | None:
    while isinstance(value, ast.Subscript):
        value = value.value
    return value.id if isinstance(value, ast.Name) else None
