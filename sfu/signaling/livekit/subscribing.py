"""What one participant receives: by itself, or as it asks for, track by track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from livekit.protocol.models import SubscriptionError, VideoQuality
from livekit.protocol.rtc import (
    SignalResponse,
    SubscriptionPermissionUpdate,
    SubscriptionResponse,
    TrackSubscribed,
    UpdateTrackSettings,
)

from sfu import Subscription
from sfu.errors import RemoteError
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.transports import Transports

_MAX_REMEMBERED = 4096


class Receiver(Protocol):
    """The participant that receives."""

    identity: str
    join: Join

    @property
    def may_subscribe(self) -> bool:
        """Whether it may receive anything."""
        ...

    def send(self, response: SignalResponse) -> None:
        """Tell its client."""
        ...

    def tell_wanted(self, publisher: Participant, published: PublishedTrack) -> None:
        """What is wanted of somebody's track may have changed."""
        ...

    def sees(self, publisher: Participant, published: PublishedTrack) -> bool:
        """Whether a track is shown to it at all."""
        ...


@dataclass(frozen=True)
class Settings:
    """How a participant wants a track."""

    disabled: bool = False
    quality: VideoQuality = VideoQuality.HIGH
    width: int = 0
    height: int = 0
    fps: int = 0
    priority: int = 0

    @classmethod
    def of(cls, request: UpdateTrackSettings) -> Settings:
        """As it says."""
        return cls(request.disabled, request.quality, request.width, request.height, request.fps, request.priority)


