"""What a client publishes: its tracks, whether they are muted, what is said of them."""

from __future__ import annotations

from livekit.protocol.rtc import SignalRequest

from sfu.signaling.livekit.errors import RequestError, check_size
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.requests.asker import Asker, Handler


def add_track(asker: Asker, request: SignalRequest) -> None:
    """Announce it."""
    asker.client.add_track(request.add_track)


def mute(asker: Asker, request: SignalRequest) -> None:
    """Say that a track is muted, or not any more."""
    _find(asker, request.mute.sid)
    asker.room.mute(asker.client, request.mute.sid, request.mute.muted)


def update_audio_track(asker: Asker, request: SignalRequest) -> None:
    """Say how its publisher processes audio."""
    check_size(request.update_audio_track)
    published = _find(asker, request.update_audio_track.track_sid)
    if published.kind != "audio":
        raise RequestError("UNSUPPORTED_TYPE", "The track is not of audio.")
    published.describe_features(list(request.update_audio_track.features))
    _tell(asker)


def update_video_track(asker: Asker, request: SignalRequest) -> None:
    """Say how large the picture is."""
    published = _find(asker, request.update_video_track.track_sid)
    if published.kind != "video":
        raise RequestError("UNSUPPORTED_TYPE", "The track is not of video.")
    published.info.width = request.update_video_track.width
    published.info.height = request.update_video_track.height
    _tell(asker)


def update_layers(asker: Asker, request: SignalRequest) -> None:
    """Say anew what layers there are (of old clients)."""
    check_size(request.update_layers)
    published = _find(asker, request.update_layers.track_sid)
    del published.info.layers[:]
    published.info.layers.extend(request.update_layers.layers)
    _tell(asker)


def _find(asker: Asker, sid: str) -> PublishedTrack:
    published = asker.client.find_announced(sid)
    if published is None:
        raise RequestError("NOT_FOUND", f"You publish no track {sid[:64]!r}.")
    return published


def _tell(asker: Asker) -> None:
    asker.client.touch()
    asker.room.tell(asker.client)


HANDLERS: dict[str, Handler] = {
    "add_track": add_track,
    "mute": mute,
    "update_audio_track": update_audio_track,
    "update_video_track": update_video_track,
    "update_layers": update_layers,
}
