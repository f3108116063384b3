"""From the planes' tap rings to the recorders: one thread for all recordings of a server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sfu.routing.plane import TappedPackets

_log = logging.getLogger("sfu.recording")

_INTERVAL_S = 0.2
"""Seconds between two looks at the rings, which hold a second and more: a look costs more than the packets that it
finds."""
_POLL_PACKETS = 1024

Deliver = Callable[[TappedPackets], None]
"""Takes one Track's packets; called in the feed's thread, and must return at once."""


class Place(NamedTuple):
    """One use of one row of a shard's table of tracks."""

    shard: int
    track: int
    generation: int


class TappedPlane(Protocol):
    """The part of a plane that the feed uses."""

    def poll_tap(self) -> list[TappedPackets]:
        """Return packets, in order of arrival within each track; only the feed's thread calls this."""
        ...

    @property
    def tap_missed(self) -> int:
        """Return how many packets have not fitted into the ring so far."""
        ...


class Feed:
    """Reads the rings while anyone is connected. Only the control thread calls `connect` and `disconnect`."""

    def __init__(self, planes: Sequence[TappedPlane]) -> None:
        self._planes = tuple(planes)
        self._lock = threading.Lock()
        self._stepping = threading.Lock()
        self._delivers: dict[Place, dict[Deliver, Callable[[], None]]] = {}
        self._missed = [plane.tap_missed for plane in self._planes]
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def connect(self, place: Place, deliver: Deliver, missed: Callable[[], None]) -> None:
        """Deliver a Track's packets from now on, to all who have asked for them; `missed` is called when packets may
        have been lost on the way here.
        """
        with self._lock:
            self._delivers.setdefault(place, {})[deliver] = missed
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="sfu-feed", daemon=True)
            self._thread.start()

    def disconnect(self, place: Place, deliver: Deliver) -> None:
        """Stop delivering a Track's packets there; none are delivered once this has returned."""
        with self._lock:
            delivers = self._delivers.get(place, {})
            delivers.pop(deliver, None)
            if not delivers:
                self._delivers.pop(place, None)

    def close(self) -> None:
        """End the thread. Idempotent."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            try:
                self.step()
            except Exception:  # noqa: BLE001 - a defect of ours in one round must not end all recordings
                _log.exception("a round of the recorders' feed failed")

    def step(self) -> None:
        """Deliver all packets that wait; callable in any thread, so that what came before an order is there before
        it.
        """
        with self._stepping:
            self._step()

    def _step(self) -> None:
        for shard, plane in enumerate(self._planes):
            while found := plane.poll_tap():
                self._hand_out(shard, found)
                if sum(map(len, found)) < _POLL_PACKETS:
                    break
            missed = plane.tap_missed
            if missed != self._missed[shard]:
                self._missed[shard] = missed
                with self._lock:
                    for place, delivers in self._delivers.items():
                        if place.shard == shard:
                            for tell in delivers.values():
                                tell()

    def _hand_out(self, shard: int, found: list[TappedPackets]) -> None:
        with self._lock:  # so that nothing is delivered after `disconnect`
            for packets in found:
                for deliver in self._delivers.get(Place(shard, packets.track, packets.generation), ()):
                    deliver(packets)
