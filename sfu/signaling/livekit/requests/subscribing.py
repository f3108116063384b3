"""What a client wants to receive, and how; and whom it lets have what it publishes."""

from __future__ import annotations

from livekit.protocol.rtc import SignalRequest

from sfu.signaling.livekit.requests.asker import Asker, Handler


def subscription(asker: Asker, request: SignalRequest) -> None:
    """Receive tracks, or do not."""
    wanted = request.subscription
    sids = [*wanted.track_sids, *(sid for each in wanted.participant_tracks for sid in each.track_sids)]
    for sid in dict.fromkeys(sids):
        asker.client.subscribing.choose(sid, wanted.subscribe)


def track_setting(asker: Asker, request: SignalRequest) -> None:
    """Which quality of tracks, and how important they are."""
    asker.client.subscribing.choose_settings(request.track_setting)


def subscription_permission(asker: Asker, request: SignalRequest) -> None:
    """Who may receive what the client publishes."""
    asker.client.permit(request.subscription_permission)


HANDLERS: dict[str, Handler] = {
    "subscription": subscription,
    "track_setting": track_setting,
    "subscription_permission": subscription_permission,
}
