"""Links keep account of every packet, never exceed their rate, and repeat themselves with the same seed."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.netem.config import Changes, GilbertElliott, LinkConfig
from bench.netem.link import Delivered, Link

END = 1e6
NEVER_STALLED = 1000.0

_shares = st.one_of(st.just(0.0), st.floats(0.01, 0.9))
_spans = st.one_of(st.just(0.0), st.floats(0.001, 0.5))
_bursts = st.builds(GilbertElliott, p=_shares, r=_shares, loss_bad=_shares, loss_good=_shares)
_configs = st.builds(
    LinkConfig,
    rate_bps=st.one_of(st.none(), st.just(0.0), st.floats(NEVER_STALLED, 1e7)),
    queue_bytes=st.one_of(st.none(), st.integers(0, 20_000)),
    queue_s=st.one_of(st.none(), st.floats(0.0, 1.0)),
    overhead_bytes=st.integers(0, 60),
    delay_s=_spans,
    jitter_s=_spans,
    jitter_shape=st.sampled_from(["uniform", "gaussian"]),
    keep_order=st.booleans(),
    loss=_shares,
    burst=st.one_of(st.none(), _bursts),
    reorder=_shares,
    reorder_s=_spans,
    duplicate=_shares,
)
_changes = st.fixed_dictionaries(
    {},
    optional={
        "rate_bps": st.one_of(st.none(), st.just(0.0), st.floats(NEVER_STALLED, 1e7)),
        "delay_s": _spans,
        "queue_bytes": st.integers(0, 20_000),
        "loss": _shares,
        "keep_order": st.booleans(),
    },
)
_steps = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0.0, 0.3)),
        st.one_of(st.integers(0, 1500), st.just("poll"), st.just("spared"), _changes),
    ),
    max_size=60,
)


def run(config: LinkConfig, seed: int, steps: Any, *, polls: bool = True) -> tuple[Link[int], list[Delivered[int]]]:
    """Do the steps, checking the account after each, and take what there is to take at the end."""
    link: Link[int] = Link(config, random.Random(seed))
    taken: list[Delivered[int]] = []
    now = 0.0
    for pause, step in steps:
        now += pause
        if isinstance(step, dict):
            link.change(now, **step)
        elif isinstance(step, int):
            link.send(step, now)
        elif step == "spared":
            link.send(77, now, spared=True)
        elif polls:
            taken += link.poll(now)
        counts = link.counts
        assert counts.sent + counts.duplicated == counts.delivered + counts.lost + counts.overflowed + link.queued
        assert counts.delivered == len(taken)
    taken += link.poll(END)
    return link, taken


def arrivals(link: Link[int]) -> list[Delivered[int]]:
    """Poll a link at exactly the times it asks for, until it is empty."""
    taken: list[Delivered[int]] = []
    while (due := link.next_due()) is not None:
        now = max(due, link.now)
        found = link.poll(now)
        assert all(one.at == now for one in found)
        taken += found
    return taken


@settings(deadline=None, max_examples=300)
@given(config=_configs, seed=st.integers(0, 9), steps=_steps)
def test_every_packet_is_accounted_for(config: LinkConfig, seed: int, steps: Any) -> None:
    link, taken = run(config, seed, steps)
    if link.config.rate_bps != 0:
        assert link.queued == 0
        assert link.next_due() is None
    assert link.counts.delivered_bytes == sum(one.packet for one in taken)
    assert all(one.at >= one.sent_at for one in taken)


@settings(deadline=None, max_examples=200)
@given(config=_configs, seed=st.integers(0, 9), steps=_steps)
def test_what_it_does_depends_on_the_seed_and_not_on_the_polls(config: LinkConfig, seed: int, steps: Any) -> None:
    polled, first = run(config, seed, steps)
    again, second = run(config, seed, steps)
    assert (first, polled.counts) == (second, again.counts)
    late, third = run(config, seed, steps, polls=False)
    assert sorted(first) == sorted(third)
    assert late.counts.overflowed == polled.counts.overflowed


def test_another_seed_loses_others() -> None:
    def survivors(seed: int) -> list[int]:
        link: Link[int] = Link(LinkConfig(loss=0.5), random.Random(seed))
        for size in range(200):
            link.send(size, 0.0)
        return [one.packet for one in link.poll(0.0)]

    assert survivors(1) == survivors(1)
    assert survivors(1) != survivors(2)


@settings(deadline=None)
@given(
    rate=st.floats(NEVER_STALLED, 1e7),
    overhead=st.integers(0, 60),
    delay=_spans,
    duplicate=_shares,
    loss=_shares,
    sends=st.lists(st.tuples(st.floats(0.0, 0.05), st.integers(1, 1500)), min_size=2, max_size=40),
)
def test_no_window_holds_more_than_the_rate(
    rate: float, overhead: int, delay: float, duplicate: float, loss: float, sends: list[tuple[float, int]]
) -> None:
    config = LinkConfig(
        rate_bps=rate, overhead_bytes=overhead, delay_s=delay, duplicate=duplicate, loss=loss, queue_bytes=30_000
    )
    link: Link[int] = Link(config, random.Random(1))
    now = 0.0
    for pause, size in sends:
        now += pause
        link.send(size, now)
    taken = link.poll(END)
    assert [one.sent_at for one in taken] == sorted(one.sent_at for one in taken)
    for first, last in itertools.combinations(range(len(taken)), 2):
        bits = sum(one.packet + overhead for one in taken[first + 1 : last + 1]) * 8
        assert bits <= rate * (taken[last].at - taken[first].at) * (1 + 1e-9) + 1e-3


@settings(deadline=None)
@given(
    delay=_spans, jitter=_spans, shape=st.sampled_from(["uniform", "gaussian"]), pauses=st.lists(_spans, max_size=40)
)
def test_jitter_stays_within_its_bounds_and_keeps_the_order(
    delay: float, jitter: float, shape: Any, pauses: list[float]
) -> None:
    config = LinkConfig(delay_s=delay, jitter_s=jitter, jitter_shape=shape)
    link: Link[int] = Link(config, random.Random(3))
    now = 0.0
    for order, pause in enumerate(pauses):
        now += pause
        link.send(order, now)
    taken = link.poll(END)
    assert [one.packet for one in taken] == list(range(len(pauses)))
    assert all(one.sent_at + delay <= one.at <= one.sent_at + delay + jitter + 1e-9 for one in taken)
    assert link.counts.reordered == 0


@pytest.mark.parametrize("shape", ["uniform", "gaussian"])
def test_jitter_is_spread_around_its_middle(shape: Any) -> None:
    link: Link[int] = Link(LinkConfig(jitter_s=0.03, jitter_shape=shape, keep_order=False), random.Random(1))
    for order in range(5000):
        link.send(order, float(order))
    late = [one.at - one.sent_at for one in link.poll(END)]
    assert sum(late) / len(late) == pytest.approx(0.015, abs=0.0005)
    near = sum(abs(one - 0.015) < 0.005 for one in late) / len(late)
    assert near == pytest.approx(1 / 3 if shape == "uniform" else 0.683, abs=0.03)


def test_jitter_may_reorder() -> None:
    link: Link[int] = Link(LinkConfig(jitter_s=0.1, keep_order=False), random.Random(1))
    for order in range(100):
        link.send(order, order * 0.01)
    taken = [one.packet for one in link.poll(END)]
    assert sorted(taken) == list(range(100))
    assert taken != sorted(taken)
    late = sum(packet < max(taken[: index + 1]) for index, packet in enumerate(taken))
    assert link.counts.reordered == late > 0


def test_a_share_is_held_back_and_overtaken() -> None:
    config = LinkConfig(delay_s=0.05, reorder=0.2, reorder_s=0.015)
    link: Link[int] = Link(config, random.Random(1))
    for order in range(5000):
        link.send(order, order * 0.01)
    taken = link.poll(END)
    held = [one for one in taken if one.at - one.sent_at > 0.06]
    assert len(held) / 5000 == pytest.approx(0.2, abs=0.02)
    assert all(one.at - one.sent_at == pytest.approx(0.065) for one in held)
    assert all(one.at - one.sent_at == pytest.approx(0.05) for one in taken if one not in held)
    # The one behind a held one overtakes it unless it is held too.
    assert link.counts.reordered / 5000 == pytest.approx(0.2 * 0.8, abs=0.02)


def test_a_share_comes_twice() -> None:
    link: Link[int] = Link(LinkConfig(duplicate=0.25), random.Random(1))
    for order in range(4000):
        link.send(order, 0.0)
    taken = [one.packet for one in link.poll(0.0)]
    assert set(taken) == set(range(4000))
    assert len(taken) - 4000 == link.counts.duplicated
    assert link.counts.duplicated / 4000 == pytest.approx(0.25, abs=0.03)


def test_next_due_is_when_packets_arrive() -> None:
    link: Link[int] = Link(LinkConfig(rate_bps=8000, delay_s=0.1), random.Random(1))
    assert link.next_due() is None
    for _ in range(3):
        link.send(1000, 2.0)
    assert [one.at for one in arrivals(link)] == pytest.approx([3.1, 4.1, 5.1])
    assert link.counts.longest_wait_s == pytest.approx(2.0)
    assert link.counts.waited_s / link.counts.left == pytest.approx(1.0)


@settings(deadline=None)
@given(config=_configs, seed=st.integers(0, 9), sends=st.lists(st.tuples(_spans, st.integers(0, 1500)), max_size=30))
def test_polling_when_asked_to_finds_what_polling_at_the_end_finds(
    config: LinkConfig, seed: int, sends: list[tuple[float, int]]
) -> None:
    links: list[Link[int]] = [Link(config, random.Random(seed)) for _ in range(2)]
    now = 0.0
    for pause, size in sends:
        now += pause
        for link in links:
            link.send(size, now)
    early = links[0].poll(now) + arrivals(links[0])
    assert early == links[1].poll(END)


def test_spared_packets_know_only_the_delay() -> None:
    config = LinkConfig(rate_bps=0, queue_bytes=0, delay_s=0.1, loss=1.0, duplicate=1.0, jitter_s=1.0, reorder=1.0)
    link: Link[int] = Link(config, random.Random(1))
    for order in range(5):
        link.send(order, order * 0.01, spared=True)
    assert [(one.packet, one.at) for one in link.poll(1.0)] == [(order, order * 0.01 + 0.1) for order in range(5)]
    assert link.counts.duplicated == link.counts.lost == link.counts.overflowed == 0


def test_what_is_spared_does_not_change_the_fate_of_others() -> None:
    def survivors(between: int) -> list[int]:
        link: Link[int] = Link(LinkConfig(loss=0.5), random.Random(1))
        for order in range(100):
            link.send(order, 0.0)
            for _ in range(between):
                link.send(1000, 0.0, spared=True)
        return [one.packet for one in link.poll(0.0) if one.packet < 100]

    assert survivors(0) == survivors(3)


def test_a_clock_that_goes_back_is_refused() -> None:
    link: Link[bytes] = Link(LinkConfig(), random.Random(1))
    link.send(b"ab", 5.0)
    with pytest.raises(ValueError, match="went back"):
        link.poll(4.0)


@pytest.mark.parametrize(
    "fields",
    [{"loss": 1.1}, {"delay_s": -0.1}, {"rate_bps": float("nan")}, {"jitter_shape": "square"}, {"queue_bytes": -1}],
)
def test_what_cannot_be_is_refused_and_changes_nothing(fields: Changes) -> None:
    link: Link[int] = Link(LinkConfig(delay_s=1.0), random.Random(1))
    with pytest.raises(ValueError, match=next(iter(fields))):
        link.change(0.0, **fields)
    assert link.config == LinkConfig(delay_s=1.0)


def test_a_negative_size_is_refused() -> None:
    link: Link[int] = Link(LinkConfig(), random.Random(1))
    with pytest.raises(ValueError, match="-1 bytes"):
        link.send(-1, 0.0)
