"""Packets of data tracks on their way: what is dropped, and that it is counted."""

from __future__ import annotations

import random

import pytest

from sfu import DataChannelState
from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.data_tracks.lines import Attendee, attend
from tests.unit.signaling.livekit.data_tracks.packets import E2EE, ENDS, STARTS, make_packet


@pytest.fixture
def options() -> LiveKitOptions:
    return LiveKitOptions(data_track_rate=100.0, request_burst=100, request_rate=1000.0)


@pytest.fixture
async def alice(doors: Doors) -> Attendee:
    """Publishes under handle 3."""
    return await attend(doors, "alice")


@pytest.fixture
async def bob(doors: Doors, alice: Attendee) -> Attendee:
    """Has it under handle 1."""
    bob = await attend(doors, "bob")
    sid = await alice.publish(3)
    await bob.sees("alice")
    assert [*(await bob.subscribe(sid)).sub_handles] == [1]
    return bob


def drops(doors: Doors) -> dict[str, int]:
    return dict(doors.livekit.rooms.data_losses)


async def test_what_is_encrypted_passes_untouched(alice: Attendee, bob: Attendee) -> None:
    alice.push(make_packet(3, b"\x00cipher", extensions=E2EE))
    assert bob.line.sent == [make_packet(1, b"\x00cipher", extensions=E2EE)]


async def test_hostile_packets_are_dropped_and_counted(doors: Doors, alice: Attendee, bob: Attendee) -> None:
    for packet in (b"", make_packet(0), make_packet(3, flags=0xE0), make_packet(3, bytes(70_000)), make_packet(4)):
        alice.push(packet)
    assert not bob.line.sent
    assert drops(doors) == {
        "data_track_malformed": 2,
        "data_track_unknown_version": 1,
        "data_track_too_large": 1,
        "data_track_unknown_handle": 1,
    }
    chance = random.Random(4)
    for _ in range(2000):
        alice.push(chance.randbytes(chance.randrange(40)))
    alice.push(make_packet(3))
    assert bob.line.sent[-1] == make_packet(1)


async def test_by_other_data_channels_nothing_of_a_data_track_comes(alice: Attendee, bob: Attendee) -> None:
    alice.lossy.on_message(make_packet(3))
    assert not bob.line.sent


async def test_a_channel_that_takes_nothing_loses_the_rest_of_the_frame(
    doors: Doors, alice: Attendee, bob: Attendee
) -> None:
    bob.line.room = 1
    alice.push(make_packet(3, b"a", frame=7, flags=STARTS))
    alice.push(make_packet(3, b"b", frame=7, flags=0))
    bob.line.room = 1000
    alice.push(make_packet(3, b"c", frame=7, flags=ENDS))
    alice.push(make_packet(3, b"d", frame=8, flags=STARTS))
    alice.push(make_packet(3, b"e", frame=8, flags=ENDS))
    assert [packet[-1:] for packet in bob.line.sent] == [b"a", b"d", b"e"]
    assert drops(doors) == {"data_track_channel_full": 1, "data_track_frame_broken": 1}


async def test_no_frame_is_begun_where_many_wait(doors: Doors, alice: Attendee, bob: Attendee) -> None:
    alice.push(make_packet(3, b"a", frame=7, flags=STARTS))
    bob.line.buffered = 150_000
    alice.push(make_packet(3, b"b", frame=7, flags=ENDS))
    alice.push(make_packet(3, b"c", frame=8, flags=STARTS))
    bob.line.buffered = 0
    alice.push(make_packet(3, b"d", frame=8, flags=ENDS))
    alice.push(make_packet(3, b"e", frame=9))
    assert [packet[-1:] for packet in bob.line.sent] == [b"a", b"b", b"e"]
    assert drops(doors) == {"data_track_behind": 1, "data_track_frame_broken": 1}


async def test_frame_numbers_come_round(alice: Attendee, bob: Attendee) -> None:
    bob.line.room = 0
    alice.push(make_packet(3, frame=7, flags=STARTS))
    bob.line.room = 1000
    alice.push(make_packet(3, frame=7, flags=STARTS))
    alice.push(make_packet(3, frame=7, flags=ENDS))
    assert len(bob.line.sent) == 2


async def test_one_who_takes_nothing_costs_others_nothing(doors: Doors, alice: Attendee, bob: Attendee) -> None:
    carol = await attend(doors, "carol")
    await carol.subscribe(next(iter(alice.client.data_tracks.values())).sid)
    bob.line.room = 0
    for frame in range(5):
        alice.push(make_packet(3, frame=frame))
    assert (len(bob.line.sent), len(carol.line.sent)) == (0, 5)
    assert drops(doors) == {"data_track_channel_full": 5}


async def test_without_a_channel_or_with_one_of_small_messages_packets_are_dropped(
    doors: Doors, alice: Attendee, bob: Attendee
) -> None:
    bob.line.state = DataChannelState.CLOSED
    alice.push(make_packet(3))
    bob.line.on_close()
    alice.push(make_packet(3))
    bob.line.state, bob.line.most = DataChannelState.OPEN, 15
    bob.open(bob.line)
    alice.push(make_packet(3))
    assert not bob.line.sent
    assert drops(doors) == {"data_track_no_channel": 2, "data_track_too_large": 1}


async def test_a_flood_is_dropped_beyond_its_rate(doors: Doors, alice: Attendee, bob: Attendee) -> None:
    for frame in range(80):
        alice.push(make_packet(3, frame=frame))
    assert len(bob.line.sent) == 50, "each is counted for itself and for Bob"
    assert drops(doors) == {"data_track_flood": 30}
    doors.now[0] += 0.11
    for frame in range(80):
        alice.push(make_packet(3, frame=frame))
    assert len(bob.line.sent) == 55
    doors.now[0] -= 3600.0
    alice.push(make_packet(3))
    assert len(bob.line.sent) == 55, "a clock that is set back gives nothing away"
