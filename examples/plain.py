"""A plain program with signalling of its own: a WebSocket on which the server makes the offers.

    python examples/plain.py

A client says {"name": "alice"} and answers each {"offer": "v=0..."} with {"answer": "v=0..."}. When others come and
go it gets another offer, with what there is to see and to hear now.
"""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

from sfu import Config, ConnectionState, EventStream, RemoteError, Room, Server, ServerOffered
from sfu.events import ConnectionStateChanged, NegotiationNeeded


async def attend(room: Room, socket: ServerConnection) -> None:
    """Serve one client, until its WebSocket or its connection ends."""
    peer = None
    try:
        peer = room.join(json.loads(await socket.recv())["name"])
        connection = peer.offer(subscribe="all", publish=["audio", "video"])
        renewing = asyncio.create_task(renew(connection, room.events(), socket))
        try:
            await socket.send(json.dumps({"offer": connection.offer()}))
            async for message in socket:
                connection.accept(json.loads(message)["answer"])
        finally:
            renewing.cancel()
    except (KeyError, TypeError, ValueError):
        await socket.close(1003, "say what the protocol says")
    except RemoteError as refused:  # the client's fault or a limit; the text is for the client
        await socket.close(1008, str(refused)[:100])
    finally:
        if peer is not None:
            peer.leave()


async def renew(connection: ServerOffered, events: EventStream, socket: ServerConnection) -> None:
    """Offer again whenever there is something new."""
    async for event in events:
        match event:
            case NegotiationNeeded(connection=connection.id):
                await socket.send(json.dumps({"offer": connection.offer()}))
            case ConnectionStateChanged(connection=connection.id, state=ConnectionState.CLOSED):
                await socket.close()


async def main() -> None:
    async with Server(Config(host="127.0.0.1")) as server:
        room = server.room("lobby")
        async with serve(lambda socket: attend(room, socket), "127.0.0.1", 8765) as sockets:
            await sockets.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
