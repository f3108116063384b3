"""Which page and which file is made by what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reference.commands import build_commands
from tests.reference.events import build_events
from tests.reference.http import build_http
from tests.reference.metrics import build_metrics
from tests.reference.operating import build_dashboard, build_rules, build_runbook
from tests.reference.settings import build_configuration

_ROOT = Path(__file__).parents[2]
REFERENCE = _ROOT / "docs" / "reference"
OPERATING = _ROOT / "examples" / "operating"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": build_commands,
    "configuration.md": build_configuration,
    "events.md": build_events,
    "http.md": build_http,
    "metrics.md": build_metrics,
}
"""In the folder of the reference."""
FILES: dict[Path, Callable[[], str]] = {
    OPERATING / "sfu-rules.yml": build_rules,
    OPERATING / "sfu-dashboard.json": build_dashboard,
    _ROOT / "docs" / "guide" / "runbook.md": build_runbook,
}
"""Elsewhere."""
