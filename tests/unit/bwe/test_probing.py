"""Probes are sent where they can show something, and show no more than is there."""

from __future__ import annotations

import itertools

import numpy as np

from sfu.bwe.kernels.state import CLUSTERS, ESTIMATOR
from tests.unit.bwe import kernels
from tests.unit.bwe.plan import START_US, Path, Play, Seen, after, play


def begun(seen: Seen) -> list[tuple[float, float]]:
    """When each probe began, and at which rate."""
    found = []
    for one, number in zip(seen.states, seen.column("probe_number"), strict=True):
        if number > len(found):
            name = int(one["probe"])
            found.append(((int(one["probe_started_us"]) - START_US) / 1e6, float(one["cluster_bps"][name % CLUSTERS])))
    return found


def test_the_first_probe_tries_three_times_what_every_path_begins_with() -> None:
    probes = begun(play(Path(rate_bps=5_000_000), seconds=2))
    (first_s, first_bps), (second_s, second_bps), *_ = probes
    assert first_s < 0.1
    assert first_bps == 3 * 300_000
    assert second_s < 0.5
    assert second_bps > 2 * first_bps


def test_a_probe_lasts_for_fifteen_milliseconds_and_five_packets_at_least() -> None:
    played = Play(Path(rate_bps=5_000_000), seed=1)
    while played.states["probe_number"].item(0) == 0:
        played.step()
    assert played.states["probe_us"].item(0) == 15_000
    while played.states["probe_bps"].item(0) > 0:
        played.step()
    probe = played.states[0]["probe"]
    assert played.states[0]["cluster_sent_packets"][probe % CLUSTERS] >= 5
    sent = played.log[played.log["probe"] == probe]
    assert sent["size"].sum() >= 900_000 * 15_000 / 8e6


def test_where_all_that_is_wanted_flows_no_probe_is_sent() -> None:
    seen = play(Path(rate_bps=5_000_000, wants_bps=500_000), seconds=8)
    assert all(at < 1 for at, _ in begun(seen))


def test_no_more_is_probed_than_the_receiver_allows() -> None:
    """It could not be sent, and would say that the path is not full where he has seen that it is."""
    path = Path(rate_bps=5_000_000, remote_bps=2_000_000, sends_bps=600_000)
    seen = play(path, after(3, remote_bps=500_000), after(9, remote_bps=4_000_000), seconds=12)
    allowed = {0.0: 2_000_000, 3.0: 500_000, 9.0: 4_000_000}
    probes = begun(seen)
    for at, rate in probes:
        assert rate <= allowed[max(since for since in allowed if since <= at)]
    assert not [at for at, _ in probes if 3 < at < 9]
    assert [at for at, _ in probes if 9 < at < 9.2]
    assert seen.between(3.05, 8.95).least("full_bps") == 500_000


def test_regular_probes_are_seconds_apart() -> None:
    seen = play(Path(rate_bps=1_000_000, sends_bps=200_000), seconds=14)
    later = [at for at, _ in begun(seen) if at > 3]
    assert len(later) >= 3
    assert all(after_it - before >= 1.9 for before, after_it in itertools.pairwise(later))


def test_no_probe_is_put_on_a_queue() -> None:
    seen = play(Path(rate_bps=2_000_000), after(5, kept_full_ms=60), seconds=9)
    assert not [at for at, _ in begun(seen) if at > 5.2]


def test_after_a_decrease_the_queue_is_left_alone_for_a_second() -> None:
    seen = play(Path(rate_bps=1_000_000), after(6, rate_bps=500_000), seconds=14)
    decreased = seen.column("decreased_us")
    for at, _ in begun(seen):
        before = decreased[seen.at < at]
        if len(before):
            assert not 0 <= (at * 1e6 + START_US) - before[-1] < 900_000


def test_a_probe_on_a_narrow_path_shows_what_the_path_carries() -> None:
    seen = play(Path(rate_bps=700_000, sends_bps=150_000), seconds=4)
    assert 0.7 * 700_000 < seen.last("estimate_bps") < 1.1 * 700_000


def test_a_bucket_that_lets_bursts_pass_is_not_taken_for_the_path() -> None:
    """Eight kilobytes pass at once after a rest, and then what the path really carries."""
    seen = play(Path(rate_bps=600_000, bucket_bytes=8_000, queue_ms=300), seconds=16)
    assert seen.since(3).most("estimate_bps") < 1.3 * 600_000
    assert seen.since(3).usual("carried_bps") > 0.9 * 600_000
    assert seen.since(3).usual("wait_ms") < 40


def test_a_probe_without_an_answer_raises_nothing() -> None:
    seen = play(Path(rate_bps=5_000_000, answers=False), seconds=5)
    assert 1 <= seen.last("probe_number") <= 4
    assert seen.most("estimate_bps") == 300_000


def test_a_probe_that_nothing_can_be_sent_with_is_given_up() -> None:
    states = np.zeros(1, ESTIMATOR)
    kernels.begin(states, START_US)
    kernels.look(states, START_US)
    assert states["probe_bps"] == 900_000
    kernels.look(states, START_US + 500_000)
    assert states["probe_bps"] == 900_000
    kernels.look(states, START_US + 600_000)
    assert states["probe_bps"] == 0
    assert states["estimate_bps"] == 300_000
