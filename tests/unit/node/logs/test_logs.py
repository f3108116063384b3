from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from sfu.events import ConnectionState, ConnectionStateChanged, NegotiationNeeded, PeerJoined
from sfu.node.logs.events import log_event
from sfu.node.logs.setup import LogFormat, LogLevel, configure_logging


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was; ours too."""
    root, ours = logging.getLogger(), logging.getLogger("sfu")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


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


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize(
    "theirs", ["numba.core.ssa", "numba.core.byteflow", "asyncio", "uvicorn.error", "whatever.it.is"]
)
def test_only_our_own_lines_are_detailed(level: LogLevel, theirs: str) -> None:
    stream = StringIO()
    configure_logging(level, "console", stream)
    logging.getLogger("sfu.test").log(logging.getLevelNamesMapping()[level.upper()], "ours")
    logging.getLogger(theirs).debug("their detail")
    logging.getLogger(theirs).info("their news")
    logging.getLogger(theirs).warning("their warning")
    assert [line.split(maxsplit=2)[2] for line in stream.getvalue().splitlines()] == ["ours", "their warning"]


@pytest.mark.usefixtures("root")
def test_a_level_above_holds_for_all() -> None:
    stream = StringIO()
    configure_logging("error", "console", stream)
    for name in ("sfu.test", "numba"):
        logging.getLogger(name).warning("not this")
        logging.getLogger(name).error("this")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["this", "this"]


def test_room_events_become_lines(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_event(PeerJoined("lobby", "alice"))
        log_event(ConnectionStateChanged("lobby", "alice", "c1", ConnectionState.CLOSED, "consent_lost"))
        log_event(NegotiationNeeded("lobby", "alice", "c1"))
    first, second = caplog.records
    assert (first.getMessage(), vars(first)["peer"], vars(first)["room"]) == ("peer joined", "alice", "lobby")
    assert second.getMessage() == "connection state changed"
    assert (vars(second)["state"], vars(second)["reason"]) == ("closed", "consent_lost")
