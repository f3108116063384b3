"""The most room that one outgoing packet needs."""

from __future__ import annotations

from sfu.routing.kernels.rewrite import MAX_GROWTH_BYTES
from sfu.routing.kernels.rings import MAX_RTP_BYTES

_SRTP_TRAILER_BYTES = 160

PACKET_SPACE = MAX_RTP_BYTES + MAX_GROWTH_BYTES + _SRTP_TRAILER_BYTES
"""Bytes that a packet may take in the output buffer."""
