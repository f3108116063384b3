"""Times on the record's clock, of senders whose clocks are wrong behind networks that are worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfu.recording.clock_recovery import (
    MAX_AHEAD_US,
    MAX_CROWD_US,
    MAX_LAG_US,
    NO_PLACE,
    STEP_US,
    ClockRecovery,
    Sample,
)
from sfu.recording.depacketize.frame import TimestampUnwrapper

PATH_US = 20_000
HOUR_US = 3_600_000_000
TOLERANCE_US = 40_000
START_US = 77_000_000
"""The record began that long after the arrival clock did."""


@dataclass
class Sent:
    """Frames of one source: when they were captured, by the server's clock, and what the sender says of that."""

    true_us: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    clock_rate: int


def send(interval_us: int, clock_rate: int, ppm: float, spans: Sequence[tuple[float, float]], first: int = 0) -> Sent:
    """A frame each `interval_us` in the spans (seconds)."""
    parts = [np.arange(begin * 1e6, end * 1e6, interval_us) for begin, end in spans]
    true_us = np.concatenate(parts).astype(np.int64)
    timestamps = first + np.round(true_us * (1 + ppm * 1e-6) * clock_rate / 1e6).astype(np.int64)
    return Sent(true_us, timestamps, clock_rate)


class Network:
    """Delays that all sources of a sender have in common, jitter that each has of its own."""

    def __init__(self, seed: int, jitter_us: int = 60_000) -> None:
        self.seed = seed
        self.jitter_us = jitter_us
        self.slow: list[tuple[int, int, int]] = []  # from, to, how much slower
        self.outages: list[tuple[int, int]] = []  # what would come within comes at its end

    def trouble(self, spans: Sequence[tuple[float, float]], each: int) -> Network:
        """In each span, but not in its beginning: what a path's least delay is must have been seen once."""
        chance = np.random.default_rng(self.seed)
        for begin, end in spans:
            for at in chance.uniform(begin * 1e6 + 5_000_000, end * 1e6, each):
                self.slow.append((int(at), int(at) + 100_000, 300_000))
            for at in chance.uniform(begin * 1e6 + 5_000_000, end * 1e6, each):
                self.outages.append((int(at), int(at + chance.uniform(200_000, 3_000_000))))
        return self

    def carry(self, sent: Sent, salt: int) -> NDArray[np.int64]:
        """Arrivals."""
        chance = np.random.default_rng((self.seed, salt))
        arrivals = sent.true_us + PATH_US + chance.uniform(0, self.jitter_us, len(sent.true_us)).astype(np.int64)
        for begin, end, more in self.slow:
            arrivals[(sent.true_us >= begin) & (sent.true_us < end)] += more
        for begin, end in self.outages:
            arrivals[(arrivals >= begin) & (arrivals < end)] = end
        return np.maximum.accumulate(arrivals) + START_US


def place(sent: Sent, arrivals: NDArray[np.int64], clock_recovery: ClockRecovery | None = None) -> NDArray[np.int64]:
    """As fragments are cut: what comes within a second of the first frame."""
    clock_recovery = clock_recovery or ClockRecovery(sent.clock_rate, START_US)
    placed: list[int] = []
    samples = [Sample(*pair) for pair in zip(sent.timestamps.tolist(), arrivals.tolist(), strict=True)]
    begin = 0
    while begin < len(samples):
        end = int(np.searchsorted(arrivals, arrivals[begin] + 1_000_000))
        placed += clock_recovery.place(samples[begin:end])
        begin = end
    return np.array(placed)


