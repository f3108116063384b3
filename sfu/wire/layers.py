"""The masks by which every codec says what a frame means for each Layer.

Bit `8 * spatial + temporal` of a mask stands for Layer(spatial, temporal), spatial 0..3, temporal 0..7. A Layer above
what the publisher sends means the highest Layer that it sends, so its bit is set as that Layer's.
"""

from __future__ import annotations

SPATIAL_LAYERS = 4
TEMPORAL_LAYERS = 8
ALL_LAYERS = 0xFFFFFFFF


def layer_bit(spatial: int, temporal: int) -> int:
    """Return the bit of one Layer."""
    return 1 << (8 * spatial + temporal)
