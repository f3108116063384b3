"""Which feedback of a client's counts: what was agreed on, unless it proves to be of no use."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sfu.routing.plane import Feedback
from sfu.session.client_feedback import ClientFeedback
from sfu.wire.extensions import Extension

WIDE = {Extension.TRANSPORT_SEQUENCE: 4, Extension.ABS_SEND_TIME: 5}


class Path:
    """A plane with one connection, and what is known of its path."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(feedbacks=0, unread=0.0, unanswered_us=0)
        self.controls: list[tuple[Feedback, Feedback]] = []

    def estimator_state(self, row: int) -> SimpleNamespace:
        assert row == 7
        return self.state

    def set_control(self, row: int, feedback: Feedback, *, reports: Feedback) -> None:
        assert row == 7
        self.controls.append((feedback, reports))


@pytest.fixture
def path() -> Path:
    return Path()


@pytest.fixture
def feedback(path: Path) -> ClientFeedback:
    return ClientFeedback(path, 7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "theirs", "ours"),
    [
        (WIDE, Feedback.PACKETS, Feedback.PACKETS),
        ({Extension.ABS_SEND_TIME: 5}, Feedback.RATES, Feedback.RATES),
        ({}, Feedback.RATES, Feedback.NONE),
    ],
)
def test_what_is_agreed_on_counts(
    path: Path, feedback: ClientFeedback, ids: dict[Extension, int], theirs: Feedback, ours: Feedback
) -> None:
    feedback.agree(ids)
    assert path.controls == [(theirs, ours)]
    assert feedback.by_packets == (theirs is Feedback.PACKETS)


def test_who_sends_none_though_it_gets_packets_is_known_by_its_reports(path: Path, feedback: ClientFeedback) -> None:
    feedback.agree(WIDE)
    assert not feedback.gives_up(50.0)  # nothing was sent that it could tell of
    path.state.unanswered_us = 50_000_000
    assert not feedback.gives_up(50.9)  # it may be on its way
    assert feedback.gives_up(51.1)
    assert path.controls[-1] == (Feedback.RATES, Feedback.PACKETS)  # what we tell it is as before
    assert not feedback.by_packets


def test_whose_feedback_came_may_fall_silent(path: Path, feedback: ClientFeedback) -> None:
    """Then its path is dead, or carries nothing that it would tell of."""
    feedback.agree(WIDE)
    path.state.feedbacks, path.state.unanswered_us = 1, 50_000_000
    assert not feedback.gives_up(90.0)


def test_whose_feedback_cannot_be_read_is_known_by_its_reports(path: Path, feedback: ClientFeedback) -> None:
    feedback.agree(WIDE)
    path.state.feedbacks, path.state.unread = 40, 2.9
    assert not feedback.gives_up(50.0)
    path.state.unread = 3.1
    assert feedback.gives_up(51.0)
    assert not feedback.gives_up(52.0)  # once


def test_what_was_given_up_stays_so_when_more_is_negotiated(path: Path, feedback: ClientFeedback) -> None:
    feedback.agree(WIDE)
    path.state.unread = 5.0
    assert feedback.gives_up(50.0)
    feedback.agree(WIDE)
    assert not feedback.by_packets
    assert path.controls[-1] == (Feedback.RATES, Feedback.PACKETS)
