"""Metrics of the load and its bounds, of quotas, and of what was refused."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.node.admission.load import REASONS as LOAD_REASONS
from sfu.node.admission.load import LoadAdmission
from sfu.node.admission.quotas import REASONS as QUOTA_REASONS
from sfu.node.admission.quotas import TenantQuotas
from sfu.signaling import Admissions


class AdmissionCollector(Collector):
    """Reads them at each scrape. Tenants are the keys of the settings, which nobody else can add to."""

    def __init__(self, admissions: Admissions, load: LoadAdmission, quotas: TenantQuotas) -> None:
        self._admissions = admissions
        self._load = load
        self._quotas = quotas

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        text = "Share that is used: of a core, of the memory, of the descriptors; over some seconds."
        load = GaugeMetricFamily("sfu_load", text, labels=["reason"])
        bounds = GaugeMetricFamily("sfu_load_bound", "Share from which on nobody new comes in.", labels=["reason"])
        for reason, bound in self._load.bounds.items():
            load.add_metric([reason], bound.value)
            bounds.add_metric([reason], bound.most)
        yield from (load, bounds)
        text = "New rooms, peers and recordings that were refused by load or quota, by reason."
        refused = CounterMetricFamily("sfu_refused_demands", text, labels=["reason"])
        # From zero, since Prometheus sees no increase in a series that begins with its first count.
        known = dict.fromkeys((*LOAD_REASONS, *QUOTA_REASONS), 0)
        for reason, count in collections.Counter(known | self._admissions.refused).items():
            refused.add_metric([reason], count)
        yield refused
        used = GaugeMetricFamily("sfu_quota_used", "What a tenant uses of a quota.", labels=["tenant", "quota"])
        limits = GaugeMetricFamily("sfu_quota_limit", "What it may use, where that is set.", labels=["tenant", "quota"])
        for tenant in self._quotas.tenants:
            for use in self._quotas.list_use(tenant):
                used.add_metric([tenant, use.name], use.used)
                if use.limit is not None:
                    limits.add_metric([tenant, use.name], use.limit)
        yield from (used, limits)
