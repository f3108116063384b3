"""Whom packets reach, in which order, how often; and what a sender or a receiver can make others suffer."""

from __future__ import annotations

import asyncio

import pytest
from livekit.protocol.models import DataPacket, UserPacket

from sfu.signaling.livekit.data.channels import LOSSY, RELIABLE
from tests.unit.signaling.livekit.data.hall import Guest, Hall, PlayedChannel


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


# whom it is for


def test_a_packet_goes_to_those_who_are_named_or_to_all_others() -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    alice.say(b"all")
    alice.say(b"bob", 0, "bob", "bob", "nobody", "alice")
    alice.say(b"old bob", destination_identities=["bob"])
    alice.say(b"old carol", destination_sids=[carol.sid])
    alice.say(b"both", 0, "bob", destination_sids=[carol.sid, bob.sid])
    alice.say(b"nobody", 0, "nobody")
    assert bob.heard == [b"all", b"bob", b"old bob", b"both"]
    assert carol.heard == [b"all", b"old carol", b"both"]
    assert not alice.heard
    old, new = bob.reliable.packets[2], bob.reliable.packets[1]
    assert list(old.destination_identities) == list(old.user.destination_identities) == ["bob"]
    assert (
        list(new.user.destination_identities) == list(new.destination_identities) == ["bob", "bob", "nobody", "alice"]
    )


def test_who_has_left_gets_nothing_and_sends_nothing() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    hall.exchange.remove(bob.participant)
    hall.exchange.remove(bob.participant)
    alice.say(b"1")
    bob.say(b"2")
    bob.lossy.come(DataPacket(user=UserPacket(payload=b"3")))
    assert not alice.heard and not alice.lossy.got and not bob.heard
    again = hall.enter("bob")
    alice.say(b"4", 0, "bob")
    assert again.heard == [b"4"]


# sequences


def test_numbers_only_rise_and_may_have_gaps() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    for sequence in (1, 2, 2, 1, 7, 6, 0, 8, 0xFFFFFFFF, 1):
        alice.say(number(sequence), sequence)
    assert bob.heard == [number(each) for each in (1, 2, 7, 0, 8, 0xFFFFFFFF)]
    assert [packet.sequence for packet in bob.reliable.packets] == [1, 2, 7, 0, 8, 0xFFFFFFFF]
    assert hall.lost == {"repeated": 4}
    port = hall.exchange.find("alice")
    assert port is not None and port.last_sequence == 0xFFFFFFFF


def test_each_sender_has_numbers_of_his_own_and_lossy_packets_have_none() -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    alice.say(b"a", 5)
    bob.say(b"b", 1)
    alice.lossy.come(DataPacket(user=UserPacket(payload=b"l"), sequence=1))
    assert carol.heard == [b"a", b"b"]
    assert [packet.sequence for packet in carol.lossy.packets] == [0]


# floods


async def test_who_sends_too_many_reliable_packets_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.signaling.livekit.data.port._LEAST_PAUSE", 0.001)
    hall = Hall(data_rate=100.0, data_burst=50)
    alice, bob = hall.enter("alice"), hall.enter("bob")
    for sequence in range(1, 101):
        alice.say(number(sequence), sequence)
    assert len(bob.heard) == 26 and alice.reliable.unread == 74
    bob.say(b"another")
    assert alice.heard == [b"another"]
    async with asyncio.timeout(5.0):
        for wanted in (38, 51, 63, 76, 88, 100):
            hall.now += 0.25
            while len(bob.heard) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert len(bob.heard) == wanted
    assert bob.heard == [number(sequence) for sequence in range(1, 101)]
    assert not hall.lost


async def test_who_leaves_while_it_has_to_wait_leaves_nothing_behind() -> None:
    hall = Hall(data_rate=100.0, data_burst=1)
    alice, bob = hall.enter("alice"), hall.enter("bob")
    for _ in range(10):
        alice.say(b"x")
    port = hall.exchange.find("alice")
    assert port is not None and port._timer is not None
    hall.exchange.remove(alice.participant)
    assert port._timer.cancelled()
    assert len(bob.heard) == 1 and alice.reliable.unread == 9


@pytest.mark.parametrize("receivers", [0, 1, 9])
def test_who_sends_too_many_lossy_packets_loses_them_the_sooner_the_more_get_them(receivers: int) -> None:
    hall = Hall(data_rate=100.0, data_burst=50)
    alice, others = hall.enter("alice"), [hall.enter(f"other-{index}") for index in range(receivers)]
    once, again = 50 // (1 + receivers), 100 // (1 + receivers)
    for wanted in (once, once + again // 2):
        for _ in range(100):
            alice.lossy.come(DataPacket(user=UserPacket(payload=b"x")))
        assert hall.lost["flood"] >= 50
        for other in others:
            assert len(other.lossy.got) == wanted
        hall.now += 0.5
    assert hall.lost == {"flood": 200 - once - again // 2}


def test_a_packet_to_one_of_many_counts_for_one() -> None:
    hall = Hall(data_rate=100.0, data_burst=50)
    alice, bob = hall.enter("alice"), hall.enter("bob")
    for index in range(50):
        hall.enter(f"other-{index}")
    for _ in range(25):
        alice.lossy.come(DataPacket(user=UserPacket(payload=b"x"), destination_identities=["bob"]))
    assert len(bob.lossy.got) == 25


# channels


def test_a_client_may_open_channels_again_and_others_than_the_protocol_s_are_left_alone() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    strange = bob.connection.come(PlayedChannel("chat"))
    assert strange.on_message is None
    former = bob.reliable
    bob.reliable = bob.connection.come(PlayedChannel(RELIABLE))
    alice.say(b"1", 1)
    assert bob.heard == [b"1"]
    former.close()
    alice.say(b"2", 2)
    assert bob.heard == [b"1", b"2"]
    bob.say(b"still heard")
    assert alice.heard == [b"still heard"]


def test_all_channels_of_a_client_that_has_to_wait_wait() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    second = alice.connection.come(PlayedChannel(RELIABLE))
    bob.fill()
    alice.say(b"1")
    third = alice.connection.come(PlayedChannel(RELIABLE))
    for channel in (second, third):
        channel.come(DataPacket(user=UserPacket(payload=b"more")))
        assert channel.unread == 1
    bob.reliable.acknowledge()
    assert bob.heard == [b"1", b"more", b"more"]


def test_channels_that_we_open_are_used_once_the_client_has_them() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), Guest(hall, "bob")
    bob.channels.open(bob.connection.as_connection)
    reliable, lossy, _ = bob.connection.opened
    assert (reliable.label, lossy.label) == (RELIABLE, LOSSY)
    alice.say(b"1", 1)
    assert not reliable.got
    assert reliable.on_open is not None
    reliable.on_open()
    assert reliable.payloads == [b"1"]
