"""Methods that the server calls: what the client is asked, and what becomes of its answer, or of none."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
from livekit.protocol.models import DataPacket, DataStream, RpcAck, RpcResponse
from livekit.protocol.models import RpcError as RpcErrorMessage

from sfu.signaling.livekit.data import rpc
from sfu.signaling.livekit.data.rpc import MESSAGES, Calls, RpcError
from tests.unit.signaling.livekit.data.hall import Guest, Hall


class Office:
    """A room with a client that is called."""

    def __init__(self) -> None:
        self.hall = Hall()
        self.calls = Calls(self.hall.exchange)
        self.hall.exchange.intercept = self.calls.settle
        self.bob = self.hall.enter("bob")

    def call(self, payload: str = "p", timeout: float = 5.0) -> asyncio.Task[str]:
        return asyncio.ensure_future(self.calls.perform(self.bob.participant, "greet", payload, timeout))


async def asked(guest: Guest) -> DataPacket:
    await asyncio.sleep(0)
    return guest.reliable.packets[-1]


def acknowledge(guest: Guest, call_id: str) -> None:
    guest.reliable.come(DataPacket(rpc_ack=RpcAck(request_id=call_id), destination_identities=[call_id]))


def answer(guest: Guest, call_id: str, **fields: Any) -> None:
    response = RpcResponse(request_id=call_id, **fields)
    guest.reliable.come(DataPacket(rpc_response=response, destination_identities=[call_id]))


@pytest.mark.parametrize("acknowledged", [True, False])
async def test_a_method_answers(acknowledged: bool) -> None:
    office = Office()
    others = office.hall.enter("carol")
    call = office.call()
    packet = await asked(office.bob)
    request = packet.rpc_request
    assert (request.method, request.payload, request.version, request.response_timeout_ms) == ("greet", "p", 1, 5000)
    assert packet.participant_identity == request.id and list(packet.destination_identities) == ["bob"]
    if acknowledged:
        acknowledge(office.bob, request.id)
    answer(office.bob, request.id, payload="hello")
    assert await call == "hello"
    assert not others.reliable.got and not len(office.calls)


@pytest.mark.parametrize("code", [*MESSAGES, 7, 4711])
async def test_an_error_of_the_method_is_told(code: int) -> None:
    office = Office()
    call = office.call()
    answer(
        office.bob, (await asked(office.bob)).rpc_request.id, error=RpcErrorMessage(code=code, message="m", data="d")
    )
    with pytest.raises(RpcError, match=f"^RpcError {code}: m: d$") as failed:
        await call
    assert (failed.value.code, failed.value.message, failed.value.data) == (code, "m", "d")
    assert not len(office.calls)


async def test_who_does_not_acknowledge_or_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    with pytest.raises(RpcError) as failed:
        await office.call(timeout=0.02)
    assert (failed.value.code, failed.value.message) == (1501, "Connection timeout")
    monkeypatch.setattr(rpc, "ROUND_TRIP_SECONDS", 0.02)
    with pytest.raises(RpcError) as failed:
        await office.call()
    assert failed.value.code == 1501
    call = office.call(timeout=0.05)
    acknowledge(office.bob, (await asked(office.bob)).rpc_request.id)
    with pytest.raises(RpcError) as failed:
        await call
    assert (failed.value.code, failed.value.message) == (1502, "Response timeout")
    assert not len(office.calls)


async def test_who_leaves_answers_nothing() -> None:
    office = Office()
    call = office.call()
    await asked(office.bob)
    office.calls.forget(office.bob.participant)
    with pytest.raises(RpcError) as failed:
        await call
    assert failed.value.code == 1503


async def test_nobody_else_answers_and_nothing_is_answered_twice() -> None:
    office = Office()
    mallory, carol = office.hall.enter("mallory"), office.hall.enter("carol")
    call = office.call()
    request = (await asked(office.bob)).rpc_request
    answer(mallory, request.id, payload="forged")
    acknowledge(mallory, request.id)
    assert not call.done()
    answer(office.bob, request.id, payload="true")
    answer(office.bob, request.id, payload="twice")
    answer(office.bob, request.id, error=RpcErrorMessage(code=1))
    acknowledge(office.bob, request.id)
    assert await call == "true"
    response = RpcResponse(request_id="between them", payload="x")
    office.bob.reliable.come(DataPacket(rpc_response=response, destination_identities=["carol"]))
    assert [packet.rpc_response.request_id for packet in carol.reliable.packets] == ["between them"]


async def test_an_answer_that_cannot_be_read_is_told() -> None:
    office = Office()
    call = office.call()
    answer(office.bob, (await asked(office.bob)).rpc_request.id, compressed_payload=b"x")
    with pytest.raises(RpcError, match="compressed"):
        await call


async def test_old_clients_get_small_requests_newer_ones_get_large_ones_as_a_stream() -> None:
    office = Office()
    for client_protocol, size in ((0, rpc.MOST_PAYLOAD_BYTES + 1), (1, rpc.MOST_STREAMED_BYTES + 1)):
        office.bob.participant.client.client_protocol = client_protocol
        with pytest.raises(RpcError) as failed:
            await office.call("x" * size)
        assert failed.value.code == 1402
    assert not office.bob.reliable.got
    payload = "ü" * 20_000
    call = office.call(payload)
    await asked(office.bob)
    first, *chunks, last = office.bob.reliable.packets
    header = first.stream_header
    call_id = header.attributes["lk.rpc_request_id"]
    assert (header.topic, header.total_length, header.HasField("text_header")) == ("lk.rpc_request", 40_000, True)
    assert (header.attributes["lk.rpc_request_method"], header.attributes["lk.rpc_request_version"]) == ("greet", "2")
    assert header.attributes["lk.rpc_request_response_timeout_ms"] == "5000"
    assert b"".join(each.stream_chunk.content for each in chunks).decode() == payload
    assert [each.stream_chunk.chunk_index for each in chunks] == [0, 1, 2]
    assert last.stream_trailer.stream_id == header.stream_id
    assert {each.participant_identity for each in (first, *chunks, last)} == {call_id}
    answer(office.bob, call_id, payload="read")
    assert await call == "read"


async def test_a_callee_whose_channel_is_full_is_waited_for() -> None:
    office = Office()
    office.bob.fill()
    call = office.call()
    await asyncio.sleep(0)
    assert not office.bob.reliable.packets
    office.bob.reliable.acknowledge()
    await asyncio.sleep(0)
    answer(office.bob, (await asked(office.bob)).rpc_request.id, payload="late")
    assert await call == "late"


async def test_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MOST_CALLS", 2)
    office = Office()
    calls = [office.call() for _ in range(3)]
    await asked(office.bob)
    with pytest.raises(RpcError) as failed:
        await calls[2]
    assert failed.value.code == 1505
    for packet in office.bob.reliable.packets:
        answer(office.bob, packet.rpc_request.id, payload="ok")
    assert [await call for call in calls[:2]] == ["ok", "ok"]


# answers as streams


def squeeze(text: str) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text.encode()) + packer.flush()


def begin(guest: Guest, call_id: str, **fields: Any) -> None:
    attributes = {"lk.rpc_request_id": call_id}
    header = DataStream.Header(stream_id="s", topic="lk.rpc_response", attributes=attributes, **fields)
    guest.reliable.come(DataPacket(stream_header=header, destination_identities=[call_id]))


def go_on(guest: Guest, content: bytes) -> None:
    guest.reliable.come(DataPacket(stream_chunk=DataStream.Chunk(stream_id="s", content=content)))


def finish(guest: Guest, reason: str = "") -> None:
    guest.reliable.come(DataPacket(stream_trailer=DataStream.Trailer(stream_id="s", reason=reason)))


async def test_an_answer_comes_as_a_stream() -> None:
    office = Office()
    carol, call = office.hall.enter("carol"), office.call()
    call_id = (await asked(office.bob)).rpc_request.id
    begin(office.bob, call_id)
    for piece in (b"Gr\xc3", b"\xbc\xc3\x9fe"):
        go_on(office.bob, piece)
        begin(office.bob, call_id)  # once more: it has begun already
    assert not call.done()
    finish(office.bob)
    finish(office.bob)
    assert await call == "Grüße"
    assert not carol.reliable.got and not office.calls._streams


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inline", [True, False])
async def test_an_answer_may_be_compressed_or_stand_in_the_header(packed: bool, inline: bool) -> None:
    office = Office()
    call = office.call()
    call_id = (await asked(office.bob)).rpc_request.id
    content = squeeze("hello" * 1000) if packed else b"hello" * 1000
    compression = DataStream.CompressionType.DEFLATE_RAW if packed else DataStream.CompressionType.NONE
    if inline:
        begin(office.bob, call_id, compression=compression, inline_content=content)
    else:
        begin(office.bob, call_id, compression=compression)
        for index in range(0, len(content), 7):
            go_on(office.bob, content[index : index + 7])
        finish(office.bob)
    assert await call == "hello" * 1000


BAD_STREAMS: dict[str, dict[str, Any]] = {
    "broken off": {"reason": "error"},
    "no text": {"content": b"\xff"},
    "more than": {"content": b"x" * (rpc.MOST_STREAMED_BYTES + 1)},
    "not known": {"compression": 7},
    "cannot be unpacked": {"compression": 1, "content": b"\xff\xff"},
    "more than ": {"compression": 1, "content": squeeze("x" * (64 << 20))},
}


@pytest.mark.parametrize("why", BAD_STREAMS)
async def test_a_stream_that_cannot_be_read_fails_the_call(why: str) -> None:
    office = Office()
    call = office.call()
    call_id = (await asked(office.bob)).rpc_request.id
    bad = BAD_STREAMS[why]
    begin(office.bob, call_id, compression=bad.get("compression", 0))
    go_on(office.bob, bad.get("content", b"x"))
    finish(office.bob, bad.get("reason", ""))
    with pytest.raises(RpcError, match=f"^RpcError 1505: Failed to send: .*{why.strip()}"):
        await call
    assert not office.calls._streams


async def test_nobody_else_streams_an_answer() -> None:
    office = Office()
    mallory, carol, call = office.hall.enter("mallory"), office.hall.enter("carol"), office.call()
    call_id = (await asked(office.bob)).rpc_request.id
    begin(mallory, call_id, inline_content=b"forged")
    begin(office.bob, call_id)
    go_on(mallory, b"forged")
    finish(mallory)
    go_on(office.bob, b"true")
    finish(office.bob)
    assert await call == "true"
    assert [packet.WhichOneof("value") for packet in carol.reliable.packets] == ["stream_chunk", "stream_trailer"]
