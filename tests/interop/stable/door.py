"""The way of one client to the node: its HTTP requests pass, and its media take a path with loss and delay if asked."""

from __future__ import annotations

import asyncio
from typing import Self
from urllib.parse import urlsplit

from bench.netem.config import LinkConfig
from bench.netem.proxy import ThreadedProxy
from tests.interop.answerer import host_address

_HEAD_BYTES = 1 << 16
_HOP = ("connection:", "content-length:", "host:", "transfer-encoding:", "expect:")


class Door:
    """An address to give to a client. Without a link it is the node's own, and nothing stands between them.

    With a link, an HTTP forwarder puts the address of a UDP proxy into the node's answers, whoever asks: a client
    whose HTTP is its own, such as ffmpeg, takes that path like all others. What is lost is lost from `lose` on, and
    media alone: how clients begin on a bad path is not the subject.
    """

    def __init__(self, node: str, link: LinkConfig | None, loss: float = 0.0) -> None:
        self.url = node
        self._node = urlsplit(node)
        self._transport = link
        self._loss = loss

    async def __aenter__(self) -> Self:
        if self._transport is not None:
            self._proxy = ThreadedProxy(host=host_address(), up=self._transport, down=self._transport, media_only=True)
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
            port = self._server.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._server.close()
            self._proxy.close()

    def lose(self) -> None:
        """Begin to lose media, in both directions."""
        if self._transport is not None:
            self._proxy.change(up={"loss": self._loss}, down={"loss": self._loss})

    @property
    def lost(self) -> int:
        """How many datagrams were lost so far."""
        if self._transport is None:
            return 0
        counts = self._proxy.counts()
        return counts.up.lost + counts.down.lost

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, and the connection ends: HTTP/1.1 as clients send it here."""
        try:
            head, body = await _read_message(reader)
            request, *lines = head
            kept = [line for line in lines if not line.lower().startswith(_HOP)]
            assert self._node.hostname is not None
            inner, outer = await asyncio.open_connection(self._node.hostname, self._node.port)
            outer.write(_message([request, f"Host: {self._node.netloc}", *kept], body))
            status, answer = await _read_message(inner, to_the_end=True)
            outer.close()
            if b"a=candidate:" in answer:
                answer = self._proxy.rewrite(answer.decode()).encode()
            first, *lines = status
            writer.write(_message([first, *(line for line in lines if not line.lower().startswith(_HOP))], answer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked has gone
        finally:
            writer.close()


async def _read_message(reader: asyncio.StreamReader, *, to_the_end: bool = False) -> tuple[list[str], bytes]:
    """The lines of a head, and the body by its length, its chunks or the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if "content-length" in fields:
        return head, await reader.readexactly(int(fields["content-length"]))
    if fields.get("transfer-encoding", "").lower() != "chunked":
        return head, await reader.read() if to_the_end else b""
    body = b""
    while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(length)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return head, body


def _message(head: list[str], body: bytes) -> bytes:
    lines = [*head, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
