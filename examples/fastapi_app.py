"""A platform in FastAPI: its own log-in lets people into rooms, WHIP and WHEP stand below /media.

    uvicorn --app-dir examples fastapi_app:app --timeout-graceful-shutdown 5

Publish to /media/rooms/lobby/whip and watch /media/rooms/lobby/whep, with a session as the bearer token.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from sfu import Config, Server
from sfu.signaling import AuthorizationError, Grants, create_app

SESSIONS = {"the-session-of-alice": "alice", "the-session-of-bob": "bob"}  # your database


class LoggedIn:
    """Turns a session of this platform into what it allows; there are no JSON Web Tokens here."""

    def authorize(self, token: str) -> Grants:
        if token not in SESSIONS:
            raise AuthorizationError("This session is over; log in again.")
        return Grants(room="*", peer=SESSIONS[token], publish=True, subscribe=True)


@asynccontextmanager
async def run_media(app: FastAPI) -> AsyncIterator[None]:
    async with Server(Config(host="127.0.0.1")) as server:
        media = create_app(server, LoggedIn())
        app.mount("/media", media)
        app.state.server = server
        yield
        await media.state.signaling.close()


app = FastAPI(lifespan=run_media)


@app.get("/who/{room}")
async def who(room: str) -> dict[str, list[str]]:
    """Who is in a room, and what they publish."""
    found = app.state.server.find_room(room)
    return {} if found is None else {name: [t.kind for t in peer.tracks] for name, peer in found.peers.items()}


@app.post("/who/{room}/{name}/mute", status_code=204)
async def mute(room: str, name: str) -> None:
    """Let nobody hear somebody (ask for a right here)."""
    found = app.state.server.find_room(room)
    if found is None or name not in found.peers:
        raise HTTPException(404, f"{name} is not in {room}")
    for track in found.peers[name].tracks:
        if track.kind == "audio":
            found.block(track)
