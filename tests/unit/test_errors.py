"""One family of errors: what public calls raise says whose fault it was, and `except sfu.SfuError` takes it all."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import sfu

ZONES = ("sfu.rooms", "sfu.session", "sfu.media", "sfu.shard")
ITERATION = {"StopAsyncIteration", "AttributeError"}
"""Which Python itself asks for: of an iterator, and of a module that has no such name."""


def list_modules() -> list[str]:
    """Those that public names are defined in, and those whose objects an embedder calls."""
    names = {*sfu._HOMES.values(), "sfu.audio.last_n", "sfu.recording.errors"}
    for zone in ZONES:
        names.update(info.name for info in pkgutil.iter_modules(importlib.import_module(zone).__path__, f"{zone}."))
    return sorted(names)


def is_of_the_family(found: type) -> bool:
    return issubclass(found, sfu.LocalError | sfu.RemoteError) or found is sfu.SfuError


def test_each_public_error_says_whose_fault_it_was() -> None:
    public = {name: getattr(sfu, name) for name in sfu.__all__}
    errors = {name: one for name, one in public.items() if isinstance(one, type) and issubclass(one, BaseException)}
    assert len(errors) >= 3
    assert [name for name, one in errors.items() if not is_of_the_family(one)] == []


def test_each_error_of_a_public_module_is_of_the_family() -> None:
    modules = [importlib.import_module(name) for name in list_modules()]
    classes = [(module.__name__, one) for module in modules for _, one in inspect.getmembers(module, inspect.isclass)]
    errors = {one for name, one in classes if one.__module__ == name and issubclass(one, BaseException)}
    assert len(errors) > 5
    assert [one.__qualname__ for one in errors if not is_of_the_family(one)] == []


def test_public_calls_raise_nothing_else() -> None:
    found = [
        (f"{name}.{function}", raised)
        for name in list_modules()
        for module in [importlib.import_module(name)]
        for function, raised in list_raised(ast.parse(inspect.getsource(module)), module)
    ]
    assert len(found) > 20
    assert [(where, raised.__name__) for where, raised in found if not is_of_the_family(raised)] == []


def list_raised(tree: ast.Module, module: ModuleType) -> Iterator[tuple[str, type]]:
    """What public functions raise by name; what private ones do is theirs to turn into something else."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if function.name.startswith("_") and not function.name.endswith("__"):
            continue
        for node in ast.walk(function):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            assert isinstance(node.exc.func, ast.Name), ast.unparse(node)
            if node.exc.func.id not in ITERATION:
                yield function.name, getattr(module, node.exc.func.id, None) or getattr(builtins, node.exc.func.id)
