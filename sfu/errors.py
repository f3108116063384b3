"""What the public calls raise. The class says whose fault it was: `LocalError` ours (the embedder's), `RemoteError`
the client's. A RemoteError carries what an HTTP layer needs for its answer (RFC 9457).
"""

from __future__ import annotations


class SfuError(Exception):
    """Base of all errors that the package raises on purpose."""


class LocalError(SfuError):
    """The embedding program called something that cannot be done; its code or configuration needs a change."""


class ArgumentError(LocalError, ValueError):
    """An argument is out of range; the message says which values are allowed."""


class ConfigError(LocalError, ValueError):
    """A setting is out of range; `key` names it, and `reason` says what is wrong with it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class PrivateError(LocalError):
    """A room or Track that is private was to be recorded."""


class RemoteError(SfuError):
    """A client asked for what it cannot have. Nothing of its request stays behind."""

    status = 400
    """The HTTP status that fits."""
    title = "Bad request"
    """A short, constant summary for people; `str(error)` has the details."""
    retry_after: float | None = None
    """Seconds after which the same request may succeed; None: waiting does not help, or nobody knows."""


class InvalidNameError(RemoteError):
    """A room's or Peer's name is empty, too long or reserved, or holds what cannot be seen."""

    title = "Invalid name"


class NegotiationFailedError(RemoteError):
    """The SDP cannot be used: 400 when it is malformed, 422 when we cannot agree on its content."""

    title = "Session description refused"

    def __init__(self, message: str, *, malformed: bool = False) -> None:
        super().__init__(message)
        self.status = 400 if malformed else 422


class CodecMismatchError(NegotiationFailedError):
    """There is no codec in common: the client offers none that is taken, or decodes none that is published.

    The message names the codecs that the client offers, and those that would do. The same offer will fail again.
    """

    title = "No common codec"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status = 406


class PeerExistsError(RemoteError):
    """The room already has a Peer of that name."""

    status = 409
    title = "Name taken"


class NameHeldError(RemoteError):
    """The name belongs to another client by its credentials, or looks like such a name."""

    status = 403
    title = "Name held"


class ExcludedError(RemoteError):
    """The client was removed from the room and is kept out for a time."""

    status = 403
    title = "Removed from the room"


class RoomClosedError(RemoteError):
    """The room was closed, and lets nobody in for a time."""

    status = 403
    title = "Room closed"


class LimitError(RemoteError):
    """A limit of the configuration is reached; `key` names the setting."""

    status = 409
    title = "Limit reached"
    retry_after = 5.0

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class RoomFullError(LimitError):
    """The room holds `max_peers_per_room` Peers."""

    title = "Room full"


class ServerFullError(LimitError):
    """The server holds as many rooms as it may, or its plane has no row left."""

    status = 503
    title = "Server full"


class DrainingError(RemoteError):
    """The server is about to stop and opens no new rooms; another server, or this one later, may."""

    status = 503
    title = "Server draining"

    def __init__(self, left: float) -> None:
        """`left`: seconds until the server is to stop."""
        super().__init__(f"this server stops within {left:.0f} s and opens no new rooms; try another one, or later")
        self.retry_after = max(left, 1.0)


class UnknownPublisherError(RemoteError):
    """A subscription names a Peer that is not in the room."""

    status = 404
    title = "Unknown publisher"


class NothingPublishedError(RemoteError):
    """There is nothing to subscribe to yet; the client may try again after a `TrackPublished`."""

    status = 409
    title = "Nothing published"


class NotPermittedError(RemoteError):
    """The client offered media on a connection that may not publish."""

    status = 403
    title = "Not permitted"


class ConnectionClosedError(RemoteError):
    """The connection had ended before the request came, a race that any client can lose."""

    status = 404
    title = "Connection closed"
