"""What a stream of events has for whoever reads it now."""

from __future__ import annotations

from sfu import EventStream
from sfu.events import Event


async def waiting(stream: EventStream) -> list[Event]:
    """The events that have come so far; the stream ends with them."""
    stream.close()
    return [event async for event in stream]
