"""Data tracks and data blobs: not there yet, which is said at once instead of letting a client wait."""

from __future__ import annotations

from livekit.protocol.rtc import SignalRequest

from sfu.signaling.livekit.errors import RequestError
from sfu.signaling.livekit.requests.asker import Asker, Handler


def refuse(asker: Asker, request: SignalRequest) -> None:
    """Say that it is not there."""
    raise RequestError("UNSUPPORTED_TYPE", "This server has neither data tracks nor data blobs.")


def ignore(asker: Asker, request: SignalRequest) -> None:
    """There are no data tracks that one could receive."""


HANDLERS: dict[str, Handler] = {
    "publish_data_track_request": refuse,
    "unpublish_data_track_request": refuse,
    "update_data_subscription": ignore,
    "store_data_blob_request": refuse,
    "get_data_blob_request": refuse,
}
