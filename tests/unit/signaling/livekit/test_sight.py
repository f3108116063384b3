"""Two whom the platform keeps apart: one is not told of the other, or hears a voice without a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit.protocol.models import DataPacket, TrackType, UserPacket
from livekit.protocol.rtc import SignalRequest, UpdateSubscription

import sfu
from sfu.signaling.livekit import Sight, create_app
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import KEY, SECRET, Caller, Doors, make_token
from tests.unit.signaling.livekit.negotiating import (
    CAMERA,
    MICROPHONE,
    RECEIVE,
    SIMULCAST,
    enter_single,
    offer,
    publish,
)

APART: dict[frozenset[str], Sight] = {}


@pytest.fixture
async def doors(options: LiveKitOptions) -> AsyncIterator[Doors]:
    """`alice` and `mallory` are apart; how, each test says."""
    APART.clear()
    async with sfu.Server() as server:
        shows = lambda room, viewer, other: APART.get(frozenset((viewer, other)), Sight.ALL)  # noqa: E731
        livekit = LiveKit(server, {KEY: SECRET}, options, shows=shows)
        doors = Doors(server, livekit, [])
        yield doors
        for caller in doors.callers:
            await caller.close()
        await livekit.close()


async def settle(caller: Caller) -> None:
    """All that the caller is told until a ping comes back is in `seen`."""
    await caller.send(SignalRequest(ping=1))
    await caller.until("pong")


def told(caller: Caller) -> str:
    return "".join(str(each) for each in caller.seen)


@pytest.mark.parametrize("first", ["alice", "mallory"])
async def test_who_must_not_know_of_somebody_is_told_nothing_by_name(doors: Doors, first: str) -> None:
    APART[frozenset(("alice", "mallory"))] = Sight.NOTHING
    if first == "alice":
        alice, sid = await publish(doors)
        mallory = await enter_single(doors, "mallory", *RECEIVE)
    else:
        mallory = await enter_single(doors, "mallory", *RECEIVE)
        alice, sid = await publish(doors)
    judge = await enter_single(doors, "judge", *RECEIVE)
    await judge.until("answer")
    await mallory.send(SignalRequest(subscription=UpdateSubscription(track_sids=[sid], subscribe=True)))
    await settle(mallory)
    doors.livekit.rooms.by_name["lobby"].remove(doors.livekit.rooms.by_name["lobby"].participants["alice"], 0)
    await settle(mallory)
    assert "alice" not in told(mallory) and "Alice" not in told(mallory)
    assert not doors.server.rooms["lobby"].peers["mallory"].subscriptions
    assert "alice" in told(judge), "others see both"
    assert "mallory" not in told(alice)


async def test_a_protected_voice_has_no_name_and_no_picture(doors: Doors) -> None:
    APART[frozenset(("alice", "mallory"))] = Sight.SOUND
    mallory = await enter_single(doors, "mallory", *RECEIVE)
    await mallory.until("answer")
    alice = await enter_single(doors, "alice", ("audio", "sendonly"), *SIMULCAST, tracks=[MICROPHONE, CAMERA])
    while len((seen := (await mallory.until("update")).update.participants[0]).tracks) < 1:
        pass
    await settle(mallory)
    assert seen.identity == seen.sid and not seen.name and not seen.attributes
    assert [each.type for each in seen.tracks] == [TrackType.AUDIO]
    await mallory.send(SignalRequest(offer=offer(*RECEIVE, id=2)))
    await mallory.until("answer")
    (held,) = doors.server.rooms["lobby"].peers["mallory"].subscriptions
    assert held.track.kind == "audio"
    assert "alice" not in told(mallory) and "Alice" not in told(mallory)
    await settle(alice)


async def test_data_do_not_pass_between_the_two(doors: Doors) -> None:
    APART[frozenset(("alice", "mallory"))] = Sight.SOUND
    for name in ("alice", "mallory", "judge"):
        await enter_single(doors, name, *RECEIVE)
    exchange = doors.livekit.rooms.by_name["lobby"].data
    sender = exchange.find("alice")
    assert sender is not None
    packet = DataPacket(participant_identity="alice", participant_sid=sender.participant.sid, user=UserPacket())
    assert exchange.deliver(sender, packet, reliable=False) == 1, "the judge alone"


async def test_who_is_kept_apart_during_the_session_comes_again() -> None:
    async with sfu.Server() as server:
        door = create_app(server, {KEY: SECRET})
        door.state.begin_anew("lobby", "nobody")
        alice = await Caller(door).open("/rtc", access_token=make_token("alice"), protocol="16")
        await alice.until("join")
        door.state.begin_anew("lobby", "alice")
        leave = (await alice.until("leave")).leave
        assert leave.action == leave.Action.RECONNECT
        await alice.close()
        await door.state.close()


async def test_a_record_says_who_a_participant_is_by_its_token(doors: Doors, tmp_path: Path) -> None:
    key, _ = sfu.load_or_create_signing_key(tmp_path / "key.pem")
    recording = doors.server.room("lobby").record(tmp_path / "record", key=key)
    await publish(doors)
    await recording.stop()
    joins = [line for line in (tmp_path / "record" / "ledger.jsonl").read_text().splitlines() if '"join"' in line]
    assert len(joins) == 1 and '"name":"Alice"' in joins[0]
