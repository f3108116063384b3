"""How much room one outgoing packet needs at most."""

from __future__ import annotations

from sfu.routing.kernels.rewrite import MAX_GROWTH_BYTES
from sfu.routing.kernels.rings import MAX_RTP_BYTES

_SRTP_TRAILER_BYTES = 160

PACKET_SPACE = MAX_RTP_BYTES + MAX_GROWTH_BYTES + _SRTP_TRAILER_BYTES
"""Bytes in the output buffer."""
