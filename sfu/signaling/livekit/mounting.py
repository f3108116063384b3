"""The protocol as an ASGI app that a platform mounts beside its own pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.applications import Starlette

from sfu import Server
from sfu.signaling.http.admission import Admission
from sfu.signaling.http.homes import Homes
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.news import describe_new_beginning
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.server_api import ServerApi
from sfu.signaling.livekit.sight import Shows, show_all


def create_app(
    server: Server,
    keys: Mapping[str, str],
    options: LiveKitOptions | None = None,
    *,
    clock: Callable[[], float] = time.time,
    admits: Callable[[str, str], bool] = lambda room, identity: True,
    shows: Shows = show_all,
    admission: Admission | None = None,
    homes: Homes | None = None,
) -> Starlette:
    """The door for clients (`/rtc`) and for servers (`/twirp`) of `server`, which must be started and stays the
    caller's to close.

    It can be mounted below any path: clients are given that path's URL. `keys`: secrets by API key, which sign tokens;
    `clock`: seconds since the Unix epoch. `admits(room, identity)` is asked whenever somebody comes with a good token:
    that says what was true when it was made, and who was put out since then shall not come again by it.
    `shows(room, viewer, other)` says what one participant has of another: all, the sound alone without a name, or not
    that there is anybody; once that has changed for two who are in, `app.state.begin_anew(room, identity)` has each of
    them come again. `admission` is asked whether there is room for what comes new. `homes` says which node of a cluster
    a room lives on; without it, all do here. Before the server is closed call `await app.state.close()`.

    Raises:
        ArgumentError: a key that cannot be used.
    """
    livekit = LiveKit(server, keys, options, clock=clock, admits=admits, shows=shows, admission=admission, homes=homes)
    api = ServerApi(livekit.rooms, livekit.keys, SignalingOptions())

    async def close() -> None:
        await livekit.close()
        await api.close()

    def begin_anew(room: str, identity: str) -> None:
        found = livekit.rooms.find(room)
        if found is not None and identity in found.participants:
            found.participants[identity].send(describe_new_beginning())

    app = Starlette(routes=[*livekit.routes, *api.routes])
    app.state.close, app.state.begin_anew = close, begin_anew
    return app
