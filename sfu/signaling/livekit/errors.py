"""Requests of a client that cannot be met."""

from __future__ import annotations


class RequestError(Exception):
    """A signal request that is answered with an error; `reason` is one of `RequestResponse.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
