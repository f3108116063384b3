"""A room's chat: each line that a client sends on a data channel goes to the others."""

from __future__ import annotations

import sfu


class Chat:
    """The channels of everybody in a room. Clients open one that is called `chat`."""

    def __init__(self) -> None:
        self._channels: dict[str, sfu.DataChannel] = {}

    async def enter(self, room: sfu.Room, name: str, offer: str) -> str:
        """Let a client in; return our answer to its offer."""
        answered = room.join(name, leave_when_idle=True).answer(offer, subscribe="all", data=True)
        answered.connection.data.on_channel = lambda channel: self._add(name, channel)
        return answered.sdp

    def _add(self, name: str, channel: sfu.DataChannel) -> None:
        if channel.label != "chat":
            channel.close()
            return
        self._channels[name] = channel
        channel.on_message = lambda line: self._pass_on(name, line)
        channel.on_close = lambda: self._channels.pop(name, None)

    def _pass_on(self, name: str, line: bytes | str) -> None:
        for other, channel in list(self._channels.items()):
            if other != name and isinstance(line, str) and not channel.send(f"{name}: {line}"):
                channel.close()  # too slow even for chat
