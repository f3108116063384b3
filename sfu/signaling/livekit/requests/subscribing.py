"""What a client wants to receive, and how; and whom it lets have what it publishes."""

from __future__ import annotations

from livekit.protocol.rtc import SignalRequest, UpdateSubscription

from sfu.signaling.livekit.errors import check_named
from sfu.signaling.livekit.requests.asker import Asker, Handler
from sfu.signaling.livekit.subscribing import Subscribing


def subscription(asker: Asker, request: SignalRequest) -> None:
    """Receive tracks, or do not."""
    choose(asker.client.subscribing, request.subscription)


def choose(subscribing: Subscribing, wanted: UpdateSubscription) -> None:
    """Receive the tracks that are named, by themselves or below their participants, or do not; raises RequestError."""
    sids = [*wanted.track_sids, *(sid for each in wanted.participant_tracks for sid in each.track_sids)]
    check_named(sids)
    for sid in dict.fromkeys(sids):
        subscribing.choose(sid, wanted.subscribe)


def track_setting(asker: Asker, request: SignalRequest) -> None:
    """Which quality of tracks, and how important they are."""
    check_named(request.track_setting.track_sids)
    asker.client.subscribing.choose_settings(request.track_setting)


def subscription_permission(asker: Asker, request: SignalRequest) -> None:
    """Who may receive what the client publishes."""
    asker.client.permit(request.subscription_permission)


HANDLERS: dict[str, Handler] = {
    "subscription": subscription,
    "track_setting": track_setting,
    "subscription_permission": subscription_permission,
}
