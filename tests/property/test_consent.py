"""Which checks the plane answers, and what it says: nothing that `IceLite` would not have said, or have decided about.

Whatever comes from wherever, either Python's agent gives the very same answer and is in the same state behind it, or
the plane passes the check on. `test_modes.py` runs this module again, unjitted and bounds-checked.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import random
from typing import cast

import numpy as np
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.ingress import receive_datagram
from sfu.routing.kernels.messages import NAME_STRIDE, POSITION, VIRTUAL_US
from sfu.routing.kernels.rings import READ, WRITTEN
from sfu.routing.plane import Plane, PlaneLimits
from sfu.transport.ice import IceCredentials, IceLite
from sfu.wire.sockaddr import Address, encode_address
from tests.local_addresses import build_local

from .checks import KEY, LOCAL, REMOTE, browser_check, build, messages
from .modes import examples

SELECTED, OTHER, RELAYED, STRANGER = ("192.0.2.1", 1000), ("192.0.2.2", 2000), ("127.0.0.1", 3), ("192.0.2.9", 9)
ORIGIN = ("198.51.100.1", 4)
HERE, THERE = build_local("203.0.113.1"), build_local("203.0.113.2")
SECOND_US = 1_000_000
NO_SOCKET = -1


@functools.cache
def shared_plane() -> Plane:
    """To make one takes as long as twenty examples."""
    plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(4, 4, 4, 4), rng=random.Random(1))
    plane._socket = _Family()
    return plane


class Both:
    """A connection as the plane has it, and as Python's agent would have it alone."""

    def __init__(self, *, nominated: bool = True) -> None:
        self.plane = shared_plane()
        self.row = self.plane.open_connection()
        self.plane.set_ufrags(self.row, [LOCAL])
        known = (SELECTED, OTHER, RELAYED)
        self.plane.addresses.set(self.row, known, SELECTED, local=HERE, relayed=[RELAYED])
        self.memory = self.plane.checks.memory(self.row)
        self.drops: collections.Counter[str] = collections.Counter()
        self.agent = IceLite(
            IceCredentials(LOCAL, KEY.decode()), self.drops, lambda address: ORIGIN if address == RELAYED else address
        )
        self.agent.set_remote(REMOTE)
        self.now_us = int(self.plane._buffers.state[VIRTUAL_US]) + SECOND_US
        for number, address in enumerate(known):
            check = build(
                browser_check(nominate=nominated and address == SELECTED),
                transaction=b"begin" + bytes(6) + bytes([number]),
            )
            assert self.agent.handle_datagram(check, address, self.now_us / 1e6, HERE) is not None
            self.memory.is_new(check[8:20])
        self.agent.settled = True
        self.tell()

    def tell(self) -> None:
        """What `Transport` tells the plane of the agent."""
        routine = self.agent.routine
        if routine is None:
            self.plane.checks.leave(self.row)
        else:
            credentials = routine.credentials
            self.plane.checks.answer(
                self.row,
                ufrag=credentials.ufrag,
                pwd=credentials.pwd,
                remote_ufrag=routine.remote_ufrag,
                nominated=routine.nominated,
            )
        self.apply()

    def apply(self) -> None:
        plane = self.plane
        apply_commands(plane._tables, plane._buffers, plane._queue.index, plane._queue.records, NO_SOCKET)

    def receive(self, message: bytes, source: Address, local: bytes = HERE) -> bytes | None:
        """What the plane answers; None: it has passed the check on, or dropped it as nobody's."""
        plane, buffers = self.plane, self.plane._buffers
        self.now_us += SECOND_US
        buffers.state[VIRTUAL_US] = self.now_us
        buffers.received[: len(message)] = np.frombuffer(message, np.uint8)
        name = encode_address(source, _Family.family)
        buffers.receive_names[: len(name)] = name
        buffers.receive_names[len(name) : NAME_STRIDE] = 0
        buffers.receive_controls[: len(local)] = np.frombuffer(local, np.uint8)
        buffers.receive_messages["control_bytes"][0] = len(local)
        at = int(buffers.state[POSITION])
        buffers.out[at : at + 100] = 0xEE
        answered = self.count(Counter.ANSWERED_CHECKS)
        notices = plane._notices.index
        before = int(notices[WRITTEN])
        receive_datagram(
            plane._tables, buffers, notices, plane._notices.records, 0, len(message), 0, NO_SOCKET, self.now_us
        )
        passed_on = int(notices[WRITTEN]) - before
        notices[READ] = notices[WRITTEN]
        if self.count(Counter.ANSWERED_CHECKS) == answered:
            return None
        assert passed_on == 0
        size = 20 + int.from_bytes(buffers.out[at + 2 : at + 4].tobytes())
        assert set(buffers.out[at + size : at + 100].tolist()) == {0xEE}
        return cast("bytes", buffers.out[at : at + size].tobytes())

    def count(self, counter: Counter) -> int:
        return int(self.plane._tables.counters[counter])

    def checked(self) -> dict[Address, float]:
        return dict(self.plane.addresses.checked(self.row))

    def state(self) -> object:
        """What the agent would decide by, but for the time that it last heard of the peer."""
        agent = self.agent
        return agent.selected, agent.local, agent.addresses, agent.routine, agent.local_ufrags(), dict(self.drops)

    def close(self) -> None:
        self.plane.close_connection(self.row)
        self.apply()


