"""The two ends: a publisher of simulcast video, and a viewer who tells what he gets."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.bwe.node import End, Node
from bench.netem.flows import Meter
from bench.netem.simulator import Simulator, Wire
from sfu.media.track import Track
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED
from sfu.wire.kernels.transport_feedback_build import build_transport_feedback
from sfu.wire.rtcp import build_nack

_FEEDBACK_S = 0.05
_RING = 8192
_REPORT_BYTES = 1100
_PAYLOAD_BYTES = 1100
_PADDING_PACKET_BYTES = 320
"""A longer one has media; what is padding stands where the cipher hides it."""
_NACK_S = 0.1
_NACK_TRIES = 4


class Shape(NamedTuple):
    """One Encoding of a publisher."""

    rate_bps: float
    frames_per_s: float = 25.0
    temporal_layers: int = 3
    """3, or 1: every frame depends on the one before."""


class Publisher:
    """Sends VP8, its frames' sizes varying, a key frame when asked; its network is perfect."""

    def __init__(self, node: Node, shapes: Sequence[Shape], *, seed: int, start_s: float = 0.0) -> None:
        self._node = node
        self._rng = random.Random(seed)
        self.end, self.connection = node.connect(controlled=False)
        self._ssrcs = [seed * 1000 + 100_000 + k for k in range(len(shapes))]
        self.track: Track = node.publish(self.connection, self._ssrcs)
        self.shapes = list(shapes)
        """May be changed while it sends."""
        self._sequence = [self._rng.randrange(1 << 15) for _ in shapes]
        self._frame = [0 for _ in shapes]
        self._key_at = [-1.0 for _ in shapes]
        self._wants_key = [True for _ in shapes]
        for k, shape in enumerate(shapes):
            node.simulator.at(start_s + self._rng.random() / shape.frames_per_s, lambda k=k: self._send_frame(k))

    def _send_frame(self, k: int) -> None:
        shape = self.shapes[k]
        self._node.simulator.after(1.0 / shape.frames_per_s, lambda: self._send_frame(k))
        self._take_requests()
        frame = self._frame[k]
        self._frame[k] += 1
        key = self._wants_key[k]
        mean = shape.rate_bps / shape.frames_per_s / 8
        temporal = (0, 2, 1, 2)[frame % 4]
        if key:
            self._wants_key[k] = False
            temporal = 0
            self._frame[k] = 1
            size = 4.0 * mean
        elif shape.temporal_layers == 1:
            temporal = 0
            size = mean * self._rng.uniform(0.8, 1.2)
        else:
            size = mean * (1.4, 0.0, 1.0, 0.8)[0 if temporal == 0 else (2 if temporal == 1 else 3)]
            size *= self._rng.uniform(0.8, 1.2)
        self._send_packets(k, max(size, 60.0), key, temporal)

    def _take_requests(self) -> None:
        left = []
        for track, packet in self._node.asked:
            if track is not self.track:
                left.append((track, packet))
            elif packet[1] == 206:
                media = struct.unpack_from("!L", packet, 8)[0]
                if media in self._ssrcs:
                    self._wants_key[self._ssrcs.index(media)] = True
        self._node.asked[:] = left

    def _send_packets(self, k: int, size: float, key: bool, temporal: int) -> None:
        count = max(1, round(size / _PAYLOAD_BYTES + 0.49))
        each = int(size / count)
        timestamp = round(self._node.simulator.now * 90000) & 0xFFFFFFFF
        frame = self._frame[k]
        for index in range(count):
            first, last = index == 0, index == count - 1
            header = struct.pack(
                "!BBHLL",
                0x80,
                96 | (0x80 if last else 0),
                self._sequence[k] & 0xFFFF,
                timestamp,
                self._ssrcs[k],
            )
            self._sequence[k] += 1
            descriptor = bytes((0x90 if first else 0x80, 0xE0)) + struct.pack(
                "!HBB", 0x8000 | frame & 0x7FFF, (frame // 4) & 0xFF, temporal << 6 | (0x20 if temporal else 0)
            )
            body = bytes((0 if key and first else 1,)) + bytes(max(0, each - 1))
            self.end.socket.send(self.end.outbound.protect(header + descriptor + body))
        self._node.step()


class Viewer:
    """Receives over an emulated link, and sends transport-wide feedback and NACKs back over another."""

    def __init__(self, node: Node, downlink: Wire, uplink: Wire) -> None:
        self._node = node
        self._simulator: Simulator = node.simulator
        self.end: End
        self.end, self.connection = node.connect(controlled=True)
        self.meter = Meter()
        self.media_meter = Meter()
        self.delays: list[tuple[float, float]] = []
        self.sent = 0
        self.received = 0
        self._downlink = downlink
        self._uplink = uplink
        self._arrived = np.full(_RING, NOT_RECEIVED, np.int64)
        self._first: int | None = None
        self._highest = -1
        self._count = 0
        self._highest_of: dict[int, int] = {}
        self._missing: dict[tuple[int, int], tuple[float, int]] = {}
        self._media: set[int] = set()
        self.silent = False
        """Sends nothing back."""
        self.lies = False
        """Says that all has come at once, whatever the network did."""
        self.clock_us = 777_000_000
        """How far its clock is ahead of the node's."""
        node.watchers.append(self)
        self._simulator.every(_FEEDBACK_S, self._feed_back)

    def watch(self, track: Track, *, repair: bool = True) -> None:
        """`repair`: it agrees on retransmission (RFC 4588)."""
        subscription = self._node.subscribe(self.connection, track, repair=repair)
        self._media.add(subscription.ssrc)

    def collect(self) -> None:
        """Put what the node has sent on the link."""
        for data in self.end.receive():
            self.sent += 1
            if self.lies:
                self._note_arrival(_find_wide(data))
            self._downlink.send(len(data), lambda data=data, at=self._simulator.now: self._receive(data, at))

    def _receive(self, data: bytes, sent_at: float) -> None:
        now = self._simulator.now
        self.received += 1
        self.meter.add(len(data), now)
        self.delays.append((now, now - sent_at))
        sequence, ssrc = struct.unpack_from("!HxxxxL", data, 2)
        if ssrc in self._media:
            self._note_sequence(ssrc, sequence, now)
            if not data[0] & 0x20 or len(data) > _PADDING_PACKET_BYTES:
                self.take_media(len(data), now)
        if not self.lies:
            self._note_arrival(_find_wide(data))

    def take_media(self, size: int, now: float) -> None:
        """A packet of media, not of padding only, has come."""
        self.media_meter.add(size, now)

    def _note_arrival(self, wide: int | None) -> None:
        if wide is None:
            return
        if self._first is None:
            self._first = self._highest = wide
        ahead = (wide - self._highest) & 0xFFFF
        number = self._highest + (ahead if ahead < 0x8000 else ahead - 0x10000)
        if number > self._highest:
            for missing in range(max(self._highest + 1, number - _RING + 1), number):
                self._arrived[missing % _RING] = NOT_RECEIVED
            self._highest = number
        elif number < self._first:
            self._first = number
        self._arrived[number % _RING] = self._node.now_us() + self.clock_us

    def _note_sequence(self, ssrc: int, sequence: int, now: float) -> None:
        highest = self._highest_of.get(ssrc)
        self._missing.pop((ssrc, sequence), None)
        if highest is None:
            self._highest_of[ssrc] = sequence
            return
        ahead = (sequence - highest) & 0xFFFF
        if 0 < ahead < 0x8000:
            if ahead < 100:
                for k in range(1, ahead):
                    self._missing[ssrc, (highest + k) & 0xFFFF] = (now, 0)
            self._highest_of[ssrc] = sequence

    def _send_back(self, packet: bytes) -> None:
        data = self.end.outbound.protect_rtcp(packet)

        def arrive() -> None:
            self.end.socket.send(data)
            self._node.step()

        self._uplink.send(len(data), arrive)

    def _feed_back(self) -> None:
        if self.silent:
            return
        self._ask_again()
        while self._first is not None and self._first <= self._highest:
            out = np.zeros(_REPORT_BYTES + 16, np.uint8)
            last = min(self._highest, self._first + _RING - 1)
            size, covered = build_transport_feedback(
                out, 0, _REPORT_BYTES, 5, 6, self._count, self._arrived, self._first, last
            )
            if covered == 0:
                self._first = self._highest + 1
                return
            self._first += covered
            self._count += 1
            self._send_back(out[:size].tobytes())

    def _ask_again(self) -> None:
        now = self._simulator.now
        for key, (due, tries) in list(self._missing.items()):
            if tries >= _NACK_TRIES:
                del self._missing[key]
            elif now >= due:
                self._missing[key] = (now + _NACK_S, tries + 1)
                for packet in build_nack(5, key[0], [key[1]]):
                    self._send_back(packet)


def _find_wide(data: bytes) -> int | None:
    """The transport-wide sequence number of an SRTP packet: header extensions are not encrypted."""
    if not data[0] & 0x10:
        return None
    end = 16 + 4 * struct.unpack_from("!H", data, 14)[0]
    at = 16
    while at < end:
        head = data[at]
        if head == 0:
            at += 1
            continue
        length = (head & 15) + 1
        if head >> 4 == 3:
            return int.from_bytes(data[at + 1 : at + 3], "big")
        at += 1 + length
    return None
