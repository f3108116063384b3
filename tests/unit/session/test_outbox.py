"""What connections tell is handled in order, once the call that caused it is over."""

from __future__ import annotations

import pytest

from sfu.session.outbox import Outbox


class Desk:
    """Handles numbers; a few cause others, or a defect."""

    def __init__(self) -> None:
        self.outbox: Outbox[int] = Outbox()
        self.outbox.handler = self.handle
        self.handled: list[int] = []
        self.causes: dict[int, list[int]] = {}
        self.defects: set[int] = set()

    def handle(self, event: int) -> None:
        self.handled.append(event)
        with self.outbox:
            for caused in self.causes.get(event, ()):
                self.outbox.post(caused)
        if event in self.defects:
            raise ZeroDivisionError(str(event))


def test_what_is_posted_within_a_call_waits_for_its_end() -> None:
    desk = Desk()
    with desk.outbox:
        desk.outbox.post(1)
        with desk.outbox:
            desk.outbox.post(2)
        assert desk.handled == []
        desk.outbox.post(3)
    assert desk.handled == [1, 2, 3]


def test_what_is_posted_outside_of_a_call_is_handled_at_once() -> None:
    desk = Desk()
    desk.outbox.post(1)
    assert desk.handled == [1]


def test_what_an_event_causes_comes_before_what_waits() -> None:
    desk = Desk()
    desk.causes = {1: [10, 11], 10: [100]}
    with desk.outbox:
        desk.outbox.post(1)
        desk.outbox.post(2)
    assert desk.handled == [1, 10, 100, 11, 2]


def test_a_call_that_raises_has_told_what_it_did() -> None:
    desk = Desk()

    def call() -> None:
        with desk.outbox:
            desk.outbox.post(1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        call()
    assert desk.handled == [1]
    desk.outbox.post(2)
    assert desk.handled == [1, 2]


def test_a_defect_in_handling_one_event_keeps_no_other_back() -> None:
    desk = Desk()
    desk.causes = {1: [10]}
    desk.defects = {1, 2}

    def call() -> None:
        with desk.outbox:
            for event in (1, 2, 3):
                desk.outbox.post(event)

    with pytest.raises(ZeroDivisionError):
        call()
    assert desk.handled == [1, 10, 2, 3]
    desk.outbox.post(4)
    assert desk.handled == [1, 10, 2, 3, 4]


def test_once_nobody_handles_events_they_are_forgotten_but_for_those_that_wait_already() -> None:
    desk = Desk()

    def handle_the_last(event: int) -> None:
        desk.outbox.handler = None
        desk.handled.append(event)

    desk.outbox.handler = handle_the_last
    with desk.outbox:
        desk.outbox.post(1)
        desk.outbox.post(2)
    desk.outbox.post(3)
    assert desk.handled == [1, 2]
    desk.outbox.handler = desk.handle
    desk.outbox.post(4)
    assert desk.handled == [1, 2, 4]
