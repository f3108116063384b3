"""Naming one quality of a Track."""

from __future__ import annotations

from typing import NamedTuple


class Layer(NamedTuple):
    """An index into a Track's qualities, ordered from the least: (spatial, temporal).

    In simulcast `spatial` picks the Encoding. A Track has one Encoding for now, which is forwarded whole: its
    Subscriptions show `WHOLE`.
    """

    spatial: int
    temporal: int


WHOLE = Layer(0, 7)
"""The only Encoding with all its temporal layers (RFC 9627 and the like number them with three bits)."""
