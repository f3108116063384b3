"""Prometheus series on records: how many are made, how much is on disk, what is wrong, and how much space is left."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu import Server
from sfu.events import Event, RecordingStopped
from sfu.node.metrics.media import Entry, Ledger
from sfu.recording.watch import BEHIND, DISK_NEARLY_FULL, NOT_CLOSED, NOT_SIGNED, NOTHING_WRITTEN, WRITE_FAILED
from sfu.signaling import RecordStore
from sfu.signaling.records.store import name_place

_STATES = ("recording", "paused", "stopped", "failed")
_ALARMS = (WRITE_FAILED, NOTHING_WRITTEN, DISK_NEARLY_FULL, BEHIND, NOT_SIGNED, NOT_CLOSED)
_CAUSES = ("stopped", "failed", "server_closed")
_OTHER = "other"


class RecordingEnds:
    """Counts recordings that have ended, by cause, since one that failed may be gone before the next scrape."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter(dict.fromkeys(_CAUSES, 0))

    def handle_event(self, event: Event) -> None:
        """Count an event of the server, if it ends a recording."""
        if isinstance(event, RecordingStopped):
            self.counts[event.cause if event.cause in _CAUSES else _OTHER] += 1


class FreeSpace:
    """The free space of disks, read in a thread, since a disk that hangs must not hold up a scrape or the server."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._asking: threading.Thread | None = None
        self.bytes: dict[int, int] = {}
        """By place, as found last. A disk that cannot be asked is missing."""
        self._ask()

    def refresh(self) -> None:
        """Read the free space anew, unless the last reading is still under way."""
        if self._folders and (self._asking is None or not self._asking.is_alive()):
            self._asking = threading.Thread(target=self._ask, name="sfu-free-space", daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        found = {}
        for place, folder in enumerate(self._folders):
            try:
                status = os.statvfs(folder)
            except OSError:
                continue  # its series ends, and a recorder that writes there raises an alarm
            found[place] = status.f_bavail * status.f_frsize
        self.bytes = found


class RecordCollector(Collector):
    """Reads all recordings at each scrape."""

    def __init__(self, server: Server, store: RecordStore | None, ends: RecordingEnds) -> None:
        self._server = server
        self._ends = ends
        self._ledger = Ledger(2)
        self._least_free = None if store is None else store.options.least_free_bytes
        self._space = FreeSpace(() if store is None else store.places)

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        states = collections.Counter(dict.fromkeys(_STATES, 0))
        alarms = collections.Counter(dict.fromkeys(_ALARMS, 0))
        living: list[Entry] = []
        for recording in self._server.recordings:
            states[recording.state] += 1
            for index, stats in enumerate(recording.stats()):
                living.append(((recording.id, index), "", (stats.written_bytes, stats.missed_packets)))
                alarms.update(what if what in _ALARMS else _OTHER for what in stats.alarms)
        yield _gauge("sfu_recordings", "Recordings; the stopped ones still bring their last to disk.", "state", states)
        yield _gauge("sfu_recording_alarms", "Alarms that hold now, of all recorders.", "what", alarms)
        ended = CounterMetricFamily("sfu_recordings_ended", "Recordings that have ended, by cause.", labels=["cause"])
        for cause, count in self._ends.counts.items():
            ended.add_metric([cause], count)
        yield ended
        written, missed = self._ledger.update(living).get("", [0, 0])
        yield CounterMetricFamily("sfu_recording_bytes", "Media on disk, mirrors included.", value=written)
        yield CounterMetricFamily(
            "sfu_recording_missed_packets", "Packets that recorders were too slow to take.", value=missed
        )
        self._space.refresh()
        free = GaugeMetricFamily(
            "sfu_recording_free_bytes", "What the disks of records have left, at the last look.", labels=["place"]
        )
        for place, left in self._space.bytes.items():
            free.add_metric([name_place(place)], left)
        yield free
        least = GaugeMetricFamily(
            "sfu_recording_least_free_bytes", "What they must have left: below that an alarm rings."
        )
        if self._least_free is not None:
            least.add_metric([], self._least_free)
        yield least


def _gauge(name: str, text: str, label: str, values: collections.Counter[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
