"""What the pacer lets go, when, and in which order."""

from __future__ import annotations

import itertools

import pytest

from sfu.bwe.kernels.sent_log import ARRIVED
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.pacing import BURST_US
from sfu.routing.kernels.padding import PADDING_BYTES
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS

from .pacer_plan import HISTORY, Left, Packet, Viewer, at, play

PROBED = 3
"""So many times the estimate is tried first."""
LARGE = 5_000_000
"""An estimate whose probe has room for packets of media."""


def rate_of(packets: list[Packet], first: int) -> float:
    """Bits a second at which these leave, from that one on."""
    bits = sum(8 * len(each.data) for each in packets[first:-1])
    return bits * 1000 / (packets[-1].ms - packets[first].ms)


def is_paced(left: Left, rate_bps: float) -> bool:
    """Whether at no time more has left than the rate and one burst allow."""
    most = max(8 * len(each.data) for each in left.packets)
    return all(left.bits_by(each.ms) <= rate_bps * (each.ms * 1000 + BURST_US) / 1e6 + most for each in left.packets)


def test_a_key_frame_leaves_at_two_and_a_half_times_the_estimate() -> None:
    left = play(Viewer(estimate_bps=1_000_000), at(0, video=20), ms=500)
    assert left.numbers("video") == list(range(20))
    assert is_paced(left, 2_500_000)
    assert 40 < left.last_ms() < 70
    assert left.rests


def test_it_leaves_in_bursts_that_are_as_long_as_a_usual_frame() -> None:
    left = play(Viewer(estimate_bps=1_000_000), at(0, video=20), ms=500)
    bursts = [len(list(packets)) for _, packets in itertools.groupby(left.packets, key=lambda each: each.ms)]
    assert bursts == [7, 7, 6]
    assert left.in_vain <= 1  # only to see that nothing waits any more


def test_what_comes_while_the_line_is_free_leaves_at_once() -> None:
    left = play(Viewer(), at(0, video=1), at(50, video=1), at(100, video=2), ms=200)
    assert [each.ms for each in left.packets] == [0, 50, 100, 100]


def test_however_low_the_estimate_a_key_frame_is_gone_before_a_fixed_jitter_buffer_ends() -> None:
    left = play(Viewer(estimate_bps=50_000), at(0, video=20), ms=2_000)
    assert left.numbers("video") == list(range(20))
    assert 100 < left.last_ms() < 160


def test_a_lower_estimate_slows_what_still_waits() -> None:
    steady = play(Viewer(estimate_bps=6_000_000), at(0, video=60), ms=2_000)
    falls = play(Viewer(estimate_bps=6_000_000), at(0, video=60), at(10, estimate_bps=200_000), ms=2_000)
    assert steady.numbers("video") == falls.numbers("video") == list(range(60))
    assert falls.last_ms() > 1.5 * steady.last_ms()
    assert [each.ms for each in falls.packets if each.ms < 10] == [each.ms for each in steady.packets if each.ms < 10]
    assert falls.last_ms() < 160


def test_repeats_overtake_the_video_that_waits() -> None:
    left = play(Viewer(sent=10), at(0, video=20), at(10, repeats=[3, 4]), ms=500)
    assert left.kinds(since=10)[:3] == ["repeat", "repeat", "video"]
    assert left.numbers("repeat") == [3, 4]
    assert left.numbers("video") == list(range(10, 30))


def test_a_probe_with_nothing_to_send_is_padding_at_the_probes_rate() -> None:
    left = play(Viewer(estimate_bps=400_000), at(0, probe=True), ms=200)
    assert left.tally().keys() == {"padding"}
    assert len(left.packets) >= 5
    assert rate_of(left.packets, 0) == pytest.approx(PROBED * 400_000, rel=0.02)
    assert left.bits_by(200) >= PROBED * 400_000 * 0.015
    assert left.counted(Counter.PADDING_PACKETS) == len(left.packets)
    assert left.rests


