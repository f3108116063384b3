"""Kernels and their stages: the same results as plain Python, and a cache that may be wrong in any way."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from sfu.wire.kernels import cache, compiler  # noqa: F401 - the compiler names its cache
from sfu.wire.kernels.cache import sources_digest
from sfu.wire.kernels.modes import LINKED

PROGRAM = '''
"""Two kernels, one of which calls the other, and a stage."""

from sfu.wire.kernels.kernel import kernel, stage


@stage
def _twice(value):
    return 2 * value


@kernel
def grow(value):
    return _twice(value) + 1


@kernel
def grow_often(value, times):
    for _ in range(times):
        value = grow(value)
    return value


def run():
    """Its result, and whether it came from the cache."""
    return grow_often(1, 3), sum(grow_often.stats.cache_hits.values()) == 1
'''
COMPILED, FROM_CACHE = (15, False), (15, True)

compiling = pytest.mark.skipif(not LINKED, reason="runs without compiling, or with an unknown Numba")


class Program:
    """`PROGRAM` as a file, and a cache of its own; each run is a start of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.file = folder / "linked_program.py"
        self.file.write_text(PROGRAM)
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(self.cache))
        monkeypatch.setattr(cache, "_warned", set())

    def run(self) -> tuple[int, bool]:
        """Its result, and whether it came from the cache."""
        spec = importlib.util.spec_from_file_location("linked_program", self.file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self._monkeypatch.setitem(sys.modules, "linked_program", module)
        spec.loader.exec_module(module)
        result: tuple[int, bool] = module.run()
        return result

    def run_apart(self, before: str = "", **environment: str) -> tuple[int, bool]:
        """The same in a process of its own, after `before`."""
        places = f"import sys; sys.path[:0] = [{str(self.file.parent)!r}]"
        code = f"{places}\n{before}\nimport linked_program; print(linked_program.run())"
        variables = {"NUMBA_CACHE_DIR": str(self.cache), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | variables | environment, check=True, stdout=subprocess.PIPE
        )
        result: tuple[int, bool] = ast.literal_eval(done.stdout.decode())
        return result

    def files(self) -> list[Path]:
        """What it keeps."""
        return sorted(path for path in self.cache.rglob("*.nb*"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


@compiling
def test_what_was_compiled_is_taken_from_the_cache(program: Program) -> None:
    assert program.run() == COMPILED
    assert program.run() == FROM_CACHE


@compiling
@pytest.mark.parametrize("kind", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", ["empty", "half", "other"])
def test_a_damaged_cache_is_named_and_compiled_anew(
    program: Program, caplog: pytest.LogCaptureFixture, damage: str, kind: str
) -> None:
    program.run()
    for path in program.files():
        if path.suffix == kind:
            whole = path.read_bytes()
            path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "other": b"\x80\x05nonsense."}[damage])
    assert program.run() == COMPILED
    assert caplog.messages == ["a compiled kernel cannot be read"]
    assert program.run() == FROM_CACHE  # it was mended


@compiling
def test_a_cache_that_can_only_be_read_serves_a_node(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.run()

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # Numba's way to find out
    assert program.run() == FROM_CACHE


@compiling
def test_a_cache_that_cannot_be_written_is_named(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program.cache.write_text("a file where the cache should be")
    assert program.run() == COMPILED
    assert program.run() == COMPILED
    assert caplog.messages == ["compiled kernels cannot be kept"]
    assert "SFU_KERNEL_CACHE" in caplog.records[0].__dict__["advice"]


@compiling
def test_a_cache_of_another_processor_is_left_alone(program: Program) -> None:
    program.run()
    code = {path: path.read_bytes() for path in program.files() if path.suffix == ".nbc"}
    assert program.run_apart(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="+sse2") == COMPILED
    assert {path: path.read_bytes() for path in code} == code
    assert program.run() == FROM_CACHE


def test_a_cache_of_another_numba_is_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = sources_digest()
    monkeypatch.setattr(cache, "NUMBA", "0.68.99")
    assert sources_digest() != ours


@compiling
def test_with_an_unknown_numba_kernels_are_compiled_as_that_does_it(program: Program) -> None:
    """A later version's internals may be others: nothing of `linking.py` is touched."""
    before = (
        "import sys; from importlib import metadata; metadata.version = lambda _: '9.9.0';"
        "sys.modules['sfu.wire.kernels.linking'] = None"
    )
    assert program.run_apart(before) == COMPILED
    assert program.run_apart(before) == FROM_CACHE
