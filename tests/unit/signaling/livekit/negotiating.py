"""Participants who publish and receive on one connection."""

from __future__ import annotations

import base64

from livekit.protocol.models import (
    ClientInfo,
    TrackSource,
    TrackType,
    VideoLayer,
    VideoQuality,
)
from livekit.protocol.rtc import (
    AddTrackRequest,
    ConnectionSettings,
    JoinRequest,
    SessionDescription,
    SignalRequest,
    WrappedJoinRequest,
)

from tests.unit.offers import make_answer, make_offer
from tests.unit.signaling.livekit.conftest import Caller, Doors, make_token

RECEIVE = (("audio", "recvonly"), ("video", "recvonly"))


SIMULCAST = (("simulcast", "sendonly"),)


CAMERA = AddTrackRequest(
    cid="track",
    type=TrackType.VIDEO,
    source=TrackSource.CAMERA,
    width=640,
    height=360,
    layers=[  # the best first, as the Rust SDK has them
        VideoLayer(quality=VideoQuality.HIGH, width=640, height=360),
        VideoLayer(quality=VideoQuality.LOW, width=320, height=180),
    ],
)


MICROPHONE = AddTrackRequest(cid="track", type=TrackType.AUDIO, source=TrackSource.MICROPHONE)


def offer(*sections: tuple[str, str], id: int = 1) -> SessionDescription:
    return SessionDescription(type="offer", sdp=make_offer(*sections), id=id)


async def enter_single(
    doors: Doors,
    identity: str,
    *sections: tuple[str, str],
    tracks: list[AddTrackRequest] | None = None,
    client: ClientInfo | None = None,
    **grants: object,
) -> Caller:
    """Join with one peer connection, and with an offer if there are sections."""
    request = JoinRequest(
        client_info=client,
        connection_settings=ConnectionSettings(auto_subscribe=True),
        add_track_requests=tracks or [],
        publisher_offer=offer(*sections) if sections else None,
    )
    wrapped = WrappedJoinRequest(join_request=request.SerializeToString())
    packed = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
    return await doors.call("/rtc/v1", access_token=make_token(identity, **grants), join_request=packed)


async def publish(doors: Doors, identity: str = "alice", *, camera: bool = True) -> tuple[Caller, str]:
    """Who has joined and publishes, and the track's id."""
    sections = SIMULCAST if camera else (("audio", "sendonly"),)
    caller = await enter_single(doors, identity, *sections, tracks=[CAMERA if camera else MICROPHONE])
    sid = (await caller.until("track_published")).track_published.track.sid
    await caller.until("answer")
    return caller, sid


async def answer_to(caller: Caller, offered: SessionDescription) -> None:
    answer = SessionDescription(type="answer", sdp=make_answer(offered.sdp), id=offered.id)
    await caller.send(SignalRequest(answer=answer))
