"""What one process tells another of an egress that runs across a restart: plain JSON, read strictly."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from livekit.protocol.egress import EgressInfo

from sfu.errors import LocalError
from sfu.signaling.livekit.egress.orders import Order, OrderError, UnsupportedError, read_order

_KEYS = ("info", "recording", "output", "subject")


class HandoverError(LocalError, ValueError):
    """What should describe an egress does not."""


@dataclass(frozen=True, slots=True)
class HandedEgress:
    """An egress whose recording is suspended."""

    info: EgressInfo
    recording: str
    """Its id."""
    output: str
    """The file that is to be made, within the folder for them."""
    subject: str | None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        info = base64.b64encode(self.info.SerializeToString(deterministic=True)).decode()
        return dict(zip(_KEYS, (info, self.recording, self.output, self.subject), strict=True))

    @classmethod
    def from_json(cls, value: object) -> HandedEgress:
        """Raises HandoverError for anything that `to_json` did not make."""
        if not isinstance(value, dict) or tuple(value) != _KEYS:
            raise HandoverError(f"an egress that is handed over has the keys {', '.join(_KEYS)}")
        text, recording, output, subject = (value[key] for key in _KEYS)
        if not all(isinstance(each, str) for each in (text, recording, output, subject or "")):
            raise HandoverError("a field of an egress that is handed over is no text")
        try:
            info = EgressInfo.FromString(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError, DecodeError) as error:
            raise HandoverError(f"an egress that is handed over cannot be read: {error}") from error
        return cls(info, recording, output, subject)

    def read_order(self) -> Order:
        """Return how it was asked for. Raises HandoverError."""
        field = self.info.WhichOneof("request")
        if field is None:
            raise HandoverError("an egress that is handed over does not say how it was asked for")
        try:
            return read_order(getattr(self.info, field))
        except (OrderError, UnsupportedError, TypeError) as error:
            raise HandoverError(f"an egress that is handed over was asked for as none can be: {error}") from error
