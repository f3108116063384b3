"""The first start, which loads the compiler: all kernels are compiled, by two processes where there are two cores.

What the loop calls is divided: this process compiles what receives, another one what sends (`SECOND`), and keeps it in
the cache of kernels. Whoever comes to a stage that the other is about waits for it. The other is a help and no more: if
it cannot be started or ends too early, the rest is compiled here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numba
from numba.core import event

from sfu.routing.compiling import say, start_python
from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.fanout import forward_batch
from sfu.routing.kernels.ingress import receive_datagram
from sfu.routing.kernels.loop import run_plane, run_timers
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.nack import answer_nack
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.wiring import Wiring
from sfu.wire.kernels import compiler  # noqa: F401 - which makes Numba keep what it compiles where we do
from sfu.wire.kernels.cache import cache_folder
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.kernels.kernel import declared
from sfu.wire.kernels.modes import LINKED, PLAIN

Progress = Callable[[float], None]

_TYPED = 0.75
"""The share of the work that is done when the last function is typed; what remains is one step of LLVM's."""
_BEGUN, _KEPT = "begun", "kept"
_HELPER = (
    "from sfu.routing.plane import compile_second; compile_second(); "
    "from sfu.tcp.pump import compile_kernels; compile_kernels()"  # while this process is at its last step
)


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _first(arguments: tuple[Tables, Buffers, Wiring]) -> list[tuple[Any, tuple[Any, ...]]]:
    """What is compiled here before the loop itself, so that it needs nothing of the other process for long."""
    tables, buffers, _ = map(numba.typeof, arguments)
    queue = [numba.typeof(arguments[2].notice_index), numba.typeof(arguments[2].notices)]
    return [(receive_datagram, (tables, buffers, *queue, *[numba.int64] * 5))]


def _second(arguments: tuple[Tables, Buffers, Wiring]) -> list[tuple[Any, tuple[Any, ...]]]:
    """What the other process compiles, in the order in which it is asked for."""
    tables, buffers, wiring = map(numba.typeof, arguments)
    queue = [numba.typeof(arguments[2].notice_index), numba.typeof(arguments[2].notices)]
    commands = [numba.typeof(arguments[2].command_index), numba.typeof(arguments[2].commands)]
    return [
        (answer_nack, (tables, buffers, *queue, *[numba.int64] * 5)),
        (forward_batch, (tables, buffers, numba.int64, numba.int64)),
        (run_timers, (tables, buffers, wiring, numba.int64)),
        (apply_commands, (tables, buffers, *commands, numba.int64)),
    ]


class _Counted(event.Listener):
    """Reports each function whose compilation begins."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_start(self, event: Any) -> None:
        self._tell(_name(event.data["dispatcher"].py_func))

    def on_end(self, event: Any) -> None:
        """What it called was counted before."""


def compile_second(arguments: tuple[Tables, Buffers, Wiring]) -> None:
    """Compile the other process's part, and say on standard output how far it is."""
    with event.install_listener("numba:compile", _Counted(lambda name: say(_BEGUN, name))):
        for kernel, types in _second(arguments):
            kernel.stage.compile(types)
            say(_KEPT, _name(kernel.py_func))


class _Helper:
    """The other process."""

    def __init__(self, functions: list[Any], tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._kept = {_name(function): threading.Event() for function in functions}
        self._process = start_python(_HELPER)
        self._reader = threading.Thread(target=self._read, name="sfu-compile", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                word, _, name = line.strip().partition(" ")
                if word == _BEGUN:
                    self._tell(name)
                elif word == _KEPT and name in self._kept:
                    self._kept[name].set()
        for kept in self._kept.values():  # it has ended: nothing more is to be expected
            kept.set()

    def wait(self, function: Any) -> None:
        """Return when the function is not being compiled there."""
        kept = self._kept.get(_name(function))
        if kept is not None:
            kept.wait()

    def end(self) -> None:
        """End the other process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@contextlib.contextmanager
def _helped(functions: list[Any], tell: Callable[[str], None]) -> Iterator[None]:
    from sfu.wire.kernels.linking import StageCache

    try:
        helper = _Helper(functions, tell)
    except OSError:  # no process can be started, so this one compiles all
        yield
        return
    StageCache.wait = helper.wait
    try:
        yield
    finally:
        StageCache.wait = None
        helper.end()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other first start compiles into the cache: what it makes is what we need."""
    folder = cache_folder()
    try:
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600) if folder else None
    except OSError:  # nothing can be written there, so nobody else does
        lock = None
    if lock is None:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def compile_plane(
    entrance: Entrance, arguments: tuple[Tables, Buffers, Wiring], progress: Progress | None = None
) -> None:
    """Compile the plane's loop for such arguments and open its entrance, unless the cache has it by now.

    `progress` is called with what part is done, from any thread; not at all where there is nothing to do.
    """
    if PLAIN:
        return
    types = tuple(map(numba.typeof, arguments))
    loop: Any = run_plane
    if not LINKED:
        with event.install_listener("numba:compile", _Counted(_Share(progress).count)):
            loop.compile(types)
        return
    opened = entrance.load if entrance.is_possible else lambda: loop.is_kept(types)
    with _alone():
        if not opened():
            finish = (lambda: entrance.make(arguments)) if entrance.is_possible else (lambda: loop.compile(types))
            _compile(arguments, finish, _Share(progress).count)


def _compile(
    arguments: tuple[Tables, Buffers, Wiring],
    finish: Callable[[], None],
    count: Callable[[str], None],
) -> None:
    loop: Any = run_plane
    with contextlib.ExitStack() as around:
        around.enter_context(event.install_listener("numba:compile", _Counted(count)))
        if len(os.sched_getaffinity(0)) > 1 and sys.executable and loop.keeps():
            around.enter_context(_helped([kernel.py_func for kernel, _ in _second(arguments)], count))
        for kernel, its_types in _first(arguments):
            kernel.stage.compile(its_types)
        finish()


class _Share:
    """How far the compilation is, counted in functions that both processes have begun."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def count(self, name: str) -> None:
        """Count another function that is being compiled."""
        with self._lock:  # until it is told: from several threads, and it never goes back
            self._names.add(name)
            if self._progress is not None:
                self._progress(min(len(self._names) / max(declared(), 1), 1.0) * _TYPED)
