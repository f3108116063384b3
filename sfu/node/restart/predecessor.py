"""The new process's side: what it takes from the one before, once it is ready to."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import MutableMapping

from sfu.node.restart.channel import Channel, ChannelError
from sfu.node.restart.handover import DESCRIPTOR, VERSION, Handover, HandoverError

_HANDS_OVER_S = 60.0
"""Until everything is there: recordings come to disk first."""


class Predecessor:
    """The process that runs, and waits for this one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def take(self, certificate_fault: str = "") -> Handover:
        """Say that this process is ready to serve; wait until the other has ended to, and return what it hands over.
        `certificate_fault`: why clients would refuse the certificate that this one serves.

        Raises:
            HandoverError: it does not.
        """
        try:
            ready = {"ready": VERSION, "certificate_fault": certificate_fault}
            await asyncio.to_thread(self._channel.send, ready)
            message, sockets = await asyncio.to_thread(self._channel.receive, _HANDS_OVER_S)
        except ChannelError as error:
            raise HandoverError(str(error)) from error
        try:
            return Handover.unpack(message, sockets)
        except HandoverError:
            for each in sockets:
                each.close()
            raise

    def tell_serving(self) -> None:
        """Clients can come here: the other may go. Returns at once."""
        try:
            self._channel.send({"serving": True}, timeout=0.1)
        except ChannelError:
            pass  # it is gone already
        self._channel.close()


def find_predecessor(environ: MutableMapping[str, str]) -> Predecessor | None:
    """Return the process from which this one is to take over; None: there is none, this is a start. Asked once."""
    descriptor = environ.pop(DESCRIPTOR, "")
    if not descriptor:
        return None
    os.set_inheritable(int(descriptor), False)
    return Predecessor(Channel(socket.socket(fileno=int(descriptor))))
