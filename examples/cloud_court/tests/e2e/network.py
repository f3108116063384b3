"""The network of one window, which a test can cut: its media, its sockets and its requests."""

from __future__ import annotations

import re
from typing import Any, Self

from bench.netem.proxy import ThreadedProxy
from person import Person

REROUTE = """
const own = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function (told) {
  const sdp = told?.sdp?.includes("a=candidate:") ? await window.reroute(told.sdp) : told?.sdp;
  return own.call(this, { type: told.type, sdp });
};
"""
ANY = re.compile(".*")


class Network:
    """Stands between a person's window and the court, as long as `async with` lasts; to be entered before she comes.

    A cut loses datagrams in both directions; what is written on a socket reaches nobody, and neither end learns that
    the other has closed it, nor answers who dials anew; requests fail, as those of a device without a network do.
    """

    def __init__(self, person: Person) -> None:
        self._page: Any = person.page.driven  # type: ignore[attr-defined]
        self._proxy = ThreadedProxy()
        self._cut = False

    async def __aenter__(self) -> Self:
        await self._page.expose_function("reroute", self._proxy.rewrite)
        await self._page.add_init_script(REROUTE)
        await self._page.route_web_socket(ANY, self._pass)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._proxy.close()

    async def _pass(self, socket: Any) -> None:
        if self._cut:  # it is dialled, and nobody answers
            return
        server = socket.connect_to_server()
        for own, other in ((socket, server), (server, socket)):
            own.on_message(lambda message, other=other: None if self._cut else other.send(message))
            own.on_close(lambda code, reason, other=other: None if self._cut else other.close(code=code, reason=reason))

    async def cut(self) -> None:
        """From now on nothing passes."""
        self._cut = True
        self._proxy.change(up={"loss": 1.0}, down={"loss": 1.0})
        await self._page.context.set_offline(True)

    async def mend(self) -> None:
        """All passes again."""
        self._cut = False
        self._proxy.change(up={"loss": 0.0}, down={"loss": 0.0})
        await self._page.context.set_offline(False)
