"""Which of a publisher's reports are passed on."""

from __future__ import annotations

from sfu.feedback.reports import SENDER_REPORT_SPACING, Reception
from sfu.wire.rtcp import SenderReport

NTP = (3_900_000_000 << 32) | 0x8000_0000


def test_a_flood_of_sender_reports_is_not_passed_on() -> None:
    reception = Reception(5)
    report = SenderReport(5, NTP, 0, 0, 0)
    passed = [reception.handle_sender_report(report, k * 0.001) for k in range(1000)]
    assert sum(passed) <= 1.0 / SENDER_REPORT_SPACING + 1
    assert passed[0]