def test_a_large_probe_repeats_the_latest_video() -> None:
    left = play(Viewer(estimate_bps=LARGE, sent=30), at(0, probe=True), ms=200)
    assert left.tally().keys() == {"repeat"}
    assert left.numbers("repeat")[0] == 29
    assert set(left.numbers("repeat")) <= set(range(14, 30))  # of the last sixteen, the latest again at each wake
    assert rate_of(left.packets, 0) == pytest.approx(PROBED * LARGE, rel=0.02)
    assert left.counted(Counter.PADDING_PACKETS) == len(left.packets)


def test_a_large_probe_before_any_video_is_padding() -> None:
    left = play(Viewer(estimate_bps=LARGE), at(0, probe=True), ms=200)
    assert left.tally().keys() == {"padding"}
    assert min(len(each.data) for each in left.packets) > PADDING_BYTES


def test_a_probe_takes_what_waits_first() -> None:
    """Video that is to be sent anyway shows as much of the path as padding."""
    left = play(Viewer(estimate_bps=LARGE, sent=5), at(0, repeats=[1], probe=True, video=6), ms=200)
    assert left.kinds()[:8] == ["repeat", *["video"] * 6, "repeat"]
    assert left.numbers("repeat")[:2] == [1, 10]
    assert rate_of(left.packets, 0) == pytest.approx(PROBED * LARGE, rel=0.1)


def test_after_a_probe_the_rest_of_the_video_is_paced_again() -> None:
    left = play(Viewer(estimate_bps=400_000), at(0, video=20, probe=True), ms=2_000)
    assert left.tally() == {"video": 20}
    probe = [each for each in left.packets if each.ms < 15]
    assert rate_of(probe, 0) == pytest.approx(PROBED * 400_000, rel=0.02)
    assert is_paced(left, PROBED * 400_000)


def test_a_probe_that_was_held_up_catches_up_with_two_milliseconds() -> None:
    """What is far behind its time would leave in one go, and show nothing."""
    left = play(Viewer(estimate_bps=400_000), at(0, probe=True), at(0, probe_free_us=1), ms=200)
    first = [each for each in left.packets if each.ms == 0]
    assert 1 <= sum(8 * len(each.data) for each in first[:-1]) / (PROBED * 400_000) * 1000 <= 2
    assert rate_of(left.packets, len(first)) == pytest.approx(PROBED * 400_000, rel=0.02)


def test_each_packet_of_a_probe_is_logged_as_its() -> None:
    left = play(Viewer(estimate_bps=400_000, sent=2), at(0, probe=True), at(100, video=3), ms=200)
    wide = int(left.tables.connections[0]["transport_sequence"])
    log = left.tables.sent[0][:wide]
    assert wide == len(left.packets)
    assert log["size"].tolist() == [len(each.data) for each in left.packets]
    assert log["probe"].tolist() == [1 if each.kind == "padding" else 0 for each in left.packets]


def test_who_can_carry_no_padding_is_not_probed_on() -> None:
    viewer = Viewer(rtx=False)
    left = play(viewer, at(0, probe=True), at(1, pads=0, picture_ended=0, started=1), ms=200)
    assert left.kinds(since=2) == []
    assert left.tables.estimators[0]["probe_bps"] == 0
    assert left.rests


@pytest.mark.parametrize(
    "gone", [{"active": 0}, {"send_srtp": 0}, {"address_bytes": 0}], ids=["closed", "no keys", "no address"]
)
def test_to_who_is_gone_nothing_leaves_any_more(gone: dict[str, int]) -> None:
    left = play(Viewer(sent=5, estimate_bps=400_000), at(0, video=20), at(10, probe=True), at(12, **gone), ms=500)
    assert 0 < left.last_ms() < 12
    assert left.counted(Counter.SENT_PACKETS) == len(left.packets)
    assert left.counted(Counter.DROP_SEND_FAILED) == 0
    assert left.tables.connections[0]["queued_bytes"] == left.tables.estimators[0]["probe_bps"] == 0
    assert left.rests


