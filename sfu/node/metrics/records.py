"""Prometheus series on records: how many are made, how much is on disk, what is wrong, and how much space is left."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu import Server
from sfu.events import Event, RecordingStopped, RecordNotRecovered, RecordRecovered
from sfu.node.admission.free_space import FreeSpace
from sfu.node.metrics.media import Entry, Ledger
from sfu.recording.watch import BEHIND, DISK_NEARLY_FULL, NOT_CLOSED, NOT_SIGNED, NOTHING_WRITTEN, WRITE_FAILED
from sfu.signaling import RecordStore
from sfu.signaling.records.store import name_place

_STATES = ("recording", "paused", "stopped", "failed")
_ALARMS = (WRITE_FAILED, NOTHING_WRITTEN, DISK_NEARLY_FULL, BEHIND, NOT_SIGNED, NOT_CLOSED)
_CAUSES = ("stopped", "failed", "server_closed")
_OTHER = "other"
_WHY = ("refused", "failed")


class RecordingEnds:
    """Counts recordings that have ended, by cause, since one that failed may be gone before the next scrape; and what
    became of records that were found open.
    """

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter(dict.fromkeys(_CAUSES, 0))
        self.recovered = 0
        self._left: dict[str, str] = {}

    def handle_event(self, event: Event) -> None:
        """Count an event of the server, if it is of these."""
        if isinstance(event, RecordingStopped):
            self.counts[event.cause if event.cause in _CAUSES else _OTHER] += 1
        elif isinstance(event, RecordNotRecovered):
            self._left[event.path] = event.why
        elif isinstance(event, RecordRecovered):
            self.recovered += 1
            self._left.pop(event.path, None)

    @property
    def not_recovered(self) -> collections.Counter[str]:
        """How many records were found open and are not closed, by why."""
        counts = collections.Counter(dict.fromkeys(_WHY, 0))
        counts.update(self._left.values())
        return counts


class RecordCollector(Collector):
    """Reads all recordings at each scrape."""

    def __init__(self, server: Server, store: RecordStore | None, ends: RecordingEnds, space: FreeSpace) -> None:
        """`space`: that of the store's places."""
        self._server = server
        self._ends = ends
        self._ledger = Ledger(2)
        self._least_free = None if store is None else store.options.least_free_bytes
        self._space = space

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
        yield CounterMetricFamily(
            "sfu_records_recovered",
            "Records that a crash had left open, and that were closed.",
            value=self._ends.recovered,
        )
        yield _gauge(
            "sfu_records_not_recovered", "Records that were found open and could not be closed, by why.", "why",
            self._ends.not_recovered,
        )  # fmt: skip
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
