"""What a peer can do to an association: nothing that costs much, keeps growing, or ends more than the data channels."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.events import DataChannelState
from sfu.transport.channel import Channel
from sfu.transport.dcep import DcepError, Open, read_open
from sfu.transport.sctp.chunks import FIRST, LAST, UNORDERED
from sfu.transport.sctp.packet import MalformedError, build_chunk, read_packet, unwrap
from tests.unit.transport.sctp.path import Path, make_path

DATA, INIT, SACK, FORWARD_TSN, RE_CONFIG = 0, 1, 3, 192, 130


def connected() -> Path:
    path = make_path(1)
    path.start()
    assert path.ends[0].data.open(Channel("c"), path.now)
    path.run(5)
    assert path.ends[1].opened
    return path


class Attacker:
    """Speaks as end 0 to end 1, beside what that sends itself."""

    def __init__(self) -> None:
        self.path = connected()
        self.victim = self.path.ends[1]
        self.association = self.victim.data._association
        assert self.association is not None
        self.next_tsn = self.association._receiver.cumulative + 1

    def send(self, *chunks: bytes, tag: int | None = None) -> None:
        head = struct.pack("!HHL", 5000, 5000, self.association._tag if tag is None else tag)
        body = b"".join(chunks)
        packet = head + google_crc32c.value(head + bytes(4) + body).to_bytes(4, "little") + body
        self.victim.data.handle_record(packet, self.path.now)
        while (event := self.victim.data.poll_event()) is not None:
            self.victim.take(event, self.path.now)
        while self.victim.data.poll_transmit() is not None:
            pass

    def data(
        self, payload: bytes, *, flags: int = FIRST | LAST, ahead: int = 0, stream: int = 0, sequence: int = 0
    ) -> bytes:
        value = struct.pack("!LHHL", (self.next_tsn + ahead) & 0xFFFFFFFF, stream, sequence, 53) + payload
        return build_chunk(DATA, value, flags)

    @property
    def held(self) -> int:
        return self.association._receiver.held


@pytest.fixture
def attacker() -> Attacker:
    return Attacker()


def test_a_sack_of_everything_costs_little(attacker):
    channel = attacker.victim.opened[0]
    for _ in range(15):
        attacker.victim.data.send(channel, bytes(60_000), attacker.path.now)
    cumulative = attacker.association._sender._acknowledged & 0xFFFFFFFF
    blocks = b"".join(struct.pack("!HH", 2 * k + 1, 2 * k + 1) for k in range(280))
    whole = struct.pack("!LLHHHH", cumulative, 1 << 20, 1, 0, 1, 65535)
    begun = time.process_time()
    for _ in range(200):
        attacker.send(build_chunk(SACK, struct.pack("!LLHH", cumulative, 1 << 20, 280, 0) + blocks))
        attacker.send(build_chunk(SACK, whole))
    assert (time.process_time() - begun) / 400 < 0.003
    assert not attacker.victim.ended


HOARDS: dict[str, Callable[[Attacker, int], bytes]] = {
    "parts of one message": lambda a, k: a.data(bytes(1100), flags=0 if k else FIRST, ahead=k),
    "beginnings": lambda a, k: a.data(bytes(1100), flags=FIRST, ahead=k),
    "later ones": lambda a, k: a.data(bytes(1100), ahead=2 + k, sequence=k + 5),
    "tiny ones": lambda a, k: a.data(b"x", ahead=k, sequence=k + 5, stream=3),
    "many streams": lambda a, k: a.data(bytes(100), ahead=k, stream=k, sequence=7),
}


@pytest.mark.parametrize("kind", HOARDS)
def test_what_is_kept_is_bounded(attacker, kind):
    most = 0
    for number in range(4000):
        attacker.send(HOARDS[kind](attacker, number))
        most = max(most, attacker.held)
    assert most <= 2 * 512 * 1024 + 2000
    assert len(attacker.association._receiver._arrivals.blocks) <= 128
    assert len(attacker.association.events) < 10


def test_a_message_beyond_our_bound_ends_the_data_channels_only(attacker):
    for number in range(300):
        attacker.send(attacker.data(bytes(1100), flags=FIRST if number == 0 else 0, ahead=number))
    assert attacker.victim.ended == "violation" and attacker.victim.closed == ["c"]
    assert attacker.victim.drops["sctp_violation"] == 1
    assert not attacker.victim.data.open(Channel("x"), attacker.path.now)
    attacker.send(attacker.data(b"more"))
    assert attacker.victim.drops["sctp_ended"] > 0
    attacker.path.run(1)
    assert attacker.path.ends[0].ended == ""  # its ABORT went to the attacker


def test_fragments_of_two_messages_end_it(attacker):
    attacker.send(attacker.data(b"a", flags=FIRST), attacker.data(b"b", flags=LAST, ahead=1, stream=9))
    assert attacker.victim.ended == "violation"


def test_channels_are_bounded_and_refused_ones_are_reset(attacker):
    for number in range(40):
        opening = Open(f"n{number}").build()
        value = struct.pack("!LHHL", attacker.next_tsn + number & 0xFFFFFFFF, 100 + 2 * number, 0, 50) + opening
        attacker.send(build_chunk(DATA, value, FIRST | LAST))
    assert len(attacker.victim.data.channels) == 16
    assert attacker.victim.drops["data_channel_limit"] == 25


def test_a_restart_is_refused_and_an_init_is_answered(attacker):
    init = struct.pack("!LLHHL", 77, 1 << 20, 10, 10, 5)
    attacker.send(build_chunk(INIT, init), tag=0)
    assert not attacker.victim.ended
    attacker.send(build_chunk(10, b"x" * 16))
    assert attacker.victim.drops["sctp_cookie"] == 1


def test_wrong_tags_ports_checksums_and_acknowledgements_are_counted(attacker):
    attacker.send(attacker.data(b"x"), tag=12345)
    attacker.victim.data.handle_record(b"\x13\x88" * 10, attacker.path.now)
    far = (attacker.association._sender.last_tsn + 5) & 0xFFFFFFFF
    attacker.send(build_chunk(SACK, struct.pack("!LLHH", far, 0, 0, 0)))
    attacker.send(build_chunk(SACK, struct.pack("!LLHHHHHH", far, 0, 2, 0, 5, 6, 3, 4)))
    assert attacker.victim.drops["sctp_tag"] == 1
    assert attacker.victim.drops["sctp_malformed"] == 2
    assert attacker.victim.drops["sctp_unsent_acknowledged"] == 1
    assert not attacker.victim.got


def test_skipping_costs_little_however_much_waits(attacker):
    for number in range(3000):
        attacker.send(attacker.data(b"x", flags=FIRST, ahead=2000 + number))
    begun = time.process_time()
    for number in range(300):
        streams = b"".join(struct.pack("!HH", stream, number) for stream in range(250))
        attacker.send(build_chunk(FORWARD_TSN, struct.pack("!L", attacker.next_tsn + number & 0xFFFFFFFF) + streams))
    assert (time.process_time() - begun) / 300 < 0.005


def test_a_peer_that_acknowledges_nothing_ends_its_data_channels_after_a_minute():
    path = connected()
    path.ends[1].data.send(path.ends[1].opened[0], "x", path.now)
    path.run(1)
    path.blocked = True
    path.ends[1].data.send(path.ends[1].opened[0], "y", path.now)
    path.run(59)
    assert not path.ends[1].ended
    path.run(3)
    assert path.ends[1].ended == "stalled" and path.ends[1].closed == ["c"]


def test_a_peer_that_never_begins_ends_nothing_but_the_channels():
    path = make_path(1)
    channel = Channel("c")
    assert path.ends[0].data.open(channel, path.now)
    path.ends[0].start(path.now)
    path.run(29)
    assert channel.state is DataChannelState.CONNECTING
    path.run(2)
    assert path.ends[0].ended == "handshake_timeout" and channel.state is DataChannelState.CLOSED


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300))
def test_a_packet_is_read_or_malformed(octets):
    packet = octets[:8] + google_crc32c.value(octets[:8] + bytes(4) + octets[12:]).to_bytes(4, "little") + octets[12:]
    try:
        chunks = read_packet(packet).chunks
    except MalformedError:
        return
    assert sum(len(chunk.value) + 4 for chunk in chunks) <= len(packet) - 12


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_an_opening_is_read_or_refused(octets):
    for message in (octets, b"\x03" + octets):
        try:
            opening = read_open(message)
        except DcepError:
            continue
        assert read_open(opening.build()) == opening


@given(st.integers(0, (1 << 34)), st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_numbers_that_wrap_are_told_apart(reference, distance):
    assert unwrap((reference + distance) & 0xFFFFFFFF, reference) == reference + distance


KINDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 15, 99, 200)


@pytest.mark.parametrize("seed", range(8))
def test_random_chunks_of_all_kinds_are_taken_or_dropped_and_bounded(seed):
    rng = random.Random(seed)
    attacker = Attacker()
    quiet = [kind for kind in KINDS if kind not in (6, 7)]
    for _ in range(1500):
        chunks = [one_chunk(rng, attacker, quiet) for _ in range(rng.randint(1, 4))]
        attacker.send(*chunks)
        attacker.path.now += rng.choice((0.0, 0.01, 0.3))
        attacker.victim.data.handle_timeout(attacker.path.now)
        if attacker.victim.ended:
            attacker = Attacker()
        assert attacker.held <= 2 * 512 * 1024 + 2000
        assert len(attacker.victim.data.channels) <= 16
        assert len(attacker.association._chunks) <= 64


def one_chunk(rng: random.Random, attacker: Attacker, kinds: list[int]) -> bytes:
    """Plausible in its numbers, random in the rest; the length may lie."""
    near = (attacker.association._receiver.cumulative + rng.choice((0, 1, 1, 2, 3, 50))) & 0xFFFFFFFF
    acknowledged = (attacker.association._sender._acknowledged + rng.choice((0, 0, 1, 2))) & 0xFFFFFFFF
    value: Callable[[], bytes] = {
        DATA: lambda: (
            struct.pack("!LHHL", near, rng.randrange(20), rng.randrange(4), rng.choice((50, 51, 53, 56, 57, 9)))
            + rng.choice((b"", b"\x02", Open("n").build(), rng.randbytes(rng.randrange(40))))
        ),
        SACK: lambda: struct.pack("!LLHH", acknowledged, rng.choice((0, 1 << 20)), 1, 0) + rng.randbytes(4),
        FORWARD_TSN: lambda: struct.pack("!LHH", near, rng.randrange(20), rng.randrange(5)),
        RE_CONFIG: lambda: (
            struct.pack("!HHLLLH", rng.choice((13, 14, 15, 16, 17, 18)), 18, near, near, near, rng.randrange(20))
            + bytes(2)
        ),
    }.get(kind := rng.choice(kinds), lambda: rng.randbytes(rng.randrange(40)))
    made = build_chunk(
        kind, value(), rng.choice((FIRST | LAST, FIRST, LAST, 0, UNORDERED | FIRST | LAST, rng.randrange(256)))
    )
    return made if rng.random() < 0.9 else made[: rng.randint(0, len(made))]
