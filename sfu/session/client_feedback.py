"""What a client tells of what it gets: agreed on by SDP, and done without where it proves to be of no use."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sfu.routing.plane import Feedback, Plane
from sfu.wire.extensions import Extension

_log = logging.getLogger("sfu.session.client_feedback")

_MOST_UNREAD = 3.0
"""About two unreadable feedbacks in five."""
_FIRST_US = 1_000_000
"""So long after the first packet its feedback may take, while other reports come."""


class ClientFeedback:
    """Asked for by its connection: `agree` after each negotiation, `gives_up` with each receiver report."""

    def __init__(self, plane: Plane, row: int, ssrc: int) -> None:
        """`row`: the connection's; `ssrc`: ours, for what we tell the client of what it sends."""
        self.by_packets = False
        """Whether it tells of each packet (transport-wide feedback), else of rates and loss only."""
        self._plane = plane
        self._row = row
        self._ssrc = ssrc
        self._ours = Feedback.NONE
        self._useless = False

    def agree(self, ids: Mapping[Extension, int]) -> None:
        """Take over which header extensions (RFC 8285) both sides know."""
        told = Extension.TRANSPORT_SEQUENCE in ids
        self._ours = Feedback.PACKETS if told else Feedback.RATES
        if not told and Extension.ABS_SEND_TIME not in ids:
            self._ours = Feedback.NONE
        self.by_packets = told and not self._useless
        self._apply()

    def gives_up(self, now: float) -> bool:
        """A receiver report has come: see whether it will have to do from now on.

        Some clients offer transport-wide feedback and send none, or one whose chunks and deltas do not fit together.
        Without this their silence would be taken for a path on which nothing arrives.
        """
        if not self.by_packets:
            return False
        path = self._plane.estimator_state(self._row)
        silent = path.feedbacks == 0 and path.unanswered_us and now * 1e6 - path.unanswered_us > _FIRST_US
        if not silent and path.unread < _MOST_UNREAD:
            return False
        self._useless = True
        self.by_packets = False
        self._apply()
        why = "none comes" if silent else "it cannot be read"
        _log.info("transport-wide feedback is of no use: receiver reports count", extra={"detail": why})
        return True

    def _apply(self) -> None:
        theirs = Feedback.PACKETS if self.by_packets else Feedback.RATES
        self._plane.set_control(self._row, theirs, reports=self._ours, ssrc=self._ssrc)
