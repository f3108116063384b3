"""`AgentDispatchService`, called by the server SDK's own messages."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from livekit.protocol.agent_dispatch import (
    CreateAgentDispatchRequest,
    DeleteAgentDispatchRequest,
    ListAgentDispatchRequest,
)
from livekit.protocol.models import Room

from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.twirp.agent_dispatch import AgentDispatchService
from sfu.signaling.livekit.twirp.errors import TwirpError

CLAIMS = Claims(api_key="one", expires=0.0)


@pytest.fixture
def service() -> AgentDispatchService:
    numbers = itertools.count(1)
    dispatches = Dispatches(Workers(lambda: 0.0), clock=time.time, name=lambda prefix: f"{prefix}{next(numbers)}")
    dispatches.open_room(Room(name="lobby"))
    return AgentDispatchService(dispatches, LiveKitOptions(max_metadata_bytes=10, max_attributes_bytes=10))


async def test_dispatches_are_made_listed_and_deleted(service: AgentDispatchService) -> None:
    request = CreateAgentDispatchRequest(agent_name="helper", room="lobby", metadata="m", attributes={"a": "b"})
    made = await service.create(CLAIMS, request)
    assert (made.agent_name, made.room, made.metadata, dict(made.attributes)) == ("helper", "lobby", "m", {"a": "b"})
    assert made.state.created_at > 0
    listed = await service.list(CLAIMS, ListAgentDispatchRequest(room="lobby"))
    assert [dispatch.agent_name for dispatch in listed.agent_dispatches] == ["", "helper"]
    one = await service.list(CLAIMS, ListAgentDispatchRequest(room="lobby", dispatch_id=made.id))
    assert list(one.agent_dispatches) == [made]
    deleted = await service.delete(CLAIMS, DeleteAgentDispatchRequest(room="lobby", dispatch_id=made.id))
    assert (deleted.id, deleted.state.deleted_at > 0) == (made.id, True)
    assert len((await service.list(CLAIMS, ListAgentDispatchRequest(room="lobby"))).agent_dispatches) == 1


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"metadata": "ü" * 5}, True),
        ({"metadata": "ü" * 5 + "x"}, False),
        ({"attributes": {"a": "b" * 9}}, True),
        ({"attributes": {"a": "b" * 10}}, False),
        ({"agent_name": "n" * 10_000}, False),
        ({"deployment": "d" * 10_000}, False),
    ],
)
async def test_what_is_too_large_sends_no_agent(
    service: AgentDispatchService, fields: dict[str, Any], taken: bool
) -> None:
    request = CreateAgentDispatchRequest(room="lobby", **fields)
    if taken:
        await service.create(CLAIMS, request)
        return
    with pytest.raises(TwirpError, match="at most") as refused:
        await service.create(CLAIMS, request)
    assert refused.value.code == "invalid_argument"
    assert len((await service.list(CLAIMS, ListAgentDispatchRequest(room="lobby"))).agent_dispatches) == 1


async def test_what_is_not_there_is_not_found(service: AgentDispatchService) -> None:
    for call in (
        service.create(CLAIMS, CreateAgentDispatchRequest(room="attic")),
        service.list(CLAIMS, ListAgentDispatchRequest(room="attic")),
        service.list(CLAIMS, ListAgentDispatchRequest(room="lobby", dispatch_id="AD_none")),
        service.delete(CLAIMS, DeleteAgentDispatchRequest(room="lobby", dispatch_id="AD_none")),
        service.delete(CLAIMS, DeleteAgentDispatchRequest(room="attic", dispatch_id="AD_none")),
    ):
        with pytest.raises(TwirpError) as refused:
            await call
        assert refused.value.code == "not_found"
