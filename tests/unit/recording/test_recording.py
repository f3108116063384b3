"""A Recording between its Tracks, the feed and several recorders: who is told what, when, and in which order."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sfu.recording.feed import Feed, Place
from sfu.recording.options import RecordingOptions
from sfu.recording.recorder import Recorder
from sfu.recording.recording import Recording
from sfu.recording.restart.suspension import Asked
from sfu.recording.track_writing import TrackInfo
from sfu.recording.watch import NOT_CLOSED, NOTHING_WRITTEN, SILENCE_S, Progress
from sfu.routing.plane import TappedPacket, TappedPackets
from tests.unit.fakes import FakeClock
from tests.unit.recording.tap import FakePlane

Told = tuple[str, float, dict[str, Any]]


class FakeRecorder:
    """Remembers what it was told, in its order."""

    def __init__(self) -> None:
        self.path = Path("record")
        self.progress = Progress()
        self.wanting_key_frames: list[int] = []
        self.running = False
        self.closed = None
        self.told: list[Told] = []
        self.delivered: list[int] = []
        self.when_told: Callable[[str], None] = lambda _: None

    def _take(self, what: str, now: float, /, **fields: Any) -> None:
        self.when_told(what)
        self.told.append((what, now, fields))

    def note(self, kind: str, now: float, /, **fields: Any) -> None:
        self._take(kind, now, **fields)

    def begin_track(self, key: int, info: TrackInfo, now: float) -> None:
        self._take("begin", now, key=key, peer=info.peer)

    def end_track(self, key: int, now: float, cause: str = "disconnect") -> None:
        self._take("end", now, key=key, cause=cause)

    def set_muted(self, key: int, muted: bool, now: float) -> None:
        self._take("muted" if muted else "unmuted", now, key=key)

    def note_report(self, key: int, now: float, **fields: Any) -> None:
        self._take("report", now, key=key, **fields)

    def pause(self, now: float, **fields: Any) -> None:
        self._take("pause", now, **fields)

    def resume(self, now: float, **fields: Any) -> None:
        self._take("resume", now, **fields)

    def stop(self, cause: str, now: float, subject: str | None = None) -> None:
        self._take("stop", now, cause=cause, subject=subject)

    def deliver(self, key: int, packets: TappedPackets) -> None:
        self.delivered += [packet.sequence for packet in packets]

    def miss(self, key: int) -> None:
        pass

    def kinds(self) -> list[str]:
        return [what for what, _, _ in self.told]


class FakeTrack:
    """A Track of a publisher who may or may not be there."""

    def __init__(self, row: int = 1, peer: str = "alice") -> None:
        self.id = f"t{row}"
        self.info = TrackInfo(self.id, peer, "audio", "opus", 48_000, "desk")
        self.place = Place(0, row, 1)
        self.muted = False
        self.connected = True
        self.clock: tuple[int, int, int, float] | None = None

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def request_key_frame(self) -> None:
        pass

    def sender_clock(self) -> tuple[int, int, int, float] | None:
        return self.clock


class FakeObserver:
    """Remembers the alarms that hold."""

    def __init__(self) -> None:
        self.alarms: set[str] = set()

    def handle_alarm(self, id: str, path: Path, what: str, detail: str | None) -> None:
        (self.alarms.discard if detail is None else self.alarms.add)(what)

    def handle_paused(self, id: str, ground: str, authoriser: str) -> None:
        pass

    def handle_resumed(self, id: str) -> None:
        pass

    def handle_stopped(self, id: str, cause: str) -> None:
        pass

    def handle_suspended(self, id: str) -> None:
        pass


class Hearing:
    """A Recording of two recorders at a time that the test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.plane = FakePlane()
        self.feed = Feed([self.plane])
        self.recorders = [FakeRecorder(), FakeRecorder()]
        self.observer = FakeObserver()
        self.recording = Recording(
            "0" * 32, cast("list[Recorder]", self.recorders), self.feed, self.observer, clock=self.clock,
            asked=Asked("court", "1" * 64, RecordingOptions(), {}, None, False, None), start=self.clock.now,
        )  # fmt: skip
        self._sequence = 0
        self._hold_timer()

    def _hold_timer(self) -> None:
        """The ticks are the test's."""
        if self.recording._timer is not None:
            self.recording._timer.cancel()

    def add(self, track: FakeTrack) -> FakeTrack:
        self.recording.add_track(track)
        self.feed.close()  # the rounds are the test's
        return track

    def send(self, track: FakeTrack, *payloads: bytes, at: float | None = None) -> None:
        """Packets of a Track come now, or have come at a time; they reach the feed with its next round."""
        arrival_us = round((self.clock.now if at is None else at) * 1e6)
        made = []
        for payload in payloads:
            made.append(
                TappedPacket(
                    track.place.track, 1, 0, 0, self._sequence, 0, 1, False, False, 0, False, False, arrival_us, payload
                )
            )
            self._sequence += 1
        self.plane.waiting.append([TappedPackets.of(made, audio=True)])

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.clock.now += 1.0
            self.recording._tick()
            self._hold_timer()


