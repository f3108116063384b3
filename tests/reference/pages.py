"""Which page is made by what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reference.commands import build_commands
from tests.reference.events import build_events
from tests.reference.http import build_http
from tests.reference.metrics import build_metrics
from tests.reference.settings import build_configuration

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": build_commands,
    "configuration.md": build_configuration,
    "events.md": build_events,
    "http.md": build_http,
    "metrics.md": build_metrics,
}
