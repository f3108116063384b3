"""Data tracks, and data blobs."""

from __future__ import annotations

from livekit.protocol.rtc import GetDataBlobResponse, SignalRequest, SignalResponse, StoreDataBlobResponse

from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.errors import RequestError, check_named
from sfu.signaling.livekit.requests.asker import Asker, Handler


def publish_data_track_request(asker: Asker, request: SignalRequest) -> None:
    """Publish one."""
    asker.client.data_publishing.publish(request.publish_data_track_request)


def unpublish_data_track_request(asker: Asker, request: SignalRequest) -> None:
    """Publish it no more."""
    asker.client.data_publishing.unpublish(request.unpublish_data_track_request.pub_handle)


def update_data_subscription(asker: Asker, request: SignalRequest) -> None:
    """Receive data tracks, or do not."""
    check_named(request.update_data_subscription.updates)
    asker.client.data_subscribing.update(request.update_data_subscription)


def store_data_blob_request(asker: Asker, request: SignalRequest) -> None:
    """Keep it."""
    wanted, client = request.store_data_blob_request, asker.client
    if not client.permission.can_publish_data:
        raise RequestError("NOT_ALLOWED", "You may not publish data.")
    kept = client.blobs.store(wanted.blob)
    response = StoreDataBlobResponse(request_id=wanted.request_id, key=kept.key)
    client.send(SignalResponse(store_data_blob_response=response))


def get_data_blob_request(asker: Asker, request: SignalRequest) -> None:
    """Hand out what somebody has stored."""
    wanted, client = request.get_data_blob_request, asker.client
    owner = asker.room.participants.get(wanted.participant_identity)
    if not isinstance(owner, Client) or (owner.hidden and owner is not client):
        raise RequestError("NOT_FOUND", "No such participant is here.")
    response = GetDataBlobResponse(request_id=wanted.request_id, blob=owner.blobs.find(wanted.key))
    client.send(SignalResponse(get_data_blob_response=response))


HANDLERS: dict[str, Handler] = {
    "publish_data_track_request": publish_data_track_request,
    "unpublish_data_track_request": unpublish_data_track_request,
    "update_data_subscription": update_data_subscription,
    "store_data_blob_request": store_data_blob_request,
    "get_data_blob_request": get_data_blob_request,
}