@pytest.fixture
async def hearing() -> AsyncIterator[Hearing]:
    made = Hearing()
    yield made
    await made.recording.stop()


async def test_recorders_know_of_a_track_from_its_first_packet_on(hearing: Hearing) -> None:
    half_open, alice = hearing.add(FakeTrack(1, "mallory")), hearing.add(FakeTrack(2))
    half_open.connected = False
    hearing.tick(30)
    assert "begin" not in hearing.recorders[0].kinds()
    spoke = hearing.clock.now
    hearing.send(alice, b"media", b"media")
    hearing.clock.now += 0.2
    hearing.feed.step()
    hearing.send(alice, b"media")
    hearing.feed.step()
    hearing.recording.remove_track(half_open.id)
    hearing.recording.remove_track(alice.id)
    for recorder in hearing.recorders:
        begins = [(now, fields) for what, now, fields in recorder.told if what == "begin"]
        assert begins == [(spoke, {"key": 1, "peer": "alice"})]
        assert recorder.delivered == [0, 1, 2]


async def test_all_tracks_end_in_the_moment_in_which_the_recording_does(hearing: Hearing) -> None:
    """However long that takes: what came until then is recorded, and nothing is missing after it."""
    tracks = [hearing.add(FakeTrack(row)) for row in (1, 2, 3)]
    for track in tracks:
        hearing.feed.step()
        hearing.send(track, b"media")
    moments = itertools.count(hearing.clock.now)
    hearing.recording._clock = lambda: float(next(moments))  # a second passes with each look at it
    await hearing.recording.stop()
    told = hearing.recorders[0].told
    ends = {now for what, now, _ in told if what in ("end", "stop")}
    assert len(ends) == 1 and [what for what, *_ in told][-4:] == ["end", "end", "end", "stop"]
    assert hearing.recorders[0].delivered == [0, 1, 2]


async def test_padding_is_no_first_packet(hearing: Hearing) -> None:
    alice = hearing.add(FakeTrack())
    hearing.send(alice, b"", b"")
    hearing.feed.step()
    assert hearing.recorders[0].told == []
    hearing.send(alice, b"", b"media")
    hearing.feed.step()
    assert hearing.recorders[0].kinds() == ["begin"]


async def test_who_is_muted_is_said_to_be_so_when_recorders_learn_of_the_track(hearing: Hearing) -> None:
    alice, bob = FakeTrack(1), hearing.add(FakeTrack(2, "bob"))
    alice.muted = True
    hearing.add(alice)
    hearing.recording.set_muted(bob.id, True)
    hearing.recording.set_muted(bob.id, False)
    assert hearing.recorders[0].told == []
    for track in (alice, bob):
        hearing.send(track, b"media")
        hearing.feed.step()
    hearing.recording.set_muted(alice.id, False)
    assert hearing.recorders[0].kinds() == ["begin", "muted", "begin", "unmuted"]


async def test_who_speaks_in_a_pause_is_not_told_of_but_who_still_speaks_afterwards(hearing: Hearing) -> None:
    recording = hearing.recording
    recording.note_speakers(["alice"])
    recording.pause(ground="closed_evidence", authoriser="judge")
    recording.note_speakers(["bob"])
    recording.note_speakers(["carol"])
    recording.resume(authoriser="judge")
    told = [(what, fields.get("peers")) for what, _, fields in hearing.recorders[0].told]
    assert told == [("speakers", ["alice"]), ("pause", None), ("resume", None), ("speakers", ["carol"])]


async def test_a_track_begins_neither_in_a_pause_nor_with_what_came_in_one(hearing: Hearing) -> None:
    alice = hearing.add(FakeTrack())
    hearing.recording.pause(ground="recess", authoriser="judge")
    hearing.send(alice, b"secret")
    hearing.feed.step()
    came = hearing.clock.now
    hearing.clock.now += 5.0
    hearing.recording.resume(authoriser="judge")
    hearing.send(alice, b"secret", at=came)  # the feed is a little behind
    hearing.feed.step()
    assert hearing.recorders[0].kinds() == ["pause", "resume"]
    hearing.send(alice, b"media")
    hearing.feed.step()
    assert hearing.recorders[0].told[-1][:2] == ("begin", hearing.clock.now)


