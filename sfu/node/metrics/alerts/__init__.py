"""What an operator is called for: the rules of Prometheus and the runbook are made of these tables.

`python -m tests.reference` writes `examples/operating/sfu-rules.yml` and `docs/guide/runbook.md`. Whoever scrapes calls
the job `sfu`, by which series that other programs have, too, are told apart.
"""

from __future__ import annotations

from sfu.node.metrics.alerts.alert import Alert
from sfu.node.metrics.alerts.clients import CLIENTS
from sfu.node.metrics.alerts.cluster import CLUSTER
from sfu.node.metrics.alerts.media import MEDIA
from sfu.node.metrics.alerts.node import NODE
from sfu.node.metrics.alerts.records import RECORDS

__all__ = ["ALERTS", "Alert"]

ALERTS: dict[str, tuple[Alert, ...]] = {
    "The node": NODE,
    "Packets": MEDIA,
    "Records": RECORDS,
    "Clients": CLIENTS,
    "The cluster": CLUSTER,
}
"""By what they are about."""
