"""aiortc's peer connection takes our answers and our offers."""

from __future__ import annotations

from collections.abc import Callable

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from sfu.negotiation import AnswerDiff, Answerer, LocalTransport, Offerer, Outgoing


def directions(connection: RTCPeerConnection) -> list[tuple[str, str | None]]:
    return [(item.kind, item.currentDirection) for item in connection.getTransceivers()]


async def test_our_answer(answerer: Answerer, local: LocalTransport, outgoing: Callable[..., Outgoing]) -> None:
    connection = RTCPeerConnection()
    connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
    connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    connection.addTransceiver("audio", direction="recvonly")
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    diff = answerer.handle_offer(connection.localDescription.sdp)
    assert [(item.kind, item.codec.name) for item in diff.incoming] == [("audio", "opus"), ("video", "VP8")]
    assert [slot.kind for slot in diff.slots] == ["audio", "video"]
    answerer.assign(diff.slots[1].mid, outgoing("H264"))
    await connection.setRemoteDescription(RTCSessionDescription(answerer.build_answer(local), "answer"))
    assert directions(connection) == [
        ("audio", "sendonly"),
        ("video", "sendonly"),
        ("audio", "inactive"),
        ("video", "recvonly"),
    ]
    await connection.close()


async def test_our_offers(offerer: Offerer, local: LocalTransport, outgoing: Callable[..., Outgoing]) -> None:
    connection = RTCPeerConnection()

    async def agree() -> AnswerDiff:
        await connection.setRemoteDescription(RTCSessionDescription(offerer.build_offer(local), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return offerer.handle_answer(connection.localDescription.sdp)

    audio, video = offerer.add(outgoing("opus", 1)), offerer.add(outgoing("VP8", 2))
    assert set((await agree()).accepted) == {audio, video}
    offerer.remove(video)
    assert set((await agree()).accepted) == {audio}
    assert directions(connection) == [("audio", "recvonly"), ("video", "inactive")]
    assert offerer.add(outgoing("H264", 3)) == video
    diff = await agree()
    assert diff.accepted[video].name == "H264"
    assert directions(connection) == [("audio", "recvonly"), ("video", "recvonly")]
    await connection.close()
