"""What a record's writer makes of Tracks that come, go, are muted and paused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sfu.recording.reader import Record, RecordSource
from sfu.recording.stamping import Stamper
from sfu.recording.timestamps import load_roots
from sfu.recording.track_writing import TrackInfo
from sfu.recording.verify import Outcome, verify_record
from tests.recording_authority import Authority, handler_of, serving
from tests.unit.recording.desk import ALICE, PACKET_US, START_US, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "record")


def only(record: Record) -> RecordSource:
    (source,) = record.sources
    return source


def causes(source: RecordSource) -> list[str]:
    return [gap.cause for gap in source.gaps]


def test_fragments_are_on_disk_soon_and_cover_what_was_said(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 5_000)
    assert desk.writer.written_bytes > 0
    assert desk.now_us - START_US - desk.lines("fragment")[-1].integer("end_us") < 1_500_000
    source = only(desk.close())
    assert (source.peer, source.metadata, source.gaps) == ("alice", {"role": "judge"}, ())
    (span,) = source.spans
    assert span.end_us - span.begin_us == pytest.approx(5_000_000, abs=40_000)


def test_of_a_pause_nothing_is_kept_even_if_it_is_delivered_after_it(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    begin_us = desk.now_us
    desk.writer.pause(begin_us, ground="recess", authoriser="judge", note="")
    secret = desk.packets(2_000)
    desk.now_us += 1
    desk.writer.resume(desk.now_us, authoriser="judge")
    end_us = desk.now_us
    desk.writer.handle_packets(0, secret)  # the feed is a little behind
    desk.talk(0, 1_000)
    record = desk.close()
    (pause,) = record.pauses
    assert (pause.begin_us, pause.end_us) == (begin_us - START_US, end_us - START_US)
    first, second = only(record).spans
    assert first.end_us <= pause.begin_us + PACKET_US
    assert second.begin_us >= pause.end_us
    assert sum(entry.integer("packets") for entry in desk.lines("fragment")) == 100
    assert causes(only(record)) == ["pause"]


def test_a_track_that_is_muted_and_paused_is_recorded_again_only_when_both_have_ended(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 500)
    desk.writer.set_muted(0, True, desk.now_us)
    desk.talk(0, 500)
    desk.writer.pause(desk.now_us, ground="recess", authoriser="judge", note="")
    desk.talk(0, 500)
    desk.writer.set_muted(0, False, desk.now_us)
    desk.talk(0, 500)
    desk.writer.resume(desk.now_us, authoriser="judge")
    desk.talk(0, 500)
    assert causes(only(desk.close())) == ["mute", "pause"]
    assert sum(entry.integer("packets") for entry in desk.lines("fragment")) == 50


def test_who_comes_again_continues_the_file_and_who_speaks_beside_gets_one(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    desk.writer.end_track(0, desk.now_us)
    desk.now_us += 3_000_000
    desk.writer.begin_track(1, ALICE, desk.now_us)
    desk.writer.begin_track(2, ALICE, desk.now_us)
    desk.talk(1, 1_000)
    desk.writer.end_track(1, desk.now_us)
    record = desk.close()
    first, second = record.sources
    assert (len(first.spans), len(second.spans)) == (2, 0)
    assert causes(first)[0] == "disconnect"
    assert first.gaps[0].end_us - first.gaps[0].begin_us == 3_000_000


def test_the_gap_of_a_track_says_why_it_ended(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    desk.writer.end_track(0, desk.now_us, "block")
    desk.now_us += 3_000_000
    desk.writer.begin_track(1, ALICE, desk.now_us)
    desk.talk(1, 1_000)
    desk.writer.end_track(1, desk.now_us)
    desk.now_us += 1_000_000
    assert causes(only(desk.close())) == ["block", "disconnect"]


@pytest.mark.parametrize("comes_again", [False, True])
def test_the_gap_of_a_pause_ends_with_it_also_where_the_track_ended_meanwhile(desk: Desk, comes_again: bool) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    desk.writer.pause(desk.now_us, ground="recess", authoriser="judge", note="")
    desk.now_us += 1_000_000
    desk.writer.end_track(0, desk.now_us)
    desk.now_us += 1_000_000
    desk.writer.resume(desk.now_us, authoriser="judge")
    resumed_us = desk.now_us - START_US
    desk.now_us += 3_000_000
    if comes_again:
        desk.writer.begin_track(1, ALICE, desk.now_us)
        desk.talk(1, 1_000)
    record = desk.close()
    pause, away = only(record).gaps
    assert (pause.cause, pause.end_us, away.cause, away.begin_us) == ("pause", resumed_us, "disconnect", resumed_us)
    assert away.end_us == pytest.approx(resumed_us + 3_000_000, abs=1)
    assert record.pauses[0].end_us == resumed_us


def test_packets_that_were_lost_on_the_way_to_us_are_our_fault(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 1_000)
    desk.packets(500)
    desk.writer.miss(0, desk.now_us)
    desk.talk(0, 1_000)
    assert "recorder_fault" in causes(only(desk.close()))


@pytest.mark.parametrize("bad", [float("nan"), "\ud800", object(), "x" * 70_000, 1 << 70])
def test_what_a_ledger_cannot_hold_is_said_to_be_so_and_ends_nothing(desk: Desk, bad: Any) -> None:
    desk.writer.note("mark", desk.now_us, name="evidence", data={"x": bad})
    info = TrackInfo("t1", "alice", "audio", "opus", 48_000, metadata={"role": bad})
    desk.writer.begin_track(0, info, desk.now_us)
    desk.talk(0, 500)
    (line,) = desk.lines("unstorable")
    assert line.text("of") == "mark"
    assert list(only(desk.close()).metadata) == ["unstorable"]


def test_heads_are_signed_every_two_seconds_and_at_the_end(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 10_000)
    desk.close()
    assert 5 <= len(desk.lines("head")) <= 7


def test_a_report_of_a_sender_is_kept(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.writer.note_report(0, desk.now_us, ssrc=7, ntp=str(1 << 63), rtp_timestamp=5, arrival_us=1)
    desk.writer.note_report(9, desk.now_us, ssrc=7, ntp="1", rtp_timestamp=5, arrival_us=1)
    desk.close()
    (line,) = desk.lines("report")
    assert (line.integer("source"), line.text("ntp")) == (1, str(1 << 63))


def test_heads_are_stamped_by_an_authority_and_its_root_vouches_for_them(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with serving(handler_of(authority)) as url:
        stamper = Stamper(url, 3_000_000)
        desk = Desk(tmp_path / "record", stamper)
        desk.writer.begin_track(0, ALICE, desk.now_us)
        desk.talk(0, 2_100)
        while not desk.lines("timestamp"):  # the authority has a clock of its own
            desk.talk(0, 100)
        desk.close()
    verdict = verify_record(tmp_path / "record", desk.key.public, tsa_roots=load_roots(authority.ca))
    assert verdict.outcome is Outcome.INTACT
    assert len(verdict.timestamps) >= 2
    assert all(stamp.time is not None for stamp in verdict.timestamps)


def test_an_authority_that_does_not_answer_is_said_to_be_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "record", Stamper("http://127.0.0.1:1/", 3_000_000))
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 2_100)
    while not desk.lines("unstamped"):
        desk.talk(0, 100)
    desk.close()
    line = desk.lines("unstamped")[0]
    assert "cannot be asked" in line.text("reason")


def test_without_its_signer_no_media_are_lost_and_all_is_signed_when_it_is_back(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.talk(0, 3_000)
    signed = len(desk.lines("head"))
    assert (signed > 0, desk.writer.unsigned) == (True, None)
    desk.signer_is_there = False
    desk.talk(0, 5_000)
    assert (len(desk.lines("head")), desk.writer.unsigned) == (signed, "signer.sock: the signer does not answer")
    assert desk.now_us - START_US - desk.lines("fragment")[-1].integer("end_us") < 1_500_000  # media go on to disk
    desk.signer_is_there = True
    desk.talk(0, 1_100)  # asked again each second
    assert (len(desk.lines("head")), desk.writer.unsigned) == (signed + 1, None)
    (span,) = only(desk.close()).spans
    assert span.end_us - span.begin_us == pytest.approx(9_100_000, abs=40_000)
