"""What an operator sees: Grafana's dashboard is made of these tables.

`python -m tests.reference` writes `examples/operating/sfu-dashboard.json`. Each metric of the node stands in a panel.
The range of a rate is `$__rate_interval`, and what limits a panel to the chosen nodes is added when the file is made.
"""

from __future__ import annotations

from sfu.node.metrics.panels.clients import CLIENTS
from sfu.node.metrics.panels.cluster import CLUSTER
from sfu.node.metrics.panels.media import MEDIA
from sfu.node.metrics.panels.node import NODE
from sfu.node.metrics.panels.panel import Panel, Row

__all__ = ["DASHBOARD", "Panel", "Row"]

DASHBOARD: tuple[Row, ...] = (*NODE, *MEDIA, *CLIENTS, *CLUSTER)
