"""Which version of the program runs."""

from __future__ import annotations

import importlib.metadata

DISTRIBUTION = "sfu-media"
"""What package indexes call it: there `sfu` is somebody else's."""


def read_version() -> str:
    """The version of the distribution that is installed."""
    return importlib.metadata.version(DISTRIBUTION)
