"""Which version of the program runs."""

from __future__ import annotations

import importlib.metadata

DISTRIBUTION = "sfu-media"
"""The name of the distribution on package indexes, where `sfu` is another project's."""


def read_version() -> str:
    """Return the version of the installed distribution."""
    return importlib.metadata.version(DISTRIBUTION)
