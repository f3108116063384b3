"""What negotiation raises when a description cannot be accepted."""

from __future__ import annotations


class NegotiationError(ValueError):
    """The client's description is malformed, or asks for what the server does not do.

    The message is meant for the client's developer. `mid` names the media section at fault, where one is.
    """

    def __init__(self, message: str, *, mid: str | None = None) -> None:
        super().__init__(message if mid is None else f"media section {mid!r}: {message}")
        self.mid = mid


class SdpError(NegotiationError):
    """The text is no session description (RFC 8866), or exceeds a limit. `line` counts from 1, where one is
    at fault.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"SDP line {line}: {message}")
        self.line = line


class NoCommonCodecError(NegotiationError):
    """A section offers no codec that we take; the message says which are offered and which we take."""


class NothingReceivedError(NegotiationError):
    """The client only offers to send, where it may only receive."""


class MediaLimitError(NegotiationError):
    """The connection has as many media sections as it may have; end some, or open another connection."""
