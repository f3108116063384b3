"""`POST /twirp/livekit.<Service>/<Method>`: one call of the server API, in protobuf or JSON."""

from __future__ import annotations

import collections
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from livekit.protocol.room import ListRoomsResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sfu.errors import RemoteError
from sfu.signaling.http.body import read_body
from sfu.signaling.http.headers import JSON, media_type
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.http.problem import Problem
from sfu.signaling.livekit.claims import Claims, TokenError
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.twirp.errors import TwirpError, build_error
from sfu.signaling.livekit.twirp.forwarding import LIST_ROOMS, Forwarding
from sfu.signaling.livekit.twirp.methods import PACKAGE, Method, explain_absence, list_methods

_log = logging.getLogger("sfu.signaling.livekit")

PROTOBUF = "application/protobuf"
MAX_BODY_BYTES = 1 << 20

Handler = Callable[[Claims, Any], Awaitable[Message]]
"""Does what a request asks; raises TwirpError or RemoteError. The token was looked at before."""


class TwirpRouter:
    """The ASGI app below `/twirp`. A method without a handler is answered `unimplemented`."""

    def __init__(
        self,
        keys: ApiKeys,
        options: SignalingOptions,
        handlers: Mapping[str, Handler],
        forwarding: Forwarding | None = None,
    ) -> None:
        """`handlers`: by the method's name, as `RoomService/CreateRoom`. `forwarding`: to other nodes; None: all rooms
        are here.
        """
        self._keys = keys
        self._options = options
        self._methods = list_methods()
        unknown = handlers.keys() - self._methods.keys()
        if unknown:
            raise ValueError(f"the protocol has no methods {sorted(unknown)}")
        self._handlers = dict(handlers)
        self._forwarding = forwarding
        self.calls: collections.Counter[tuple[str, str]] = collections.Counter()
        """Answered calls, by method (empty: none that is known) and code (`ok`, or the error's)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        request = Request(scope, receive, send)
        name = _find_name(request)
        method = self._methods.get(name)
        try:
            response = await self._call(request, method)
            code = "ok"
        except TwirpError as error:
            response, code = build_error(error), error.code
        except RemoteError as error:
            told = TwirpError.of(error)
            response, code = build_error(told), told.code
        except Exception as error:  # noqa: BLE001 - the caller is told, and the log has it
            _log.error("call failed", exc_info=error, extra={"method": name})
            told = TwirpError("internal", "The server failed at this call and has logged why.")
            response, code = build_error(told), told.code
        self.calls["" if method is None else method.name, code] += 1
        await response(scope, receive, send)

    async def _call(self, request: Request, method: Method | None) -> Response:
        if request.method != "POST":
            raise TwirpError("bad_route", f"{request.method} is not allowed: calls are sent by POST.")
        if method is None:
            raise TwirpError("bad_route", f"There is no method at {request.url.path[:200]!r}.")
        kind = media_type(request.headers.get("content-type", ""))
        if kind not in (PROTOBUF, JSON):
            raise TwirpError("bad_route", f"The body must be sent as {PROTOBUF} or {JSON} (Content-Type).")
        claims = self._keys.verify(_read_token(request))
        body = await self._read(request)
        message = _decode(body, kind, method)
        method.check(claims, message)
        if self._forwarding is not None:
            home = await self._forwarding.find_home(request, method, message)
            if home is not None:
                return await self._forwarding.forward(request, method, body, home)
        handler = self._handlers.get(method.name)
        if handler is None:
            raise TwirpError("unimplemented", explain_absence(method.name))
        answer = await handler(claims, message)
        if self._forwarding is not None and method.name == LIST_ROOMS and isinstance(answer, ListRoomsResponse):
            # asked in protobuf, whatever the caller speaks
            answer = await self._forwarding.add_rooms(request, message.SerializeToString(), answer)
        if not isinstance(answer, method.response):
            raise TypeError(f"{method.name} gave a {type(answer).__name__}")
        return Response(_encode(answer, kind), headers={"Cache-Control": "no-store"}, media_type=kind)

    async def _read(self, request: Request) -> bytes:
        try:
            return await read_body(request, self._options, MAX_BODY_BYTES)
        except Problem as problem:
            raise TwirpError("deadline_exceeded" if problem.status == 408 else "malformed", problem.detail) from problem


def _find_name(request: Request) -> str:
    """What the path's last two parts name; before them may be whatever the app is mounted at."""
    service, _, method = request.url.path.rpartition("/")
    package, _, service = service.rpartition("/")[2].partition(".")
    return f"{service}/{method}" if package == PACKAGE else ""


def _read_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("Send an access token as 'Authorization: Bearer <token>'.")
    return token.strip()


def _decode(body: bytes, kind: str, method: Method) -> Message:
    """What a body says; fields of newer clients are ignored."""
    message = method.request()
    try:
        if kind == PROTOBUF:
            message.ParseFromString(body)
        elif not body.lstrip().startswith(b"{"):
            raise json_format.ParseError("no object")  # an empty list would pass for an empty message
        else:
            json_format.Parse(body, message, ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise TwirpError("malformed", f"The body is not a {method.request.DESCRIPTOR.name} in {kind}.") from error
    return message


def _encode(message: Message, kind: str) -> bytes:
    if kind == PROTOBUF:
        return message.SerializeToString()
    # As Twirp's own servers do: the names of the proto file, and fields that are not set, too.
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
    )
    return text.encode()
