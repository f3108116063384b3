"""All egresses of a node: begun over the server API, ended by it or by the room, and told of."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from livekit.protocol.egress import EgressInfo, EgressSourceType, EgressStatus, FileInfo

from sfu import ClosedRecord, RecordError, Recording, Server, SuspendedRecording, Track
from sfu.errors import LimitError, LocalError, PrivateError, RemoteError
from sfu.signaling.livekit.egress.handover import HandedEgress, HandoverError
from sfu.signaling.livekit.egress.orders import Film, Order, Request, read_order
from sfu.signaling.livekit.egress.paths import fill_path, place_file
from sfu.signaling.livekit.egress.rooms import Rooms
from sfu.signaling.records.store import RecordStore

_log = logging.getLogger("sfu.signaling.livekit")

MAX_ENDED = 1000
"""Egresses that have ended and are still listed."""
_LOOK_S = 0.5
_OVER = (EgressStatus.EGRESS_COMPLETE, EgressStatus.EGRESS_FAILED, EgressStatus.EGRESS_ABORTED)


class NotFoundError(RemoteError):
    """There is no such room, participant, track or egress."""

    status = 404
    title = "Not found"


class ConflictError(RemoteError):
    """It cannot be done now: the room is private or off the record, or the egress has ended."""

    status = 409
    title = "Not now"


class UnavailableError(RemoteError):
    """The server cannot record now, through no fault of the caller's."""

    status = 503
    title = "Not available"


