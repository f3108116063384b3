"""A scene: one client publishes in a room of a node, others watch, early and late; what each of them saw."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.netem.config import LinkConfig
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.stable.client import CLIENTS, Running
from tests.interop.stable.clips import FPS, SIMULCAST, SINGLE, Clips
from tests.interop.stable.door import Door
from tests.interop.stable.jitter_buffer import Dropped, Pause, dropped_without_excuse
from tests.interop.stable.packets import Packet, Seen, listen_to, look_at, read_packets

PUBLISHER = "alice"
LATE_S = 3
"""How long a late viewer lets the publisher send before it comes."""


@dataclass(frozen=True)
class Plan:
    """Who publishes what, and who watches: early, late or both, each for `seconds`."""

    publisher: str
    codec: str
    viewers: tuple[str, ...]
    times: tuple[str, ...] = ("early", "late")
    """When they come; what begins with "late" is late."""
    simulcast: bool = False
    seconds: float = 6.0
    judged_after_s: float = 0.0
    """What a viewer gets before that, since it was connected, does not count."""
    way: str = ""
    """By which all come to the node; empty: as they like."""
    up: LinkConfig | None = None
    """The publisher's path; None: a clean one without a proxy."""
    down: LinkConfig | None = None
    """The path of each viewer."""
    loss: float = 0.0
    """The part of the media packets that paths `up` and `down` lose."""


@dataclass
class Played:
    """What became of a scene."""

    publisher: Running
    viewers: dict[tuple[str, str], Running] = field(default_factory=dict)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    """By what came to each viewer."""
    shown: dict[tuple[str, str], Seen] = field(default_factory=dict)
    """By what its jitter buffer handed on, if it has one."""
    dropped: dict[tuple[str, str], list[Dropped]] = field(default_factory=dict)
    """Video packets that its jitter buffer dropped without an excuse."""
    heard: dict[tuple[str, str], int] = field(default_factory=dict)
    """Opus packets that were not silent."""
    lost: int = 0
    """Datagrams that the paths lost."""
    refused: str = ""
    """Why nothing could be published."""

    def story(self, *who: tuple[str, str]) -> str:
        """What the publisher and these viewers said."""
        return "\n".join([self.publisher.story(), *(self.viewers[one].story() for one in who if one in self.viewers)])


async def play(plan: Plan, node: NodeProcess, clips: Clips, directory: Path) -> Played:
    """Play a scene. What fails in it stands in the result, so that each test says its own part of it."""
    room = new_room()
    async with AsyncExitStack() as stack:
        up = await stack.enter_async_context(Door(node.url, plan.up, plan.loss))
        arguments = _publish(plan, node, clips, room, up.url)
        publisher = await stack.enter_async_context(Running(CLIENTS[plan.publisher], arguments))
        played = Played(publisher)
        try:
            await publisher.until("connected")
        except AssertionError as error:
            played.refused = str(error)
            return played
        up.lose()

        kept: dict[tuple[str, str], Path] = {}

        async def watch(name: str, time: str) -> None:
            if time.startswith("late"):
                with contextlib.suppress(AssertionError):
                    await publisher.until("sending", lambda event: event["frames"] >= LATE_S * FPS)
            packets = directory / f"{room}-{name}-{time}.packets"
            door = await stack.enter_async_context(Door(node.url, plan.down, plan.loss))
            url = f"{door.url}/rooms/{room}/whep?publisher={PUBLISHER}"
            token = node.token(room, publish=False)
            arguments = ["watch", url, "--token", token, "--packets", str(packets), *_way(plan)]
            async with Running(CLIENTS[name], arguments) as viewer:
                played.viewers[name, time] = viewer
                with contextlib.suppress(AssertionError):
                    await viewer.until("connected")
                    door.lose()
                    await asyncio.sleep(plan.seconds)  # it looks for so long
            played.lost += door.lost
            came = _read(packets)
            played.seen[name, time] = await asyncio.to_thread(_see, plan, viewer, came)
            played.heard[name, time] = await asyncio.to_thread(_hear, viewer, came)
            kept[name, time] = packets

        async with asyncio.TaskGroup() as group:
            for name in plan.viewers:
                for time in plan.times:
                    group.create_task(watch(name, time))
        played.lost += up.lost
        await asyncio.to_thread(_judge_jitter_buffers, plan, played, kept)
    return played


def _publish(plan: Plan, node: NodeProcess, clips: Clips, room: str, url: str) -> list[str]:
    arguments = ["publish", f"{url}/rooms/{room}/whip?peer={PUBLISHER}"]
    arguments += ["--token", node.token(room, subscribe=False), "--codec", plan.codec, *_way(plan)]
    for picture in SIMULCAST if plan.simulcast else (SINGLE,):
        arguments += ["--video", str(clips.video(plan.codec, picture))]
    if CLIENTS[plan.publisher].audio:
        arguments += ["--audio", str(clips.audio())]
    return arguments


def _way(plan: Plan) -> list[str]:
    return ["--way", plan.way] if plan.way else []


def _see(plan: Plan, viewer: Running, came: bytes) -> Seen:
    packets = _packets(viewer, came, plan.codec)
    connected, received = viewer.find("connected"), viewer.find("received")
    begin = connected["at_us"] + round(plan.judged_after_s * 1e6) if connected else 0
    packets = [packet for packet in packets if packet.at_us >= begin]
    end = received["at_us"] if received else max([packet.at_us for packet in packets], default=0)
    return look_at(packets, plan.codec, connected_us=begin, left_us=end, fps=FPS)


def _judge_jitter_buffers(plan: Plan, played: Played, kept: dict[tuple[str, str], Path]) -> None:
    came = {who: _packets(played.viewers[who], _read(path), plan.codec) for who, path in kept.items()}
    unpaced = [packets for (name, _), packets in came.items() if not CLIENTS[name].paced]
    for who, path in kept.items():
        client, viewer = CLIENTS[who[0]], played.viewers[who]
        if client.jitter_buffer_s == 0.0:
            continue
        handed_on = _read(path.with_name(f"{path.name}.handed-on"))
        played.shown[who] = _see(plan, viewer, handed_on)
        played.dropped[who] = dropped_without_excuse(
            came[who],
            _packets(viewer, handed_on, plan.codec),
            buffer_s=client.jitter_buffer_s,
            unpaced=unpaced,
            pauses=[Pause(one["at_us"], one["for_us"]) for one in viewer.events if one["event"] == "paused"],
        )


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _hear(viewer: Running, came: bytes) -> int:
    return listen_to(_packets(viewer, came, "opus"))


def _packets(viewer: Running, came: bytes, codec: str) -> list[Packet]:
    """The packets of this codec, by the payload types that the client told."""
    told = [one for one in viewer.events if one["event"] == "track"]
    types = {one["payload_type"] for one in told if one["codec"].rpartition("/")[2].lower() == codec}
    return [packet for packet in read_packets(came) if packet.payload_type in types]
