"""Every metric of the node, from its collectors, and every reason that one of them counts by."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from sfu import Config, Server
from sfu.cluster.directory import MemoryDirectory
from sfu.cluster.records import NodeRecord
from sfu.node.admission.free_space import FreeSpace
from sfu.node.admission.load import REASONS as LOAD_REASONS
from sfu.node.admission.load import LoadAdmission, LoadLimits
from sfu.node.admission.minutes import Minutes
from sfu.node.admission.quotas import REASONS as QUOTA_REASONS
from sfu.node.admission.quotas import TenantQuotas
from sfu.node.cluster.collector import ClusterCollector
from sfu.node.cluster.part import ClusterPart
from sfu.node.descriptors import DescriptorPlan
from sfu.node.http.connections import HttpConnections
from sfu.node.http.limits import HttpLimits
from sfu.node.http.statistics import HttpStatistics
from sfu.node.livekit.server_api import ServerApiCollector
from sfu.node.metrics.admission import AdmissionCollector
from sfu.node.metrics.http import HttpConnectionCollector
from sfu.node.metrics.load import LoadCollector
from sfu.node.metrics.records import _ALARMS, RecordCollector, RecordingEnds
from sfu.node.metrics.server import ServerCollector
from sfu.node.metrics.tcp import TcpCollector
from sfu.routing.plane import Counter
from sfu.signaling import Admissions, Grants, Signaling, SignalingOptions
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.server_api import ServerApi
from sfu.signaling.livekit.webhooks.webhooks import WebhookOptions, Webhooks
from tests.reference.docstrings import row, table
from tests.reference.drops import DROPS

SOURCES = Path(__file__).parents[2] / "sfu"
_HEAD = """\
# Metrics

<!-- made by python -m tests.reference -->

`GET /metrics` answers in the format of Prometheus: on the public port with `metrics_token` as the bearer
token, or on a listener of their own (`metrics_port`, `metrics_host`), see [configuration](configuration.md).
Rooms and peers, which clients name, are never labels. Beside those below there are the usual ones of the
process and of Python (`process_...`, `python_...`).

A counter's series ends in `_total`. Histograms of losses, jitter and round trips are gauge histograms: they
show all streams as they are now, so `histogram_quantile(0.95, sfu_subscription_round_trip_seconds_bucket)`
needs no `rate`. Of more than 500 subscriptions of a kind a sample stands for all.
"""
_DROPS = """\
## Reasons of `sfu_drops_total`

What strangers send is dropped by rule, so a count that grows is no fault by itself.
"""
_OTHERS = """\
## Reasons of other counters

`sfu_http_ended_connections_total`, `sfu_http_refused_requests_total`, `sfu_refused_sessions_total` and
`sfu_refused_event_streams_total`: see [limits](../limits.md). `sfu_not_retransmitted_packets_total`:
`refused`, asked for too often or beyond the subscription's budget; `missed`, the history no longer reaches
there. `sfu_livekit_data_lost_total`: see [LiveKit clients](../livekit.md#data). `sfu_refused_demands_total`:
{refusals}; see [limits](../limits.md). `sfu_recording_alarms`: {alarms}.
"""
_TYPES = {"gaugehistogram": "gauge histogram"}


class _Nobody:
    def authorize(self, token: str) -> Grants:
        raise AssertionError(token)


class _Counting(Server):
    """A server that need not run to say what it counts."""

    def counters(self) -> dict[str, int]:
        return dict.fromkeys(name_counters(), 0)


def name_counters() -> list[str]:
    """Those of the plane and of its control side; drops come from elsewhere, too."""
    plane = [counter.name.lower() for counter in Counter]
    return [*plane, "control_sent", "control_send_failed"]


def collect_families() -> Iterator[Metric]:
    """All metric families of a node."""
    server = _Counting(Config())
    signaling = Signaling(server, _Nobody())
    limits = HttpLimits()
    yield from ServerCollector(server, signaling, HttpStatistics()).collect()
    yield from LoadCollector(server).collect()
    yield from RecordCollector(server, None, RecordingEnds(), FreeSpace(())).collect()
    minutes = Minutes(None, 0.0)
    quotas = TenantQuotas({}, ["key"], server.attendance, minutes, count_recordings=lambda tenant: 0, clock=lambda: 0.0)
    yield from AdmissionCollector(Admissions(), LoadAdmission(LoadLimits()), quotas).collect()
    yield from HttpConnectionCollector(HttpConnections(limits), DescriptorPlan(0, 0, 0, 0, 0)).collect()
    yield from TcpCollector().collect()
    part = ClusterPart(server, MemoryDirectory(), NodeRecord(id="node", client_url="https://sfu.example"))
    yield from ClusterCollector(part).collect()
    livekit = LiveKit(server, {"key": "s" * 40})
    with tempfile.TemporaryDirectory() as folder:
        webhooks = Webhooks(WebhookOptions(Path(folder) / "outbox", ("http://127.0.0.1/",)), _post, threads=False)
        api = ServerApi(livekit.rooms, livekit.keys, SignalingOptions(), webhooks=webhooks)
        yield from ServerApiCollector(api).collect()


async def _post(url: str, body: bytes) -> int:
    raise AssertionError(url)


def find_drop_reasons() -> set[str]:
    """All reasons in the code: the plane's, and what stands in the dictionaries of drops."""
    found = {counter.name.lower().removeprefix("drop_") for counter in Counter if counter.name.startswith("DROP_")}
    for path in SOURCES.rglob("*.py"):
        if "livekit" in path.parts:
            continue  # what participants send each other there has a counter of its own
        text = path.read_text(encoding="utf-8")
        endpoint = "transport" in path.parts or path.stem == "data_channels"
        prefix = "endpoint_" if endpoint else ""
        found |= {prefix + name.removeprefix("drop_") for name in re.findall(r'drops\["([a-z_]+)"\]', text)}
        if path.name == "stun.py":
            found |= {prefix + name for name in re.findall(r'StunError\("([a-z_]+)"\)', text)}
    return found


def build_metrics() -> str:
    """The page."""
    lines = [_HEAD, *table("metric", "type", "labels", "what")]
    for family in sorted(collect_families(), key=lambda family: family.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        lines.append(row(f"`{name}`", _TYPES.get(family.type, family.type), labels, family.documentation))
    lines += ["", _DROPS, *table("reason", "what")]
    lines += [row(f"`{reason}`", text) for reason, text in sorted(DROPS.items())]
    alarms, refusals = (", ".join(f"`{what}`" for what in each) for each in (_ALARMS, LOAD_REASONS + QUOTA_REASONS))
    lines += ["", _OTHERS.format(alarms=alarms, refusals=refusals)]
    return "\n".join(lines)
