"""Naming one quality of a Track."""

from __future__ import annotations

from typing import NamedTuple


class Layer(NamedTuple):
    """An index into a Track's qualities, ordered from the least: (spatial, temporal).

    In simulcast `spatial` picks the Encoding, otherwise the spatial layer of SVC (0..3); `temporal` (0..7) is the
    temporal layer.
    """

    spatial: int
    temporal: int


WHOLE = Layer(3, 7)
"""The best of all: no Track has more layers."""
