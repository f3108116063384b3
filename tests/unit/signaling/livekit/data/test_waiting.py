"""Who has no channel yet or has lost it, and who takes nothing: what it gets, and what that does to the others."""

from __future__ import annotations

import random

import pytest
from livekit.protocol.models import DataPacket, UserPacket

from sfu.signaling.livekit.data.channels import RELIABLE
from tests.unit.signaling.livekit.data.hall import Guest, Hall


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


# who has no channel yet, or none any more


def test_who_is_joining_gets_what_was_sent_meanwhile() -> None:
    hall = Hall()
    alice = hall.enter("alice")
    alice.say(b"before", 1)
    bob = Guest(hall, "bob")
    for sequence in range(2, 10):
        alice.say(number(sequence), sequence)
    alice.say(b"others", 10, "carol")
    alice.lossy.come(DataPacket(user=UserPacket(payload=b"lossy")))
    hall.pass_time(9)
    bob.open()
    alice.say(b"after", 11)
    assert bob.heard == [*(number(each) for each in range(2, 10)), b"after"]
    assert hall.lost == {"no_channel": 1}


def test_what_is_too_old_for_who_joins_is_forgotten() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), Guest(hall, "bob")
    alice.say(b"1", 1)
    hall.pass_time(6)
    alice.say(b"2", 2)
    hall.pass_time(5)
    assert bob.open().heard == [b"2"]
    assert hall.lost == {"joining": 1}


def test_what_waits_for_who_never_opens_a_channel_is_bounded_and_stops_nobody() -> None:
    hall = Hall(data_joining_bytes=100_000)
    alice, bob, silent = hall.enter("alice"), hall.enter("bob"), Guest(hall, "silent")
    for sequence in range(1, 101):
        alice.say(bytes([sequence]) * 10_000, sequence)
        assert waiting_bytes(hall, "silent") <= 100_000
    alice.say(b"x" * 200_000, 101)
    assert len(bob.heard) == 101
    assert not alice.reliable.unread
    silent.open()
    assert hall.losses["joining"] + len(silent.heard) == 101


@pytest.mark.parametrize("resumed", ["before", "never"])
def test_who_loses_its_channel_gets_in_order_what_it_has_missed(resumed: str) -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    for sequence in range(1, 6):
        alice.say(number(sequence), sequence)
    carol.say(b"never came", 1)
    carol.say(b"for carol", 2, "alice")
    alice.say(b"without a number")
    bob.reliable.close()  # of which only 1 to 3 have come
    for sequence in range(6, 9):
        alice.say(number(sequence), sequence)
    if resumed == "before":
        hall.exchange.resume("bob", {alice.sid: 3})
    bob.open()
    alice.say(number(9), 9)
    first = 4 if resumed == "before" else 1
    assert [packet.sequence for packet in bob.reliable.packets if packet.participant_sid == alice.sid] == [
        *range(first, 10)
    ]
    assert bob.heard.count(b"never came") == 1 and b"for carol" not in bob.heard


def test_who_resumes_with_its_channel_gets_nothing_twice() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    bob.reliable.acknowledges = False
    for sequence in range(1, 6):
        alice.say(number(sequence), sequence)
    hall.exchange.resume("bob", {alice.sid: 3})  # 4 and 5 are on their way
    hall.exchange.resume("nobody", {})
    bob.reliable.acknowledge()
    assert bob.heard == [number(each) for each in range(1, 6)]


def test_what_the_client_has_by_now_does_not_wait_any_more() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    bob.reliable.close()
    for sequence in range(1, 6):
        alice.say(number(sequence), sequence)
    hall.exchange.resume("bob", {alice.sid: 3})
    assert bob.open().heard == [number(4), number(5)]


def test_what_is_kept_for_a_lost_channel_is_bounded_in_time_and_size() -> None:
    hall = Hall(data_keep_bytes=50_000)
    alice, bob = hall.enter("alice"), hall.enter("bob")
    alice.say(b"old", 1)
    hall.pass_time(11)
    for sequence in range(2, 12):
        alice.say(bytes([sequence]) * 10_000, sequence)
    bob.reliable.close()
    bob.open()
    assert [packet.sequence for packet in bob.reliable.packets] == [8, 9, 10, 11]
    for sequence in range(12, 1000):
        alice.say(b"", sequence)
    bob.reliable.close()
    assert 10 < len(bob.open().heard) < 100  # tiny ones count for more than they hold


