"""A recorder: whoever publishes is recorded, from a room's first Track until everyone has left it.

    python examples/recorder.py records

Publish to http://127.0.0.1:8080/rooms/court-7/whip with any bearer token. What was recorded: `sfu verify`, `sfu play`.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvicorn

from sfu import Config, RecordError, Recording, Server, Signer, load_or_create_signing_key
from sfu.events import PeerLeft, RecordingAlarm, TrackPublished
from sfu.signaling import Grants, create_app


async def record_rooms(server: Server, folder: Path, key: Signer) -> None:
    """Follow all rooms until the server closes, and begin and end their records."""
    running: dict[str, Recording] = {}
    async for event in server.events():
        match event:
            case TrackPublished(room=name) if name not in running:
                path = folder / f"{name}-{time.time_ns()}"
                try:
                    running[name] = server.room(name).record(path, key=key, metadata={"court": "example"})
                except RecordError as error:
                    print(f"{name} is NOT recorded: {error}", file=sys.stderr)
            case PeerLeft(room=name) if name in running and name not in server.rooms:
                for record in await running.pop(name).stop():
                    print(f"{record.path} is closed; its head is {record.head}")
            case RecordingAlarm(path=path, what=what, detail=detail):
                print(f"ALARM {what} at {path}: {detail}", file=sys.stderr)


class Everyone:
    """Lets everyone publish: for a trial on this machine."""

    def authorize(self, token: str) -> Grants:
        return Grants(room="*", publish=True)


async def main(folder: Path, key: Signer) -> None:
    async with Server(Config(host="127.0.0.1")) as server:
        recorder = asyncio.create_task(record_rooms(server, folder, key))
        app = create_app(server, Everyone())
        await uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=5)).serve()
        await app.state.signaling.close()
    await recorder  # closing the server ends its events, and all records


if __name__ == "__main__":
    records = Path(sys.argv[1])
    records.mkdir(exist_ok=True)
    signing_key, made = load_or_create_signing_key(records.with_name(f"{records.name}-key.pem"))
    if made:
        print("A key was made. Give its public half to those who shall verify, before they need it.")
    asyncio.run(main(records, signing_key))
