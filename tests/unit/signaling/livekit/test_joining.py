"""Who comes in as what: what a client may say of itself, and what becomes of one that never gets its socket."""

from __future__ import annotations

import base64
import contextlib
import json
import time

import jwt
import pytest
from livekit.protocol.rtc import JoinRequest, WrappedJoinRequest
from starlette.types import Message

from tests.unit.signaling.livekit.conftest import KEY, SECRET, Caller, Doors, make_token

MAY_DESCRIBE: dict[str, object] = {"can_update_own_metadata": True}


def encode_attributes(attributes: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(attributes).encode()).decode()


def encode_join(**fields: object) -> str:
    request = JoinRequest(**fields).SerializeToString()  # type: ignore[arg-type]
    return base64.urlsafe_b64encode(WrappedJoinRequest(join_request=request).SerializeToString()).decode()


async def test_attributes_of_who_comes_are_added_to_those_of_its_token(doors: Doors) -> None:
    alice = await doors.enter("alice", grants=MAY_DESCRIBE, attributes=encode_attributes({"seat": "3", "row": ""}))
    assert dict((await alice.until("join")).join.participant.attributes) == {"seat": "3"}


async def test_metadata_of_who_comes_are_in_place_of_its_token_s(doors: Doors) -> None:
    token = make_token("alice", **MAY_DESCRIBE)
    alice = await doors.call("/rtc/v1", access_token=token, join_request=encode_join(metadata="mine"))
    assert (await alice.until("join")).join.participant.metadata == "mine"


async def test_who_may_not_describe_itself_is_refused_and_the_former_stays(doors: Doors) -> None:
    await doors.enter("alice")
    former = doors.livekit.rooms.by_name["lobby"].participants["alice"]
    assert (await doors.enter("alice", attributes=encode_attributes({"role": "judge"}))).status == 401
    join = encode_join(metadata="judge")
    assert (await doors.call("/rtc/v1", access_token=make_token("alice"), join_request=join)).status == 401
    assert doors.livekit.rooms.by_name["lobby"].participants["alice"] is former
    assert not former.peer.left


async def test_what_is_too_large_is_refused_and_the_former_stays(doors: Doors) -> None:
    await doors.enter("alice", grants=MAY_DESCRIBE)
    former = doors.livekit.rooms.by_name["lobby"].participants["alice"]
    large = encode_attributes({"seat": "3" * 70_000})
    assert (await doors.enter("alice", grants=MAY_DESCRIBE, attributes=large)).status == 400
    join = encode_join(metadata="x" * 70_000)
    token = make_token("alice", **MAY_DESCRIBE)
    assert (await doors.call("/rtc/v1", access_token=token, join_request=join)).status == 400
    assert doors.livekit.rooms.by_name["lobby"].participants["alice"] is former
    assert not former.peer.left


@pytest.mark.parametrize("attributes", [{"seat": "\ud800"}, {"\udfff": "3"}])
async def test_attributes_that_are_no_text_are_refused(doors: Doors, attributes: dict[str, str]) -> None:
    caller = await doors.enter("alice", grants=MAY_DESCRIBE, attributes=encode_attributes(attributes))
    assert caller.status == 400
    assert not doors.server.rooms


@pytest.mark.parametrize("claim", [{"metadata": "\ud800"}, {"name": "\ud800"}, {"attributes": {"a": "\ud800"}}])
async def test_a_token_that_holds_no_text_is_refused(doors: Doors, claim: dict[str, object]) -> None:
    claims = {"iss": KEY, "sub": "alice", "exp": time.time() + 60, "video": {"roomJoin": True, "room": "lobby"}}
    token = jwt.encode({**claims, **claim}, SECRET, algorithm="HS256")
    assert (await doors.call("/rtc", access_token=token)).status == 401
    assert not doors.server.rooms


class Vanishing(Caller):
    """Goes away while the server accepts its socket."""

    async def _send(self, message: Message) -> None:
        await super()._send(message)
        raise OSError("the client has gone")


async def test_who_is_gone_before_it_gets_its_socket_does_not_stay(doors: Doors) -> None:
    alice = Vanishing(doors.app)
    await alice.open("/rtc", access_token=make_token("alice"))
    with contextlib.suppress(OSError):
        await alice.ended_by_server()
    assert "alice" in doors.livekit.rooms.by_name["lobby"].participants
    doors.livekit.rooms.handle_tick(doors.now[0] + doors.livekit.options.resume_timeout)
    assert not doors.livekit.rooms.by_name, "it has left, and was the only one"
