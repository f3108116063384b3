"""Browsers take our answers and our offers, round after round."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sfu.negotiation import (
    AnswerDiff,
    Answerer,
    Candidate,
    Codec,
    LocalTransport,
    OfferDiff,
    Offerer,
    Outgoing,
)
from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("name", ["chromium", "firefox"]),
]

LOCAL = LocalTransport(
    "ours", "ourpasswordourpasswordou", ("sha-256", ":".join(["5A"] * 32)), (Candidate("127.0.0.1", 9),)
)
OPUS = Codec("audio", "opus", 48000, 2, 111)
VP8 = Codec("video", "VP8", 90000, 0, 96)
VP9 = Codec("video", "VP9", 90000, 0, 98)

SET_UP = """(() => {
    window.pc = new RTCPeerConnection();
    window.audio = new AudioContext().createMediaStreamDestination().stream;
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").fillRect(0, 0, 10, 10);
    window.video = canvas.captureStream();
    window.states = () => pc.getTransceivers().map(
        t => `${t.mid} ${t.receiver.track.kind} ${t.currentDirection}`);
    window.fired = [];
    pc.ontrack = e => fired.push(`${e.transceiver.mid} ${e.track.id} ${e.streams.map(s => s.id)}`);
})()"""


async def prepared(open_page: OpenPage, name: str) -> Page:
    page = await open_page(name)
    await page.evaluate(SET_UP)
    return page


async def offer_of(page: Page) -> str:
    offer = await page.evaluate("pc.setLocalDescription().then(() => pc.localDescription.sdp)")
    assert isinstance(offer, str)
    return offer


async def settle(page: Page, answer: str) -> list[str]:
    """Set our answer, and return the transceivers as the browser then sees them."""
    description = json.dumps({"type": "answer", "sdp": answer})
    states: list[str] = await page.evaluate(f"pc.setRemoteDescription({description}).then(states)")
    return states


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1", "H264"])
async def test_a_publisher_takes_our_answer(open_page: OpenPage, name: str, codec: str) -> None:
    page = await prepared(open_page, name)
    available = await page.evaluate("RTCRtpSender.getCapabilities('video').codecs.map(c => c.mimeType)")
    if f"video/{codec}" not in available:
        pytest.skip(f"this {name} does not encode {codec}")
    await page.evaluate(
        f"""(() => {{
            pc.addTransceiver(audio.getTracks()[0], {{direction: "sendonly", streams: [audio]}});
            const t = pc.addTransceiver(video.getTracks()[0], {{direction: "sendonly", streams: [video]}});
            const mine = RTCRtpSender.getCapabilities("video").codecs.filter(c => c.mimeType == "video/{codec}");
            t.setCodecPreferences(mine);
        }})()"""
    )
    answerer = Answerer(max_media=8, rng=random.Random(1))
    diff = answerer.handle_offer(await offer_of(page))
    assert [item.codec.name for item in diff.incoming] == ["opus", codec]
    assert [len(item.encodings) for item in diff.incoming] == [1, 1]
    assert all(encoding.ssrc for item in diff.incoming for encoding in item.encodings)
    assert await settle(page, answerer.build_answer(LOCAL)) == ["0 audio sendonly", "1 video sendonly"]
    sent: dict[str, Any] = await page.evaluate("pc.getSenders()[1].getParameters()")
    assert [item["mimeType"] for item in sent["codecs"]] == [f"video/{codec}"]
    assert sent["codecs"][0]["payloadType"] == diff.incoming[1].codec.payload_type


async def test_all_encodings_of_a_simulcast_are_agreed(open_page: OpenPage, name: str) -> None:
    page = await prepared(open_page, name)
    await page.evaluate(
        """pc.addTransceiver(video.getTracks()[0], {direction: "sendonly", streams: [video],
            sendEncodings: [{rid: "q", scaleResolutionDownBy: 4}, {rid: "f"}]}) && 0"""
    )
    answerer = Answerer(max_media=8, rng=random.Random(1))
    (incoming,) = answerer.handle_offer(await offer_of(page)).incoming
    assert [encoding.rid for encoding in incoming.encodings] == ["q", "f"]
    assert await settle(page, answerer.build_answer(LOCAL)) == ["0 video sendonly"]
    encodings = await page.evaluate("pc.getSenders()[0].getParameters().encodings.map(e => e.rid)")
    assert encodings == ["q", "f"]


async def test_a_subscriber_takes_our_answers(open_page: OpenPage, name: str) -> None:
    page = await prepared(open_page, name)
    answerer = Answerer(max_media=8, rng=random.Random(1))
    await page.evaluate(
        """(() => {
            pc.addTransceiver("audio", {direction: "recvonly"});
            pc.addTransceiver("video", {direction: "recvonly"});
            pc.createDataChannel("declined");
        })()"""
    )
    diff = answerer.handle_offer(await offer_of(page))
    assert [slot.mid for slot in diff.slots] == ["0", "1"]
    answerer.assign("0", Outgoing(1, "alice", "alice", "microphone", OPUS))
    assert await settle(page, answerer.build_answer(LOCAL)) == ["0 audio recvonly", "1 video inactive"]
    # The track's id is the page's own, since the page made the transceiver; the stream's is ours.
    assert [event.split()[::2] for event in await page.evaluate("fired")] == [["0", "alice"]]

    # A second round fills the other slot; a third restarts ICE; the first slot stays as it is.
    diff = answerer.handle_offer(await offer_of(page))
    assert [slot.filled for slot in diff.slots] == [True, False]
    assert not diff.restarted
    answerer.assign("1", Outgoing(2, "alice", "alice", "camera", VP9))
    assert await settle(page, answerer.build_answer(LOCAL)) == ["0 audio recvonly", "1 video recvonly"]

    await page.evaluate("pc.restartIce()")
    diff = answerer.handle_offer(await offer_of(page))
    assert diff.restarted
    fresh = LocalTransport("other", "other" * 5, LOCAL.fingerprint, LOCAL.candidates)
    assert await settle(page, answerer.build_answer(fresh)) == ["0 audio recvonly", "1 video recvonly"]


async def test_changes_of_direction_and_stopping(open_page: OpenPage, name: str) -> None:
    page = await prepared(open_page, name)
    answerer = Answerer(max_media=8, rng=random.Random(1))

    async def agree() -> OfferDiff:
        diff = answerer.handle_offer(await offer_of(page))
        await settle(page, answerer.build_answer(LOCAL))
        return diff

    await page.evaluate("pc.addTrack(audio.getTracks()[0], audio) && pc.addTrack(video.getTracks()[0], video) && 0")
    diff = await agree()
    assert [item.mid for item in diff.incoming] == ["0", "1"]
    await page.evaluate("void(pc.getTransceivers()[1].direction = 'recvonly')")
    diff = await agree()
    assert diff.ended == ["1"]
    await page.evaluate("void(pc.getTransceivers()[1].direction = 'sendrecv')")
    diff = await agree()
    assert [item.mid for item in diff.incoming] == ["0", "1"]
    await page.evaluate("pc.getTransceivers()[1].stop()")
    diff = await agree()
    assert diff.ended == ["1"]
    await page.evaluate("pc.addTransceiver(video.getTracks()[0], {direction: 'sendonly'}) && 0")
    diff = await agree()  # recycles the stopped section
    assert [item.kind for item in diff.incoming] == ["audio", "video"]
    assert diff.incoming[1].mid != "1"


async def test_subscriptions_come_and_go_by_our_offers(open_page: OpenPage, name: str) -> None:
    page = await prepared(open_page, name)
    offerer = Offerer(max_media=8, rng=random.Random(1))

    async def agree() -> AnswerDiff:
        description = json.dumps({"type": "offer", "sdp": offerer.build_offer(LOCAL)})
        answer = await page.evaluate(
            f"""pc.setRemoteDescription({description})
                .then(() => pc.setLocalDescription()).then(() => pc.localDescription.sdp)"""
        )
        return offerer.handle_answer(answer)

    await agree()  # an offer of nothing yet
    audio = offerer.add(Outgoing(1, "alice", "alice", "microphone", OPUS))
    video = offerer.add(Outgoing(2, "alice", "alice", "camera", VP8))
    other = offerer.add(Outgoing(3, "bob", "bob", "bobs-camera", VP9))
    diff = await agree()
    assert {mid: codec.name for mid, codec in diff.accepted.items()} == {audio: "opus", video: "VP8", other: "VP9"}
    assert offerer.extension_ids
    assert sorted(event.split()[2] for event in await page.evaluate("fired")) == ["alice", "alice", "bob"]

    offerer.remove(video)
    diff = await agree()
    assert set(diff.accepted) == {audio, other}
    assert await page.evaluate("states()") == ["0 audio recvonly", "1 video inactive", "2 video recvonly"]

    # The section comes back with another codec, and the page hears of a track again.
    assert offerer.add(Outgoing(4, "carol", "carol", "carols-camera", VP9)) == video
    diff = await agree()
    assert diff.accepted[video].name == "VP9"
    assert [event.split()[2] for event in await page.evaluate("fired")][3:] == ["carol"]

    # The client stops one for good; its section comes back under another mid, even for another kind.
    await page.evaluate("pc.getTransceivers()[2].stop()")
    offerer.request_offer()
    diff = await agree()
    assert diff.rejected == [other]
    recycled = offerer.add(Outgoing(5, "dave", "dave", "daves-microphone", OPUS))
    assert recycled not in (audio, video, other)
    diff = await agree()
    assert set(diff.accepted) == {audio, video, recycled}


async def test_publishing_by_our_offer(open_page: OpenPage, name: str) -> None:
    page = await prepared(open_page, name)
    offerer = Offerer(max_media=8, rng=random.Random(1))
    mid = offerer.add_incoming("video")
    description = json.dumps({"type": "offer", "sdp": offerer.build_offer(LOCAL)})
    answer = await page.evaluate(
        f"""pc.setRemoteDescription({description}).then(async () => {{
                const [t] = pc.getTransceivers();
                t.direction = "sendonly";
                await t.sender.replaceTrack(video.getTracks()[0]);
                t.sender.setStreams(video);
                await pc.setLocalDescription();
                return pc.localDescription.sdp;
            }})"""
    )
    (incoming,) = offerer.handle_answer(answer).incoming
    assert (incoming.mid, incoming.codec.name) == (mid, "VP8")
    (encoding,) = incoming.encodings
    assert encoding.ssrc
    sent = await page.evaluate("pc.getSenders()[0].getParameters()")
    assert sent["codecs"][0]["payloadType"] == incoming.codec.payload_type
