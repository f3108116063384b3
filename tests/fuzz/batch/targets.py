"""All targets that are fuzzed in batches: compiled ones, and those that are plain Python, for comparison slow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.fuzz import depacketize, descriptions, descriptors, feedback, livekit_messages, rtp_rtcp, stun

from .batches import Judge, Target
from .binding import Binding
from .dependencies import Dependencies
from .estimator import SESSION, Estimator
from .headers import Headers
from .packets import Packets
from .payloads import Payloads
from .target import OPERATIONS, POSITION

HERE = Path(__file__).resolve().parents[1]
FOUND = HERE.parents[1] / ".fuzz"
"""Where the guided fuzzers keep what was new to them."""
_LONGEST = 512
_MEDIA_HEAD = 13
_CONTROL_HEAD = 38
"""As far as the user fragment in a check that begins with it."""


class Plain:
    """Python without coverage: nothing but the calls."""

    def __init__(self, run: Callable[[bytes], None]) -> None:
        self.run = run

    def judge(
        self,
        inputs: NDArray[np.uint8],
        ends: NDArray[np.int64],
        progress: NDArray[np.int64],
        marks: NDArray[np.int64],
        *,
        again: bool = False,
    ) -> int:
        """Nothing but exceptions is wrong."""
        octets, at = inputs.tobytes(), 0
        for k, end in enumerate(ends.tolist()):
            progress[POSITION] = k
            self.run(octets[at:end])
            at = end
        progress[OPERATIONS] += len(ends)
        return 0


def corpus(target: Target, found: Path | None = FOUND) -> list[bytes]:
    """What is kept for a target, and what its guided fuzzer has found."""
    paths = sorted((HERE / "corpus" / target.guided).iterdir())
    if found is not None and (found / target.guided).is_dir():
        paths += sorted((found / target.guided).iterdir())
    return [path.read_bytes() for path in paths]


def _of_kind(number: int, kinds: int) -> Callable[[bytes], list[bytes]]:
    def parts(data: bytes) -> list[bytes]:
        return [bytes([number]) + data[1:]] if len(data) > 1 and data[0] % kinds == number else []

    return parts


def _whole(data: bytes) -> list[bytes]:
    return [data] if data else []


def _datagrams(data: bytes) -> list[bytes]:
    """The operations of `tests.fuzz.packet_path`, without their lengths."""
    found, at = [], 0
    while at + 3 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 3], "big") % 2048
        found.append(data[at : at + 1] + data[at + 3 : at + 3 + length])
        at += 3 + length
    return found


def _media(data: bytes) -> list[bytes]:
    """Of these, the RTP packets that are sealed: their headers stay as they are, so that most are accepted."""
    return [part for part in _datagrams(data) if len(part) > _MEDIA_HEAD and part[0] == 0 and not 192 <= part[2] < 224]


def _control(data: bytes) -> list[bytes]:
    """Of these, STUN and DTLS: the plane drops what is beyond a rate, which takes many that are good."""
    return [part for part in _datagrams(data) if part[0] & 3 and part[1:2] and (part[1] < 4 or 20 <= part[1] < 64)]


def _join_datagrams(parts: Sequence[bytes]) -> bytes:
    return b"".join(part[:1] + (len(part) - 1).to_bytes(2, "big") + part[1:] for part in parts if part)


def _operations(data: bytes) -> list[bytes]:
    """The operations of `tests.fuzz.feedback`, without their lengths."""
    found, at = [], 0
    while at + 2 <= len(data):
        kind, detail = data[at] % feedback.KINDS, data[at + 1]
        body = data[at + 2 : at + 2 + detail] if kind >= feedback.RECEIVE else bytes([detail])
        found.append(bytes([kind]) + body)
        at += 2 + (detail if kind >= feedback.RECEIVE else 0)
    return found


def _join_operations(parts: Sequence[bytes]) -> bytes:
    made = []
    for part in parts:
        if part and part[0] % feedback.KINDS >= feedback.RECEIVE:
            body = part[1:256]
            made.append(part[:1] + bytes([len(body)]) + body)
        elif part:
            made.append(part[:1] + (part[1:2] or b"\x00"))
    return b"".join(made)


def _payload(name: str) -> Target:
    return Target(
        name,
        "descriptors",
        lambda: Payloads(_LONGEST),
        _of_kind(descriptors.TARGETS.index(name), len(descriptors.TARGETS)),
        compare=descriptors.run,
    )


def _header(name: str) -> Target:
    return Target(
        name,
        "rtp_rtcp",
        lambda: Headers(_LONGEST),
        _of_kind(rtp_rtcp.TARGETS.index(name), len(rtp_rtcp.TARGETS)),
        compare=rtp_rtcp.run,
    )


def _plain(name: str, run: Callable[[bytes], None], parts: Callable[[bytes], list[bytes]], longest: int) -> Target:
    def make() -> Judge:
        return Plain(run)

    guided = "rtp_rtcp" if name == "compound" else name
    return Target(name, guided, make, parts, longest=longest, size=64, compiled=False)


_COMPOUND = rtp_rtcp.TARGETS.index("compound")

TARGETS = {
    target.name: target
    for target in (
        *map(_payload, ("vp8", "vp9", "h264", "av1", "red", "frame_marking")),
        Target(
            "dependency",
            "descriptors",
            Dependencies,
            _of_kind(descriptors.TARGETS.index("dependency"), len(descriptors.TARGETS)),
            longest=256,
            size=8192,  # almost every batch has as many new marks as are kept, and the slow reader takes 5 ms for each
            compare=descriptors.run,
        ),
        *map(_header, ("rtp", "transport_feedback", "remb")),
        Target("binding", "stun", lambda: Binding(_LONGEST), _whole, compare=stun.run),
        Target("packet_path", "packet_path", Packets, _datagrams, _join_datagrams, session=4096, longest=1300),
        Target(
            "packet_media",
            "packet_path",
            Packets,
            _media,
            _join_datagrams,
            session=4096,
            fixed=_MEDIA_HEAD,
            longest=1300,
        ),
        Target(
            "packet_control",
            "packet_path",
            Packets,
            _control,
            _join_datagrams,
            session=4096,
            fixed=_CONTROL_HEAD,
            longest=1300,
        ),
        Target("feedback", "feedback", Estimator, _operations, _join_operations, session=SESSION, longest=256),
        _plain("compound", rtp_rtcp.run, _of_kind(_COMPOUND, len(rtp_rtcp.TARGETS)), 512),
        _plain("stun", stun.run, _whole, 512),
        _plain("descriptions", descriptions.run, _whole, 8192),
        _plain("depacketize", depacketize.run, _whole, 16384),
        _plain("livekit", livekit_messages.run, _whole, 4096),
    )
}
"""By name."""
