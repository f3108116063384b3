"""What a connection's RTCP tells of its client's path."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sfu.feedback.reports import EgressReports, Reception
from sfu.session.outbox import Outbox
from sfu.session.rtcp import Reporter
from sfu.wire.rtcp import ReportBlock, build_receiver_report


class Viewer:
    """Two Subscriptions to Tracks whose publishers' paths lose this share each."""

    def __init__(self, *upstream: float | None) -> None:
        self.subscriptions: dict[int, Any] = {}
        for place, share in enumerate(upstream):
            reception = None if share is None else Reception(500 + place)
            if reception is not None and share is not None:
                reception.fraction_lost = share
            reports = EgressReports(70 + place, "c")
            self.subscriptions[70 + place] = SimpleNamespace(
                reports=reports,
                handle_block=reports.handle_block,
                track=SimpleNamespace(encodings=[SimpleNamespace(reception=reception)]),
                target_index=0,
            )


def report(viewer: Viewer, *fractions: int) -> float:
    """What is made of a receiver report with these losses, in 1/256."""
    blocks = [ReportBlock(70 + place, lost, 0, 0, 0, 0, 0) for place, lost in enumerate(fractions)]
    link: Any = SimpleNamespace(connected=True)
    reporter = Reporter(link, Outbox(print), tracks=(), subscriptions=viewer.subscriptions, ssrc=1, cname="c")
    (lost,) = reporter.handle_rtcp(build_receiver_report(9, blocks), 100.0)
    return lost


def test_the_worst_of_what_is_received_says_what_the_path_loses() -> None:
    assert report(Viewer(0.0, None), 26, 64) == 0.25


@pytest.mark.parametrize(
    ("upstream", "reported", "own"), [(0.25, 64, 0.0), (0.25, 112, 0.25), (0.5, 64, 0.0), (1.0, 255, 0.0)]
)
def test_what_the_publishers_path_has_lost_is_no_loss_of_the_viewers(
    upstream: float, reported: int, own: float
) -> None:
    assert report(Viewer(upstream), reported) == pytest.approx(own)
