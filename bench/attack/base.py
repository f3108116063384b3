"""What an attack needs to know, and what all of them have in common."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

from bench.attack.pace import Pace

_TICK_S = 0.004


@dataclass(frozen=True)
class Target:
    """A node with a room in it. Whoever attacks has these tokens, and has seen these datagrams."""

    url: str
    room: str
    media: tuple[str, int]
    """Where its clients send media."""
    publishers: tuple[str, ...]
    """Who is in the room, by tokens that hold these names."""
    kinds: tuple[str, ...]
    """What each of them publishes."""
    captured: tuple[bytes, ...]
    """Connectivity checks of theirs."""
    homes: tuple[tuple[str, int], ...]
    """Where they are."""
    named_tokens: dict[str, str]
    """By the attack that has it: a token with the attack's own name."""
    nameless_token: str


class Attack(ABC):
    """One kind of harm, `rate` times a second."""

    name: str

    def __init__(self, target: Target, rate: float) -> None:
        self.target = target
        self.rate = rate
        self.tally: Counter[str] = Counter()
        """What was done, and what came of it."""

    def open(self) -> None:
        """Before the first step: connect, prepare."""
        return None

    @abstractmethod
    def step(self, count: int) -> None:
        """Do it `count` times."""

    def close(self) -> None:
        """After the last step: leave nothing open."""
        return None

    def run(self, stop: threading.Event, ready: threading.Event) -> None:
        """From beginning to end; `ready` is set when the first step is due."""
        try:
            self.open()
            ready.set()
            pace = Pace(self.rate)
            while not stop.is_set():
                due = pace.take()
                if due:
                    self.step(due)
                time.sleep(_TICK_S)
        finally:
            ready.set()
            self.close()
