"""Metrics of clients: their times, told by the server's clock, too."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from livekit.protocol.metrics import MetricsBatch

_MOST_MS = 253_402_300_799_000
"""The end of the year 9999, where a Timestamp ends."""


def normalize(batch: MetricsBatch, now: float) -> bool:
    """Fill in when samples were taken by our clock, as if the batch were sent at `now` (seconds since the Unix epoch).

    The sender's clock may be wrong, so only distances to its time of sending count. False: a time is out of range.
    """
    offset = int(now * 1000) - batch.timestamp_ms
    found: list[tuple[int, Timestamp]] = [(batch.timestamp_ms, batch.normalized_timestamp)]
    for series in batch.time_series:
        found += [(sample.timestamp_ms, sample.normalized_timestamp) for sample in series.samples]
    for event in batch.events:
        found.append((event.start_timestamp_ms, event.normalized_start_timestamp))
        if event.end_timestamp_ms:
            found.append((event.end_timestamp_ms, event.normalized_end_timestamp))
    if not all(0 <= stated <= _MOST_MS and 0 <= stated + offset <= _MOST_MS for stated, _ in found):
        return False
    for stated, timestamp in found:
        timestamp.FromMilliseconds(stated + offset)
    return True
