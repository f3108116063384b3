"""What expressions of Prometheus name, and what the node has of it."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, ProcessCollector

from tests.reference.metrics import collect_families

_NAME = re.compile(r"\b(?:(?:sfu|process|python)_\w+|up|ALERTS)\b")
_SELECTOR = re.compile(rf"({_NAME.pattern})(?:\{{([^}}]*)\}})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_BY = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
}
SCRAPED = {"job", "instance"}
"""Labels that Prometheus gives to all that it scrapes."""


def list_series() -> dict[str, set[str]]:
    """The labels of each series of a node, by name, those of the process and of Prometheus included."""
    process = ProcessCollector(registry=CollectorRegistry()).collect()
    found = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
    for family in (*collect_families(), *process):
        labels = set(getattr(family, "_labelnames", ()))
        for ending in _ENDINGS.get(family.type, ("",)):
            found[family.name + ending] = labels | ({"le"} if ending == "_bucket" else set())
    return found


def list_selectors(expression: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each series that an expression names, with the labels and what they must be."""
    return [
        (found[1], [(label, value) for label, _, value in _MATCHER.findall(found[2] or "")])
        for found in _SELECTOR.finditer(expression)
    ]


def list_groupings(expression: str) -> set[str]:
    """The labels by which an expression groups or matches."""
    return {label for labels in _BY.findall(expression) for label in labels.split(", ") if label}


def limit_to(expression: str, matcher: str) -> str:
    """The expression with a matcher added to each series in it."""

    def add(found: re.Match[str]) -> str:
        name, matchers = found[1], found[2]
        return f"{name}{{{matchers}, {matcher}}}" if matchers else f"{name}{{{matcher}}}"

    return _SELECTOR.sub(add, expression)
