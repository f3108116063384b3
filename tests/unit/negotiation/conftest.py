from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.negotiation import Answerer, Candidate, Codec, LocalTransport, Offerer, Outgoing

MakeOutgoing = Callable[..., Outgoing]
"""What the fixture `outgoing` is."""

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"

CODECS = {
    "opus": Codec("audio", "opus", 48000, 2, 111, {"minptime": "10", "useinbandfec": "1"}),
    "VP8": Codec("video", "VP8", 90000, 0, 96),
    "VP9": Codec("video", "VP9", 90000, 0, 98, {"profile-id": "0"}),
    "H264": Codec(
        "video",
        "H264",
        90000,
        0,
        108,
        {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"},
    ),
    "AV1": Codec("video", "AV1", 90000, 0, 45, {"profile": "0"}),
}


@pytest.fixture
def vector() -> Callable[[str], str]:
    """An offer captured from a browser (Chromium 156, Firefox 153), by its file's name."""
    return lambda name: (VECTORS / f"{name}.sdp").read_bytes().decode()


@pytest.fixture
def local() -> LocalTransport:
    candidates = (Candidate("192.0.2.1", 5000), Candidate("2001:db8::1", 5000))
    return LocalTransport("ours", "ourpasswordourpasswordou", ("sha-256", ":".join(["5A"] * 32)), candidates)


@pytest.fixture
def answerer() -> Answerer:
    return Answerer(max_media=8, rng=random.Random(1))


@pytest.fixture
def offerer() -> Offerer:
    return Offerer(max_media=4, rng=random.Random(1))


@pytest.fixture
def outgoing() -> Callable[..., Outgoing]:
    def make(name: str = "opus", ssrc: int = 1234, **parameters: str) -> Outgoing:
        codec = CODECS[name]
        if parameters:
            named = {key.replace("_", "-"): value for key, value in parameters.items()}
            codec = Codec(codec.kind, name, codec.clock_rate, codec.channels, 0, named)
        return Outgoing(ssrc, "cname-of-alice", "alice", f"track-{ssrc}", codec)

    return make


class Client:
    """A client that answers our offers: it takes everything, except what a test tells it to refuse."""

    def __init__(self) -> None:
        self.ufrag = "theirs"
        self.setup = "active"
        self.stopped: set[str] = set()  # mids answered with port 0
        self.inactive: set[str] = set()  # mids answered inactive
        self.sending: set[str] = set()  # mids in which it sends if asked for

    def answer(self, offer: str) -> str:
        head, *sections = offer.split("m=")
        bodies = [self._section(f"m={section}") for section in sections]
        head = head.replace("a=ice-lite\r\n", "")
        for mid in self.stopped:
            first, _, rest = head.partition("a=group:BUNDLE")
            group, _, rest = rest.partition("\r\n")
            words = [word for word in group.split() if word != mid]
            head = f"{first}a=group:{' '.join(['BUNDLE', *words])}\r\n{rest}"
        return head + "".join(bodies)

    def _section(self, text: str) -> str:
        lines = text.split("\r\n")
        mid = next(line[6:] for line in lines if line.startswith("a=mid:"))
        offered = next(line[2:] for line in lines if line in ("a=sendonly", "a=recvonly", "a=inactive"))
        if mid in self.stopped or lines[0].split()[1] == "0":
            kind, _, rest = lines[0].split(" ", 2)
            return f"{kind} 0 {rest}\r\na=mid:{mid}\r\na=inactive\r\n"
        direction = {"sendonly": "recvonly", "recvonly": "inactive", "inactive": "inactive"}[offered]
        if mid in self.inactive:
            direction = "inactive"
        elif mid in self.sending and offered == "recvonly":
            direction = "sendonly"
        kept = []
        for line in lines:
            name = line.partition(":")[0]
            if name == "a=ice-ufrag":
                kept.append(f"a=ice-ufrag:{self.ufrag}")
            elif name == "a=ice-pwd":
                kept.append("a=ice-pwd:theirpasswordtheirpasswo")
            elif name == "a=setup":
                kept.append(f"a=setup:{self.setup}")
            elif line == f"a={offered}":
                kept.append(f"a={direction}")
            elif name not in ("a=ssrc", "a=msid", "a=candidate", "a=end-of-candidates"):
                kept.append(line)
        if direction == "sendonly":
            kept[-1:] = ["a=msid:their-stream their-track", "a=ssrc:777 cname:their-cname", ""]
        return "\r\n".join(kept)


@pytest.fixture
def client() -> Client:
    return Client()
