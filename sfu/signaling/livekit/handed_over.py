"""A room of the protocol from one process to the next: the same room to its platform, which hears of no end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.protocol.agent_dispatch import RoomAgentDispatch

from sfu.signaling.livekit.packing import pack, unpack
from sfu.signaling.livekit.room import LiveKitRoom


def describe_room(room: LiveKitRoom) -> dict[str, Any]:
    """Return all but who is in it, as JSON."""
    return {
        "name": room.name,
        "sid": room.sid,
        "metadata": room.metadata,
        "empty_timeout": room.empty_timeout,
        "departure_timeout": room.departure_timeout,
        "max_participants": room.max_participants,
        "created_at": room.created_at,
        "entered": room.entered,
        "agents": [pack(agent.SerializeToString()) for agent in room.agents],
    }


def restore_room(room: LiveKitRoom, described: Mapping[str, Any]) -> None:
    """Make a new room the one that was described. It counts as empty from now on."""
    room.sid = described["sid"]
    room.metadata = described["metadata"]
    room.empty_timeout = described["empty_timeout"]
    room.departure_timeout = described["departure_timeout"]
    room.max_participants = described["max_participants"]
    room.created_at = described["created_at"]
    room.entered = described["entered"]
    room.agents = tuple(RoomAgentDispatch.FromString(unpack(each)) for each in described["agents"])
