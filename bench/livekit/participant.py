"""One participant: what it offers and is answered, its connection, and what it sends and gets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable

from livekit.protocol.models import TrackSource, TrackType, VideoLayer, VideoQuality
from livekit.protocol.rtc import AddTrackRequest, SessionDescription, SignalRequest, SignalResponse, SimulcastCodec
from pylibsrtp import Error as SrtpError

from bench.client import sdp
from bench.client.connect import Client
from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.links import Link, StreamPlan, new_session
from bench.livekit.door import Door
from bench.livekit.sections import RIDS, Sections
from bench.livekit.signaling import Signaling
from bench.servers.planning import agreed_transport_sequence

_LAYERS = [
    VideoLayer(quality=quality, rid=rid, width=width, height=width * 9 // 16)
    for rid, quality, width in zip(
        RIDS, (VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH), (320, 640, 1280), strict=True
    )
]


class Participant:
    """`join`, then `connect`; `publish` when it sends something, too."""

    def __init__(self, name: str, *, host: str, identity: ClientIdentity) -> None:
        self.name = name
        self.client = Client.create(host, identity)
        self.signaling = Signaling(name, self._handle)
        self._sections = Sections()
        self._answer: sdp.Description | None = None
        self._candidate = ""
        self._published: set[str] = set()
        self._welcomed = False
        self._offer_id = 0
        self._awaits_answer = False
        self._offers_anew = False
        self._link: Link | None = None

    async def join(self, door: Door, room: str, *, media: bool = True) -> None:
        """Until the server has welcomed it; without `media` it offers nothing and receives nothing."""
        await self.signaling.open(door, room, self._next_offer() if media else None)
        await self.signaling.wait(lambda: self._welcomed, "it is welcomed")

    async def connect(self) -> None:
        """Run ICE and DTLS."""
        await self.signaling.wait(self._reachable, "the server has told where it is")
        answer = self._answer
        assert answer is not None
        feedback = agreed_transport_sequence(self._sections.offered[: len(answer.sections)], answer)
        self._link = await self.client.connect(answer, transport_sequence_id=feedback)

    async def publish(self) -> None:
        """Announce a microphone and a camera, and offer them; it is connected."""
        microphone, camera = f"{self.name}-microphone", f"{self.name}-camera"
        voice = AddTrackRequest(cid=microphone, type=TrackType.AUDIO, source=TrackSource.MICROPHONE)
        picture = AddTrackRequest(
            cid=camera,
            type=TrackType.VIDEO,
            source=TrackSource.CAMERA,
            width=1280,
            height=720,
            layers=_LAYERS,
            simulcast_codecs=[SimulcastCodec(codec="vp8", cid=camera, layers=_LAYERS)],
        )
        for track in (voice, picture):
            self.signaling.send(SignalRequest(add_track=track))
        await self.signaling.wait(lambda: {microphone, camera} <= self._published, "its tracks have ids")
        self._sections.publish(microphone, camera)
        self._offer()
        await self.signaling.wait(lambda: self._settled, "what it publishes is negotiated")
        assert self._answer is not None
        self._link = dataclasses.replace(self.link, encodings=self._sections.plan_encodings(self._answer))

    async def wait_for_streams(self, count: int) -> None:
        """Until the server has said that it sends so many."""
        await self.signaling.wait(lambda: len(self.streams) >= count, f"it is offered {count} streams")

    async def wait_for_media(self, limit_s: float = 30.0) -> None:
        """Until the first packet of media has come that is authentic."""
        link = self.link
        session = new_session(link.keys.profile, link.keys.remote, outbound=False)
        loop = asyncio.get_running_loop()
        come: asyncio.Future[None] = loop.create_future()

        def read() -> None:
            while True:
                try:
                    data = link.socket.recv(2048)
                except BlockingIOError:
                    return
                if not come.done() and is_media(data, session.unprotect):
                    come.set_result(None)

        loop.add_reader(link.socket, read)
        try:
            await asyncio.wait_for(come, limit_s)
        except TimeoutError:
            raise BenchError(f"{self.name} got no media in {limit_s:.0f} s") from None
        finally:
            loop.remove_reader(link.socket)

    @property
    def link(self) -> Link:
        """Its connection, with what it sends."""
        if self._link is None:
            raise BenchError(f"{self.name} is not connected")
        return self._link

    @property
    def streams(self) -> list[StreamPlan]:
        """What the server says that it sends."""
        return [] if self._answer is None or not self._settled else self._sections.plan_streams(self._answer)

    async def close(self) -> None:
        """Leave."""
        await self.signaling.close()
        self.client.socket.close()

    async def hang_up(self) -> None:
        """Go without a word."""
        await self.signaling.hang_up()
        self.client.socket.close()

    # negotiation

    @property
    def _settled(self) -> bool:
        return not (self._awaits_answer or self._offers_anew)

    def _reachable(self) -> bool:
        if self._answer is not None and self._candidate:
            self._answer.take_candidate(self._candidate)
        return self._answer is not None and self._answer.address is not None

    def _next_offer(self) -> SessionDescription:
        self._offer_id += 1
        self._awaits_answer, self._offers_anew = True, False
        # Active, so that it is the client of DTLS whatever the server would choose.
        text = sdp.build(self.client.local, self._sections.offered, setup="active")
        return SessionDescription(type="offer", sdp=text, id=self._offer_id)

    def _offer(self) -> None:
        """One at a time: what has come since goes with the next."""
        self._offers_anew = True
        if not self._awaits_answer:
            self.signaling.send(SignalRequest(offer=self._next_offer()))

    def _handle(self, response: SignalResponse) -> None:
        kind = response.WhichOneof("message")
        if kind == "join":
            self._welcomed = True
        elif kind == "answer":
            self._answer = sdp.parse(response.answer.sdp, trickled=True)
            self._awaits_answer = False
            if self._offers_anew:
                self._offer()
        elif kind == "trickle":
            self._take_candidate(json.loads(response.trickle.candidateInit).get("candidate", ""))
        elif kind == "track_published":
            self._published.add(response.track_published.cid)
        elif kind == "media_sections_requirement":
            needed = response.media_sections_requirement
            self._sections.receive(needed.num_audios, needed.num_videos)
            self._offer()

    def _take_candidate(self, text: str) -> None:
        if not self._candidate and " udp " in text.lower() and "typ host" in text:
            self._candidate = text


def is_media(datagram: bytes, unprotect: Callable[[bytes], bytes]) -> bool:
    """Whether it is RTP (RFC 7983 section 7, RFC 5761 section 4), and authentic."""
    if len(datagram) < 12 or not 128 <= datagram[0] < 192 or 192 <= datagram[1] < 224:
        return False
    try:
        unprotect(datagram)
    except SrtpError:
        return False
    return True