def test_video_that_nobody_subscribes_to_any_more_is_not_sent() -> None:
    left = play(Viewer(), at(0, video=20), at(10, log=-1), ms=500)
    assert left.numbers("video") == list(range(7))
    assert left.rests


def test_what_the_history_has_lost_meanwhile_is_counted() -> None:
    left = play(Viewer(), at(0, video=20), at(10, forgotten=HISTORY - 10), ms=500)
    assert left.numbers("video") == [*range(7), *range(10, 20)]
    assert left.counted(Counter.DROP_PACED) == 3


def test_who_has_gone_down_gets_empty_packets_for_the_rest_of_the_larger_video() -> None:
    left = play(Viewer(), at(0, video=20), at(10, current_index=0), ms=500)
    assert (left.numbers("video"), left.numbers("empty")) == (list(range(7)), list(range(7, 20)))
    assert left.last_ms() < 30  # and the line is free for the key frame that he needs


def test_who_has_gone_up_gets_the_rest_of_the_smaller_one() -> None:
    left = play(Viewer(), at(0, video=20), at(10, current_index=2), ms=500)
    assert left.numbers("video") == list(range(20))


def test_video_that_has_gone_out_does_not_go_out_again() -> None:
    """The row was another subscription's when that was queued."""
    left = play(Viewer(sent=3), at(0, stale=[1], video=1), ms=100)
    assert left.numbers("video") == [3]


def test_what_libsrtp_refuses_is_counted_and_the_rest_goes_on() -> None:
    """Its number is too far back by now."""
    left = play(Viewer(), at(0, video=1, next_number=300), at(50, video=1, next_number=1), at(100, video=1), ms=200)
    assert (left.numbers("video"), left.counted(Counter.DROP_PROTECT_FAILED)) == ([0, 300], 1)
    assert left.tables.sent[0]["size"][:3].tolist() == [*(len(each.data) for each in left.packets), 0]


def test_what_was_never_sent_is_not_repeated() -> None:
    left = play(Viewer(sent=3), at(0, repeats=[7, 1 + LOGGED_PACKETS, 1]), ms=100)
    assert left.numbers("repeat") == [1]
    assert left.counted(Counter.DROP_PACED) == 2


def test_viewers_are_served_independently_of_each_other() -> None:
    left = play(
        Viewer(estimate_bps=400_000),
        Viewer(estimate_bps=4_000_000),
        Viewer(estimate_bps=1_000_000),
        at(0, video=20),
        at(0, to=1, video=60),
        at(0, to=2, video=20),
        at(30, to=0, active=0),
        ms=1_000,
    )
    for to, estimate_bps, video in ((1, 4_000_000, 60), (2, 1_000_000, 20)):
        alone = play(Viewer(estimate_bps=estimate_bps), at(0, video=video), ms=1_000)
        assert [each.ms for each in left.some(to=to)] == [each.ms for each in alone.packets]
    assert (left.numbers("video", to=1), left.numbers("video", to=2)) == (list(range(60)), list(range(20)))
    assert len(left.numbers("video", to=0)) < 20
    assert left.some(to=1)[-1].ms < left.some(to=2)[-1].ms
    assert left.rests


def test_without_rtx_the_same_octets_leave_again() -> None:
    left = play(Viewer(rtx=False), at(0, video=5), at(100, repeats=[2, 4]), ms=200)
    assert left.kinds() == ["video"] * 5 + ["again"] * 2
    assert [each.data for each in left.some(kind="again")] == [left.packets[2].data, left.packets[4].data]
    assert left.tables.sent[0]["fate"][[2, 4]].tolist() == [ARRIVED, ARRIVED]  # when it comes says nothing of the path
    assert left.tables.connections[0]["transport_sequence"] == 5
