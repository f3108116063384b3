"""Offers, answers, candidates, and what a client says of both when it resumes."""

from __future__ import annotations

import json

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, SignalRequest, SignalResponse

from sfu.signaling.livekit.data.channels import LABELS
from sfu.signaling.livekit.errors import RequestError, check_named
from sfu.signaling.livekit.requests.asker import Asker, Handler
from sfu.signaling.livekit.requests.subscribing import choose


def offer(asker: Asker, request: SignalRequest) -> None:
    """Answer it."""
    asker.client.handle_offer(request.offer)


def answer(asker: Asker, request: SignalRequest) -> None:
    """Take it."""
    asker.client.handle_answer(request.answer)


def trickle(asker: Asker, request: SignalRequest) -> None:
    """There is nothing to do with a candidate but to read it: a lite agent learns them from checks (RFC 8445 section
    2.5).
    """
    text = request.trickle.candidateInit
    try:
        candidate = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise RequestError("UNCLASSIFIED_ERROR", "The candidate is no JSON.") from error
    if not isinstance(candidate, dict):
        raise RequestError("UNCLASSIFIED_ERROR", "The candidate is no RTCIceCandidateInit.")


def sync_state(asker: Asker, request: SignalRequest) -> None:
    """A client that resumes says what it knows: one that publishes what we do not know has to begin anew, and so has
    one that counts on a data channel which has closed here.
    """
    state = request.sync_state
    client = asker.client
    known = client.tracks.keys() | client.pending_sids
    lost = any(each.label in LABELS and client.transports.channels.has_lost(each.label) for each in state.data_channels)
    mistaken = any(published.track.sid not in known for published in state.publish_tracks)
    if lost or mistaken or not client.data_publishing.knows(list(state.publish_data_tracks)):
        leave = LeaveRequest(reason=DisconnectReason.STATE_MISMATCH, action=LeaveRequest.Action.RECONNECT)
        client.send(SignalResponse(leave=leave))
        return
    # what it names is what differs from its default
    choose(client.subscribing, state.subscription)
    check_named(state.track_sids_disabled)
    client.subscribing.disable(state.track_sids_disabled)
    received = {each.publisher_sid: each.last_seq for each in state.datachannel_receive_states}
    asker.room.data.resume(client.identity, received)
    check_named(state.data_subscription.updates)
    if state.data_subscription.updates:
        client.data_subscribing.update(state.data_subscription)


HANDLERS: dict[str, Handler] = {"offer": offer, "answer": answer, "trickle": trickle, "sync_state": sync_state}
