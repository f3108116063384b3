"""Signals of the operating system: heard in the event loop, until they are for the process that goes on."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


PASSED_ON = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
"""Signals that are for the node, whichever process that is by now."""


@contextlib.contextmanager
def for_this_thread_alone() -> Iterator[None]:
    """Threads that libraries start meanwhile never take a signal, so that this one can hold them all back.

    It matters when a process becomes its successor's follower: a signal that another thread took would be lost.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


class Signals:
    """Use it as a context, in the main thread: on leaving, signals mean what they did before.

    The loop's own handlers would lose a signal that comes while they are taken away, or let it end this process.
    """

    def __init__(
        self, loop: AbstractEventLoop, numbers: Iterable[signal.Signals], heard: Callable[[signal.Signals], None]
    ) -> None:
        """`heard`: is called in `loop` with each of `numbers` that comes."""
        self._loop = loop
        self._heard = heard
        self._numbers = tuple(numbers)
        self._before: list[Any] = []
        self._successor: int | None = None

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._receive) for number in self._numbers]
        return self

    def pass_on(self, successor: int) -> None:
        """From now on all are for that process, a child of this one: also after the context, to this one's end."""
        self._successor = successor

    def __exit__(self, *_: object) -> None:
        if self._successor is None:
            for number, before in zip(self._numbers, self._before, strict=True):
                signal.signal(number, before)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._successor is None:
            self._loop.call_soon_threadsafe(self._hear, signal.Signals(number))
        else:
            os.kill(self._successor, number)  # a child's id is nobody else's until we have asked for its status

    def _hear(self, number: signal.Signals) -> None:
        if self._successor is None:
            self._heard(number)
        else:  # since it came
            os.kill(self._successor, number)
