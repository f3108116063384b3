"""Streams that begin anew, which is how a data channel closes (RFC 6525, RFC 8831 section 6.7)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from sfu.transport.sctp.chunks import (
    OtherRequest,
    ResetRequest,
    ResetResponse,
    build_reset_request,
    build_reset_response,
)
from sfu.transport.sctp.packet import unwrap

_ADD_OUTGOING = 17
MAX_STREAMS = 128
"""Streams in one request."""


class Result(enum.IntEnum):
    """How a request went (RFC 6525 section 4.4)."""

    NOTHING_TO_DO = 0
    PERFORMED = 1
    DENIED = 2
    BAD_NUMBER = 5
    IN_PROGRESS = 6


class Resets:
    """Both directions; one request of ours at a time. Chunks to be sent are appended to `output`."""

    def __init__(self, first: int, peer_first: int, output: list[bytes]) -> None:
        """`first` and `peer_first`: both sides' initial TSNs, from which requests count."""
        self.wanted: list[int] = []
        """Streams of ours to be reset that wait for their turn."""
        self._output = output
        self._number = first
        self._asked: ResetRequest | None = None
        self._due: float | None = None
        self._interval = 0.0
        self._answered = peer_first - 1
        self._result = int(Result.NOTHING_TO_DO)
        self._waiting: ResetRequest | None = None

    def poll_timeout(self) -> float | None:
        """When to ask again."""
        return self._due

    def ask(self, streams: Sequence[int], last_tsn: int, rto: float, now: float) -> None:
        """Reset streams of ours whose last chunk has TSN `last_tsn` at most; only when nothing is asked for."""
        self._asked = ResetRequest(self._number, last_tsn, tuple(streams[:MAX_STREAMS]))
        self._number += 1
        self._interval = rto
        self._send(now)

    @property
    def asking(self) -> bool:
        """Whether a request of ours is unanswered."""
        return self._asked is not None

    def handle_timeout(self, now: float) -> None:
        """Ask again."""
        if self._due is not None and now >= self._due:
            self._interval = min(2 * self._interval, 5.0)
            self._send(now)

    def handle_response(self, response: ResetResponse, now: float) -> Sequence[int]:
        """Take an answer; return the streams of ours that are reset by it, or never will be."""
        if self._asked is None or response.number != self._asked.number & 0xFFFF_FFFF:
            return ()
        if response.result == Result.IN_PROGRESS:
            self._due = now + self._interval
            return ()
        done, self._asked, self._due = self._asked.streams, None, None
        return done

    def handle_request(self, request: ResetRequest | OtherRequest, cumulative: int) -> Sequence[int]:
        """Take what the peer asks for; `cumulative`: all up to there has come. Return the streams to begin anew now."""
        number = unwrap(request.number, self._answered)
        if number == self._answered and self._waiting is None:
            self._respond(number, self._result)  # our answer was lost
            return ()
        if number not in (self._answered, self._answered + 1):
            self._respond(number, Result.BAD_NUMBER)
            return ()
        self._answered = number
        if isinstance(request, OtherRequest):
            # More streams are there already; the other kinds no data channel needs.
            self._result = Result.PERFORMED if request.kind == _ADD_OUTGOING else Result.DENIED
            self._respond(number, self._result)
            return ()
        self._waiting = request
        streams = self.poll_reset(cumulative)
        if self._waiting is not None:
            self._respond(number, Result.IN_PROGRESS)
        return streams

    def poll_reset(self, cumulative: int) -> Sequence[int]:
        """The streams of the peer's request, once all that it sent before has come."""
        request = self._waiting
        if request is None or unwrap(request.last_tsn, cumulative) > cumulative:
            return ()
        self._waiting = None
        self._result = Result.PERFORMED
        self._respond(self._answered, self._result)
        return request.streams

    def _respond(self, number: int, result: int) -> None:
        self._output.append(build_reset_response(ResetResponse(number, result)))

    def _send(self, now: float) -> None:
        if self._asked is not None:
            self._output.append(build_reset_request(self._asked, self._answered))
            self._due = now + self._interval
