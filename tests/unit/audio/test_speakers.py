"""Who speaks, by the levels that are declared: cases as conferences have them, each on a clock of its own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.audio.speakers import INTERVAL, AudioLevels, DominantSpeakerChanged, SpeakerDetector, SpeakersChanged

PACKETS = 5  # of 20 ms each in an interval
Voice = Callable[[float], "tuple[int, bool] | None"]
"""At a moment: the level in -dBov and the voice flag of the packets; None: there are none (DTX)."""


def silence(_: float) -> tuple[int, bool]:
    return 127, False


def speech(level: int = 30, seed: int = 1, *, flag: bool | None = None) -> Voice:
    """Words and short pauses; `flag`: what the V bit always says, None: the truth."""
    rng = random.Random(seed)
    left = [rng.randrange(4, 10)]  # intervals of the word, below 0 of the pause after it

    def voice(_: float) -> tuple[int, bool]:
        left[0] -= 1
        loud = left[0] >= 0
        if left[0] < -rng.randrange(1, 4):
            left[0] = rng.randrange(4, 10)
        heard = level + rng.randrange(8) if loud else 60 + rng.randrange(10)
        return heard, loud if flag is None else flag

    return voice


def noise(level: int = 50) -> Voice:
    """A fan: it hardly varies."""
    rng = random.Random(level)
    return lambda _: (level + rng.randrange(2), False)


class Meeting:
    """A detector that is given what voices say."""

    def __init__(self) -> None:
        self.detector: SpeakerDetector[str] = SpeakerDetector()
        self.now = 100.0
        self.muted: set[str] = set()
        self.events: list[tuple[float, SpeakersChanged[str] | DominantSpeakerChanged[str]]] = []
        self._sums: dict[str, tuple[int, int, int]] = {}

    def go_on(self, seconds: float, **voices: Voice) -> None:
        for _ in range(round(seconds / INTERVAL)):
            self.now += INTERVAL
            levels = []
            for name, voice in voices.items():
                packets, loudness, voiced = self._sums.get(name, (0, 0, 0))
                said = voice(self.now) if name not in self.muted else None
                if said is not None:
                    level, flag = said
                    packets, loudness = packets + PACKETS, loudness + PACKETS * (127 - level)
                    voiced += PACKETS * flag
                self._sums[name] = packets, loudness, voiced
                levels.append(AudioLevels(name, packets, loudness, voiced, name in self.muted))
            self.events += [(self.now, event) for event in self.detector.update(levels, self.now)]

    @property
    def dominants(self) -> list[str | None]:
        return [event.speaker for _, event in self.events if isinstance(event, DominantSpeakerChanged)]


@pytest.fixture
def meeting() -> Meeting:
    return Meeting()


def test_nobody_speaks(meeting: Meeting) -> None:
    meeting.go_on(5, ann=silence, bob=lambda _: None)
    assert meeting.events == []
    assert meeting.detector.speakers == ()
    assert meeting.detector.dominant is None


@pytest.mark.parametrize("flag", [None, True, False])
def test_who_begins_to_speak_is_heard_within_a_second(meeting: Meeting, flag: bool | None) -> None:
    meeting.go_on(3, ann=silence, bob=silence)
    begun = meeting.now
    meeting.go_on(3, ann=speech(flag=flag), bob=silence)
    (at, active), (later, dominant) = meeting.events
    assert active == SpeakersChanged(("ann",))
    assert dominant == DominantSpeakerChanged("ann")
    assert 0.2 <= at - begun <= 0.6
    assert 0.5 <= later - begun <= 1.5


def test_a_pause_in_speech_is_no_end_of_it(meeting: Meeting) -> None:
    meeting.go_on(3, ann=speech())
    before = len(meeting.events)
    meeting.go_on(1.0, ann=silence)
    meeting.go_on(2, ann=speech())
    assert len(meeting.events) == before
    assert meeting.detector.speakers == ("ann",)


def test_who_stops_is_not_active_but_keeps_the_floor(meeting: Meeting) -> None:
    meeting.go_on(3, ann=speech(), bob=silence)
    meeting.go_on(3, ann=silence, bob=silence)
    assert meeting.detector.speakers == ()
    assert meeting.detector.dominant == "ann"
    meeting.go_on(3, ann=silence, bob=speech(seed=2))
    assert meeting.dominants == ["ann", "bob"]


def test_a_cough_changes_nothing(meeting: Meeting) -> None:
    meeting.go_on(4, ann=speech(), bob=silence)
    before = len(meeting.events)
    meeting.go_on(0.2, ann=speech(), bob=lambda _: (5, True))
    meeting.go_on(3, ann=speech(), bob=silence)
    assert len(meeting.events) == before


def test_a_fan_is_no_speaker_beside_one(meeting: Meeting) -> None:
    meeting.go_on(10, ann=silence, bob=noise(62))
    assert meeting.events == []
    meeting.go_on(4, ann=speech(45), bob=noise(62))
    assert meeting.detector.speakers == ("ann",)
    assert meeting.dominants == ["ann"]


def test_two_who_argue_do_not_take_the_floor_from_each_other_all_the_time(meeting: Meeting) -> None:
    meeting.go_on(3, ann=speech(), bob=silence)
    meeting.go_on(60, ann=speech(30, seed=3), bob=speech(30, seed=4))
    assert set(meeting.detector.speakers) == {"ann", "bob"}
    changes = [at for at, event in meeting.events if isinstance(event, DominantSpeakerChanged)]
    assert len(changes) <= 8
    assert min(later - at for at, later in itertools.pairwise(changes)) > 2.0


def test_a_quiet_microphone_is_heard_as_one_who_speaks(meeting: Meeting) -> None:
    meeting.go_on(3, ann=speech(20), bob=noise(80))
    meeting.go_on(3, ann=silence, bob=speech(48, seed=5))
    assert meeting.dominants == ["ann", "bob"]


def test_who_is_muted_is_silent_at_once_and_who_leaves_is_forgotten(meeting: Meeting) -> None:
    meeting.go_on(3, ann=speech(), bob=speech(seed=2))
    assert set(meeting.detector.speakers) == {"ann", "bob"}
    meeting.muted.add("ann")
    meeting.go_on(INTERVAL, ann=speech(), bob=speech(seed=2))
    assert meeting.detector.speakers == ("bob",)
    meeting.go_on(INTERVAL, ann=speech())
    assert meeting.detector.speakers == ()
    assert meeting.detector.loudness("bob") == 0.0
    meeting.go_on(INTERVAL)
    assert meeting.detector.dominant is None
    assert meeting.events[-1][1] == DominantSpeakerChanged(None)


def test_the_floor_of_one_who_is_muted_is_free(meeting: Meeting) -> None:
    meeting.go_on(5, ann=speech(20), bob=silence)
    meeting.muted.add("ann")
    begun = meeting.now
    meeting.go_on(2, ann=speech(20), bob=speech(35, seed=2))
    (at,) = [at for at, event in meeting.events if event == DominantSpeakerChanged("bob")]
    assert at - begun < 1.5


def test_a_liar_takes_the_floor_from_nobody_who_speaks(meeting: Meeting) -> None:
    """Always at the overload point, "voice" in every packet."""
    liar: Voice = lambda _: (0, True)  # noqa: E731
    meeting.go_on(10, ann=silence, liar=liar)
    meeting.go_on(4, ann=speech(30), liar=liar)
    assert meeting.detector.dominant == "ann"
    assert set(meeting.detector.speakers) == {"ann", "liar"}


def test_the_loudest_comes_first_and_the_order_is_steady(meeting: Meeting) -> None:
    voices = {"ann": speech(40, 1), "bob": speech(20, 2), "eve": speech(41, 3)}
    meeting.go_on(3, **voices)
    before = len(meeting.events)
    meeting.go_on(30, **voices)
    assert meeting.detector.speakers[0] == "bob"
    assert len(meeting.events) - before <= 4


def test_counters_that_begin_anew_are_no_speech(meeting: Meeting) -> None:
    detector = meeting.detector
    detector.update([AudioLevels("ann", 1000, 90_000, 900)], 1.0)
    for step in range(20):
        detector.update([AudioLevels("ann", 5 * (step % 2), 0, 0)], 1.1 + step / 10)
    assert detector.speakers == ()


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcd"),
            st.tuples(*[st.integers(-(1 << 63), 1 << 63)] * 3, st.booleans()),
        ),
        max_size=20,
    ),
    st.lists(st.floats(-1e9, 1e9), min_size=20, max_size=20),
)
def test_whatever_is_declared_stays_within_bounds(
    rounds: list[dict[str, tuple[int, int, int, bool]]], times: list[float]
) -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    for levels, now in zip(rounds, times, strict=False):
        detector.update([AudioLevels(track, *sums) for track, sums in levels.items()], now)
        assert set(detector.speakers) <= set(levels)
        assert detector.dominant is None or detector.dominant in levels
        assert all(0.0 <= detector.loudness(track) <= 127.0 for track in "abcd")