async def test_what_came_before_a_track_was_let_in_again_does_not_begin_it(hearing: Hearing) -> None:
    alice = hearing.add(FakeTrack())
    hearing.recording.remove_track(alice.id)  # blocked, or private
    hearing.send(alice, b"secret")
    hearing.clock.now += 0.1
    hearing.add(alice)
    hearing.feed.step()
    assert "begin" not in hearing.recorders[0].kinds()


async def test_all_recorders_are_told_in_one_order_by_feed_and_room(hearing: Hearing) -> None:
    alice = hearing.add(FakeTrack())
    marking = threading.Thread(target=hearing.recording.mark, args=("exhibit",))

    def mark_meanwhile(what: str) -> None:
        if what == "begin":
            marking.start()
            marking.join(0.2)  # it has to wait until all know of the Track

    hearing.recorders[0].when_told = mark_meanwhile
    hearing.send(alice, b"media")
    hearing.feed.step()
    marking.join()
    assert [recorder.kinds() for recorder in hearing.recorders] == [["begin", "mark"]] * 2


async def test_a_report_of_a_sender_waits_for_its_first_packet(hearing: Hearing) -> None:
    alice = hearing.add(FakeTrack())
    alice.clock = 7, 1 << 63, 5, hearing.clock.now
    hearing.tick()
    assert hearing.recorders[0].told == []
    hearing.send(alice, b"media")
    hearing.feed.step()
    hearing.tick()
    assert hearing.recorders[0].kinds() == ["begin", "report"]


async def test_who_is_connected_and_sends_nothing_is_told_of_once(hearing: Hearing) -> None:
    alice, muted, half_open = (FakeTrack(row, peer) for row, peer in enumerate(("alice", "bob", "mallory")))
    muted.muted, half_open.connected = True, False
    for track in (alice, muted, half_open):
        hearing.add(track)
    hearing.tick(2 + round(SILENCE_S) + 20)
    [(_, now, fields)] = [told for told in hearing.recorders[1].told if told[0] == "silent"]
    assert now == pytest.approx(hearing.clock.now - 20 - 1, abs=1.0)
    assert fields == {"peer": "alice", "kind": "audio", "label": "desk", "track": alice.id}


async def test_nothing_written_is_an_alarm_though_no_recorder_knows_of_a_track(hearing: Hearing) -> None:
    hearing.add(FakeTrack())
    hearing.tick(round(SILENCE_S) + 1)
    assert NOTHING_WRITTEN in hearing.observer.alarms


async def test_nothing_is_to_be_written_before_a_publisher_is_connected(hearing: Hearing) -> None:
    """As after a restart: a Track is there once it was negotiated, its media once there are keys."""
    track = FakeTrack()
    track.connected = False
    hearing.add(track)
    hearing.tick(round(SILENCE_S) + 5)
    assert hearing.observer.alarms == set()
    track.connected = True
    hearing.tick(round(SILENCE_S))
    assert hearing.observer.alarms == set(), "a fragment takes two seconds until it is on disk"
    hearing.tick()
    assert hearing.observer.alarms == {NOTHING_WRITTEN}


async def test_alarms_go_on_after_the_stop_until_a_record_is_closed_or_given_up(hearing: Hearing) -> None:
    for recorder in hearing.recorders:
        recorder.running = True
    stopping = asyncio.create_task(hearing.recording.stop())
    await asyncio.sleep(0)
    first, second = hearing.recorders
    first.progress = Progress(unclosed="no space left; that is tried again")
    hearing.tick()
    assert hearing.observer.alarms == {NOT_CLOSED}
    told = len(first.told)
    first.progress, first.running = Progress(), False
    hearing.tick()
    assert (hearing.observer.alarms, hearing.recording.done) == (set(), False)
    text = "no space left; `sfu recover` closes it"
    second.progress, second.running = Progress(failure=text, unclosed=text), False
    assert await stopping == ()
    assert hearing.observer.alarms == {NOT_CLOSED}
    assert hearing.recording.stats()[1].alarms == {NOT_CLOSED: text}
    assert len(first.told) == told  # after its stop a ledger takes nothing
    assert (hearing.recording.done, hearing.recording._timer) == (True, None)


async def test_elapsed_is_the_time_that_lines_are_told_with(hearing: Hearing) -> None:
    before = hearing.recording.elapsed
    hearing.clock.now += 2.5
    assert hearing.recording.elapsed == pytest.approx(before + 2.5)
