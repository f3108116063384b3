"""Data blobs: what one participant stores, and others fetch."""

from __future__ import annotations

import pytest
from livekit.protocol.models import DataBlob, DataBlobKey, DataTrackSchemaEncoding, DataTrackSchemaId
from livekit.protocol.rtc import (
    GetDataBlobRequest,
    GetDataBlobResponse,
    LeaveRequest,
    RequestResponse,
    SignalRequest,
    StoreDataBlobRequest,
)

from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import Caller, Doors

Reason = RequestResponse.Reason
SCHEMA = DataBlobKey(schema_id=DataTrackSchemaId(name="Pose", encoding=DataTrackSchemaEncoding(well_known=1)))


@pytest.fixture
def options() -> LiveKitOptions:
    return LiveKitOptions(max_blobs=3, max_blobs_bytes=1000, request_burst=100, request_rate=1000.0)


def generic(name: str) -> DataBlobKey:
    return DataBlobKey(generic=name)


async def store(caller: Caller, key: DataBlobKey, contents: bytes = b"x", request_id: int = 7) -> Reason:
    request = StoreDataBlobRequest(request_id=request_id, blob=DataBlob(key=key, contents=contents))
    await caller.send(SignalRequest(store_data_blob_request=request))
    while True:
        response = await caller.next()
        assert response is not None and not isinstance(response, str)
        if response.HasField("store_data_blob_response"):
            assert response.store_data_blob_response.request_id == request_id
            assert response.store_data_blob_response.key == key
            return Reason.OK
        if response.HasField("request_response"):
            assert response.request_response.request_id == request_id
            return response.request_response.reason


async def fetch(caller: Caller, identity: str, key: DataBlobKey) -> GetDataBlobResponse:
    request = GetDataBlobRequest(request_id=8, participant_identity=identity, key=key)
    await caller.send(SignalRequest(get_data_blob_request=request))
    return (await caller.until("get_data_blob_response")).get_data_blob_response


async def missed(caller: Caller, identity: str, key: DataBlobKey) -> Reason:
    request = GetDataBlobRequest(request_id=8, participant_identity=identity, key=key)
    await caller.send(SignalRequest(get_data_blob_request=request))
    response = (await caller.until("request_response")).request_response
    assert response.request_id == 8
    return response.reason


async def test_what_one_stores_others_fetch(doors: Doors) -> None:
    alice, bob = await doors.enter("alice"), await doors.enter("bob")
    assert await store(alice, SCHEMA, b"message Pose {}") == Reason.OK
    assert await store(alice, generic("Pose"), b"other") == Reason.OK
    assert await store(bob, SCHEMA, b"Bob's own") == Reason.OK
    fetched = await fetch(bob, "alice", SCHEMA)
    assert (fetched.request_id, fetched.blob) == (8, DataBlob(key=SCHEMA, contents=b"message Pose {}"))
    assert (await fetch(alice, "alice", generic("Pose"))).blob.contents == b"other"
    assert await store(alice, SCHEMA, b"newer") == Reason.OK
    assert (await fetch(bob, "alice", SCHEMA)).blob.contents == b"newer"


async def test_what_is_not_there_is_not_found(doors: Doors) -> None:
    alice, bob = await doors.enter("alice"), await doors.enter("bob")
    await doors.enter("ghost", grants={"hidden": True})
    await store(doors.callers[-1], generic("a"))
    await store(alice, generic("a"))
    assert await missed(bob, "alice", generic("b")) == Reason.NOT_FOUND
    assert await missed(bob, "carol", generic("a")) == Reason.NOT_FOUND
    assert await missed(bob, "ghost", generic("a")) == Reason.NOT_FOUND, "nobody knows that he is here"
    assert await missed(bob, "alice", DataBlobKey()) == Reason.INVALID_REQUEST
    await alice.send(SignalRequest(leave=LeaveRequest()))
    await alice.ended()
    await doors.enter("alice")
    assert await missed(bob, "alice", generic("a")) == Reason.NOT_FOUND, "it went with who has stored it"


@pytest.mark.parametrize(
    "key",
    [
        DataBlobKey(),
        generic(""),
        generic("x" * 257),
        DataBlobKey(schema_id=DataTrackSchemaId()),
        DataBlobKey(schema_id=DataTrackSchemaId(name="x", encoding=DataTrackSchemaEncoding(custom="y" * 33))),
    ],
)
async def test_a_key_that_is_none_is_refused(doors: Doors, key: DataBlobKey) -> None:
    alice = await doors.enter("alice")
    assert await store(alice, key) == Reason.INVALID_REQUEST


async def test_an_empty_blob_and_one_of_who_may_not_are_refused(doors: Doors) -> None:
    alice, bob = await doors.enter("alice"), await doors.enter("bob", grants={"can_publish_data": False})
    assert await store(alice, generic("a"), b"") == Reason.INVALID_REQUEST
    assert await store(bob, generic("a")) == Reason.NOT_ALLOWED


async def test_blobs_are_bounded(doors: Doors) -> None:
    alice = await doors.enter("alice")
    assert await store(alice, generic("a"), bytes(1001)) == Reason.LIMIT_EXCEEDED
    assert await store(alice, generic("a"), bytes(900)) == Reason.OK
    assert await store(alice, generic("b"), bytes(100)) == Reason.LIMIT_EXCEEDED
    assert await store(alice, generic("a"), bytes(950)) == Reason.OK, "in place of the former"
    for name in "bc":
        assert await store(alice, generic(name)) == Reason.OK
    assert await store(alice, generic("d")) == Reason.LIMIT_EXCEEDED


async def test_what_is_not_known_of_a_key_makes_no_other_key(doors: Doors) -> None:
    alice = await doors.enter("alice")
    await store(alice, SCHEMA, b"first")
    heavy = DataBlobKey()
    heavy.CopyFrom(SCHEMA)
    heavy.schema_id.MergeFromString(b"\xba\x3e\xf4\x03" + bytes(500))
    request = StoreDataBlobRequest(request_id=1, blob=DataBlob(key=heavy, contents=b"second"))
    await alice.send(SignalRequest(store_data_blob_request=request))
    assert (await alice.until("store_data_blob_response")).store_data_blob_response.key == SCHEMA
    assert (await fetch(alice, "alice", SCHEMA)).blob.contents == b"second"
