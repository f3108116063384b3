"""What a request for an egress asks, in one form; what this server cannot do is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Literal

from livekit.protocol.egress import (
    DirectFileOutput,
    EncodedFileOutput,
    EncodedFileType,
    EncodingOptions,
    EncodingOptionsPreset,
    FileOutput,
    MediaSource,
    ParticipantEgressRequest,
    RoomCompositeEgressRequest,
    StartEgressRequest,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
    WebEgressRequest,
)
from livekit.protocol.room import RoomEgress

from sfu import Track
from sfu.errors import RemoteError

Kind = Literal["room", "participant", "tracks"]
BOTH = frozenset({"audio", "video"})

_SIZES: dict[EncodingOptionsPreset, tuple[int, int, int]] = {
    EncodingOptionsPreset.H264_720P_30: (1280, 720, 30),
    EncodingOptionsPreset.H264_720P_60: (1280, 720, 60),
    EncodingOptionsPreset.H264_1080P_30: (1920, 1080, 30),
    EncodingOptionsPreset.H264_1080P_60: (1920, 1080, 60),
    EncodingOptionsPreset.PORTRAIT_H264_720P_30: (720, 1280, 30),
    EncodingOptionsPreset.PORTRAIT_H264_720P_60: (720, 1280, 60),
    EncodingOptionsPreset.PORTRAIT_H264_1080P_30: (1080, 1920, 30),
    EncodingOptionsPreset.PORTRAIT_H264_1080P_60: (1080, 1920, 60),
}
_SIDES = range(180, 4097, 2)
_RATES = range(1, 61)
_LAYOUTS = ("", "grid", "grid-dark", "grid-light")
_STORAGE = ("s3", "gcp", "azure", "aliOSS")

V1Request = RoomCompositeEgressRequest | ParticipantEgressRequest | TrackCompositeEgressRequest
Request = V1Request | TrackEgressRequest | WebEgressRequest | StartEgressRequest


class UnsupportedError(RemoteError):
    """Something that the protocol has and this server has not."""

    status = 501
    title = "Not supported"


class OrderError(RemoteError):
    """A request that contradicts itself, or lacks something."""

    title = "Egress refused"


@dataclass(frozen=True, slots=True)
class Film:
    """Of what size a film is to be."""

    width: int = 1280
    height: int = 720
    fps: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One egress, as it was asked for."""

    room: str
    kind: Kind
    field: str
    """The field of EgressInfo that tells of the request."""
    identity: str = ""
    tracks: tuple[str, ...] = ()
    """Their sids."""
    media: frozenset[str] = BOTH
    """`audio`, `video`."""
    path: str = ""
    """What the file is to be called, with places to be filled in."""
    film: Film | None = Film()
    """None: the track's own media, as they came."""

    def build_filter(self, chosen: Container[str] = ()) -> Callable[[Track], bool]:
        """Return which Tracks are meant; `chosen`: the ids of those that it names."""

        def takes(track: Track) -> bool:
            if self.kind == "tracks":
                return track.id in chosen
            return track.kind in self.media and (self.kind == "room" or track.peer == self.identity)

        return takes


def read_order(request: Request) -> Order:
    """Raises UnsupportedError or OrderError."""
    if request.webhooks:
        raise UnsupportedError(
            "Webhooks of one egress are not supported: all go to those that the server is set up with."
        )
    match request:
        case RoomCompositeEgressRequest():
            _check_layout(request.layout, request.custom_base_url)
            if request.audio_mixing:
                raise UnsupportedError("Other mixings of audio than the default are not supported.")
            media = _read_media(audio_only=request.audio_only, video_only=request.video_only)
            order = Order(room=request.room_name, kind="room", field="room_composite", media=media)
            return _with_film(order, request)
        case ParticipantEgressRequest():
            if request.screen_share:
                raise UnsupportedError("The screen alone is not supported: ask for its tracks.")
            order = Order(room=request.room_name, kind="participant", field="participant", identity=request.identity)
            return _with_film(order, request)
        case TrackCompositeEgressRequest():
            sids = tuple(filter(None, (request.audio_track_id, request.video_track_id)))
            order = Order(room=request.room_name, kind="tracks", field="track_composite", tracks=sids)
            return _with_film(order, request)
        case TrackEgressRequest():
            if request.WhichOneof("output") == "websocket_url":
                raise UnsupportedError("Streams to a WebSocket are not supported: ask for a file.")
            path = _read_file(request.file)
            return _check(
                Order(
                    room=request.room_name,
                    kind="tracks",
                    field="track",
                    tracks=(request.track_id,),
                    path=path,
                    film=None,
                )
            )
        case WebEgressRequest():
            raise UnsupportedError("There is no browser here that could record a page: ask for a room composite.")
        case StartEgressRequest():
            return _read_v2(request)


def complete_room_egress(egress: RoomEgress, room: str) -> RoomCompositeEgressRequest:
    """The request for the file of a room that is to be made from its beginning on."""
    request = RoomCompositeEgressRequest()
    request.CopyFrom(egress.room)
    request.room_name = room
    return request


def _with_film(order: Order, request: V1Request) -> Order:
    """Add how the film is to be, and where, to an order of the first version."""
    for field, what in (("stream_outputs", "Streams"), ("segment_outputs", "Segments"), ("image_outputs", "Images")):
        if getattr(request, field):
            raise UnsupportedError(f"{what} are not supported: ask for a file.")
    files: Sequence[EncodedFileOutput] = request.file_outputs
    if not isinstance(request, ParticipantEgressRequest) and not files:
        output = request.WhichOneof("output")
        if output in ("stream", "segments"):
            raise UnsupportedError("Streams and segments are not supported: ask for a file.")
        files = [request.file] if output == "file" else []
    if len(files) != 1:
        raise OrderError("Ask for one file: there must be one output.")
    preset = request.preset if request.WhichOneof("options") != "advanced" else None
    film = _read_film(preset, request.advanced)
    return _check(_replace(order, _read_file(files[0]), film))


