"""All attacks at once, in a process of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection

from bench.attack.base import Attack, Target
from bench.attack.checks import CheckForger
from bench.attack.datagrams import JunkFlood
from bench.attack.http import QuickHttp, SlowHttp
from bench.attack.tokens import HalfOpen, NameThief
from bench.attack.viewers import NackFlood, PliFlood
from bench.errors import BenchError

ATTACKS: Mapping[str, type[Attack]] = {
    one.name: one for one in (NackFlood, PliFlood, JunkFlood, CheckForger, SlowHttp, QuickHttp, NameThief, HalfOpen)
}
RATES: Mapping[str, float] = {
    "nacks": 3000.0,
    "plis": 3000.0,
    "junk": 100_000.0,
    "checks": 400.0,
    "http": 400.0,
    "requests": 2000.0,
    "names": 10.0,
    "half-open": 20.0,
}
WITH_A_NAME = ("nacks", "plis", "checks")
"""Those who are let in first, by tokens with the attack's name."""
_PATIENCE_S = 60.0

Tallies = dict[str, dict[str, int]]


class Gang:
    """`tallies` says what each has done once it was stopped. Raises BenchError when one of them fails."""

    def __init__(self, target: Target, names: tuple[str, ...], core: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, target, names, core), daemon=True)
        self.tallies: Tallies = {}

    def start(self) -> None:
        """Return when all have begun. Raises BenchError when one cannot."""
        self._process.start()
        if self._receive() is not None:
            raise BenchError("the attackers did not begin")

    def stop(self) -> None:
        """End them."""
        try:
            with contextlib.suppress(BrokenPipeError):
                self._pipe.send(None)
            self.tallies = self._receive() or {}
        finally:
            self._process.join(_PATIENCE_S)
            if self._process.is_alive():
                self._process.kill()

    def _receive(self) -> Tallies | None:
        if not self._pipe.poll(_PATIENCE_S):
            raise BenchError(f"the attackers say nothing for {_PATIENCE_S:.0f} s")
        try:
            found: Tallies | str | None = self._pipe.recv()
        except EOFError:
            raise BenchError("the attackers' process has ended") from None
        if isinstance(found, str):
            raise BenchError(found)
        return found


def _work(pipe: Connection, target: Target, names: tuple[str, ...], core: int) -> None:
    os.sched_setaffinity(0, {core})
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    stop = threading.Event()
    failed: list[str] = []

    def run(attack: Attack, ready: threading.Event) -> None:
        try:
            attack.run(stop, ready)
        except Exception as error:  # noqa: BLE001 - told to who has started us
            failed.append(f"{attack.name}: {error!r}")

    attacks = [ATTACKS[name](target, RATES[name]) for name in names]
    threads = []
    for attack in attacks:
        ready = threading.Event()
        threads.append(threading.Thread(target=run, args=(attack, ready)))
        threads[-1].start()
        ready.wait(_PATIENCE_S)  # one after the other: who connects is not disturbed by the rest
    try:
        if not failed:
            pipe.send(None)
            while not failed and not pipe.poll(0.2):
                pass
    finally:
        stop.set()
        for thread in threads:
            thread.join(_PATIENCE_S)
    pipe.send("; ".join(failed) if failed else {one.name: dict(one.tally) for one in attacks})
