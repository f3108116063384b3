"""What goes wrong with records."""

from __future__ import annotations

from pathlib import Path

from sfu.errors import LocalError


class RecordError(LocalError):
    """A record cannot be made, read or closed; `path` names the file or folder."""

    def __init__(self, path: Path | str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = Path(path)
        self.reason = message


class RefusedError(RecordError):
    """It will not be done, however often it is asked for: the record is not what it would have to be."""


class InUseError(RecordError):
    """Somebody else writes the record, or reads it while it must not change."""
