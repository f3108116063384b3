"""A kernel entered by its kept machine code: its arguments, a cache that may be wrong in any way, and no compiler."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.wire.kernels import cache, entrance, image
from sfu.wire.kernels.entrance import Entrance, EntranceError
from sfu.wire.kernels.modes import CHECKED, LINKED

pytestmark = pytest.mark.skipif(not LINKED or CHECKED, reason="kernels are entered through the compiler")

PROGRAM = '''
"""A kernel that takes all that a plane's loop does."""

from typing import Any, NamedTuple

import numpy as np

from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.kernel import kernel

ROW = np.dtype([("count", np.int64), ("size", np.uint16)])


@bundle
class Inner(NamedTuple):
    grid: Any
    factor: int


@bundle
class Outer(NamedTuple):
    rows: Any
    inner: Inner
    octets: Any


@kernel
def work(outer, row, results):
    inner = outer.inner
    for k in range(inner.grid.shape[1]):
        outer.rows[row]["count"] += inner.factor * inner.grid[1, k] * outer.octets[k]
    outer.rows[row]["size"] = len(outer.octets)
    results[0, 1] = outer.rows[row]["count"]


def arguments():
    rows, results = np.zeros(3, ROW), np.zeros((2, 2), np.int64)
    octets = np.array([1, 2, 250], np.uint8)
    return Outer(rows, Inner(np.array([[9, 9, 9], [1, 2, 3]], np.int32), 10), octets), 2, results
'''


class Program:
    """`PROGRAM`, and a cache of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        name = f"entered_{folder.name}"
        (folder / f"{name}.py").write_text(PROGRAM)
        monkeypatch.syspath_prepend(str(folder))
        self.name = name
        self.cache: Path | None = folder / "cache"
        monkeypatch.setattr(entrance, "cache_folder", lambda: self.cache)
        monkeypatch.setattr(cache, "_warned", set())
        self.module = importlib.import_module(name)

    def start(self) -> tuple[bool, Entrance]:
        """Whether it came from the cache, and the entrance, once it has worked."""
        opened = Entrance(self.module.work)
        loaded = opened.load()
        if not loaded:
            opened.make(self.module.arguments())
        self.check(opened)
        return loaded, opened

    def check(self, opened: Entrance) -> None:
        outer, row, results = self.module.arguments()
        opened(outer, row, results)
        assert outer.rows["count"].tolist() == [0, 0, 10 * (1 + 4 + 750)]
        assert outer.rows["size"].tolist() == [0, 0, 3]
        assert results.tolist() == [[0, 7550], [0, 0]]

    def file(self) -> Path:
        """What is kept."""
        assert self.cache is not None
        (kept,) = self.cache.iterdir()
        return kept


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


def test_what_was_compiled_is_entered_from_the_cache(program: Program) -> None:
    assert not program.start()[0]
    assert program.start()[0]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[:31], id="within the digest"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="half"),
        pytest.param(lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]), id="a bit"),
        pytest.param(lambda whole: b"nonsense" * 100, id="other"),
    ],
)
def test_a_damaged_file_is_never_entered(
    program: Program, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    program.start()
    program.file().write_bytes(damage(program.file().read_bytes()))
    assert not program.start()[0]
    assert caplog.messages == ["a compiled kernel cannot be read"]
    assert program.start()[0]  # it was mended


def test_a_file_that_cannot_be_read_is_named(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    program.start()
    kept = program.file()
    kept.unlink()
    kept.mkdir()
    assert not program.start()[0]
    assert caplog.messages == ["a compiled kernel cannot be read", "compiled kernels cannot be kept"]


@pytest.mark.parametrize("place", ["a file", "nowhere"])
def test_what_cannot_be_kept_serves_this_start(program: Program, tmp_path: Path, place: str) -> None:
    if place == "nowhere":
        program.cache = None
    else:
        (tmp_path / "cache").write_text("where the folder should be")
    assert not program.start()[0]
    assert not program.start()[0]


def test_code_for_another_processor_is_left_alone(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.start()
    ours = program.file()
    monkeypatch.setenv("NUMBA_CPU_NAME", "another")
    assert not Entrance(program.module.work).load()
    monkeypatch.undo()
    assert ours.exists()


def test_without_images_llvm_loads_what_is_kept(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "POSSIBLE", False)
    assert not program.start()[0]
    assert program.start()[0]
    assert b'{"symbol"' in program.file().read_bytes()


def test_what_no_image_can_be_made_of_is_loaded_by_llvm_and_said(
    program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(content: bytes, entry: str) -> image.Image:
        raise image.ImageError("it has a relocation of type 999")

    monkeypatch.setattr(image, "link", refuse)
    monkeypatch.setattr(image, "POSSIBLE", True)
    assert not program.start()[0]
    assert program.start()[0]
    assert caplog.messages == ["a kernel needs LLVM to be loaded"]


@pytest.mark.skipif(not image.POSSIBLE, reason="there are no images for this processor")
def test_an_image_that_calls_what_is_not_there_is_compiled_anew(
    program: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program.start()
    link = image.link

    def call_more(content: bytes, entry: str) -> image.Image:
        made = link(content, entry)
        return image.Image(made.code + bytes(8), made.entry, ("sfu_of_another_build",), made.absolute)

    with monkeypatch.context() as other:
        other.setattr(image, "link", call_more)
        with pytest.raises(image.ImageError, match="sfu_of_another_build"):
            Entrance(program.module.work).make(program.module.arguments())
    assert not program.start()[0]
    assert caplog.messages == ["a compiled kernel cannot be read"]
    assert program.start()[0]


def test_what_kernels_cannot_take_is_refused(program: Program) -> None:
    opened = program.start()[1]
    outer, row, _ = program.module.arguments()
    with pytest.raises(EntranceError, match="list"):
        opened(outer, row, [0])


@pytest.mark.skipif(not image.POSSIBLE, reason="there are no images for this processor")
def test_a_later_start_of_a_node_loads_neither_numba_nor_llvm() -> None:
    code = (
        "import sys\n"
        "import sfu.node.serve\n"
        "from sfu.tcp import pump\n"
        "from sfu.routing.plane import Plane, PlaneLimits, compile_kernels\n"
        "compile_kernels()\n"
        "pump.compile_kernels()\n"
        "plane = Plane(0, host='127.0.0.1', port=0, limits=PlaneLimits(4, 4, 4, 4, 4, 4, 4))\n"
        "plane.start()\n"
        "plane.stop()\n"
        "print({'numba', 'llvmlite'} & sys.modules.keys(), plane.counters()['control_sent'])\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(2):  # whoever runs this test alone has nothing in the cache yet
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "set() 0\n"
