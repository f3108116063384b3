"""The media by sfu: rooms and recordings by its public names, tokens and moderation by the LiveKit protocol."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from livekit import api
from starlette.applications import Starlette

import sfu
from court.media.bridge import BegunRecord, Happening, MadeRecord, RecordState, Seat, Ticket
from court.media.gate import Gate
from sfu import events
from sfu.recording import read_record, recover_record

KEY = "court"
CAUSES = {
    "consent_lost": "disconnected",
    "handshake_failed": "disconnected",
    "signal_close": "disconnected",
    "removed": "removed",
    "participant_removed": "removed",
    "room_closed": "closed",
    "room_deleted": "closed",
    "duplicate_identity": "elsewhere",
}
"""What the court calls it when a connection closes that its client has not ended: nobody did, or the court."""


@dataclass
class LiveMedia:
    """Over a server that runs, and the protocol's door beside it."""

    server: sfu.Server
    door: Starlette
    secret: str
    records: Path
    key: sfu.Signer
    gate: Gate
    journal: sfu.Journal | None = None
    mirrors: tuple[Path, ...] = ()
    token_lifetime: int = 600
    _listeners: list[Callable[[Happening], None]] = field(default_factory=list)
    _causes: dict[tuple[str, str], str] = field(default_factory=dict)
    _recordings: dict[str, sfu.Recording] = field(default_factory=dict)
    _ended: dict[str, dict[str, sfu.Recording]] = field(default_factory=dict)

    # who is there

    def issue(self, room: str, seat: Seat, url: str) -> Ticket:
        """See `Media.issue`."""
        self.gate.admitted.add((room, seat.identity))
        self.gate.keep(room, seat.identity, seat.apart)
        token = (
            api.AccessToken(KEY, self.secret)
            .with_identity(seat.identity)
            .with_name(seat.name)
            .with_attributes(dict(seat.attributes))
            .with_ttl(datetime.timedelta(seconds=self.token_lifetime))
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=room,
                    can_publish=bool(seat.publishes),
                    can_publish_sources=sorted(seat.publishes),
                    can_publish_data=bool(seat.publishes),
                    can_subscribe=True,
                    can_update_own_metadata=False,
                    hidden=seat.hidden,
                )
            )
        )
        return Ticket(url, token.to_jwt(), room)

    async def change(self, room: str, seat: Seat) -> None:
        """See `Media.change`."""
        permission = {
            "can_subscribe": True,
            "can_publish": bool(seat.publishes),
            "can_publish_data": bool(seat.publishes),
            "can_publish_sources": [source.upper() for source in sorted(seat.publishes)],
            "hidden": seat.hidden,
        }
        await self._call("UpdateParticipant", room, identity=seat.identity, permission=permission)

    async def remove(self, room: str, identity: str) -> None:
        """See `Media.remove`."""
        self.gate.admitted.discard((room, identity))
        await self._call("RemoveParticipant", room, identity=identity)

    async def keep_apart(self, room: str, one: str, other: str) -> None:
        """See `Media.keep_apart`."""
        self.gate.keep(room, one, self.gate.apart.get((room, one), frozenset()) | {other})
        for identity in (one, other):
            self.door.state.begin_anew(room, identity)

    async def close(self, room: str) -> None:
        """See `Media.close`."""
        self.gate.forget(room)
        self._ended.pop(room, None)
        await self._call("DeleteRoom", room)

    async def _call(self, method: str, room: str, **fields: Any) -> None:
        """Ask the server API; that somebody, or the room, is not there is no error."""
        grants = api.VideoGrants(room_admin=True, room_create=True, room=room)
        token = api.AccessToken(KEY, self.secret).with_grants(grants).to_jwt()
        transport = httpx.ASGITransport(app=self.door)
        async with httpx.AsyncClient(transport=transport, base_url="http://media") as client:
            answer = await client.post(
                f"/twirp/livekit.RoomService/{method}",
                json={"room": room, **fields},
                headers={"Authorization": f"Bearer {token}"},
            )
        if answer.status_code != 404:
            answer.raise_for_status()

    # the record

    def set_private(self, room: str) -> None:
        """See `Media.set_private`."""
        self.server.room(room).set_private(True)

    def start_recording(
        self, room: str, subject: str | None, metadata: Mapping[str, Any], follows: str | None = None
    ) -> BegunRecord:
        """See `Media.start_recording`."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
        name = f"{room}-{stamp}"
        try:
            recording = self.server.room(room).record(
                self.records / name,
                key=self.key,
                mirrors=[mirror / name for mirror in self.mirrors],
                metadata=metadata,
                subject=subject,
                journal=self.journal,
                follows=follows,
            )
        except sfu.LocalError as error:
            raise OSError(str(error)) from error
        self._recordings[room] = recording
        return BegunRecord(recording.id, tuple(map(str, recording.paths)))

    def _running(self, room: str) -> sfu.Recording | None:
        recording = self._recordings.get(room)
        return None if recording is None or recording.stopped else recording

    def mark(self, room: str, name: str, subject: str, data: Mapping[str, Any]) -> None:
        """See `Media.mark`."""
        if (recording := self._running(room)) is not None:
            recording.mark(name, subject, **data)

    def phase(self, room: str, name: str, subject: str | None) -> None:
        """See `Media.phase`."""
        if (recording := self._running(room)) is not None:
            recording.phase(name, subject=subject)

    def pause(self, room: str, ground: str, authoriser: str, subject: str | None) -> None:
        """See `Media.pause`."""
        if (recording := self._running(room)) is not None:
            recording.pause(ground=ground, authoriser=authoriser, subject=subject)

    def resume(self, room: str, authoriser: str, subject: str) -> None:
        """See `Media.resume`."""
        recording = self._running(room)
        if recording is not None and recording.paused:
            recording.resume(authoriser=authoriser, subject=subject)

    async def stop_recording(self, room: str, id: str, subject: str | None) -> tuple[MadeRecord, ...]:
        """See `Media.stop_recording`."""
        ended = self._ended.setdefault(room, {})
        if (running := self._recordings.get(room)) is not None and running.id == id:
            ended[id] = self._recordings.pop(room)
        if id not in ended:
            return ()
        closed = await ended[id].stop(subject=subject)
        return tuple(MadeRecord(str(each.path), each.head) for each in closed)

    async def recover(self, folders: Sequence[str], now: datetime.datetime) -> tuple[MadeRecord, ...]:
        """See `Media.recover`."""
        return tuple([await asyncio.to_thread(self._recover, folder, now) for folder in folders])

    def _recover(self, folder: str, now: datetime.datetime) -> MadeRecord:
        try:
            if not Path(folder, "manifest.json").exists():
                recover_record(folder, self.key, now, journal=self.journal)
            return MadeRecord(folder, read_record(folder).head)
        except sfu.RecordError as error:
            return MadeRecord(folder, "", error.reason)

    def recording(self, room: str) -> RecordState | None:
        """See `Media.recording`."""
        recording = self._recordings.get(room)
        if recording is None:
            return None
        stats = recording.stats()
        alarms = tuple(sorted({what for each in stats for what in each.alarms}))
        return RecordState(
            recording.id, recording.state, recording.ground, alarms, max(each.written_bytes for each in stats)
        )

    def position(self, room: str) -> float | None:
        """See `Media.position`."""
        recording = self._running(room)
        return None if recording is None else recording.elapsed

    async def end(self) -> None:
        """See `Media.end`."""
        for room, recording in list(self._recordings.items()):
            await recording.stop("ended")
            await self.close(room)
        self._recordings.clear()

    # what happens

    def watch(self, listener: Callable[[Happening], None]) -> None:
        """See `Media.watch`."""
        self._listeners.append(listener)

    async def follow(self) -> None:
        """Tell the listeners what happens, until the server ends."""
        while self.server.running:
            async for event in self.server.events():
                happening = self.read(event)
                if happening is not None:
                    for listener in self._listeners:
                        listener(happening)

    def read(self, event: events.Event) -> Happening | None:
        """What an event means to the court; None: nothing."""
        match event:
            case events.PeerJoined(room=room, peer=peer):
                self._causes.pop((room, peer), None)
                return Happening("joined", room, peer)
            case events.PeerLeft(room=room, peer=peer):
                return Happening("left", room, peer, self._causes.pop((room, peer), "left"))
            case events.ConnectionStateChanged(
                room=room, peer=peer, state=events.ConnectionState.CLOSED, reason=reason
            ):
                if reason in CAUSES:
                    self._causes[room, peer] = CAUSES[reason]
                return None
            case events.RecordingAlarm(room=room, what=what, detail=detail):
                return Happening("recorder_lost", room, detail=f"{what}: {detail}")
            case events.RecordingAlarmEnded(room=room, what=what):
                return Happening("recorder_back", room, detail=what)
            case events.RecordingStopped(room=room, cause=cause) if cause != "stopped":
                return Happening("recording_ended", room, detail=cause)
            case _:
                return None
