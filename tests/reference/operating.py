"""The rules of Prometheus, the runbook and Grafana's dashboard, from the tables beside the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from sfu.node.metrics.alerts import ALERTS, Alert
from sfu.node.metrics.panels import DASHBOARD, Panel
from tests.reference.promql import limit_to

_MADE = "made by python -m tests.reference"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _IN_A_ROW = 8, 8, 3
_HEAD = """\
# Runbook

<!-- made by python -m tests.reference -->

What each alert of [`sfu-rules.yml`](../../examples/operating/sfu-rules.yml) means, how to see how bad it is, and what
to do. The page and the rules are made of one table, which stands beside the metrics. **Critical** means that hearings
suffer or a record is in danger: somebody gets up. **Warning** can wait for the day. How to load the rules, and the
dashboard of which this page speaks: [deployment](deployment.md#prometheus-and-grafana); what the limits are:
[limits](../limits.md).

`sfu doctor` on the machine of the node looks at what the metrics do not tell: ports, clock, buffers, disks, caches.
"""


def list_alerts() -> list[Alert]:
    """All alerts, in order."""
    return [alert for alerts in ALERTS.values() for alert in alerts]


def annotate(alert: Alert) -> dict[str, str]:
    """What an alert carries along."""
    return {
        "summary": alert.summary,
        "description": alert.means,
        "runbook": f"docs/guide/runbook.md#{alert.name.lower()}",
    }


def build_rules() -> str:
    """The file of Prometheus."""
    groups = [
        {
            "name": f"sfu: {title.lower()}",
            "rules": [
                {
                    "alert": alert.name,
                    "expr": alert.expression,
                    "for": alert.holds,
                    "labels": {"severity": alert.severity},
                    "annotations": annotate(alert),
                }
                for alert in alerts
            ],
        }
        for title, alerts in ALERTS.items()
    ]
    return f"# {_MADE}\n" + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)


def build_runbook() -> str:
    """The page."""
    parts = [_HEAD]
    for title, alerts in ALERTS.items():
        parts += [f"## {title}\n", *(_describe(alert) for alert in alerts)]
    return "\n".join(parts)


def _describe(alert: Alert) -> str:
    steps = [f"{number}. {step}" for number, step in enumerate(alert.steps, 1)]
    lines = [
        f"### {alert.name}",
        f"**{alert.severity.capitalize()}.** {alert.summary}",
        f"*What it means.* {alert.means}",
        f"*How to see it.* {alert.look}",
        "*What to do.*",
        "\n".join(steps),
        f"```text\n{alert.expression}\n```"
        if alert.holds == "0m"
        else f"For {alert.holds}:\n\n```text\n{alert.expression}\n```",
    ]
    return "\n\n".join(lines) + "\n"


def list_panels() -> list[Panel]:
    """All panels, in order."""
    return [panel for row in DASHBOARD for panel in row.panels]


def build_dashboard() -> str:
    """The file of Grafana."""
    chosen = {
        "name": "instance",
        "label": "node",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": 'label_values(up{job="sfu"}, instance)', "refId": "instance"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    document = {
        "title": "sfu",
        "uid": "sfu-node",
        "description": f"A WebRTC media node; {_MADE}",
        "tags": ["sfu", "webrtc"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "source", "type": "datasource", "query": "prometheus"}, chosen]
        },
        "panels": list(_lay_out()),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _lay_out() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in DASHBOARD:
        number += 1
        yield _place(number, "row", row.title, 0, top, 3 * _WIDTH, 1) | {"collapsed": False, "panels": []}
        top += 1
        for place, panel in enumerate(row.panels):
            number += 1
            left, below = place % _IN_A_ROW, place // _IN_A_ROW
            where = (left * _WIDTH, top + below * _HEIGHT, _WIDTH, _HEIGHT)
            yield _place(number, "timeseries", panel.title, *where) | _draw(panel)
        top += -(-len(row.panels) // _IN_A_ROW) * _HEIGHT


def _place(number: int, kind: str, title: str, x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"id": number, "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": w, "h": h}}


def _draw(panel: Panel) -> dict[str, Any]:
    return {
        "description": panel.text,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 8}}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": _ask(list(panel.queries.items())),
    }


def _ask(queries: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": limit_to(expression, 'instance=~"$instance"'),
            "legendFormat": legend,
        }
        for index, (legend, expression) in enumerate(queries)
    ]
