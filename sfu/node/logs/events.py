"""What happens in rooms, as log lines."""

from __future__ import annotations

import dataclasses
import logging
import re

from sfu.events import (
    Event,
    EventsLost,
    NegotiationNeeded,
    RecordingAlarm,
    RecordingNotContinued,
    RecordingStopped,
    RecordNotRecovered,
    RecordRecovered,
)

_log = logging.getLogger("sfu.rooms")

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def log_event(event: Event) -> None:
    """Log one event: its type as the message (`peer joined`), its fields as facts."""
    if isinstance(event, NegotiationNeeded):
        return  # no news to people
    level = _choose_level(event)
    if not _log.isEnabledFor(level):
        return
    facts = {}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if value != "":
            facts[field.name] = getattr(value, "value", value)
    _log.log(level, _WORD.sub(" ", type(event).__name__).lower(), extra=facts)


def _choose_level(event: Event) -> int:
    if isinstance(event, RecordingAlarm | RecordingNotContinued | RecordNotRecovered) or (
        isinstance(event, RecordingStopped) and event.cause == "failed"
    ):
        return logging.ERROR
    return logging.WARNING if isinstance(event, EventsLost | RecordRecovered) else logging.INFO
