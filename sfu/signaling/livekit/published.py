"""A track as the protocol shows it: announced first, then published, then gone."""

from __future__ import annotations

from collections.abc import Sequence

from livekit.protocol.models import (
    AudioTrackFeature,
    Encryption,
    SimulcastCodecInfo,
    TrackInfo,
    TrackSource,
    TrackType,
    VideoLayer,
    VideoQuality,
)
from livekit.protocol.rtc import AddTrackRequest

from sfu import Layer, Track
from sfu.media.layer import WHOLE
from sfu.signaling.livekit import sids

_QUALITIES = (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH)
_VIDEO_TYPES = ("video/VP8", "video/VP9", "video/H264", "video/AV1")
_KINDS = {TrackType.AUDIO: "audio", TrackType.VIDEO: "video"}


class PublishedTrack:
    """What a participant announced, and the library's Track once media is negotiated for it."""

    def __init__(self, info: TrackInfo, *, cids: tuple[str, ...] = (), track: Track | None = None) -> None:
        self.info = info
        self.cids = cids
        """What the client calls its media, one for each codec; its session description has them."""
        self.track = track
        self.backup: Track | None = None
        """The same in another codec, for who cannot decode the first."""
        self.backup_cids: tuple[str, ...] = ()
        """What the client calls the media of that; none until it is announced."""
        self.needs_backup = False
        """Whether somebody cannot decode the first codec."""
        self.subscribed = False
        """Whether its publisher was told that somebody receives it."""

    @classmethod
    def announced(cls, request: AddTrackRequest, codecs: Sequence[str] = ()) -> PublishedTrack:
        """What a client wants to publish. `codecs`: those that the server takes, none: any; for another one the client
        is told the best of them, which it then sends.
        """
        info = TrackInfo(
            sid=sids.new_sid(sids.TRACK),
            type=request.type,
            name=request.name,
            muted=request.muted,
            width=request.width,
            height=request.height,
            disable_dtx=request.disable_dtx,
            source=request.source,
            layers=request.layers,
            stereo=request.stereo,
            disable_red=request.disable_red,
            encryption=request.encryption,
            stream=request.stream or _choose_stream(request.source),
            backup_codec_policy=request.backup_codec_policy,
            audio_features=request.audio_features,
            packet_trailer_features=request.packet_trailer_features,
        )
        taken = [mime for name in codecs if (mime := _mime_type(info.type, name)) in _VIDEO_TYPES]
        for codec in request.simulcast_codecs:
            mime_type = _mime_type(info.type, codec.codec)
            if info.type == TrackType.VIDEO and mime_type and taken and mime_type not in taken:
                mime_type = taken[0]
            if mime_type and any(each.mime_type == mime_type for each in info.codecs):
                continue
            described = SimulcastCodecInfo(
                mime_type=mime_type,
                cid=codec.cid,
                layers=codec.layers or request.layers,
                video_layer_mode=codec.video_layer_mode,
            )
            info.codecs.append(described)
        if not info.layers and info.codecs:
            info.layers.extend(info.codecs[0].layers)
        if not info.layers and info.type == TrackType.VIDEO:
            info.layers.append(VideoLayer(quality=VideoQuality.HIGH, width=info.width, height=info.height))
        cids = (request.cid, *(codec.cid for codec in request.simulcast_codecs))
        return cls(info, cids=tuple(dict.fromkeys(cid for cid in cids if cid)))

    @classmethod
    def found(cls, track: Track) -> PublishedTrack:
        """What somebody publishes who speaks no LiveKit, as by WHIP."""
        kind = TrackType.AUDIO if track.kind == "audio" else TrackType.VIDEO
        source = TrackSource.MICROPHONE if track.kind == "audio" else TrackSource.CAMERA
        info = TrackInfo(sid=sids.new_sid(sids.TRACK), type=kind, source=source, stream=_choose_stream(source))
        if track.kind == "video":
            count = min(len(track.encodings), len(_QUALITIES))
            info.layers.extend(VideoLayer(quality=quality) for quality in _QUALITIES[-count:])
        info.muted = track.muted
        published = cls(info)
        published.bind(track)
        return published

    @property
    def sid(self) -> str:
        """Its id."""
        return self.info.sid

    @property
    def kind(self) -> str:
        """`audio` or `video`, as of the library's Tracks."""
        return _KINDS.get(self.info.type, "")

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The library's Tracks, one for each codec that is published."""
        return tuple(track for track in (self.track, self.backup) if track is not None)

    @property
    def backup_codec(self) -> str:
        """The MIME type of the codec that it can be published in, too; "" where its publisher has named none."""
        mine = self.info.mime_type.lower()
        return next((each.mime_type for each in self.info.codecs if each.mime_type.lower() not in ("", mine)), "")

    @property
    def encryption(self) -> str:
        """What its frames are encrypted with, end to end, as the protocol calls it; empty: nothing."""
        kind = self.info.encryption
        if kind == Encryption.Type.NONE:
            return ""
        return Encryption.Type.Name(kind) if kind in Encryption.Type.values() else f"type {kind}"

    def bind(self, track: Track) -> None:
        """Its media is negotiated."""
        self.track = track
        track.encryption = self.encryption
        info = self.info
        info.mid = track.mid
        info.simulcast = len(track.encodings) > 1
        name = "red" if track.codec.redundant_first and not info.disable_red else track.codec.name
        info.mime_type = _mime_type(info.type, name)
        if track.kind == "audio" and track.codec.parameters.get("stereo") == "1":
            info.stereo = True
        mine = next((codec for codec in info.codecs if codec.mime_type.lower() == info.mime_type.lower()), None)
        if mine is None:
            mine = info.codecs.add(mime_type=info.mime_type, cid=self.cids[0] if self.cids else "", layers=info.layers)
        mine.mid = track.mid
        mine.sdp_cid = track.stated_id

    def announce_backup(self, request: AddTrackRequest) -> None:
        """It is about to be published in another codec, too."""
        self.backup_cids = tuple(dict.fromkeys(filter(None, (request.cid, *(c.cid for c in request.simulcast_codecs)))))
        for codec in request.simulcast_codecs:
            wanted = _mime_type(self.info.type, codec.codec).lower()
            known = next((each for each in self.info.codecs if each.mime_type.lower() == wanted), None)
            if known is not None and wanted != self.info.mime_type.lower():
                known.cid = codec.cid
                del known.layers[:]
                known.layers.extend(codec.layers or request.layers)

    def bind_backup(self, track: Track) -> None:
        """Its media in the other codec is negotiated."""
        self.backup = track
        track.encryption = self.encryption
        name = _mime_type(self.info.type, track.codec.name)
        mine = next((codec for codec in self.info.codecs if codec.mime_type.lower() == name.lower()), None)
        if mine is None:
            mine = self.info.codecs.add(mime_type=name, layers=self.info.layers)
        mine.mid = track.mid
        mine.sdp_cid = track.stated_id

    def list_preferred(self) -> dict[str, str]:
        """In which codec its media are to come, by what the client calls them: as announced, then as they come."""
        found: dict[str, str] = {}
        if self.kind == "audio" and not self.info.disable_red:
            found = dict.fromkeys(self.cids, "red")
        for codec in self.info.codecs:
            if codec.cid and codec.mime_type:
                found[codec.cid] = codec.mime_type.rpartition("/")[2]
        found |= dict.fromkeys(self.backup_cids, self.backup_codec.rpartition("/")[2])
        for track in self.tracks:
            if track.stated_id:
                found[track.stated_id] = "red" if track.codec.redundant_first else track.codec.name
        return found

    def describe_features(self, features: list[AudioTrackFeature]) -> None:
        """Its publisher processes audio so by now."""
        del self.info.audio_features[:]
        self.info.audio_features.extend(features)
        self.info.stereo = AudioTrackFeature.TF_STEREO in features

    def list_qualities(self, track: Track) -> tuple[VideoQuality, ...]:
        """What a Track's Encodings are called, the lowest first, or its layers if it has one Encoding: as announced,
        else the lowest ones.
        """
        count = len(track.encodings)
        told = tuple(layer.quality for layer in self.list_layers(track))
        return told if len(told) == count or (count == 1 and told) else _QUALITIES[:count]

    def list_layers(self, track: Track | None = None) -> list[VideoLayer]:
        """Those of a Track, by default of the first; the lowest first, as Encodings are."""
        layers = self.info.layers
        if track is not None and track is self.backup:
            name = _mime_type(self.info.type, track.codec.name)
            layers = next((each.layers for each in self.info.codecs if each.mime_type == name and each.layers), layers)
        return sorted(layers, key=lambda layer: layer.quality)

    def find_ceiling(self, track: Track, quality: VideoQuality, size: tuple[int, int], fps: int) -> Layer:
        """The bound for a subscriber of a Track who wants a quality, or a picture of a size (width and height; 0: any),
        and so many frames a second; 0: all.
        """
        layers = self.list_layers(track)
        if all(size):
            layer = _find_layer_of_size(layers, *size)
        else:
            layer = max((index for index, each in enumerate(layers) if each.quality <= quality), default=0)
        best = layer >= len(layers) - 1
        temporal = WHOLE.temporal if not fps or fps > 20 else (1 if fps > 10 else 0)
        return Layer(WHOLE.spatial if best else layer, temporal)


def _find_layer_of_size(layers: list[VideoLayer], width: int, height: int) -> int:
    """The index of the least layer that fills a picture of that size; the best if none does."""
    for index, layer in enumerate(layers):
        if layer.width * layer.height and (layer.width >= width or layer.height >= height):
            return index
    return max(0, len(layers) - 1)


def _choose_stream(source: TrackSource) -> str:
    """Which tracks of a participant are to be played in step: camera with microphone, screen with its sound."""
    return "screen_share" if source in (TrackSource.SCREEN_SHARE, TrackSource.SCREEN_SHARE_AUDIO) else "camera"


def _mime_type(kind: TrackType, codec: str) -> str:
    name = codec.rpartition("/")[2]
    known = {"opus": "opus", "red": "red", "vp8": "VP8", "vp9": "VP9", "h264": "H264", "av1": "AV1"}
    prefix = "audio" if kind == TrackType.AUDIO else "video"
    return f"{prefix}/{known.get(name.lower(), name)}" if name else ""
