"""What publishers are told of who takes what they publish: layers, codecs, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.protocol.models import SubscribedAudioCodec, VideoQuality
from livekit.protocol.rtc import (
    SignalResponse,
    SubscribedAudioCodecUpdate,
    SubscribedCodec,
    SubscribedQuality,
    SubscribedQualityUpdate,
)

from sfu import Track
from sfu.signaling.livekit.published import PublishedTrack

PATIENCE = 2.0
"""Seconds for which somebody must have wanted less before a publisher hears of it; of more he hears at once."""
_QUALITIES = (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH)


@dataclass(frozen=True)
class Wanted:
    """What of a track is wanted: for each codec, the qualities; of audio one, HIGH, stands for all."""

    by_codec: dict[str, frozenset[VideoQuality]]

    def is_less_than(self, other: Wanted) -> bool:
        """Whether nothing is wanted that was not, by any codec that was known."""
        return all(codec in other.by_codec and found <= other.by_codec[codec] for codec, found in self.by_codec.items())


def find_wanted(published: PublishedTrack) -> Wanted | None:
    """What is wanted of it now; None while nothing can be said, as it is muted or not there."""
    first = published.track
    if first is None or first.ended or first.mute.stated:
        return None
    if published.kind == "audio":
        codec = published.info.mime_type.rpartition("/")[2].lower()
        return Wanted({codec: frozenset((VideoQuality.HIGH,) if first.wanted else ())})
    found = {track.codec.name.lower(): _find_qualities(published, track) for track in published.tracks}
    if published.needs_backup and published.backup is None:
        found[published.backup_codec.rpartition("/")[2].lower()] = frozenset(_QUALITIES)
    return Wanted(found)


def _find_qualities(published: PublishedTrack, track: Track) -> frozenset[VideoQuality]:
    """Those of its Encodings, or of the layers in the one that it has. What it lacks is wanted as what is above."""
    named = published.list_qualities(track)
    if len(track.encodings) > 1:
        wanted = {quality for quality, each in zip(named, track.encodings, strict=False) if each.wanted}
    else:
        most = track.wanted_spatial
        wanted = set() if most is None else {quality for index, quality in enumerate(named) if index <= most}
    best = max(wanted, default=None)
    if best is None:
        return frozenset()
    if best == max(named):
        best = VideoQuality.HIGH
    lacking = {quality for quality in _QUALITIES if quality not in named and quality <= best}
    return frozenset(wanted | lacking)


class WantedNews:
    """What has changed since publishers were told, by the ids of their tracks."""

    def __init__(self) -> None:
        self._told: dict[str, Wanted] = {}
        self._less: dict[str, float] = {}

    def find_change(self, published: PublishedTrack, now: float) -> SignalResponse | None:
        """What is to be told now; None: nothing. `now`: seconds since the Unix epoch."""
        wanted = find_wanted(published)
        if wanted is None:
            return None
        told = self._told.get(published.sid, _begin_with(published, wanted))
        if wanted == told:
            self._less.pop(published.sid, None)
            return None
        # simulcast has been patient already: the library tells of an Encoding that nobody wants after a while
        simulcast = published.track is not None and len(published.track.encodings) > 1
        waits = wanted.is_less_than(told) and not simulcast
        if waits and now < self._less.setdefault(published.sid, now) + PATIENCE:
            return None
        self._less.pop(published.sid, None)
        self._told[published.sid] = wanted
        return _describe(published, wanted)

    def forget(self, published: PublishedTrack) -> None:
        """It is there no more."""
        self._told.pop(published.sid, None)
        self._less.pop(published.sid, None)


def _begin_with(published: PublishedTrack, wanted: Wanted) -> Wanted:
    """As if all of it were wanted, since publishers begin so; of audio they hear when somebody takes it first."""
    found: tuple[VideoQuality, ...] = () if published.kind == "audio" else _QUALITIES
    return Wanted(dict.fromkeys(list(wanted.by_codec)[:1], frozenset(found)))


def _describe(published: PublishedTrack, wanted: Wanted) -> SignalResponse:
    if published.kind == "audio":
        codecs = [SubscribedAudioCodec(codec=codec, enabled=bool(found)) for codec, found in wanted.by_codec.items()]
        update = SubscribedAudioCodecUpdate(track_sid=published.sid, subscribed_audio_codecs=codecs)
        return SignalResponse(subscribed_audio_codec_update=update)
    described = [
        SubscribedCodec(
            codec=codec,
            qualities=[SubscribedQuality(quality=quality, enabled=quality in found) for quality in _QUALITIES],
        )
        for codec, found in wanted.by_codec.items()
    ]
    # of the first codec once more, for old clients
    told = SubscribedQualityUpdate(
        track_sid=published.sid, subscribed_qualities=described[0].qualities, subscribed_codecs=described
    )
    return SignalResponse(subscribed_quality_update=told)