class FilmError(Exception):
    """No file could be made of a record; the message says why, without paths."""


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that was made."""

    duration: float
    """Seconds."""
    size_bytes: int
    warning: str = ""
    """Media that are missing in it."""


class FileMaker(Protocol):
    """Makes files of closed records; takes as long as it takes, elsewhere. Raises FilmError."""

    async def compose(self, record: Path, output: Path, film: Film) -> MadeFile:
        """A film of all that is in the record."""
        ...

    async def extract(self, record: Path, output: Path) -> MadeFile:
        """The only source of the record, as it came."""
        ...


@dataclass(eq=False, slots=True)
class _Egress:
    order: Order
    info: EgressInfo
    recording: Recording
    record: Path
    output: Path
    tracks: set[str]
    """Sids of the chosen tracks that are still there."""
    subject: str | None
    """Who was authenticated as the one who asked."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Egresses:
    """Begins and ends them, several of a room at a time: each has a recording of its own, beside all others."""

    def __init__(
        self,
        server: Server,
        store: RecordStore,
        folder: Path,
        maker: FileMaker,
        rooms: Rooms,
        *,
        clock: Callable[[], float],
        name: Callable[[str], str],
        random: Callable[[int], bytes],
        on_change: Callable[[str, EgressInfo], None] = lambda event, info: None,
    ) -> None:
        """`folder`: for the files. `clock`: seconds since the Unix epoch. `name(prefix)` makes an id, `random(n)`
        bytes. `on_change` hears `egress_started`, `egress_updated` and `egress_ended`.
        """
        self._server = server
        self._store = store
        self._folder = folder
        self._maker = maker
        self._rooms = rooms
        self._clock = clock
        self._name = name
        self._random = random
        self._tell = on_change
        self._egresses: dict[str, _Egress] = {}
        self._films = asyncio.Semaphore(1)

    def start(self, request: Request, subject: str | None = None, tenant: str = "") -> EgressInfo:
        """Record from now on. `subject`: who was authenticated as the one who asks, `tenant`: by whose key. Raises
        RemoteError.
        """
        order = read_order(request)
        room = self._rooms.find_info(order.room)
        if room is None:
            raise NotFoundError(f"Room {order.room!r} does not exist.")
        chosen = self._find_tracks(order)
        utc = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        values = {"room_name": room.name, "room_id": room.sid}
        if order.identity:
            values["publisher_identity"] = order.identity
        if len(order.tracks) == 1:
            values["track_id"] = order.tracks[0]
        path = fill_path(order.path, values, utc, ".mkv" if order.film is None else ".mp4")
        taken = frozenset(each.output for each in self._egresses.values() if each.info.status not in _OVER)
        output = place_file(self._folder, path, taken)
        info = EgressInfo(
            egress_id=self._name("EG_"),
            room_id=room.sid,
            room_name=room.name,
            source_type=EgressSourceType.EGRESS_SOURCE_TYPE_SDK,
            status=EgressStatus.EGRESS_ACTIVE,
            started_at=self._now_ns(),
        )
        getattr(info, order.field).CopyFrom(request)
        recording = self._record(order, chosen, utc, info.egress_id, subject, tenant)
        egress = _Egress(order, info, recording, recording.paths[0], output, set(order.tracks), subject)
        self._begin(egress, "egress_started")
        return deepcopy(info)

    def _begin(self, egress: _Egress, event: str) -> None:
        self._egresses[egress.info.egress_id] = egress
        self._forget()
        self._change(egress, event)
        egress.task = asyncio.ensure_future(self._run(egress, egress.subject))

    def _find_tracks(self, order: Order) -> dict[str, Track]:
        if order.kind == "participant" and not self._rooms.has_participant(order.room, order.identity):
            raise NotFoundError(f"{order.identity!r} is not in room {order.room!r}.")
        chosen = {}
        for sid in order.tracks:
            track = self._rooms.find_track(order.room, sid)
            if track is None:
                raise NotFoundError(f"Room {order.room!r} has no track {sid!r}.")
            chosen[track.id] = track
        return chosen

    def _record(
        self, order: Order, chosen: dict[str, Track], utc: datetime.datetime, id: str, subject: str | None, tenant: str
    ) -> Recording:
        room = self._server.room(order.room)
        if any(recording.paused for recording in room.recordings):
            raise ConflictError(f"Room {order.room!r} is off the record: nothing of it can be recorded now.")
        if len(self._server.recordings) >= self._store.most:
            raise LimitError("max_recordings", f"this server makes its {self._store.most} recordings at once")
        self._rooms.admit_recording(order.room, tenant)
        takes = order.build_filter(chosen)
        try:
            return self._store.open(
                room,
                {"egress": id},
                utc=utc,
                random=self._random(16),
                subject=subject,
                tenant=tenant,
                tracks=takes,
                beside=True,
            )
        except PrivateError as error:
            raise ConflictError(f"Room {order.room!r} is private: it can not be recorded.") from error
        except (RecordError, LocalError) as error:
            _log.error("egress not begun", extra={"room": order.room, "reason": str(error)})
            raise UnavailableError("No record can be made here now; the server has logged why.") from error

    async def _run(self, egress: _Egress, subject: str | None) -> None:
        try:
            await self._follow(egress, subject)
        except Exception:  # noqa: BLE001 - the log has it, and whoever asked for the egress must hear of its end
            _log.exception("egress failed", extra={"egress": egress.info.egress_id})
            self._finish(egress, EgressStatus.EGRESS_FAILED, "the server failed at it and has logged why")

    async def _follow(self, egress: _Egress, subject: str | None) -> None:
        """Wait for the end, close the record, and make the file of it."""
        info = egress.info
        while not egress.recording.stopped:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await egress.stopping.wait()
                break
            except TimeoutError:
                pass  # look whether the recording has failed, or was stopped by somebody else
        info.status = EgressStatus.EGRESS_ENDING
        ended = self._now_ns()
        self._change(egress, "egress_updated")
        closed = await egress.recording.stop(subject=subject)
        if not self._note_record(egress, closed):
            return
        try:
            made = await self._make(egress)
        except FilmError as error:
            self._finish(egress, EgressStatus.EGRESS_FAILED, f"the record stands, but no file was made of it: {error}")
            return
        result = FileInfo(
            filename=str(egress.output.relative_to(self._folder)),
            started_at=info.started_at,
            ended_at=ended,
            duration=round(made.duration * 1e9),
            size=made.size_bytes,
            location=str(egress.output),
        )
        info.file_results.append(result)
        info.file.CopyFrom(result)  # of the first version, which clients still read
        self._finish(egress, EgressStatus.EGRESS_COMPLETE, made.warning)

    def _note_record(self, egress: _Egress, closed: Sequence[ClosedRecord]) -> bool:
        """Tell which record it has; without one it has failed."""
        head = {record.path: record.head for record in closed}.get(egress.record)
        if head is None:
            self._finish(egress, EgressStatus.EGRESS_FAILED, "the record could not be closed; `sfu recover` closes it")
            return False
        egress.info.details = f"record {egress.record.name}, head {head}"
        return True

    async def _make(self, egress: _Egress) -> MadeFile:
        film = egress.order.film
        if film is None:
            return await self._maker.extract(egress.record, egress.output)
        async with self._films:  # a film takes a core
            return await self._maker.compose(egress.record, egress.output, film)

    def _finish(self, egress: _Egress, status: EgressStatus, error: str) -> None:
        egress.info.status = status
        egress.info.error = error
        egress.info.ended_at = self._now_ns()
        if status != EgressStatus.EGRESS_COMPLETE:
            _log.error("egress failed", extra={"egress": egress.info.egress_id, "reason": error})
        self._change(egress, "egress_ended")

    def _change(self, egress: _Egress, event: str) -> None:
        egress.info.updated_at = self._now_ns()
        self._tell(event, deepcopy(egress.info))

    def stop(self, id: str) -> EgressInfo:
        """End it; its file comes later. Raises NotFoundError or ConflictError."""
        egress = self._egresses.get(id)
        if egress is None:
            raise NotFoundError(f"There is no egress {id!r}.")
        if egress.info.status in _OVER:
            raise ConflictError(f"Egress {id!r} has ended already.")
        egress.info.status = EgressStatus.EGRESS_ENDING
        egress.stopping.set()
        return deepcopy(egress.info)

    def find(self, room: str = "", id: str = "", *, active: bool = False) -> Iterator[EgressInfo]:
        """Those that run and the last that have ended, the newest first."""
        for egress in reversed(self._egresses.values()):
            info = egress.info
            if room in ("", info.room_name) and id in ("", info.egress_id) and not (active and info.status in _OVER):
                yield deepcopy(info)

    # what happens in rooms

    def close_room(self, room: str) -> None:
        """It has ended."""
        for egress in self._running(room):
            egress.stopping.set()

    def remove_participant(self, room: str, identity: str) -> None:
        """Someone has left: what was of him alone ends."""
        for egress in self._running(room):
            if egress.order.kind == "participant" and egress.order.identity == identity:
                egress.stopping.set()

    def remove_track(self, room: str, sid: str) -> None:
        """A track has ended: what had no other ends."""
        for egress in self._running(room):
            egress.tracks.discard(sid)
            if egress.order.kind == "tracks" and not egress.tracks:
                egress.stopping.set()

    def _running(self, room: str) -> list[_Egress]:
        running = (EgressStatus.EGRESS_STARTING, EgressStatus.EGRESS_ACTIVE)
        return [each for each in self._egresses.values() if each.info.room_name == room and each.info.status in running]

    async def close(self) -> None:
        """End all, and wait for their records, but for no films: what is being made is given up, and told to be."""
        for egress in list(self._egresses.values()):
            egress.stopping.set()
            if egress.task is not None and not egress.task.done():
                closed = await egress.recording.stop("server_closed")
                egress.task.cancel()
                await asyncio.gather(egress.task, return_exceptions=True)
                if egress.info.status not in _OVER and self._note_record(egress, closed):
                    why = "the server has stopped: the record stands, and no file was made of it"
                    self._finish(egress, EgressStatus.EGRESS_ABORTED, why)

    # across a restart

    def hand_over(self) -> list[dict[str, Any]]:
        """Let go of those that run, whose recordings are suspended next (`Server.suspend_recordings`), and return what
        `take_up` needs in another process. Nobody is told; those that are ending stay here.
        """
        handed = []
        for id, egress in list(self._egresses.items()):
            if egress.info.status == EgressStatus.EGRESS_ACTIVE and not egress.stopping.is_set():
                if egress.task is not None:
                    egress.task.cancel()
                output = str(egress.output.relative_to(self._folder))
                handed.append(HandedEgress(egress.info, egress.recording.id, output, egress.subject).to_json())
                del self._egresses[id]
        return handed

    async def take_up(self, handed: object, suspended: SuspendedRecording, tenant: str = "") -> Recording | None:
        """Go on with an egress under its id; `suspended` is its recording. None: that failed, and is told.

        What was of certain tracks ends here, since those have ended: its file is made. Raises HandoverError.
        `tenant`: by whose key it was begun.
        """
        told = HandedEgress.from_json(handed)
        order, output = told.read_order(), self._folder / told.output
        if told.recording != suspended.id or ".." in output.parts or not output.is_relative_to(self._folder):
            raise HandoverError("an egress that is handed over has another recording, or its file lies elsewhere")
        utc = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        try:
            room = self._server.room(order.room)
            recording = await self._store.take_up(
                room, suspended, utc=utc, random=self._random(16), tenant=tenant, tracks=order.build_filter()
            )
        except (RecordError, LocalError) as error:
            _log.error("egress not continued", extra={"egress": told.info.egress_id, "reason": str(error)})
            told.info.status = EgressStatus.EGRESS_FAILED
            told.info.error = "the server has restarted and could not go on; it has logged why"
            told.info.ended_at = told.info.updated_at = self._now_ns()
            self._tell("egress_ended", deepcopy(told.info))
            return None
        egress = _Egress(order, told.info, recording, recording.paths[0], output, set(), told.subject)
        if order.kind == "tracks":
            egress.stopping.set()
        self._begin(egress, "egress_updated")
        return recording

    def _forget(self) -> None:
        ended = [id for id, egress in self._egresses.items() if egress.info.status in _OVER]
        for id in ended[: max(0, len(ended) - MAX_ENDED)]:
            del self._egresses[id]

    def _now_ns(self) -> int:
        return int(self._clock() * 1e9)
