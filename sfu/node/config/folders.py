"""Folders that settings name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sfu


def check_folder(setting: str, path: str) -> Path:
    """Return the absolute path of a folder after a trial that it can be written to, which leaves nothing behind.

    Raises:
        sfu.ConfigError: it cannot; names the setting and the reason.
    """
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"sfu")
            file.flush()
        return Path(path).resolve(strict=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise sfu.ConfigError(setting, f"nothing can be written in the folder {path!r}: {reason}") from error