class _Family:
    family = 2


sources = st.sampled_from([SELECTED, SELECTED, OTHER, RELAYED, STRANGER])
locals_ = st.sampled_from([HERE, HERE, THERE, b""])


@given(st.lists(st.tuples(messages(), sources, locals_, st.integers(1, 2)), min_size=1, max_size=5), st.booleans())
@example([(build(browser_check(nominate=True)), SELECTED, HERE, 3), (build(browser_check()), OTHER, HERE, 1)], True)
@example([(build(browser_check(nominate=True)), SELECTED, HERE, 1)], False)
@example([(build(browser_check(nominate=True)), OTHER, HERE, 1)], True)
@example([(build(browser_check(nominate=True)), SELECTED, THERE, 1)], True)
@settings(max_examples=examples(900), deadline=None)
def test_what_the_plane_answers_python_would_have_answered_and_decided_nothing(
    sent: list[tuple[bytes, Address, bytes, int]], nominated: bool
) -> None:
    with contextlib.closing(Both(nominated=nominated)) as both:
        for message, source, local, times in sent:
            for _ in range(times):
                state, checked = both.state(), both.checked()
                answer = both.receive(message, source, local)
                event("left" if answer is None else "answered")
                if answer is None:
                    assert both.checked() == checked
                    continue  # Python decides, and would tell the plane of it
                now = both.now_us / 1e6
                assert both.agent.handle_datagram(message, source, now, local) == answer
                assert both.state() == state
                fresh = both.agent.consented == now
                assert both.checked() == (checked | {source: now} if fresh else checked)


@given(st.binary(min_size=12, max_size=12), st.sampled_from([SELECTED, OTHER]), st.booleans(), st.booleans())
@settings(max_examples=examples(90), deadline=None)
def test_a_routine_check_is_answered(transaction: bytes, source: Address, fingerprint: bool, again: bool) -> None:
    with contextlib.closing(Both()) as both:
        check = build(browser_check(nominate=source == SELECTED), transaction=transaction, fingerprint=fingerprint)
        assert both.receive(check, source) is not None
        first = both.now_us / 1e6
        assert both.checked() == {source: first}
        if again:
            assert both.receive(check, source) is not None
            assert both.checked() == {source: first}


@given(st.binary(min_size=12, max_size=12), st.sampled_from([THERE, b""]), st.booleans())
@settings(max_examples=examples(30), deadline=None)
def test_a_nomination_of_another_address_of_ours_is_python_s(transaction: bytes, local: bytes, nominate: bool) -> None:
    with contextlib.closing(Both()) as both:
        check = build(browser_check(nominate=nominate), transaction=transaction)
        assert (both.receive(check, SELECTED, local) is None) == nominate


@given(st.lists(st.tuples(st.integers(0, 1400), st.booleans()), max_size=2500))
@example([(number, number % 3 == 0) for number in [*range(1100), *range(1100)]])
@settings(max_examples=examples(30), deadline=None)
def test_both_sides_have_one_memory(told: list[tuple[int, bool]]) -> None:
    """Of each id the first to ask hears that it is new, and who remembers is the plane alone."""
    with contextlib.closing(Both()) as both:
        known: collections.deque[int] = collections.deque([-1, -2, -3], maxlen=1024)
        for number, by_python in told:
            transaction = b"test" + bytes(4) + number.to_bytes(4)
            if by_python:
                new = both.memory.is_new(transaction)
                both.plane._buffers.state[VIRTUAL_US] = both.now_us
                both.tell()
            else:
                both.receive(build(browser_check(), transaction=transaction), SELECTED)
                new = both.checked().get(SELECTED) == both.now_us / 1e6
            assert new == (number not in known)
            if new:
                known.append(number)
