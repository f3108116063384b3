"""One run of one server: what forwarding costs, how long joining takes, what a participant takes of memory."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench import cpu
from bench.client.dtls import ClientIdentity
from bench.livekit.door import Door
from bench.livekit.participant import Participant
from bench.livekit.room import ROOM, Forwarding, fill_room
from bench.livekit.servers import Contender

_HOST = "127.0.0.1"
_BETWEEN_JOINS_S = 0.2
#: What a server does once after many joins, as collecting garbage, is over by then.
_SETTLE_S = 2.0


@dataclass(frozen=True)
class Settings:
    """How everything is run."""

    size: int = 12  # of the room with media
    crowd: int = 200  # of the room in which all only signal
    joins: int = 20
    seconds: float = 8.0
    runs: int = 3
    server_core: int = 1
    generator_core: int = 0


@dataclass(frozen=True)
class Figures:
    """What one run found."""

    server: str
    forwarding: Forwarding
    room_bytes: float  # resident, for each who publishes and receives all others
    join_s: list[float]  # from the WebSocket's opening to the first packet of media
    crowd_bytes: float  # resident, for each who only signals
    crowd_join_cpu_ms: float  # of the server, for each of them


async def run_once(contender: Contender, settings: Settings, identity: ClientIdentity) -> Figures:
    """Start it twice: for the room with media, and for the crowd."""
    core = settings.server_core
    async with contender.start(core) as (door, process):
        idle = cpu.resident_bytes(process.pid)
        async with fill_room(door, settings.size, identity, pid=process.pid, core=core) as room:
            await room.agree()
            forwarding = await room.measure(settings.seconds, await room.settle())
            room_bytes = (cpu.resident_bytes(process.pid) - idle) / settings.size
            joins = [await _time_join(door, f"guest-{number}", identity) for number in range(settings.joins)]
    async with contender.start(core) as (door, process):
        idle = cpu.resident_bytes(process.pid)
        clock = cpu.sample(process.pid, core)
        crowd = [Participant(f"c{number}", host=_HOST, identity=identity) for number in range(settings.crowd)]
        for each in crowd:
            await each.join(door, ROOM, media=False)
        used = cpu.sample(process.pid, core).since(clock).server_s
        await asyncio.sleep(_SETTLE_S)
        crowd_bytes = (cpu.resident_bytes(process.pid) - idle) / settings.crowd
        for each in crowd:
            await each.close()
    return Figures(
        server=contender.name,
        forwarding=forwarding,
        room_bytes=room_bytes,
        join_s=joins,
        crowd_bytes=crowd_bytes,
        crowd_join_cpu_ms=used / settings.crowd * 1e3,
    )


async def _time_join(door: Door, name: str, identity: ClientIdentity) -> float:
    """Seconds from the opening of the socket to the first packet of media, in a room that talks."""
    guest = Participant(name, host=_HOST, identity=identity)
    try:
        start = time.monotonic()
        await guest.join(door, ROOM)
        await guest.connect()
        await guest.wait_for_media()
        return time.monotonic() - start
    finally:
        await guest.close()
        await asyncio.sleep(_BETWEEN_JOINS_S)
