"""Whose request it is, as far as handlers need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from livekit.protocol.rtc import Pong, SignalRequest

from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms


class Asker(Protocol):
    """The session that a request came in on."""

    client: Client
    room: LiveKitRoom
    rooms: Rooms

    def leave(self) -> None:
        """The client has said that it leaves."""
        ...

    def pong(self, pong: Pong) -> None:
        """The client asked whether we are there."""
        ...

    def respond(self, request: SignalRequest, reason: str, message: str = "") -> None:
        """Tell what became of a request."""
        ...

    def cut(self) -> None:
        """End its socket without a word."""
        ...


Handler = Callable[[Asker, SignalRequest], None]
"""Does what is asked; raises RequestError."""
