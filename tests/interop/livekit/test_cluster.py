"""The Python SDK at two nodes of a cluster: its users meet in the one room, wherever that is."""

from __future__ import annotations

from pathlib import Path

import pytest
from livekit import rtc

from tests.interop.livekit.attendee import Attendee
from tests.interop.livekit.conftest import KEY, SECRET, LiveKitNode
from tests.interop.node_process import new_room
from tests.interop.two_nodes import two_nodes

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


@pytest.mark.parametrize("single", [True, False], ids=["one-connection", "two-connections"])
async def test_whoever_comes_to_either_node_sees_and_hears_the_others(tmp_path: Path, single: bool) -> None:
    async with two_nodes(LiveKitNode, tmp_path, {"SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}"}) as (a, b):
        room = new_room()
        people = {"alice": a, "bob": b, "carol": a}
        attendees = {identity: Attendee() for identity in people}
        try:
            for identity, node in people.items():
                options = rtc.RoomOptions(single_peer_connection=single)
                await attendees[identity].room.connect(node.ws_url, node.join_token(room, identity), options)
            alice, bob, carol = attendees.values()
            await alice.publish()
            await bob.publish()
            await carol.until(lambda: {*carol.room.remote_participants} == {"alice", "bob"})
            for each in (alice, bob, carol):
                await each.until(lambda each=each: each.frames["video"] > 20 and each.frames["audio"] > 20)  # type: ignore[misc]
            assert not any(
                "failed" in event or "reconnect" in event for each in attendees.values() for event in each.seen
            )
        finally:
            for each in attendees.values():
                await each.close()