def test_who_came_later_is_not_sent_what_was_before_him() -> None:
    hall = Hall()
    alice = hall.enter("alice")
    alice.say(b"1", 1)
    hall.now += 1.0
    bob = hall.enter("bob")
    alice.say(b"2", 2)
    bob.reliable.close()
    assert bob.open().heard == [b"2"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_channels_a_client_that_knows_numbers_has_all_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    hall = Hall()
    senders = [hall.enter(name) for name in ("alice", "carol", "dave")]
    bob = hall.enter("bob")
    bob.reliable.acknowledges = False
    last = dict.fromkeys((sender.sid for sender in senders), 0)
    has = dict(last)
    arrived = 0

    def arrive(most: int) -> None:
        """The client gets so many of what the channel was given."""
        nonlocal arrived
        for packet in bob.reliable.packets[arrived:][:most]:
            arrived += 1
            known = has[packet.participant_sid]
            if packet.sequence > known:
                assert packet.sequence == known + 1
                has[packet.participant_sid] = packet.sequence

    for _ in range(300):
        match chance.randrange(5):
            case 0 | 1:
                sender = chance.choice(senders)
                last[sender.sid] += 1
                sender.say(b"x" * chance.randrange(2000), last[sender.sid])
            case 2:
                arrive(chance.randrange(10))
            case 3 if chance.random() < 0.2:
                bob.reliable.close()
                if chance.random() < 0.5:
                    hall.exchange.resume("bob", has)
            case 4 if bob.channels.get(RELIABLE) is None:
                bob.open()
                bob.reliable.acknowledges, arrived = False, 0
    if bob.channels.get(RELIABLE) is None:
        bob.open()
        arrived = 0
    arrive(10_000)
    assert has == last and sum(last.values()) > 50
    assert not hall.lost


# who is slow


def test_who_sends_to_a_full_channel_has_to_wait_and_nothing_is_lost() -> None:
    hall = Hall()
    alice, bob, carol, dave = (hall.enter(name) for name in ("alice", "bob", "carol", "dave"))
    bob.reliable.acknowledges = False
    for sequence in range(1, 41):
        alice.say(bytes([sequence]) * 60_000, sequence)
    assert alice.reliable.unread > 20
    sent = 40 - alice.reliable.unread
    assert len(bob.heard) + len(hall.exchange.find("bob").outbox) == sent - 1  # type: ignore[union-attr] # one is held
    assert waiting_bytes(hall, "bob") < 130_000
    port = hall.exchange.find("alice")
    assert port is not None and port.last_sequence == sent - 1  # what is held has not been passed on
    dave.say(b"for carol alone", 1, "carol")
    assert carol.heard[-1] == b"for carol alone"
    while alice.reliable.unread or bob.reliable.buffered:
        bob.reliable.acknowledge()
    for guest in (bob, carol):
        assert [data[0] for data in guest.heard if len(data) == 60_000] == list(range(1, 41))
    assert not hall.lost


def test_many_who_send_to_a_full_channel_take_turns_and_do_not_bloat_it() -> None:
    hall = Hall()
    bob = hall.enter("bob")
    bob.reliable.acknowledges = False
    senders = [hall.enter(f"sender-{index}") for index in range(20)]
    for _ in range(10):
        for sender in senders:
            sender.say(b"x" * 60_000, 0, "bob")
            assert waiting_bytes(hall, "bob") < 130_000
    for _ in range(100):
        bob.reliable.acknowledge()
        assert waiting_bytes(hall, "bob") < 130_000
    counts = [sum(packet.participant_sid == sender.sid for packet in bob.reliable.packets) for sender in senders]
    assert counts == [10] * 20


def test_who_takes_nothing_for_long_is_cut_off_and_stops_nobody() -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    bob.reliable.acknowledges = False
    for sequence in range(1, 41):
        alice.say(b"x" * 60_000, sequence)
    hall.pass_time(10)
    assert not hall.cut and len(carol.heard) < 40
    hall.pass_time(1)
    assert hall.cut == ["bob"]
    assert len(carol.heard) == 40
    assert waiting_bytes(hall, "bob") == 0
    assert hall.losses["cut_off"] > 20
    hall.pass_time(20)
    assert hall.cut == ["bob"]


def test_who_is_slow_but_takes_something_is_not_cut_off() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    bob.reliable.acknowledges = False
    for sequence in range(1, 61):
        alice.say(bytes([sequence]) * 60_000, sequence)
    while alice.reliable.unread or bob.reliable.buffered:
        hall.pass_time(1)
        bob.reliable.acknowledge(8_000)
    assert not hall.cut
    assert [data[0] for data in bob.heard] == list(range(1, 61))


def test_a_sender_goes_on_once_half_of_what_waits_is_there() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    bob.fill()
    alice.say(b"1", 1)
    octets = bob.reliable.buffered
    bob.reliable.acknowledge(octets // 2 - 1000)
    assert not bob.heard
    bob.reliable.acknowledge(2000)
    assert bob.heard == [b"1"]


@pytest.mark.parametrize("opened", [True, False])
def test_each_time_that_a_channel_is_full_it_has_the_whole_time(opened: bool) -> None:
    hall = Hall()
    bob = hall.enter("bob")
    for _ in range(3):
        bob.fill()
        hall.pass_time(9)
        if opened:
            bob.reliable.close()
            bob.open()
        else:
            bob.reliable.acknowledge()
    assert not hall.cut
    bob.fill()
    hall.pass_time(12)
    assert hall.cut == ["bob"]


def test_nothing_is_kept_of_who_has_waited_or_left() -> None:
    hall = Hall()
    alice, bob = hall.enter("alice"), hall.enter("bob")
    port = hall.exchange.find("bob")
    assert port is not None
    bob.fill()
    alice.say(b"1", 1)
    assert hall.exchange._held
    bob.reliable.acknowledge()
    assert bob.heard == [b"1"] and not hall.exchange._held
    assert port.outbox._given == {alice.sid: 1}
    bob.fill()
    alice.say(b"2", 2)
    hall.exchange.remove(alice.participant)
    assert not hall.exchange._held and not port.outbox._given


def test_who_leaves_or_loses_its_channel_lets_the_others_go_on() -> None:
    for ends in ("leaves", "loses"):
        hall = Hall()
        alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
        bob.fill()
        alice.say(b"1", 1)
        alice.say(b"2", 2)
        assert not carol.heard
        if ends == "leaves":
            hall.exchange.remove(bob.participant)
        else:
            bob.reliable.close()
        assert carol.heard == [b"1", b"2"]


def test_a_sender_who_leaves_while_it_waits_is_forgotten() -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    bob.fill()
    alice.say(b"1", 1)
    hall.exchange.remove(alice.participant)
    bob.reliable.acknowledge()
    assert not carol.heard


def test_a_channel_that_has_closed_without_a_word_is_like_none() -> None:
    hall = Hall()
    alice, bob, carol = hall.enter("alice"), hall.enter("bob"), hall.enter("carol")
    bob.reliable.on_close, on_close = None, bob.reliable.on_close
    bob.reliable.close()
    alice.say(b"1", 1)
    assert on_close is not None
    on_close()
    assert bob.open().heard == [b"1"] and carol.heard == [b"1"]


def test_a_packet_that_a_client_does_not_take_is_lost_for_him_alone() -> None:
    hall = Hall()
    alice, carol = hall.enter("alice"), hall.enter("carol")
    small = Guest(hall, "small").open(largest=1000)
    alice.say(b"x" * 2000, 1)
    alice.lossy.come(DataPacket(user=UserPacket(payload=b"x" * 2000)))
    alice.say(b"y", 2)
    assert small.heard == [b"y"] and not small.lossy.got
    assert carol.heard == [b"x" * 2000, b"y"] and len(carol.lossy.got) == 1
    assert hall.lost == {"too_large": 2}


def test_lossy_packets_wait_for_nobody() -> None:
    hall = Hall()
    alice, carol = hall.enter("alice"), hall.enter("carol")
    slow = Guest(hall, "slow").open(room=30_000)
    slow.lossy.acknowledges = False
    closed = hall.enter("closed")
    closed.lossy.on_close = None
    closed.lossy.close()
    for _ in range(10):
        alice.lossy.come(DataPacket(user=UserPacket(payload=b"x" * 10_000)))
    assert (len(slow.lossy.got), len(carol.lossy.got)) == (2, 10)
    assert hall.lost == {"lossy": 8, "no_channel": 10}


def waiting_bytes(hall: Hall, identity: str) -> int:
    port = hall.exchange.find(identity)
    assert port is not None
    return port.outbox.waiting_bytes
