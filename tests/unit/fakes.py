"""A plane that forwards nothing and remembers what it was told; a clock that stands still."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from sfu.clock import Clock
from sfu.events import Event
from sfu.media.context import MediaContext
from sfu.routing.plane import Notice, Plane
from sfu.routing.states import AudioLevel, EncodingState, SubscriptionReports, SubscriptionState
from sfu.shard.origins import Origins
from sfu.shard.shard import Shard
from sfu.transport import Address

NO_ROWS = {"connections": 0, "tracks": 0, "encodings": 0, "subscriptions": 0, "logs": 0, "resent": 0}
"""What `Server.rows_in_use` says of a server that has given everything back."""


class FakeAddresses:
    def __init__(self) -> None:
        self.held: dict[int, tuple[Address, ...]] = {}
        self.selected: dict[int, Address | None] = {}
        self.by_tcp: dict[int, bool] = {}
        self.relayed: dict[int, tuple[Address, ...]] = {}
        self.local: dict[int, bytes] = {}
        self.media: dict[int, list[tuple[Address, float]]] = {}

    def set(
        self,
        connection: int,
        addresses: Sequence[Address],
        selected: Address | None,
        *,
        local: bytes = b"",
        tcp: bool = False,
        relayed: Sequence[Address] = (),
    ) -> None:
        self.held[connection] = tuple(addresses)
        self.selected[connection] = selected
        self.by_tcp[connection] = tcp
        self.relayed[connection] = tuple(relayed)
        self.local[connection] = local

    def heard(self, connection: int) -> list[tuple[Address, float]]:
        return self.media.get(connection, [])


class FakeRepairs:
    def __init__(self) -> None:
        self.resent: list[tuple[int, bool]] = []

    def use_rtx(self, row: int, **about: Any) -> bool:
        return True

    def use_resending(self, row: int, *, audio: bool) -> bool:
        self.resent.append((row, audio))
        return True


class FakePlane:
    index = 0
    port = 40000

    def __init__(self) -> None:
        self.notice_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.notices: list[Notice] = []
        self.notices_read = 0
        self.ufrags: list[tuple[int, tuple[str, ...]]] = []
        self.open: set[tuple[str, int]] = set()
        self.sent: list[tuple[bytes, Address]] = []
        self.addresses = FakeAddresses()
        self.repairs = FakeRepairs()
        self.targets: list[tuple[int, int, int, int]] = []
        self.current_index = -1
        self.current_temporal = 0
        self.octets = [0] * 32
        self.told_sets: list[tuple[int, int, tuple[bytes, ...]]] = []
        self.opened: list[dict[str, Any]] = []
        self.key_frames = 0
        self.packets = 0
        self.shifts: dict[int, int] = {}
        self.arrivals: set[tuple[int, int]] = set()
        self.limits: list[int] = []
        self.paused: dict[int, bool] = {}
        self.tapped: list[int] = []
        self.moves: list[tuple[int, int]] = []
        self.reports: list[tuple[int, ...]] = []
        self.reported = {"lost_256": 0, "packets_lost": 0, "jitter": 0, "round_trip_us": -1}
        self.goodbyes: list[bool] = []
        self._rows = itertools.count()

    def push(self, *notices: Notice) -> None:
        self.notices.extend(notices)
        os.eventfd_write(self.notice_fd, 1)

    @property
    def notices_written(self) -> int:
        return self.notices_read + len(self.notices)

    def poll_notices(self, most: int) -> list[Notice]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.notice_fd)
        taken, self.notices = self.notices[:most], self.notices[most:]
        self.notices_read += len(taken)
        return taken

    def set_ufrags(self, connection: int, ufrags: Sequence[str]) -> None:
        self.ufrags.append((connection, tuple(ufrags)))

    def send(self, data: bytes, address: Address, local: bytes = b"") -> None:
        self.sent.append((data, address))

    def counters(self) -> dict[str, int]:
        return {"received_rtp": 7}

    def open_track(self) -> int:
        return self._open("track")

    def open_encoding(self, track: int, connection: int, **about: Any) -> int:
        self.opened.append(about)
        return self._open("encoding")

    def set_clock_offset(self, encoding: int, shift: int) -> None:
        self.shifts[encoding] = shift

    def arrived(self, encoding: int, sequence: int) -> bool:
        return (encoding, sequence) in self.arrivals

    def open_subscription(self, track: int, connection: int, *, ssrc: int, **about: Any) -> int:
        self._ssrc = ssrc
        return self._open("subscription")

    def set_tapped(self, track: int, encodings: int) -> None:
        self.tapped.append(encodings)

    def track_generation(self, track: int) -> int:
        return 1

    def set_paused(self, row: int, paused: bool) -> None:
        self.paused[row] = paused

    def move_subscription(self, row: int, track: int) -> None:
        self.moves.append((row, track))

    def close_subscription(self, row: int, *, goodbye: bool) -> None:
        self.open.discard(("subscription", row))
        self.goodbyes.append(goodbye)

    def pass_report(self, track: int, index: int, ntp_time: int, rtp_timestamp: int) -> None:
        self.reports.append((track, index, ntp_time, rtp_timestamp))

    def forget_report(self, track: int, index: int) -> None:
        self.reports.append((track, index))

    def subscription_reports(self, row: int) -> SubscriptionReports:
        return SubscriptionReports(self._ssrc, **self.reported)

    def set_limit(self, connection: int, rate_bps: int) -> None:
        self.limits.append(rate_bps)

    def set_target(self, row: int, index: int, spatial: int, temporal: int) -> None:
        self.targets.append((row, index, spatial, temporal))

    def set_relay(self, track: int, shard: int, target: int) -> None: ...

    def tell_parameters(self, track: int, index: int, sets: tuple[bytes, ...]) -> None:
        self.told_sets.append((track, index, sets))

    def subscription_state(self, row: int) -> SubscriptionState:
        values = dict.fromkeys((field.name for field in dataclasses.fields(SubscriptionState)), 0)
        current = {"current_index": self.current_index, "current_temporal": self.current_temporal}
        return SubscriptionState(**values | {"ssrc": self._ssrc} | current)

    def encoding_state(self, row: int) -> EncodingState:
        values = dict.fromkeys((field.name for field in dataclasses.fields(EncodingState)), 0)
        packets = {"packets": self.packets, "media_packets": self.packets}
        return EncodingState(**values | packets | {"key_frames": self.key_frames})

    def encoding_loss(self, row: int) -> float:
        return 0.0

    def audio_level(self, row: int) -> AudioLevel:
        return AudioLevel(0, 0, 0)

    def layer_octets(self, row: int) -> list[int]:
        return self.octets

    def close_track(self, row: int) -> None:
        self.open.remove(("track", row))

    def close_encoding(self, row: int) -> None:
        self.open.remove(("encoding", row))

    def stop(self) -> None:
        os.close(self.notice_fd)

    def _open(self, kind: str) -> int:
        row = next(self._rows)
        self.open.add((kind, row))
        return row


class FakeClock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_context(
    shard: Shard,
    row: int = 0,
    *,
    peer: str = "alice",
    clock: Clock = lambda: 100.0,
    post: Callable[[Event], None] = lambda event: None,
) -> MediaContext:
    """Of a connection in the room `lobby`."""
    return MediaContext("lobby", peer, shard, row, clock, post)


def make_shard(plane: FakePlane, clock: FakeClock, origins: Origins | None = None) -> Shard:
    return Shard(cast("Plane", plane), announce=["192.0.2.1"], clock=clock, origins=origins)
