"""The bench's own error."""

from __future__ import annotations


class BenchError(RuntimeError):
    """The bench can not run as asked; the message says why and what to do."""
