"""A publisher and a subscriber with a plane between them, and the packets that go over it."""

from __future__ import annotations

import math
import struct
import time

from sfu.wire.payload_format import PayloadFormat

from .conftest import rtp, wait_until


def parse(packet: bytes) -> tuple[int, int, int, int, dict[int, bytes], bytes]:
    first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", packet[:12])
    at, found = 12, {}
    if first & 0x10:
        end = at + 4 + 4 * struct.unpack("!H", packet[at + 2 : at + 4])[0]
        at += 4
        while at < end:
            if packet[at] == 0:
                at += 1
                continue
            length = (packet[at] & 15) + 1
            found[packet[at] >> 4] = packet[at + 1 : at + 1 + length]
            at += 1 + length
    payload = packet[at:]
    if first & 0x20:
        payload = payload[: -payload[-1]]
    return second, sequence, timestamp, ssrc, found, payload


def publish_one(plane, publisher, **options):
    track = plane.open_track()
    encoding = plane.open_encoding(
        track,
        publisher.connection,
        **{"mid": "0", "ssrc": 0x1234, "payload_type": 96, "clock_rate": 90000, "audio": False, **options},
    )
    return track, encoding


def vp8(picture: int, *, key: bool = False, temporal: int = 0, sync: bool = False, tl0: int = 0, start: bool = True):
    """A VP8 payload: descriptor with 15-bit picture ID, TL0PICIDX and TID, then a header (RFC 7741 section 4)."""
    head = bytes([0x80 | (0x10 if start else 0), 0xE0]) + struct.pack("!H", 0x8000 | picture & 0x7FFF)
    head += bytes([tl0 & 0xFF, temporal << 6 | (0x20 if sync else 0)])
    return head + bytes([0 if key else 1]) + f"{picture}/{temporal}".encode()


def read_vp8(payload: bytes) -> tuple[int, int, bytes]:
    return struct.unpack("!H", payload[2:4])[0] & 0x7FFF, payload[4], payload[7:]


class Stage:
    """A publisher's Track, of VP8, with Encodings of SSRC 100, 101, ..., and one subscriber."""

    def __init__(self, plane, make_peer, encodings=1, *, repair=False, codec=PayloadFormat.VP8, **about):
        self.plane = plane
        self.publisher, self.subscriber = make_peer(plane, 1), make_peer(plane, 2)
        self.track = plane.open_track()
        self.rows = [
            plane.open_encoding(
                self.track,
                self.publisher.connection,
                mid="0",
                ssrc=100 + k,
                payload_type=96,
                clock_rate=90000,
                audio=False,
                codec=codec,
                index=k,
                asks=True,
                **about,
            )
            for k in range(encodings)
        ]
        self.row = plane.open_subscription(self.track, self.subscriber.connection, mid="0", ssrc=7, payload_type=97)
        if repair:
            assert plane.repairs.use_rtx(self.row, ssrc=8, payload_type=98)
        self.sent = 0

    def aim(self, index: int, spatial: int = 3, temporal: int = 7) -> None:
        self.plane.set_target(self.row, index, spatial, temporal)
        wait_until(lambda: self.plane.settled)

    def send(self, sequence: int, payload: bytes, *, encoding: int = 0, timestamp: int = 0) -> None:
        """Send one packet, and wait until the plane has taken it."""
        packet = rtp(sequence & 0xFFFF, payload, ssrc=100 + encoding, timestamp=timestamp & 0xFFFFFFFF, marker=True)
        self.publisher.send(packet)
        self.sent += 1
        wait_until(lambda: self.plane.counters()["received_rtp"] == self.sent)

    def take(self, count: int):
        """(sequence, timestamp, picture ID, TL0PICIDX, text) of the next packets."""
        found = [parse(packet) for packet in self.subscriber.receive(count)]
        assert len(found) == count
        return [(f[1], f[2], *read_vp8(f[5])) for f in found]

    def state(self):
        return self.plane.subscription_state(self.row)


def ask_again_and_again(stage, number) -> tuple[int, int]:
    """Ask for a packet sixty times; how often it was sent again, and how often that could have been at most."""
    began = time.monotonic()
    for _ in range(60):
        stage.subscriber.ask(stage.row, number, 0, interval_ms=10)
        time.sleep(0.005)
    intervals = (time.monotonic() - began) / 0.01
    return stage.plane.counters()["repeated_packets"], 2 + int(math.log2(1.0 + intervals))


class Repaired(Stage):
    """Its Encodings are repaired by RTX of SSRC 300, 301, ..., or by the same packets again."""

    def __init__(self, plane, make_peer, encodings=1, *, rtx=True, **options):
        super().__init__(plane, make_peer, encodings, **options if rtx else options | {"resent": True})
        self.rtx = rtx
        for k in range(encodings) if rtx else ():
            plane.open_encoding(
                self.track,
                self.publisher.connection,
                mid="0",
                ssrc=300 + k,
                payload_type=99,
                clock_rate=90000,
                audio=False,
                repairs=self.rows[k],
            )
        self.repairs = 0

    def packet(self, sequence, payload, *, encoding=0, timestamp=0, marker=False):
        head = rtp(sequence & 0xFFFF, payload, ssrc=100 + encoding, timestamp=timestamp, marker=marker)
        self._publish(head)

    def repair(self, sequence, payload, *, encoding=0, timestamp=0, marker=False):
        if not self.rtx:
            self.packet(sequence, payload, encoding=encoding, timestamp=timestamp, marker=marker)
            return
        self.repairs += 1
        original = struct.pack("!H", sequence & 0xFFFF) + payload
        self._publish(
            rtp(self.repairs, original, ssrc=300 + encoding, payload_type=99, timestamp=timestamp, marker=marker)
        )

    def _publish(self, packet):
        self.publisher.send(packet)
        self.sent += 1
        wait_until(lambda: self.plane.counters()["received_rtp"] == self.sent)

    def texts(self, count):
        """(egress number, text) of the next packets."""
        return [(packet[1], read_vp8(packet[5])[2]) for packet in map(parse, self.subscriber.receive(count))]
