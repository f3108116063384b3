"""Clients of a room that lives on another node: their socket is passed on to it, or they are told to go there.

LiveKit's SDKs heed `LeaveRequest.regions` only where they speak to LiveKit's cloud (by its host name), and a browser
does not follow a redirect of a WebSocket. So the node that such a client has come to passes its signal messages on,
whichever they are; media go straight to the home, whose addresses its answers name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, RegionInfo, RegionSettings, SignalResponse
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from sfu.signaling.http.homes import Home
from sfu.signaling.livekit.frames import Frame
from sfu.signaling.resources.leading import find_target

_log = logging.getLogger("sfu.signaling.livekit")

FORWARDED = "sfu-forwarded"
"""A header of what one node passes on to another, which does not pass it on again: no request goes in a circle."""
OPEN_S = 5.0
MAX_FRAME_BYTES = 8 << 20
"""Of what a home says; what a client says is bounded by the listener that it came to."""
_MAX_REFUSAL_BYTES = 4096
_PASSED_ON = ("authorization", "user-agent", "origin", "x-forwarded-for")


def describe_regions(homes: Iterable[Home]) -> RegionSettings:
    """Nodes as the protocol names them, the nearest first."""
    regions = []
    for distance, home in enumerate(homes):
        region = home.region or urlsplit(home.url).hostname or ""
        regions.append(RegionInfo(region=region, url=_as_websocket(home.url), distance=distance))
    return RegionSettings(regions=regions)


def describe_home(home: Home) -> Frame:
    """To a client: come again from the start, to that node."""
    leave = LeaveRequest(
        reason=DisconnectReason.MIGRATION, action=LeaveRequest.Action.RECONNECT, regions=describe_regions([home])
    )
    return Frame(SignalResponse(leave=leave))


def was_forwarded(connection: HTTPConnection) -> bool:
    """Whether another node has passed it on."""
    return FORWARDED in connection.headers


def pass_on_headers(connection: HTTPConnection) -> dict[str, str]:
    """The headers under which something is passed on: whose it is, and where he is."""
    headers = {name: connection.headers[name] for name in _PASSED_ON if name in connection.headers}
    if connection.client is not None:
        before = headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{before}, {connection.client.host}" if before else connection.client.host
    return headers | {FORWARDED: "1"}


async def pass_on(websocket: WebSocket, home: Home) -> bool:
    """Pass a socket that was not accepted yet on to the home of its room, until either end closes it. False if the home
    does not answer: then nothing was said to the client.
    """
    try:
        far = await connect(
            _as_websocket(home.url) + find_target(websocket),
            additional_headers=pass_on_headers(websocket),
            user_agent_header=None,
            open_timeout=OPEN_S,
            max_size=MAX_FRAME_BYTES,
            compression=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        answer = refused.response
        kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
        body = bytes(answer.body or b"")[:_MAX_REFUSAL_BYTES]
        denial = Response(body, answer.status_code, {"Access-Control-Allow-Origin": "*", **kept})
        await websocket.send_denial_response(denial)
        return True
    except (WebSocketException, OSError, TimeoutError) as error:
        _log.warning("the home of a room does not answer", extra={"url": home.url, "reason": str(error)})
        return False
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(far.close)
        await websocket.accept()
        towards = asyncio.create_task(_read_client(websocket, far), name="sfu livekit passing on")
        back = asyncio.create_task(_read_home(websocket, far), name="sfu livekit passing back")
        try:
            await asyncio.wait((towards, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (towards, back):
                task.cancel()
            await asyncio.gather(towards, back, return_exceptions=True)
    return True


async def _read_client(websocket: WebSocket, far: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, ConnectionClosed):
        while (message := await websocket.receive())["type"] == "websocket.receive":
            data = message.get("bytes")
            await far.send(message["text"] if data is None else data)


async def _read_home(websocket: WebSocket, far: ClientConnection) -> None:
    # the client may be gone meanwhile, which servers tell in either way
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        with contextlib.suppress(ConnectionClosed):
            while True:
                data = await far.recv()
                if isinstance(data, str):
                    await websocket.send_text(data)
                else:
                    await websocket.send_bytes(data)
        code = far.close_code
        await websocket.close(code if code is not None and code not in (1005, 1006, 1015) else 1011)


def _as_websocket(url: str) -> str:
    return "ws" + url.removeprefix("http")
