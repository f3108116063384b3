"""Clients without UDP, and clients that relay all they send: they publish and watch by what the node has for them."""

from __future__ import annotations

import functools
import re

import pytest

from tests.interop.answerer import host_address
from tests.interop.node_process import NodeProcess
from tests.interop.stable.client import CLIENTS, Running
from tests.interop.stable.clips import FPS
from tests.interop.stable.conftest import See
from tests.interop.stable.scene import Plan

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

# Pion reaches nothing on loopback by TCP
NODE = functools.partial(NodeProcess, host=host_address(), variables={"SFU_TURN_UDP": "true"})
KEPT = 0.9
WAYS = [
    pytest.param(Plan(name, codec, viewers, ("early",), way=way), id=f"{name}-{codec}-{way}")
    for name, client in CLIENTS.items()
    for way in client.ways
    for codec in ("vp8", "h264")
    for viewers in [tuple(other for other, its in CLIENTS.items() if way in its.ways and not its.missing())]
]
OTHERS = {"tcp": r" udp ", "relay-udp": r" typ (host|srflx|prflx)", "relay-tcp": r" typ (host|srflx|prflx)"}
"""What no candidate of a client says that has one way alone."""


def took(way: str, client: Running) -> bool:
    """Whether a client had no other way. Before it relays it asks in a session of its own where."""
    (*_, offer) = [each["sdp"] for each in client.events if each["event"] == "offer"]
    candidates = re.findall(r"^a=candidate:.*$", offer, re.MULTILINE)
    return not any(re.search(OTHERS[way], each, re.IGNORECASE) for each in candidates)


@pytest.mark.parametrize("plan", WAYS)
async def test_it_publishes_and_is_watched_by_one_way_alone(see: See, plan: Plan) -> None:
    played = await see(plan)
    assert not played.refused, played.refused
    assert took(plan.way, played.publisher), played.story()
    assert played.publisher.find("failed") is None, played.story()
    assert len(played.seen) == len(plan.viewers) > 0
    for who, seen in played.seen.items():
        assert took(plan.way, played.viewers[who]), played.story(who)
        assert seen.pictures >= FPS, f"{seen}\n{played.story(who)}"
        assert seen.share >= KEPT, f"{seen}\n{played.story(who)}"
        assert played.heard[who] >= plan.seconds * 50 * KEPT, played.story(who)
