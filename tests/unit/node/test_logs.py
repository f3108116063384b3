from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from sfu.events import ConnectionState, ConnectionStateChanged, NegotiationNeeded, PeerJoined
from sfu.node.event_log import log_event
from sfu.node.logs import LogFormat, configure_logging


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(layout: LogFormat, *extras: dict[str, object], message: str = "peer joined") -> list[str]:
    stream = StringIO()
    configure_logging("info", layout, stream)
    for extra in extras:
        logging.getLogger("sfu.test").info(message, extra=extra)
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("root")
def test_json_lines_carry_the_facts() -> None:
    (line,) = lines("json", {"room": "lobby", "ms": 1.5, "peer": "Zoë\n", "none": None, "event": "no"})
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "info",
        "logger": "sfu.test",
        "event": "peer joined",
        "room": "lobby",
        "ms": 1.5,
        "peer": "Zoë\n",
        "none": None,
    }


@pytest.mark.usefixtures("root")
def test_console_lines_cannot_be_forged() -> None:
    (line,) = lines("console", {"peer": "eve\n12:00:00 info hacked", "room": "a b", "path": "/x", "s": "\x1b[31m"})
    assert "peer joined" in line
    assert 'peer="eve\\n12:00:00 info hacked"' in line
    assert 'room="a b"' in line
    assert "path=/x" in line
    assert "\x1b" not in line


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("layout", ["json", "console"])
def test_a_long_value_is_cut(layout: LogFormat) -> None:
    (line,) = lines(layout, {"peer": "x" * 100_000})
    assert len(line) < 1000


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("layout", ["json", "console"])
def test_an_exception_is_told(layout: LogFormat) -> None:
    stream = StringIO()
    configure_logging("error", layout, stream)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("sfu.test").exception("failed")
    logging.getLogger("sfu.test").warning("not this")
    assert "ValueError: why" in stream.getvalue()
    assert "not this" not in stream.getvalue()


def test_room_events_become_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_event(PeerJoined("lobby", "alice"))
        log_event(ConnectionStateChanged("lobby", "alice", "c1", ConnectionState.CLOSED, "consent_lost"))
        log_event(NegotiationNeeded("lobby", "alice", "c1"))
    first, second = caplog.records
    assert (first.getMessage(), vars(first)["peer"], vars(first)["room"]) == ("peer joined", "alice", "lobby")
    assert second.getMessage() == "connection state changed"
    assert (vars(second)["state"], vars(second)["reason"]) == ("closed", "consent_lost")
