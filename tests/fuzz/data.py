"""What data channels do with any SCTP packets of their peer's, and what must hold.

An input is a row of pieces: what chunk it is, its flags, a length, and so many octets of its value, the first of which
says how near its numbers are. The association stands already, so that more than the handshake is reached.
"""

from __future__ import annotations

import random
import struct
from collections import Counter

import google_crc32c

from sfu.transport.channel import Channel, DataLimits
from sfu.transport.data_transport import DataTransport
from sfu.transport.sctp.packet import build_chunk

KINDS = (0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 130, 192, 192, 15, 99, 200, 255)
NUMBERED = (0, 192)
"""Chunks that begin with a TSN of the peer's."""
LIMITS = DataLimits(channels=8, message=64 * 1024, buffer=128 * 1024)
WINDOW = 256 * 1024
_MOST_PIECES = 400


def run(data: bytes) -> None:
    """Run one input; an exception is a finding."""
    victim, tag = connected()
    association = victim._association
    assert association is not None
    at, now, chunks = 0, 100.0, []
    for _ in range(_MOST_PIECES):
        if at + 3 > len(data):
            break
        kind, flags, length = KINDS[data[at] % len(KINDS)], data[at + 1] & 15, data[at + 2] & 63
        ends, late = bool(data[at + 1] & 0x10), bool(data[at + 1] & 0x20)
        value, at = data[at + 3 : at + 3 + length], at + 3 + length
        if kind in NUMBERED and value:
            near = association._receiver.cumulative + value[0] % 8
            value = struct.pack("!L", near & 0xFFFFFFFF) + value[1:]
        elif kind == 3 and value:
            acknowledged = association._sender._acknowledged + value[0] % 4
            value = struct.pack("!L", acknowledged & 0xFFFFFFFF) + value[1:]
        chunks.append(build_chunk(kind, value, flags))
        if ends or len(chunks) == 8:
            give(victim, tag, chunks, now)
            chunks = []
        if late:
            now += 0.7
            victim.handle_timeout(now)
        check(victim)
    give(victim, tag, chunks, now)
    check(victim)
    due = victim.poll_timeout()
    assert due is None or due < now + 100


def connected() -> tuple[DataTransport, int]:
    """Channels that are up, with something under way, and the tag of their peer's packets."""
    rng = random.Random(5)
    ends = [DataTransport(LIMITS, randbytes=rng.randbytes, drops=Counter()) for _ in range(2)]
    for client, end in zip((True, False), ends, strict=True):
        end.start(client=client, remote_port=5000, most_octets=0, now=99.0)
    mine, agreed = Channel("mine"), Channel("agreed", max_retransmits=0, negotiated=True, id=6)
    assert ends[1].open(mine, 99.0) and ends[1].open(agreed, 99.0)
    for moment in (99.3, 99.4):
        for end in ends:
            end.handle_timeout(moment)
        for _ in range(8):
            for mine_end, other in (ends, ends[::-1]):
                while (packet := mine_end.poll_transmit()) is not None:
                    other.handle_record(packet, moment)
    assert ends[1]._association is not None and ends[1]._association.established
    for size in (10, 3000):
        for channel in (mine, agreed):
            assert ends[1].send(channel, bytes(size), 99.5)
    ends[1].handle_timeout(99.5)
    empty(ends[1])
    return ends[1], ends[1]._association._tag


def give(victim: DataTransport, tag: int, chunks: list[bytes], now: float) -> None:
    """Let a packet of these come; an INIT alone counts, and stands without a tag."""
    if chunks:
        head = struct.pack("!HHL", 5000, 5000, 0 if len(chunks) == 1 and chunks[0][0] == 1 else tag)
        body = b"".join(chunks)
        victim.handle_record(head + google_crc32c.value(head + bytes(4) + body).to_bytes(4, "little") + body, now)


def check(victim: DataTransport) -> None:
    """What must hold between packets."""
    empty(victim)
    association = victim._association
    if association is None:
        assert victim.ended and not victim.channels
        return
    assert 0 <= association._receiver.held <= 2 * WINDOW + 2000
    assert len(victim.channels) <= LIMITS.channels
    assert 0 <= victim._held <= LIMITS.buffer + 64 * 200
    assert all(channel.buffered >= 0 for channel in victim.channels)
    assert association._sender._congestion.in_flight >= 0
    assert len(association._chunks) <= 64 and len(association._resets.wanted) <= 1024


def empty(victim: DataTransport) -> None:
    """Take what it has to send, which is bounded, and what it tells."""
    packets = 0
    while (packet := victim.poll_transmit()) is not None:
        packets += 1
        assert len(packet) <= 1160
    assert packets <= 200
    while victim.poll_event() is not None:
        pass
