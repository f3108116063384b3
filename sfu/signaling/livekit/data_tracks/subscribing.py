"""What one participant receives of data tracks: those that it asks for, or all if it has come with that wish."""

from __future__ import annotations

from typing import Protocol

from livekit.protocol.models import SubscriptionError
from livekit.protocol.rtc import (
    DataTrackSubscriberHandles,
    SignalResponse,
    SubscriptionPermissionUpdate,
    SubscriptionResponse,
    UpdateDataSubscription,
)

from sfu import DataChannel
from sfu.signaling.livekit.data.channels import DATA_TRACK
from sfu.signaling.livekit.data_tracks.catalogue import Catalogue
from sfu.signaling.livekit.data_tracks.packet import MAX_HANDLE
from sfu.signaling.livekit.data_tracks.track import DataSubscription, DataTrack
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.transports import Transports


class DataReceiver(Protocol):
    """The participant."""

    identity: str
    join: Join
    transports: Transports

    @property
    def may_subscribe(self) -> bool:
        """Whether it may receive anything."""
        ...

    def send(self, response: SignalResponse) -> None:
        """Tell its client."""
        ...


class DataSubscribing:
    """Of one participant, while it is in the room. Its client knows packets by handles of ours, which it is told all
    anew whenever one of them changes.
    """

    def __init__(self, receiver: DataReceiver, catalogue: Catalogue) -> None:
        self.identity = receiver.identity
        self._receiver = receiver
        self._catalogue = catalogue
        self._subscriptions: dict[str, DataSubscription] = {}
        self._last_handle = 0

    @property
    def channel(self) -> DataChannel | None:
        """See `track.Receiver`."""
        return self._receiver.transports.channels.get(DATA_TRACK)

    def start(self) -> None:
        """Its client was told who is there."""
        self._catalogue.enter(self)
        if self._receiver.join.auto_subscribe_data:
            others = [track for track in self._catalogue.tracks if track.publisher.identity != self.identity]
            for track in others:
                self._want(track)
            if others:
                self.tell_handles()

    def resume(self) -> None:
        """Its client has come back, and may have missed what it was told."""
        if self._subscriptions:
            self.tell_handles()

    def end(self) -> None:
        """It leaves."""
        self._catalogue.leave(self)
        for subscription in self._subscriptions.values():
            del subscription.track.subscriptions[self]
        self._subscriptions.clear()

    def update(self, request: UpdateDataSubscription) -> None:
        """Its client wants data tracks, or does not. How many frames a second it would like (`options`) is not looked
        at: it gets all.
        """
        for update in request.updates:
            track = self._catalogue.find(update.track_sid)
            if not update.subscribe:
                subscription = self._subscriptions.pop(update.track_sid, None)
                if subscription is not None:
                    del subscription.track.subscriptions[self]
            elif track is None or track.publisher.identity == self.identity:
                self._refuse(update.track_sid, SubscriptionError.SE_TRACK_NOTFOUND)
            elif not self._want(track):
                self._refuse(update.track_sid, SubscriptionError.SE_UNKNOWN)
        # one that has the subscription already may wait for its handle all the same
        self.tell_handles()

    def note_published(self, track: DataTrack) -> None:
        """See `catalogue.Member`."""
        if self._receiver.join.auto_subscribe_data and self._want(track):
            self.tell_handles()

    def review(self, track: DataTrack) -> None:
        """See `track.Receiver`."""
        if self._review(self._subscriptions[track.sid]):
            self.tell_handles()

    def review_all(self) -> None:
        """It may receive now, or not any more."""
        changed = [subscription for subscription in self._subscriptions.values() if self._review(subscription)]
        if changed:
            self.tell_handles()

    def forget(self, track: DataTrack) -> None:
        """See `track.Receiver`."""
        del self._subscriptions[track.sid]
        del track.subscriptions[self]
        self.tell_handles()

    def tell_handles(self) -> None:
        """Tell its client by which handles it knows what comes."""
        handles = DataTrackSubscriberHandles()
        for sid, subscription in self._subscriptions.items():
            if subscription.allowed:
                publisher = subscription.track.publisher
                told = handles.sub_handles[subscription.handle]
                told.publisher_identity, told.publisher_sid, told.track_sid = publisher.identity, publisher.sid, sid
        self._receiver.send(SignalResponse(data_track_subscriber_handles=handles))

    def _want(self, track: DataTrack) -> bool:
        """Subscribe, if it is not yet; False: it has too many."""
        if track.sid not in self._subscriptions:
            if len(self._subscriptions) >= self._catalogue.options.max_data_subscriptions:
                self._catalogue.losses["data_track_subscriptions_full"] += 1
                return False
            subscription = DataSubscription(track, self, self._choose_handle())
            self._subscriptions[track.sid] = track.subscriptions[self] = subscription
            self._review(subscription)
        return True

    def _review(self, subscription: DataSubscription) -> bool:
        """See whether packets may be sent; True: that has changed."""
        track, before = subscription.track, subscription.allowed
        lets = track.publisher.allows(self.identity, track.sid)
        subscription.allowed = lets and self._receiver.may_subscribe
        if lets is subscription.denied:
            subscription.denied = not lets
            update = SubscriptionPermissionUpdate(
                participant_sid=track.publisher.sid, track_sid=track.sid, allowed=lets
            )
            self._receiver.send(SignalResponse(subscription_permission_update=update))
        return subscription.allowed is not before

    def _choose_handle(self) -> int:
        """The next one that is free; late packets of another data track must not be taken for those of this one."""
        taken = {subscription.handle for subscription in self._subscriptions.values()}
        while True:
            self._last_handle = self._last_handle % MAX_HANDLE + 1
            if self._last_handle not in taken:
                return self._last_handle

    def _refuse(self, sid: str, error: SubscriptionError) -> None:
        self._receiver.send(SignalResponse(subscription_response=SubscriptionResponse(track_sid=sid, err=error)))
