"""The node's side of the LiveKit protocol: its settings checked, its parts put together, its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import sfu
from sfu.node.config.folders import check_folder
from sfu.node.config.settings import Settings
from sfu.node.livekit.egress_files import EgressFiles
from sfu.signaling import RecordStore
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.ingress.store import IngressStore
from sfu.signaling.livekit.server_api import EgressPlace, ServerApi
from sfu.signaling.livekit.webhooks.poster import Poster
from sfu.signaling.livekit.webhooks.webhooks import WebhookOptions, Webhooks

_OUTBOX, _INGRESSES = "webhooks.sqlite", "ingresses.sqlite"


def build_server_api(livekit: LiveKit, settings: Settings, records: RecordStore | None, url: str) -> ServerApi:
    """What servers of the protocol's users speak to. `url`: where the node listens. Raises sfu.ConfigError, which names
    the setting.
    """
    folder = check_folder("livekit_dir", settings.livekit_dir) if settings.livekit_dir else None
    return ServerApi(
        livekit.rooms,
        livekit.keys,
        settings.build_options(),
        base_url=settings.livekit_url or url,
        ingresses=IngressStore(None if folder is None else folder / _INGRESSES),
        egress=_find_egress(settings, records),
        webhooks=_open_webhooks(livekit, settings, folder),
    )


def _open_webhooks(livekit: LiveKit, settings: Settings, folder: Path | None) -> Webhooks | None:
    urls = settings.livekit_webhook_urls
    if not urls:
        return None
    if folder is None:
        raise sfu.ConfigError("livekit_webhook_urls", "webhooks wait on disk: set livekit_dir, too")
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise sfu.ConfigError("livekit_webhook_urls", f"{url.partition('?')[0]!r} is no HTTP URL")
    key = settings.livekit_webhook_key
    if key and key not in livekit.keys.names:
        raise sfu.ConfigError("livekit_webhook_key", f"{key!r} is none of livekit_keys")
    return Webhooks(WebhookOptions(folder / _OUTBOX, urls), Poster(livekit.keys, key))


def _find_egress(settings: Settings, records: RecordStore | None) -> EgressPlace | None:
    if not settings.livekit_egress_dir:
        return None
    if records is None:
        raise sfu.ConfigError("livekit_egress_dir", "egress stands on records: set record_dir, too")
    folder = check_folder("livekit_egress_dir", settings.livekit_egress_dir)
    if any(folder.is_relative_to(place) or place.is_relative_to(folder) for place in records.places):
        raise sfu.ConfigError("livekit_egress_dir", "files of egress must not stand among the records")
    return EgressPlace(records, folder, EgressFiles())


class ServerApiCollector(Collector):
    """Reads how the server API, its webhooks and agents fare."""

    def __init__(self, api: ServerApi) -> None:
        self._api = api

    def collect(self) -> Iterator[Metric]:
        """All metric families (prometheus-client calls this at each scrape)."""
        calls = CounterMetricFamily(
            "sfu_livekit_calls", "Calls of the LiveKit server API, by method and code.", labels=["method", "code"]
        )
        for labels, count in sorted(self._api.calls.items()):
            calls.add_metric(labels, count)
        yield calls
        losses = CounterMetricFamily(
            "sfu_livekit_data_lost",
            "Data packets of LiveKit participants that were not passed on to somebody, by reason.",
            labels=["reason"],
        )
        for reason, count in sorted(self._api.data_losses.items()):
            losses.add_metric([reason], count)
        yield losses
        workers = self._api.workers.by_id.values()
        yield GaugeMetricFamily("sfu_livekit_workers", "Registered workers of agents.", value=len(workers))
        jobs = sum(len(worker.jobs) for worker in workers)
        yield GaugeMetricFamily("sfu_livekit_jobs", "Jobs that run on them.", value=jobs)
        webhooks = self._api.webhooks
        if webhooks is not None:
            yield from _collect_webhooks(webhooks)


def _collect_webhooks(webhooks: Webhooks) -> Iterator[Metric]:
    attempts = CounterMetricFamily("sfu_webhook_attempts", "Attempts to deliver webhooks.", labels=["result"])
    for result, count in webhooks.results.items():
        attempts.add_metric([result], count)
    yield attempts
    state = webhooks.state
    waiting = state.waiting + webhooks.unstored
    yield GaugeMetricFamily("sfu_webhooks_waiting", "Webhooks that wait, counted for each URL.", value=waiting)
    yield GaugeMetricFamily("sfu_webhook_oldest_seconds", "Age of the oldest that waits.", value=webhooks.oldest_age)
    yield GaugeMetricFamily("sfu_webhook_outbox_bytes", "Size of the outbox on disk.", value=state.size_bytes)
    yield CounterMetricFamily("sfu_webhooks_lost", "Given up: the disk took none for long.", value=webhooks.lost)
    alarms = GaugeMetricFamily("sfu_webhook_alarm", "1 while it rings.", labels=["what"])
    for what in ("behind", "large", "unwritable"):
        alarms.add_metric([what], float(what in webhooks.alarms))
    yield alarms
