"""A participant's side of signalling, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from livekit.protocol.rtc import (
    JoinResponse,
    MediaSectionsRequirement,
    SessionDescription,
    SignalRequest,
    SignalResponse,
    TrackPublishedResponse,
    TrickleRequest,
)
from pylibsrtp import Error

from bench.client import sdp
from bench.client.dtls import ClientIdentity
from bench.links import GCM_128
from bench.livekit.participant import Participant, is_media

_SERVER = sdp.LocalIdentity("serv", "p" * 24, "AA:BB", ("127.0.0.1", 5000))


class _Wired(Participant):
    """What it would send is kept."""

    def __init__(self) -> None:
        super().__init__("alice", host="127.0.0.1", identity=ClientIdentity.generate(GCM_128))
        self.sent: list[SignalRequest] = []
        self.signaling.send = self.sent.append  # type: ignore[method-assign]

    def answer(self, *, candidate: bool = True) -> None:
        """The server's answer to the last offer, with nothing in it."""
        offered = sdp.parse(sdp.build(self.client.local, self._sections.offered, setup="active"))
        sections = [sdp.offered_section(section.kind, section.mid, "inactive") for section in offered.sections]
        text = sdp.build(_SERVER, sections, setup="passive")
        if not candidate:
            text = "\r\n".join(line for line in text.splitlines() if not line.startswith("a=candidate"))
        self._handle(SignalResponse(answer=SessionDescription(type="answer", sdp=text)))

    def take(self, response: SignalResponse) -> None:
        """As if the server had sent it."""
        self.signaling.take(response)


@pytest.fixture
async def alice() -> AsyncIterator[_Wired]:
    wired = _Wired()
    yield wired
    wired.client.socket.close()


def _sections(request: SignalRequest) -> int:
    return len(sdp.parse(request.offer.sdp).sections)


async def test_it_offers_more_sections_when_asked_and_one_offer_at_a_time(alice: _Wired) -> None:
    more = SignalResponse(media_sections_requirement=MediaSectionsRequirement(num_audios=1, num_videos=1))
    alice.take(more)
    alice.take(more)
    alice.take(more)
    assert [_sections(request) for request in alice.sent] == [8], "the others wait for the answer"


async def test_what_came_before_the_answer_goes_with_the_next_offer(alice: _Wired) -> None:
    alice._next_offer()
    alice.take(SignalResponse(media_sections_requirement=MediaSectionsRequirement()))
    assert not alice.sent
    alice.answer()
    assert [_sections(request) for request in alice.sent] == [6], "asked for no more, it offers anew all the same"
    assert alice.streams == [], "nothing counts until that is answered"
    alice.answer()
    assert len(alice.sent) == 1


async def test_the_servers_address_comes_with_the_answer_or_by_itself_before_or_after(alice: _Wired) -> None:
    candidate = json.dumps({"candidate": "candidate:1 1 udp 9 127.0.0.1 4000 typ host", "sdpMid": "0"})
    tcp = json.dumps({"candidate": "candidate:1 1 tcp 9 127.0.0.1 4001 typ host", "sdpMid": "0"})
    alice.take(SignalResponse(trickle=TrickleRequest(candidateInit=tcp)))
    alice.take(SignalResponse(trickle=TrickleRequest(candidateInit=candidate)))
    assert not alice._reachable()
    alice.answer(candidate=False)
    assert alice._reachable()
    assert alice._answer is not None
    assert alice._answer.address == ("127.0.0.1", 4000)


async def test_publishing_waits_for_both_tracks_ids(alice: _Wired) -> None:
    alice.take(SignalResponse(join=JoinResponse()))
    published = asyncio.create_task(alice.publish())
    await asyncio.sleep(0)
    assert [request.WhichOneof("message") for request in alice.sent] == ["add_track", "add_track"]
    alice.take(SignalResponse(track_published=TrackPublishedResponse(cid=alice.sent[0].add_track.cid)))
    await asyncio.sleep(0.01)
    assert len(alice.sent) == 2
    alice.take(SignalResponse(track_published=TrackPublishedResponse(cid=alice.sent[1].add_track.cid)))
    await asyncio.sleep(0.01)
    assert [request.WhichOneof("message") for request in alice.sent[2:]] == ["offer"]
    published.cancel()


def test_media_is_rtp_that_is_authentic() -> None:
    rtp, rtcp = bytes([0x80, 96]) + bytes(20), bytes([0x80, 200]) + bytes(20)
    assert is_media(rtp, lambda data: data)
    assert not is_media(rtcp, lambda data: data)
    assert not is_media(bytes([20]) + bytes(20), lambda data: data), "DTLS"
    assert not is_media(rtp[:8], lambda data: data)


def test_what_is_not_authentic_is_no_media() -> None:
    def refuse(data: bytes) -> bytes:
        raise Error("authentication failure")

    assert not is_media(bytes([0x80, 96]) + bytes(20), refuse)
