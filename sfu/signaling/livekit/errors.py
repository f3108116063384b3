"""Requests of a client that cannot be met."""

from __future__ import annotations

from collections.abc import Sized

from google.protobuf.message import Message

MAX_TRACK_BYTES = 16_384
"""Of what a client says of one track, since everybody in the room is told of it."""
MAX_NAMED_TRACKS = 4096
"""Tracks that one request names."""


class RequestError(Exception):
    """A signal request that is answered with an error; `reason` is one of `RequestResponse.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_size(request: Message) -> None:
    """Raise RequestError if what is said of a track is too large to be told to everybody."""
    if request.ByteSize() > MAX_TRACK_BYTES:
        raise RequestError("LIMIT_EXCEEDED", f"What is said of a track has at most {MAX_TRACK_BYTES} bytes.")


def check_named(sids: Sized) -> None:
    """Raise RequestError if a request names too many tracks: each is looked for among all participants."""
    if len(sids) > MAX_NAMED_TRACKS:
        raise RequestError("LIMIT_EXCEEDED", f"A request names at most {MAX_NAMED_TRACKS} tracks.")
