"""Messages from end to end in virtual time, over paths that lose, repeat and reorder; each by a seed."""

from __future__ import annotations

import random

import pytest

from sfu.events import DataChannelState
from sfu.transport.channel import Channel, DataLimits
from tests.unit.transport.sctp.path import Path, make_path

BAD = {
    "good": {},
    "losing": {"loss": 0.1},
    "reordering": {"reorder": 0.5},
    "repeating": {"duplicate": 0.5},
    "all of it": {"loss": 0.1, "duplicate": 0.1, "reorder": 0.2},
}


def opened(path: Path, *channels: Channel) -> list[Channel]:
    """Channels of end 0, and what end 1 has of them."""
    path.start()
    for channel in channels:
        assert path.ends[0].data.open(channel, path.now)
    path.run(20)
    assert all(channel.state is DataChannelState.OPEN for channel in channels)
    found = {channel.label: channel for channel in path.ends[1].opened}
    return [found[channel.label] for channel in channels]


def some_messages(seed: int, count: int) -> list[bytes | str]:
    rng = random.Random(seed)
    sizes = [rng.choice((0, 1, 20, 1131, 1132, 1133, 5000, 64_000)) for _ in range(count)]
    return [rng.randbytes(size) if rng.random() < 0.7 else "ä" * (size // 2) for size in sizes]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("path", BAD)
def test_a_reliable_channel_brings_all_in_order_both_ways(path, seed):
    net = make_path(seed, **BAD[path])
    channel = Channel("all", protocol="p")
    (other,) = opened(net, channel)
    assert other.protocol == "p" and other.ordered and not other.lossy
    there, back = some_messages(seed, 60), some_messages(seed + 100, 60)
    for mine, theirs in zip(there, back, strict=True):
        for end, end_channel, message in ((0, channel, mine), (1, other, theirs)):
            while not net.ends[end].data.send(end_channel, message, net.now):
                net.run(0.1)
        net.run(0.01)
    net.run(120)
    assert [content for _, content in net.ends[1].got] == there
    assert [content for _, content in net.ends[0].got] == back
    for end in net.ends:
        assert not end.ended and end.data._held == 0 and end.data._held_lossy == 0
        assert end.data._association is not None and end.data._association._receiver.held == 0
    assert channel.buffered == other.buffered == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("path", BAD)
def test_lossy_channels_lose_only_what_the_path_lost_and_hold_nobody_up(path, seed):
    net = make_path(seed, **BAD[path])
    sure = Channel("sure")
    once = Channel("once", ordered=False, max_retransmits=0)
    soon = Channel("soon", max_lifetime=0.2)
    opened(net, sure, once, soon)
    count = 300
    for number in range(count):
        for channel in (sure, once, soon):
            assert net.ends[0].data.send(channel, f"{number} " + "x" * (number * 7 % 4000), net.now)
        net.run(0.03)
    net.run(60)
    got = {
        label: [
            int(content.split()[0]) for name, content in net.ends[1].got if name == label and isinstance(content, str)
        ]
        for label in ("sure", "once", "soon")
    }
    assert got["sure"] == list(range(count))
    assert got["soon"] == sorted(set(got["soon"])), "what is ordered stays so, whatever is left out"
    assert len(set(got["once"])) == len(got["once"])
    if net.loss:
        assert count // 2 < len(got["once"]) < count
    elif path != "reordering":
        assert len(got["once"]) == len(got["soon"]) == count
    for end in net.ends:
        assert not end.ended and end.data._held == 0
        assert end.data._association is not None and end.data._association._receiver.held == 0


def test_both_begin_at_once_or_one_alone_or_late():
    for blocked_for in (0.0, 0.6, 3.0):
        net = make_path(2, loss=0.2)
        channel = Channel("c")
        net.blocked = blocked_for > 0
        net.ends[0].start(net.now)
        assert net.ends[0].data.open(channel, net.now)
        net.run(blocked_for)
        net.blocked = False
        net.ends[1].start(net.now)
        net.run(15)
        assert channel.state is DataChannelState.OPEN
        assert [other.label for other in net.ends[1].opened] == ["c"]


def test_a_path_that_is_gone_for_five_seconds_is_used_again_soon():
    net = make_path(3)
    channel = Channel("c")
    opened(net, channel)
    for _ in range(10):
        assert net.ends[0].data.send(channel, b"x" * 20_000, net.now)
    net.run(0.03)
    net.blocked = True
    net.run(5)
    net.blocked = False
    net.run(6)
    assert len(net.ends[1].got) == 10


def test_closing_sends_what_waits_and_ids_come_again():
    net = make_path(4, loss=0.05)
    for number in range(5):
        channel = Channel(f"c{number}")
        (other,) = opened(net, channel)
        assert channel.id == 2 * number
        assert net.ends[0].data.send(channel, b"last words" * 5000, net.now)
        net.ends[0].data.close(channel, net.now)
        net.run(20)
        assert net.ends[1].got[-1] == (channel.label, b"last words" * 5000)
        assert channel.state is other.state is DataChannelState.CLOSED
        assert not net.ends[0].data.channels and not net.ends[1].data.channels
    # The same id, agreed on: numbers count from 0 again.
    for text in ("once", "again"):
        pair = [Channel("n", negotiated=True, id=6), Channel("n", negotiated=True, id=6)]
        for end, mine in zip(net.ends, pair, strict=True):
            assert end.data.open(mine, net.now)
        assert net.ends[1].data.send(pair[1], text, net.now)
        net.run(5)
        assert net.ends[0].got[-1] == ("n", text)
        net.ends[1].data.close(pair[1], net.now)
        net.run(10)
        assert pair[0].state is pair[1].state is DataChannelState.CLOSED


def test_streams_take_turns():
    """A large queue of one channel does not keep another one waiting for all of it."""
    net = make_path(5)
    bulk, quick = Channel("bulk"), Channel("quick")
    opened(net, bulk, quick)
    for _ in range(14):
        assert net.ends[0].data.send(bulk, bytes(64_000), net.now)
    assert net.ends[0].data.send(quick, "now", net.now)
    net.run(30)
    labels = [label for label, _ in net.ends[1].got]
    assert labels.index("quick") <= 2 and labels.count("bulk") == 14


def test_a_buffer_that_is_full_refuses_and_lossy_channels_have_a_quarter():
    net = make_path(6, limits=DataLimits(channels=4, message=64_000, buffer=256 * 1024))
    sure, once = Channel("sure"), Channel("once", max_retransmits=0)
    opened(net, sure, once)
    net.blocked = True
    taken = sum(net.ends[0].data.send(once, bytes(10_000), net.now) for _ in range(20))
    assert taken == 6 and net.ends[0].drops["data_buffer_full"] == 14
    taken = sum(net.ends[0].data.send(sure, bytes(10_000), net.now) for _ in range(40))
    assert 18 <= taken <= 20
    tiny = 0
    while net.ends[0].data.send(sure, b"x", net.now):
        tiny += 1
    assert tiny < 300, "small messages count for more than their octets"
    net.blocked = False
    net.run(40)
    assert sure.buffered == once.buffered == 0 and net.ends[0].drained


def test_who_does_not_read_is_sent_no_more_and_gets_all_in_the_end():
    net = make_path(7)
    channel = Channel("c")
    opened(net, channel)
    net.ends[1].reads = False
    messages = [number.to_bytes(2) * 5000 for number in range(200)]
    sent = 0
    for _ in range(300):
        while sent < 200 and net.ends[0].data.send(channel, messages[sent], net.now):
            sent += 1
        net.run(0.1)
    association = net.ends[1].data._association
    assert association is not None and association._receiver.held <= 512 * 1024 + 2000
    assert sent < 200
    net.run(200)
    assert not net.ends[0].ended, "it is there, only slow"
    for _ in range(400):
        net.ends[1].release_all(net.now)
        while sent < 200 and net.ends[0].data.send(channel, messages[sent], net.now):
            sent += 1
        net.run(0.1)
    assert [content for _, content in net.ends[1].got] == messages
