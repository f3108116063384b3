"""What is done for each kind of signal request: a module for each concern."""

from __future__ import annotations

from sfu.signaling.livekit.requests import connection, data, negotiation, publishing, subscribing
from sfu.signaling.livekit.requests.asker import Handler

HANDLERS: dict[str, Handler] = {
    **negotiation.HANDLERS,
    **publishing.HANDLERS,
    **subscribing.HANDLERS,
    **connection.HANDLERS,
    **data.HANDLERS,
}
"""By the field of SignalRequest."""
