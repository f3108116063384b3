"""Who is told what happens to a Recording: its room."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Observer(Protocol):
    """Is told what happens to a Recording, which it knows by its id."""

    def handle_alarm(self, id: str, path: Path, what: str, detail: str | None) -> None:
        """Something is wrong with a recorder; with `detail` None, it no longer is."""
        ...

    def handle_paused(self, id: str, ground: str, authoriser: str) -> None:
        """The recording was paused."""
        ...

    def handle_resumed(self, id: str) -> None:
        """The recording goes on after a pause."""
        ...

    def handle_stopped(self, id: str, cause: str) -> None:
        """The recording has ended."""
        ...

    def handle_suspended(self, id: str) -> None:
        """The recording has ended here; another process may continue it."""
        ...
