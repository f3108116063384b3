"""The recording of a room over HTTP: start, look, mark, pause, resume, stop."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sfu import EntryError, RecordError, Recording
from sfu.clock import utc_now
from sfu.errors import PrivateError
from sfu.signaling.context import Context
from sfu.signaling.http.admission import admit
from sfu.signaling.http.authorization import Grants, Right, authorize, read_token
from sfu.signaling.http.body import decode_text, read_body, require_media_type
from sfu.signaling.http.headers import JSON
from sfu.signaling.http.problem import Problem
from sfu.signaling.records.description import describe_closed, describe_recorders
from sfu.signaling.records.orders import parse_mark, parse_pause, parse_phase, parse_resume, parse_start
from sfu.signaling.resources.entering import read_room_name
from sfu.signaling.resources.leading import lead_in, lead_on
from sfu.signaling.resources.resource import Handler, Resource

_log = logging.getLogger("sfu.signaling")

_PATH = "/rooms/{room}/recording"
_FRESH = {"Cache-Control": "no-store"}
_RETRY_S = "10"


class RecordResource:
    """`/rooms/{room}/recording` and what is below it. To change anything needs the right to record."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def build_routes(self) -> list[Route]:
        """The resource itself, and one for each thing that can be said of it."""
        handlers: dict[str, Handler] = {"GET": self.get, "POST": self.post, "DELETE": self.delete}
        orders: dict[str, Handler] = {
            "marks": self.post_mark,
            "phase": self.post_phase,
            "pause": self.post_pause,
            "resume": self.post_resume,
        }
        below = [Route(f"{_PATH}/{name}", Resource({"POST": post}, _ACCEPTS)) for name, post in orders.items()]
        return [Route(_PATH, Resource(handlers, _ACCEPTS)), *below]

    async def get(self, request: Request) -> Response:
        """How the recording fares; for everyone who may be in the room, since it concerns them."""
        room, _ = await self._authorize(request, "record", "subscribe", "publish")
        recording = self._find(room)
        return JSONResponse(describe_recorders(recording), headers=_FRESH)

    async def post(self, request: Request) -> Response:
        """Record the room from now on, whoever is in: 201, and the body of GET."""
        room, grants = await self._authorize(request, "record")
        await lead_in(self._context, request, room)
        metadata = parse_start(await self._read_text(request, needed=False))
        recording = self._start(room, metadata, grants)
        location = request.scope.get("root_path", "") + _PATH.format(room=room)
        return JSONResponse(describe_recorders(recording), 201, headers={"Location": location, **_FRESH})

    async def delete(self, request: Request) -> Response:
        """Stop, and answer once the records are closed. Their heads stand for every byte of them."""
        room, grants = await self._authorize(request, "record")
        self._context.sessions.check_open()
        recording = self._find(room)
        closed = await recording.stop(subject=grants.peer)
        return JSONResponse(describe_closed(recording, closed), headers=_FRESH)

    async def post_mark(self, request: Request) -> Response:
        """Set a mark."""
        room, grants = await self._authorize(request, "record")
        mark = parse_mark(await self._read_text(request))
        with _refusals():
            self._find(room).mark(mark.name, grants.peer, **mark.data)
        return Response(status_code=204)

    async def post_phase(self, request: Request) -> Response:
        """A phase of the hearing begins."""
        room, grants = await self._authorize(request, "record")
        name = parse_phase(await self._read_text(request))
        with _refusals():
            self._find(room).phase(name, subject=grants.peer)
        return Response(status_code=204)

    async def post_pause(self, request: Request) -> Response:
        """Go off the record, with all recordings of the room. In a pause it may come again, with another ground."""
        room, grants = await self._authorize(request, "record")
        pause = parse_pause(await self._read_text(request))
        about = {"ground": pause.ground, "authoriser": pause.authoriser, "note": pause.note}
        with _refusals():
            for recording in self._find_all(room):
                recording.pause(**about, subject=grants.peer)
        return Response(status_code=204)

    async def post_resume(self, request: Request) -> Response:
        """Go on after a pause."""
        room, grants = await self._authorize(request, "record")
        authoriser = parse_resume(await self._read_text(request))
        paused = [recording for recording in self._find_all(room) if recording.paused]
        if not paused:
            raise Problem(409, "Not paused", "The room is on the record already.")
        with _refusals():
            for recording in paused:
                recording.resume(authoriser=authoriser, subject=grants.peer)
        return Response(status_code=204)

    async def _authorize(self, request: Request, *rights: Right) -> tuple[str, Grants]:
        """The room, and what the token says: names in the request are claimed, its own was authenticated."""
        room = read_room_name(request.path_params["room"])
        grants = authorize(self._context.authorizer, read_token(request), room, *rights)
        await lead_on(self._context, request, room)
        return room, grants

    async def _read_text(self, request: Request, *, needed: bool = True) -> str:
        body = await read_body(request, self._context.options)
        self._context.sessions.check_open()  # the request may have waited for its body
        if body or needed:
            require_media_type(request, [JSON], "Accept-Post")
        return decode_text(body)

    def _find(self, name: str) -> Recording:
        """The oldest, which is the one that was asked for here, unless others were there before it."""
        return self._find_all(name)[0]

    def _find_all(self, name: str) -> tuple[Recording, ...]:
        room = self._context.server.find_room(name)
        recordings = () if room is None else room.recordings
        if not recordings:
            raise Problem(404, "Not recorded", "This room is not being recorded.")
        return recordings

    def _start(self, name: str, metadata: Mapping[str, Any], grants: Grants) -> Recording:
        context = self._context
        if context.records is None:
            raise Problem(
                503, "No recording here", "This server does not record: its operator has set no place for it."
            )
        if not context.server.running:
            raise Problem(503, "Shutting down", "The server is shutting down.", headers={"Retry-After": _RETRY_S})
        room = context.server.room(name)
        if room.recording is not None:
            raise Problem(409, "Recorded already", "This room is being recorded; stop that recording first.")
        if len(context.server.recordings) >= context.records.most:
            detail = f"The server makes its {context.records.most} recordings at once; try again when one has ended."
            members = {"reason": "max_recordings"}
            raise Problem(503, "Too many recordings", detail, headers={"Retry-After": _RETRY_S}, members=members)
        admit(context.admission, context.server, "recording", name, tenant=grants.tenant)
        try:
            with _refusals():
                return context.records.open(
                    room,
                    metadata,
                    utc=utc_now(),
                    random=context.random(16),
                    subject=grants.peer,
                    tenant=grants.tenant,
                )
        except PrivateError as error:
            raise Problem(409, "Private room", "This room is private: it can not be recorded.") from error
        except RecordError as error:
            _log.error("a recording cannot start", extra={"room": name, "reason": str(error)})
            detail = "A record cannot be written; the server has logged why. Nothing is being recorded."
            raise Problem(503, "Recording failed", detail, headers={"Retry-After": _RETRY_S}) from error


@contextmanager
def _refusals() -> Iterator[None]:
    """422 for what cannot stand in a ledger, 409 for what came too late."""
    try:
        yield
    except EntryError as error:
        raise Problem(422, "Not for a ledger", f"A record cannot hold this: {error}.") from error


_ACCEPTS = {"Accept-Post": JSON}
