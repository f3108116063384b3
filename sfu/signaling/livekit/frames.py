"""Signal messages as they stand in WebSocket frames: binary protobuf, or text with JSON."""

from __future__ import annotations

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from livekit.protocol.rtc import SignalRequest, SignalResponse

from sfu.errors import RemoteError


class FrameError(RemoteError):
    """A frame holds no signal request."""

    title = "Malformed signal request"


def parse_request(frame: bytes | str) -> SignalRequest:
    """Read a frame. Fields that are not known are ignored; a request of an unknown kind comes out empty.

    Raises:
        FrameError: it is malformed.
    """
    try:
        if isinstance(frame, bytes):
            return SignalRequest.FromString(frame)
        if not frame.lstrip().startswith("{"):
            raise FrameError("A text frame holds one JSON object.")
        return json_format.Parse(frame, SignalRequest(), ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, UnicodeError, RecursionError, ValueError) as error:
        raise FrameError("The frame holds no SignalRequest.") from error


class Encoded:
    """A message that goes to one client, or to many; it is written once for each form."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._binary: bytes | None = None
        self._text: str | None = None

    @property
    def binary(self) -> bytes:
        """As protobuf."""
        if self._binary is None:
            self._binary = self._message.SerializeToString()
        return self._binary

    @property
    def text(self) -> str:
        """As JSON."""
        if self._text is None:
            self._text = json_format.MessageToJson(self._message, indent=None)
        return self._text


class Frame(Encoded):
    """A signal response."""

    def __init__(self, response: SignalResponse) -> None:
        super().__init__(response)
        self.response = response
