"""What a connection's RTCP tells of its client's path."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.control.work import watch_one
from sfu.session.outbox import Outbox
from sfu.session.rtcp import Reporter
from sfu.wire.rtcp import ReportBlock, build_receiver_report
from tests.unit.routing.conftest import wait_until


class Viewer:
    """Two Subscriptions to Tracks whose publishers' paths lose this share each."""

    def __init__(self, *upstream: float) -> None:
        self.subscriptions: dict[int, Any] = {}
        for place, share in enumerate(upstream):
            self.subscriptions[70 + place] = SimpleNamespace(
                track=SimpleNamespace(encodings=[SimpleNamespace(fraction_lost=share)]),
                target_index=0,
            )


def report(viewer: Viewer, *fractions: int) -> float:
    """What is made of a receiver report with these losses, in 1/256."""
    blocks = [ReportBlock(70 + place, lost, 0, 0, 0, 0, 0) for place, lost in enumerate(fractions)]
    link: Any = SimpleNamespace(connected=True)
    reporter = Reporter(link, Outbox(), tracks=(), subscriptions=viewer.subscriptions, ssrc=1, cname="c")
    (lost,) = reporter.handle_rtcp(build_receiver_report(9, blocks), 100.0)
    return lost


def test_the_worst_of_what_is_received_says_what_the_path_loses() -> None:
    assert report(Viewer(0.0, 0.0), 26, 64) == 0.25


@pytest.mark.parametrize(
    ("upstream", "reported", "own"), [(0.25, 64, 0.0), (0.25, 112, 0.25), (0.5, 64, 0.0), (1.0, 255, 0.0)]
)
def test_what_the_publishers_path_has_lost_is_no_loss_of_the_viewers(
    upstream: float, reported: int, own: float
) -> None:
    assert report(Viewer(upstream), reported) == pytest.approx(own)


async def test_no_ssrc_of_ours_sends_rtcp_both_from_the_plane_and_from_here() -> None:
    """Each has a libsrtp session under the same key, so an SRTCP index would be used twice."""
    async with watch_one() as made:
        for connection in made:
            plane = connection.shard.plane
            wait_until(lambda plane=plane: plane.settled)
            by_the_plane = [int(plane._tables.connections[connection.row]["report_ssrc"])]
            by_the_plane += [held.ssrc for held in connection.subscriptions]
            assert min(by_the_plane) > 0
            assert len({connection._reporter.ssrc, *by_the_plane}) == 1 + len(by_the_plane)
