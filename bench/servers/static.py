"""References without signalling: keys and addresses are handed over in a file, control is shared memory."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import mmap
import os
import platform
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.client.connect import open_socket
from bench.errors import BenchError
from bench.links import EncodingPlan, Link, MediaKeys, StreamPlan, key_length
from bench.process import ServerProcess
from bench.servers.base import Server

# Words of the shared int64 control block.
READY = 0
SENDING = 1
RATE_MILLI = 2  # frame rate factor in thousandths
SENT_PACKETS = 3  # that should have been delivered to all, skipped frames included
CONTROL_WORDS = 16

VIDEO_TYPE, AUDIO_TYPE = 96, 111

#: What its publisher sends: nothing is negotiated, so there is neither transport-wide feedback nor repair.
_ENCODINGS = {
    "video": EncodingPlan(kind="video", ssrc=0x1234, payload_type=VIDEO_TYPE, mid="1", mid_id=4, abs_send_time_id=2),
    "audio": EncodingPlan(kind="audio", ssrc=0x1235, payload_type=AUDIO_TYPE, mid_id=4, abs_send_time_id=2),
}
_OFFSETS = {"video": 0, "audio": 1}

#: A reference ends by itself after this long, whatever becomes of the bench.
LIFETIME_S = 600.0
_START_S = 120.0
_PORT = 9000


def first_ssrc(subscriber: int) -> int:
    """The SSRC of the video that subscriber number so-and-so gets; that of the audio is one more."""
    return 0x20000 + 2 * subscriber


def open_control(path: Path) -> NDArray[Any]:
    """The control block in `path`, shared between the bench and a reference's process."""
    with path.open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), CONTROL_WORDS * 8), np.int64)


class StaticServer(Server):
    """A reference in a module of its own, run as `python -m MODULE DIRECTORY`."""

    joins = False
    conferences = False
    module: str

    @property
    def version(self) -> str:
        """It comes with the bench."""
        return f"python {platform.python_version()}"

    async def start(self) -> None:
        """Prepare; the process starts when all keys are known."""
        path = self.surroundings.directory / "control"
        path.write_bytes(bytes(CONTROL_WORDS * 8))
        self._control = open_control(path)
        self._control[RATE_MILLI] = 1000
        self._publishers: list[dict[str, object]] = []
        self._subscribers: list[dict[str, object]] = []

    def _open(self) -> tuple[Link, dict[str, object]]:
        network = self.surroundings.network
        length = key_length(self.surroundings.profile)
        keys = MediaKeys(self.surroundings.profile, secrets.token_bytes(length), secrets.token_bytes(length))
        sock = open_socket(network.client_host)
        sock.connect((network.server_host, _PORT))
        entry: dict[str, object] = {
            "address": sock.getsockname(),
            "receive_key": keys.local.hex(),
            "send_key": keys.remote.hex(),
        }
        return Link(sock, keys), entry

    async def publish(self, room: int, peer: str, kinds: Sequence[str]) -> Link:
        """A publisher's socket and keys."""
        link, entry = self._open()
        self._publishers.append(entry)
        if not self.routes:
            return link
        return dataclasses.replace(link, encodings=[_ENCODINGS[kind] for kind in kinds])

    async def subscribe(self, room: int, peer: str, publishers: Sequence[str], kinds: Sequence[str]) -> Link:
        """A subscriber's socket and keys."""
        link, entry = self._open()
        first = first_ssrc(len(self._subscribers))
        self._subscribers.append(entry)
        return dataclasses.replace(link, streams=[StreamPlan(kind, first + _OFFSETS[kind]) for kind in kinds])

    async def ready(self) -> None:
        """Hand over the keys, start the process and wait for its sign."""
        around = self.surroundings
        plan = {
            "listen": [around.network.server_host, _PORT],
            "profile": around.profile,
            "publishers": self._publishers,
            "subscribers": self._subscribers,
        }
        path = around.directory / "plan.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(plan), encoding="ascii")
        self._process = ServerProcess(
            [sys.executable, "-m", self.module, str(around.directory)],
            network=around.network,
            core=around.core,
            log=around.directory / f"{self.name}.log",
            environment={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        deadline = time.monotonic() + _START_S
        while self._control[READY] == 0:
            self.process.check_alive()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} did not start: {self.process.log_tail()}")
            await asyncio.sleep(0.05)


class PlainPython(StaticServer):
    """The naive way: a Python loop over pylibsrtp and `sendto`."""

    name = "python loop"
    module = "bench.servers.plain_loop"


class Limit(StaticServer):
    """The floor: a compiled loop of libsrtp and GSO `sendmmsg` that receives and routes nothing."""

    name = "limit"
    module = "bench.servers.limit_loop"
    routes = False

    def set_sending(self, on: bool) -> None:
        """Start or pause its frames."""
        self._control[SENDING] = int(on)

    def set_rate(self, factor: float) -> None:
        """Multiply its frame rate."""
        self._control[RATE_MILLI] = round(factor * 1000)

    def sent_packets(self) -> int | None:
        """What each subscriber should have got so far."""
        return int(self._control[SENT_PACKETS])
