"""A client's feedback on what it receives: negotiated by SDP, and given up where it proves to be of no use."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sfu.routing.plane import FIRST_FEEDBACK_US, MOST_UNREAD, Feedback, Plane
from sfu.wire.extensions import Extension

_log = logging.getLogger("sfu.session.client_feedback")


class ClientFeedback:
    """The feedback of one connection, which calls `agree` after each negotiation and `gives_up` on each receiver
    report.
    """

    def __init__(self, plane: Plane, row: int) -> None:
        """`row` is the connection's."""
        self.by_packets = False
        """Whether the client reports on each packet (transport-wide feedback), or only on rates and loss."""
        self._plane = plane
        self._row = row
        self._ours = Feedback.NONE
        self._useless = False

    def agree(self, ids: Mapping[Extension, int]) -> None:
        """Choose the feedback in both directions by the header extensions (RFC 8285) that both sides know."""
        told = Extension.TRANSPORT_SEQUENCE in ids
        self._ours = Feedback.PACKETS if told else Feedback.RATES
        if not told and Extension.ABS_SEND_TIME not in ids:
            self._ours = Feedback.NONE
        self.by_packets = told and not self._useless
        self._apply()

    def gives_up(self, now: float) -> bool:
        """Whether a receiver report shows that transport-wide feedback is of no use; then receiver reports have to do.

        Some clients offer transport-wide feedback and send none, or some whose chunks and deltas do not fit together.
        Without this check their silence would look like a path on which nothing arrives. The plane passes a report on
        only where this holds (`decides_by_reports` in routing/kernels/receiver_reports.py).
        """
        if not self.by_packets:
            return False
        path = self._plane.estimator_state(self._row)
        silent = path.feedbacks == 0 and path.unanswered_us and now * 1e6 - path.unanswered_us > FIRST_FEEDBACK_US
        if not silent and path.unread < MOST_UNREAD:
            return False
        self._useless = True
        self.by_packets = False
        self._apply()
        why = "none comes" if silent else "it cannot be read"
        _log.info("transport-wide feedback is of no use: receiver reports count", extra={"detail": why})
        return True

    def _apply(self) -> None:
        theirs = Feedback.PACKETS if self.by_packets else Feedback.RATES
        self._plane.set_control(self._row, theirs, reports=self._ours)
