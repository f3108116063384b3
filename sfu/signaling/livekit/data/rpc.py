"""Methods of participants that the server calls."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from livekit.protocol.models import DataPacket, RpcRequest, RpcResponse

from sfu.signaling.livekit.data.text_stream import StreamError, StreamReader, build_stream
from sfu.signaling.livekit.participant import Participant

MOST_PAYLOAD_BYTES = 15_360
"""Of a request or a response as one packet."""
MOST_STREAMED_BYTES = 512 << 10
"""Of a request as a data stream, which clients of protocol 1 on take, and of the answer to it."""
MOST_CALLS = 1000
"""Of one room, at the same time."""
ROUND_TRIP_SECONDS = 7.0
"""So long a participant has to say that it has the request."""
DEFAULT_SECONDS = 15.0
"""And so long to answer it, unless the caller says otherwise."""
_STREAMS_SINCE = 1
_ANSWERS = "lk.rpc_response"
_ID = "lk.rpc_request_id"

MESSAGES = {
    1400: "Method not supported at destination",
    1401: "Recipient not found",
    1402: "Request payload too large",
    1403: "RPC not supported by server",
    1404: "Unsupported RPC version",
    1500: "Application error in method handler",
    1501: "Connection timeout",
    1502: "Response timeout",
    1503: "Recipient disconnected",
    1504: "Response payload too large",
    1505: "Failed to send",
}
"""What the protocol's own error codes mean."""


class RpcError(Exception):
    """A call that has failed; `code` is one of the protocol's, or of the method's own."""

    def __init__(self, code: int, message: str = "", data: str = "") -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, "")
        self.data = data
        super().__init__(": ".join(each for each in (f"RpcError {code}", self.message, data) if each))


class Sender(Protocol):
    """Sends packets of the server's."""

    async def send(self, packet: DataPacket, *, reliable: bool) -> None:
        """Send a packet once all whom it is for take it."""
        ...


@dataclass(eq=False)
class _Call:
    callee: Participant
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    reader: StreamReader | None = None
    stream_id: str = ""

    def succeed(self, payload: str) -> None:
        if not self.answer.done():
            self.answer.set_result(payload)
        self.acknowledged.set()

    def fail(self, error: RpcError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
        self.acknowledged.set()


class Calls:
    """Those of one room that wait for an answer, by their ids."""

    def __init__(self, sender: Sender, new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self._sender = sender
        self._new_id = new_id
        self._pending: dict[str, _Call] = {}
        self._streams: dict[str, _Call] = {}

    def __len__(self) -> int:
        return len(self._pending)

    async def perform(self, callee: Participant, method: str, payload: str, timeout: float = DEFAULT_SECONDS) -> str:
        """Call a method of a participant's client, and return what it answers; raises RpcError.

        `timeout`: seconds for all of it. Small requests are single packets, as all clients take them; what is larger
        is streamed, and so is its answer.
        """
        size = len(payload.encode())
        streams = callee.client.client_protocol >= _STREAMS_SINCE
        if size > (MOST_STREAMED_BYTES if streams else MOST_PAYLOAD_BYTES):
            raise RpcError(1402)
        if len(self._pending) >= MOST_CALLS:
            raise RpcError(1505, data=f"{MOST_CALLS} calls wait for answers in this room")
        call_id = self._new_id()
        call = self._pending[call_id] = _Call(callee)
        request = RpcRequest(id=call_id, method=method, payload=payload, version=1)
        request.response_timeout_ms = min(int(timeout * 1000), 0xFFFFFFFF)
        packets = [DataPacket(rpc_request=request)] if size <= MOST_PAYLOAD_BYTES else _stream(request)
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(call, call_id, packets)
        except TimeoutError as error:
            raise RpcError(1502 if call.acknowledged.is_set() else 1501) from error
        finally:
            del self._pending[call_id]
            self._streams.pop(call.stream_id, None)
            call.answer.cancel()

    async def _exchange(self, call: _Call, call_id: str, packets: Iterator[DataPacket] | list[DataPacket]) -> str:
        async with asyncio.timeout(ROUND_TRIP_SECONDS):
            for packet in packets:
                packet.kind = DataPacket.Kind.RELIABLE
                packet.participant_identity = call_id  # as whose it is answered
                packet.destination_identities.append(call.callee.identity)
                await self._sender.send(packet, reliable=True)
            await call.acknowledged.wait()
        return await call.answer

    def settle(self, sender: Participant, packet: DataPacket) -> bool:
        """Take what a client sends, if it is an answer to the server; False: it is not."""
        kind = packet.WhichOneof("value")
        if kind in ("stream_header", "stream_chunk", "stream_trailer"):
            return self._settle_stream(sender, packet, kind)
        if kind not in ("rpc_ack", "rpc_response"):
            return False
        call = self._find(getattr(packet, kind).request_id, sender)
        if call is None:
            return False
        call.acknowledged.set()
        if kind == "rpc_response":
            _settle_packet(call, packet.rpc_response)
        return True

    def _settle_stream(self, sender: Participant, packet: DataPacket, kind: str) -> bool:
        stream_id: str = getattr(packet, kind).stream_id
        if kind == "stream_header":
            header = packet.stream_header
            call = self._find(header.attributes.get(_ID, ""), sender) if header.topic == _ANSWERS else None
        else:
            call = self._streams.get(stream_id)
        if call is None or call.callee is not sender:
            return False
        call.acknowledged.set()
        try:
            if call.reader is None:
                call.reader, call.stream_id = StreamReader(packet.stream_header, MOST_STREAMED_BYTES), stream_id
                self._streams[stream_id] = call
            else:
                call.reader.add(packet)
            if call.reader.text is not None:
                call.succeed(call.reader.text)
        except StreamError as error:
            call.fail(RpcError(1505, data=str(error)))
        return True

    def _find(self, call_id: str, callee: Participant) -> _Call | None:
        call = self._pending.get(call_id)
        return call if call is not None and call.callee is callee else None

    def forget(self, participant: Participant) -> None:
        """It has left: calls to it fail."""
        for call in self._pending.values():
            if call.callee is participant:
                call.fail(RpcError(1503))


def _settle_packet(call: _Call, response: RpcResponse) -> None:
    if response.HasField("error"):
        call.fail(RpcError(response.error.code, response.error.message, response.error.data))
    elif response.HasField("payload"):
        call.succeed(response.payload)
    else:
        call.fail(RpcError(1505, data="the answer is compressed in a way that is not known here"))


def _stream(request: RpcRequest) -> Iterator[DataPacket]:
    """The same request as a text stream."""
    attributes = {
        _ID: request.id,
        "lk.rpc_request_method": request.method,
        "lk.rpc_request_response_timeout_ms": str(request.response_timeout_ms),
        "lk.rpc_request_version": "2",
    }
    return build_stream(request.id, "lk.rpc_request", request.payload, attributes)