class Subscribing:
    """Asks its transports for what is wanted and allowed, and sets each Subscription as its client has it."""

    def __init__(self, receiver: Receiver, transports: Transports, participants: Mapping[str, Participant]) -> None:
        self._receiver = receiver
        self._transports = transports
        self._participants = participants
        self._chosen: dict[str, bool] = {}
        self._settings: dict[str, Settings] = {}
        self._wanted: dict[str, tuple[Participant, PublishedTrack]] = {}
        self._refused: set[str] = set()
        self._denied: set[str] = set()
        self._unable: set[str] = set()  # what its client cannot decode in the first codec

    @property
    def wanted(self) -> tuple[PublishedTrack, ...]:
        """What it receives, or will once that is negotiated."""
        return tuple(published for _, published in self._wanted.values())

    def consider(self, publisher: Participant, published: PublishedTrack) -> None:
        """A track is there, or may be received now, or not any more."""
        if not self._receiver.sees(publisher, published):
            self.forget(published)
            return
        sid = published.sid
        wanted = self._chosen.get(sid, self._receiver.join.auto_subscribe)
        allowed = publisher.allows(self._receiver.identity, sid)
        if allowed is (sid in self._denied):
            self._tell_permission(publisher, published, allowed)
        if not (wanted and allowed and self._receiver.may_subscribe):
            self.forget(published)
            return
        if sid in self._wanted:
            return
        try:
            self._want(publisher, published)
        except RemoteError:
            self._tell_refused(sid, SubscriptionError.SE_UNKNOWN)
            return
        self._wanted[sid] = (publisher, published)

    def consider_all(self) -> None:
        """Who may receive what has changed."""
        for publisher in self._participants.values():
            if publisher.identity != self._receiver.identity:
                for published in publisher.tracks.values():
                    self.consider(publisher, published)

    def forget(self, published: PublishedTrack) -> None:
        """Receive it no more."""
        if self._wanted.pop(published.sid, None) is not None:
            self._transports.drop(published)
        self._refused.discard(published.sid)
        self._unable.discard(published.sid)
        if published.track is None or published.track.ended:
            self._denied.discard(published.sid)

    def choose(self, sid: str, subscribe: bool) -> None:
        """Its client wants a track, or does not."""
        found = self._find(sid)
        if found is None:
            if subscribe:
                self._tell_refused(sid, SubscriptionError.SE_TRACK_NOTFOUND)
            self._chosen.pop(sid, None)
            return
        if len(self._chosen) >= _MAX_REMEMBERED and sid not in self._chosen:
            self._chosen = {each: chosen for each, chosen in self._chosen.items() if self._find(each) is not None}
        self._chosen[sid] = subscribe
        self.consider(*found)

    def choose_settings(self, request: UpdateTrackSettings) -> None:
        """How its client wants some tracks."""
        settings = Settings.of(request)
        for sid in request.track_sids:
            if self._find(sid) is not None:
                if len(self._settings) >= _MAX_REMEMBERED and sid not in self._settings:
                    known = self._settings.items()
                    self._settings = {each: set_ for each, set_ in known if self._find(each) is not None}
                self._settings[sid] = settings
                if sid in self._wanted:
                    self._apply(self._wanted[sid][1], settings)
                    self._receiver.tell_wanted(*self._wanted[sid])

    def disable(self, sids: Iterable[str]) -> None:
        """Its client shows none of these."""
        for sid in sids:
            if self._find(sid) is not None:
                self.choose_settings(UpdateTrackSettings(track_sids=[sid], disabled=True))

    def apply(self) -> None:
        """Something was negotiated: set what is new, and tell who publishes that he is received."""
        for sid, (publisher, published) in self._wanted.items():
            subscription = self._transports.find(published)
            if subscription is None:
                continue
            self._apply(published, self._settings.get(sid, Settings()), subscription)
            if not published.subscribed and subscription.negotiated:
                published.subscribed = True
                publisher.send(SignalResponse(track_subscribed=TrackSubscribed(track_sid=sid)))
            self._receiver.tell_wanted(publisher, published)
        for published in list(self._transports.list_refused()):
            if published.sid not in self._refused and not self._fall_back(published):
                self._refused.add(published.sid)
                self._tell_refused(published.sid, SubscriptionError.SE_CODEC_UNSUPPORTED)

    def take_backup(self, published: PublishedTrack) -> None:
        """A track is published in another codec, too, or not any more: who cannot decode the first takes that."""
        if published.sid in self._unable and published.sid in self._wanted:
            self._transports.drop(published)
            self._want(*self._wanted[published.sid])

    def _fall_back(self, published: PublishedTrack) -> bool:
        """Its client cannot decode a track: take it in another codec, if its publisher has one."""
        if published.sid in self._unable:
            return published.backup is None  # it is awaited
        # clients do not encrypt a second codec from end to end
        if published.encryption or not published.backup_codec or published.sid not in self._wanted:
            return False
        self._unable.add(published.sid)
        if published.backup is None:
            published.needs_backup = True
            self._receiver.tell_wanted(*self._wanted[published.sid])
        else:
            self.take_backup(published)
        return True

    def _want(self, publisher: Participant, published: PublishedTrack) -> None:
        """May raise RemoteError."""
        backup = published.backup if published.sid in self._unable else None
        self._transports.want(published, self._name(publisher, published), backup)

    def _apply(self, published: PublishedTrack, settings: Settings, held: Subscription | None = None) -> None:
        subscription = held or self._transports.find(published)
        if subscription is None:
            return
        disabled = settings.disabled or settings.quality == VideoQuality.OFF
        if disabled:
            subscription.pause()
        if published.kind == "video":
            quality = VideoQuality.HIGH if disabled else settings.quality
            size = (settings.width, settings.height)
            ceiling = published.find_ceiling(subscription.track, quality, size, settings.fps)
            if subscription.ceiling != ceiling:
                subscription.set_ceiling(ceiling)
            # 1 is the most important; 0: nothing is said
            priority = 1.0 if not settings.priority else 1.0 + 1.0 / settings.priority
            if subscription.priority != priority:
                subscription.set_priority(priority)
        if not disabled:
            subscription.resume()

    def _tell_permission(self, publisher: Participant, published: PublishedTrack, allowed: bool) -> None:
        if allowed:
            self._denied.discard(published.sid)
        else:
            self._denied.add(published.sid)
        update = SubscriptionPermissionUpdate(participant_sid=publisher.sid, track_sid=published.sid, allowed=allowed)
        self._receiver.send(SignalResponse(subscription_permission_update=update))

    def _find(self, sid: str) -> tuple[Participant, PublishedTrack] | None:
        for publisher in self._participants.values():
            published = publisher.find_track(sid)
            if published is not None and publisher.identity != self._receiver.identity:
                return publisher, published
        return None

    def _tell_refused(self, sid: str, error: SubscriptionError) -> None:
        self._receiver.send(SignalResponse(subscription_response=SubscriptionResponse(track_sid=sid, err=error)))

    def _name(self, publisher: Participant, published: PublishedTrack) -> tuple[str, str]:
        """The identifiers of a track in the SDP. Firefox needs the track's own in the stream's, since it gives
        receivers ids of its own; others play tracks of one stream in step.
        """
        firefox = self._receiver.join.client.browser.lower() == "firefox"
        stream = published.sid if firefox else _as_token(published.info.stream) or published.sid
        return f"{publisher.sid}|{stream}"[:64], published.sid


def _as_token(text: str) -> str:
    """A stream's name, if it can stand in an SDP."""
    return text if text.isascii() and text.replace("-", "").replace("_", "").isalnum() and len(text) <= 40 else ""