def _read_v2(request: StartEgressRequest) -> Order:
    if len(request.outputs) != 1:
        raise OrderError("Ask for one file: there must be one output.")
    output = request.outputs[0]
    if output.WhichOneof("config") != "file":
        raise UnsupportedError("Streams, segments and images are not supported: ask for a file.")
    for holder in (request, output):
        if holder.HasField("storage") and holder.storage.WhichOneof("provider") is not None:
            raise _unsupported_storage()
    path = _read_file(output.file)
    advanced = request.WhichOneof("encoding") == "advanced"
    preset = None if advanced else request.preset
    order = Order(room=request.room_name, kind="room", field="egress")
    match request.WhichOneof("source"):
        case "template":
            template = request.template
            _check_layout(template.layout, template.custom_base_url)
            media = _read_media(audio_only=template.audio_only, video_only=template.video_only)
            order = Order(room=request.room_name, kind="room", field="egress", media=media)
        case "media":
            order = _read_source(request.room_name, request.media)
        case "web":
            raise UnsupportedError("There is no browser here that could record a page: ask for a template.")
        case _:
            raise OrderError("Say what is to be recorded: template or media.")
    if preset == EncodingOptionsPreset.PASSTHROUGH:
        if order.kind != "tracks" or len(order.tracks) != 1:
            raise OrderError("PASSTHROUGH is for a single track.")
        return _check(_replace(order, path, None))
    return _check(_replace(order, path, _read_film(preset, request.advanced)))


def _read_source(room: str, source: MediaSource) -> Order:
    video = source.WhichOneof("video")
    audio = source.audio
    if any(route.channel for route in audio.routes):
        raise UnsupportedError("Audio is not put on channels of its own: leave them out.")
    matches = [(route.WhichOneof("match"), route) for route in audio.routes]
    if video == "participant_video":
        identity = source.participant_video.identity
        if source.participant_video.prefer_screen_share:
            raise UnsupportedError("The screen alone is not supported: ask for its track.")
        others = [
            route
            for match, route in matches
            if (match, route.participant_identity) != ("participant_identity", identity)
        ]
        if audio.capture_all or others:
            raise UnsupportedError("One participant's video goes with its own audio only.")
        media = BOTH if matches else frozenset({"video"})
        return Order(room=room, kind="participant", field="egress", identity=identity, media=media)
    if audio.capture_all:
        if video == "video_track_id" or matches:
            raise UnsupportedError("All audio is recorded alone, or with a template.")
        return Order(room=room, kind="room", field="egress", media=frozenset({"audio"}))
    if any(match != "track_id" for match, _ in matches):
        raise UnsupportedError("Audio beside no participant's video is chosen by its tracks.")
    sids = [source.video_track_id] if video == "video_track_id" else []
    return Order(room=room, kind="tracks", field="egress", tracks=(*sids, *(route.track_id for _, route in matches)))


def _replace(order: Order, path: str, film: Film | None) -> Order:
    return Order(
        room=order.room,
        kind=order.kind,
        field=order.field,
        identity=order.identity,
        tracks=order.tracks,
        media=order.media,
        path=path,
        film=film,
    )


def _check(order: Order) -> Order:
    if not order.room:
        raise OrderError("Say which room (room_name).")
    if order.kind == "participant" and not order.identity:
        raise OrderError("Say which participant (identity).")
    if order.kind == "tracks" and not all(order.tracks or ("",)):
        raise OrderError("Say which tracks (their sids).")
    return order


def _check_layout(layout: str, custom_base_url: str) -> None:
    if custom_base_url:
        raise UnsupportedError("Pages of one's own are not supported: there is no browser here.")
    if layout not in _LAYOUTS:
        raise UnsupportedError(f"There is no layout {layout[:40]!r}: films show a grid ('grid').")


def _read_media(*, audio_only: bool, video_only: bool) -> frozenset[str]:
    if audio_only and video_only:
        raise OrderError("audio_only and video_only exclude each other.")
    return frozenset({"audio"}) if audio_only else frozenset({"video"}) if video_only else BOTH


def _read_file(output: EncodedFileOutput | DirectFileOutput | FileOutput) -> str:
    if any(field.name in _STORAGE for field, _ in output.ListFields()):
        raise _unsupported_storage()
    if not isinstance(output, DirectFileOutput) and output.file_type not in (
        EncodedFileType.DEFAULT_FILETYPE,
        EncodedFileType.MP4,
    ):
        raise UnsupportedError("Films are MP4 files: other types are not supported.")
    return output.filepath


def _unsupported_storage() -> UnsupportedError:
    return UnsupportedError("Files stay on this server's disk: uploads to a storage are not supported.")


def _read_film(preset: EncodingOptionsPreset | None, advanced: EncodingOptions) -> Film:
    if preset is not None:
        if preset not in _SIZES:
            raise UnsupportedError("A film has one of the presets' sizes; PASSTHROUGH is for a single track.")
        return Film(*_SIZES[preset])
    film = Film(advanced.width or 1920, advanced.height or 1080, advanced.framerate or 30)
    if film.width not in _SIDES or film.height not in _SIDES or film.fps not in _RATES:
        raise OrderError("A film has even sides of 180 to 4096 pixels, and 1 to 60 pictures a second.")
    return film