def check_order(placed: NDArray[np.int64]) -> None:
    assert (np.diff(placed // 1000) > 0).all()
    assert placed[0] >= 0


@pytest.mark.parametrize("ppm", [-100, 100])
def test_three_hours_of_a_wrong_clock_and_a_bad_network(ppm: int) -> None:
    """A minute of each ten, to be quick: what lies between are pauses in which the clock goes on."""
    spans = [(minute * 60, minute * 60 + 60) for minute in range(0, 180, 10)]
    network = Network(1_000 + ppm).trouble(spans, 3)
    errors = {}
    for salt, (interval_us, clock_rate) in enumerate([(20_000, 48_000), (33_333, 90_000)]):
        sent = send(interval_us, clock_rate, ppm, spans, 4_000_000_000)
        arrivals = network.carry(sent, salt)
        placed = place(sent, arrivals)
        check_order(placed)
        assert (placed <= arrivals - START_US + MAX_AHEAD_US).all()
        error_us = placed - sent.true_us - PATH_US
        assert np.abs(error_us).max() < TOLERANCE_US
        assert np.percentile(np.abs(error_us), 99) < 10_000
        errors[clock_rate] = sent.true_us, error_us
    audio_at, audio = errors[48_000]
    video_at, video = errors[90_000]
    nearest = np.searchsorted(audio_at, video_at).clip(0, len(audio_at) - 1)
    assert np.abs(video - audio[nearest]).max() < TOLERANCE_US


@pytest.mark.parametrize("interval_us", [200_000, 400_000, 1_000_000])
def test_few_frames_are_enough(interval_us: int) -> None:
    """A slow screen share, or silence by Opus DTX."""
    sent = send(interval_us, 90_000, 100, [(0, 1200)])
    placed = place(sent, Network(5).carry(sent, 1))
    error_us = placed - sent.true_us - PATH_US
    assert np.abs(error_us).max() < TOLERANCE_US + interval_us * 0.03
    assert np.percentile(np.abs(error_us), 95) < TOLERANCE_US


@pytest.mark.parametrize("pause_s", [0.7, 2.5, 600])
@pytest.mark.parametrize("phase_s", [0.0, 0.5, 0.9])
def test_a_clock_that_stood_still_in_a_pause(pause_s: float, phase_s: float) -> None:
    """Chromium's audio clock counts samples that it has encoded."""
    began = 30 + phase_s
    sent = send(20_000, 48_000, 0, [(0, began), (began + pause_s, began + pause_s + 30)])
    after = sent.true_us > (began + 0.001) * 1e6
    sent.timestamps[after] -= round(pause_s * 48_000)
    arrivals = Network(6, 30_000).carry(sent, 1)
    placed = place(sent, arrivals)
    check_order(placed)
    error_us = placed - sent.true_us - PATH_US
    late = sent.true_us > (began + pause_s + 0.5) * 1e6
    assert np.abs(error_us[~after | late]).max() < TOLERANCE_US
    assert (placed[after] >= (began + pause_s) * 1e6 - STEP_US).all()


def test_a_queue_that_stands_for_a_minute_moves_sound_and_picture_alike() -> None:
    network = Network(8, 20_000)
    network.slow.append((60_000_000, 120_000_000, 250_000))
    errors = []
    for salt, (interval_us, clock_rate) in enumerate([(20_000, 48_000), (33_333, 90_000)]):
        sent = send(interval_us, clock_rate, 30, [(0, 180)])
        placed = place(sent, network.carry(sent, salt))
        check_order(placed)
        errors.append((sent.true_us, placed - sent.true_us - PATH_US))
        assert errors[-1][1].min() > -2_000  # never earlier than it can have been
    (audio_at, audio), (video_at, video) = errors
    nearest = np.searchsorted(audio_at, video_at).clip(0, len(audio_at) - 1)
    assert np.abs(video - audio[nearest]).max() < TOLERANCE_US


def test_another_numbering_goes_on_where_time_is() -> None:
    clock_recovery = ClockRecovery(90_000, START_US)
    before = send(33_333, 90_000, 0, [(0, 10)], 1_000_000)
    after = send(33_333, 90_000, 0, [(10, 20)], 3_999_000_000)
    network = Network(9)
    first = place(before, network.carry(before, 1), clock_recovery)
    clock_recovery.restart()
    second = place(after, network.carry(after, 2), clock_recovery)
    placed = np.concatenate([first, second])
    check_order(placed)
    error_us = placed - np.concatenate([before.true_us, after.true_us]) - PATH_US
    assert np.abs(error_us).max() < TOLERANCE_US


def test_a_source_that_starts_late_stands_where_it_starts() -> None:
    sent = send(20_000, 48_000, 0, [(90, 92)])
    assert abs(place(sent, Network(3, 0).carry(sent, 0))[0] - 90_000_000 - PATH_US) < 1_000


def test_the_first_frames_may_be_late() -> None:
    """A spike at the start is known as one by what follows within half a second."""
    network = Network(4, 10_000)
    network.slow.append((0, 200_000, 250_000))
    sent = send(20_000, 48_000, 0, [(0, 5)])
    error_us = place(sent, network.carry(sent, 0)) - sent.true_us - PATH_US
    assert np.abs(error_us).max() < TOLERANCE_US


def test_so_many_frames_at_once_that_they_have_no_place() -> None:
    placed = ClockRecovery(48_000, 0).place([Sample(0, 1_000_000)] * 5_000)
    kept = [time for time in placed if time != NO_PLACE]
    assert kept == list(range(1_000_000, 1_000_000 + MAX_CROWD_US + 1, 1_000))


def hostile(jumps: Sequence[tuple[int, int]]) -> Iterator[Sample]:
    arrival_us = timestamp = 0
    unwrapper = TimestampUnwrapper()
    for jump, wait_us in jumps:
        timestamp += jump
        arrival_us += wait_us
        yield Sample(unwrapper.unwrap(timestamp & 0xFFFFFFFF), arrival_us)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 10_000), st.integers(-(1 << 33), 1 << 33)),
            st.one_of(st.integers(0, 100_000), st.integers(0, 10_000_000)),
        ),
        max_size=200,
    ),
    st.integers(1, 50),
)
@settings(max_examples=200, deadline=None)
def test_no_timestamp_moves_a_frame_far_from_its_arrival(jumps: list[tuple[int, int]], batch: int) -> None:
    samples = list(hostile(jumps))
    clock_recovery = ClockRecovery(90_000, 0)
    last_us = -1_000
    for begin in range(0, len(samples), batch):
        part = samples[begin : begin + batch]
        for sample, time_us in zip(part, clock_recovery.place(part), strict=True):
            if time_us == NO_PLACE:
                continue
            assert time_us >= last_us + 1_000
            crowded = last_us + 1_000 if last_us + 1_000 > sample.arrival_us + MAX_AHEAD_US else 0
            assert sample.arrival_us - MAX_LAG_US <= time_us <= max(sample.arrival_us + MAX_AHEAD_US, crowded)
            assert time_us <= sample.arrival_us + MAX_CROWD_US
            last_us = time_us


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(-(1 << 31) + 1, (1 << 31) - 1), max_size=50))
def test_timestamps_go_on_beyond_32_bits(first: int, steps: list[int]) -> None:
    unwrapper = TimestampUnwrapper()
    base = unwrapper.unwrap(first)
    true = first
    for step in steps:
        if true + step < -(1 << 32):
            return  # before the beginning of time
        true += step
        assert unwrapper.unwrap(true & 0xFFFFFFFF) - base == true - first
