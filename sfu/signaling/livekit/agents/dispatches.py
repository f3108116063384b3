"""Which agents a room is to have, and the jobs that come of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from livekit.protocol.agent import Job, JobStatus, JobType
from livekit.protocol.agent_dispatch import AgentDispatch, AgentDispatchState, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, Room

from sfu.errors import LimitError
from sfu.signaling.livekit.agents.worker import Worker
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.packing import pack, unpack

_log = logging.getLogger("sfu.signaling.livekit")

MAX_DISPATCHES_PER_ROOM = 64
_MOST_ENDED = 64
"""Ended jobs of a dispatch that are still listed."""
_ENDED = (JobStatus.JS_SUCCESS, JobStatus.JS_FAILED)


@dataclass(slots=True)
class _Place:
    """A room, and what is in it as far as jobs need to know."""

    room: Room
    dispatches: dict[str, AgentDispatch] = field(default_factory=dict)
    present: dict[str, ParticipantInfo] = field(default_factory=dict)
    publishing: set[str] = field(default_factory=set)
    asked: set[tuple[str, JobType, str]] = field(default_factory=set)
    """By dispatch, kind and participant: jobs that were begun, or are being offered."""


class Dispatches:
    """Told of what happens in rooms; assigns jobs in tasks of its own.

    A dispatch for which there is no worker waits: it is looked at again when one registers.
    """

    def __init__(
        self,
        workers: Workers,
        *,
        clock: Callable[[], float],
        name: Callable[[str], str],
        on_job: Callable[[str, str, Job], None] = lambda event, room, job: None,
    ) -> None:
        """`clock`: seconds since the Unix epoch. `name(prefix)` makes an id. `on_job` hears `agent_job_started` and
        `agent_job_ended`, with the room's name.
        """
        self._workers = workers
        self._clock = clock
        self._name = name
        self._tell = on_job
        self._places: dict[str, _Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        workers.on_registered = self._look_again

    # what happens in rooms

    def open_room(self, room: Room, agents: Iterable[RoomAgentDispatch] = ()) -> None:
        """A room has begun. `agents`: whom it is to have; nobody named: whoever is there for all rooms."""
        if room.name in self._places:
            return
        self._places[room.name] = _Place(room)
        for agent in list(agents)[:MAX_DISPATCHES_PER_ROOM] or [RoomAgentDispatch()]:
            self.create(room.name, agent)

    def close_room(self, name: str) -> None:
        """It has ended, and its jobs with it."""
        place = self._places.pop(name, None)
        if place is not None:
            for dispatch in place.dispatches.values():
                self._terminate(dispatch)

    def add_participant(self, room: str, participant: ParticipantInfo) -> None:
        """Someone has come. Agents, and those that record, get no agent of their own."""
        place = self._places.get(room)
        if place is None or participant.kind in (ParticipantInfo.Kind.AGENT, ParticipantInfo.Kind.EGRESS):
            return
        place.present[participant.identity] = participant
        for dispatch in list(place.dispatches.values()):
            self._launch(place, dispatch, JobType.JT_PARTICIPANT, participant)

    def add_publisher(self, room: str, participant: ParticipantInfo) -> None:
        """Someone has published a first track."""
        place = self._places.get(room)
        if place is None or participant.identity not in place.present:
            return
        place.publishing.add(participant.identity)
        for dispatch in list(place.dispatches.values()):
            self._launch(place, dispatch, JobType.JT_PUBLISHER, participant)

    def remove_participant(self, room: str, identity: str) -> None:
        """Someone has left; if it was an agent, its job is over."""
        place = self._places.get(room)
        if place is None:
            return
        place.present.pop(identity, None)
        place.publishing.discard(identity)
        place.asked = {each for each in place.asked if each[2] != identity}
        for dispatch in place.dispatches.values():
            for job in list(dispatch.state.jobs):
                if job.state.participant_identity == identity and job.state.status not in _ENDED:
                    self._workers.terminate(job, "the agent has left the room")

    # from one process to the next

    def hand_over(self) -> list[str]:
        """Let go of all without ending a job, and return them for another process, as JSON."""
        held = [dispatch for place in self._places.values() for dispatch in place.dispatches.values()]
        self._places.clear()
        return [pack(dispatch.SerializeToString()) for dispatch in held]

    def take_over(self, handed: Iterable[str], rooms: Mapping[str, Room]) -> None:
        """Go on with dispatches of these rooms. Jobs that ran there run, as far as we know, and are not begun again."""
        for name, room in rooms.items():
            self._places.setdefault(name, _Place(room))
        for each in handed:
            dispatch = AgentDispatch.FromString(unpack(each))
            place = self._places.get(dispatch.room)
            if place is not None:
                place.dispatches[dispatch.id] = dispatch
                running = (job for job in dispatch.state.jobs if job.state.status not in _ENDED)
                place.asked.update((dispatch.id, job.type, job.participant.identity) for job in running)

    # what the server API asks

    def create(self, room: str, agent: RoomAgentDispatch) -> AgentDispatch:
        """Send an agent into a room. Raises KeyError where that is not open, LimitError where it has too many."""
        place = self._places[room]
        if len(place.dispatches) >= MAX_DISPATCHES_PER_ROOM:
            raise LimitError("agents", f"room {room!r} has its {MAX_DISPATCHES_PER_ROOM} dispatches of agents")
        dispatch = AgentDispatch(
            id=self._name("AD_"),
            agent_name=agent.agent_name,
            room=room,
            metadata=agent.metadata,
            deployment=agent.deployment,
            attributes=agent.attributes,
            restart_policy=agent.restart_policy,
            state=AgentDispatchState(created_at=int(self._clock() * 1e9)),
        )
        place.dispatches[dispatch.id] = dispatch
        self._launch_all(place, dispatch)
        return dispatch

    def list(self, room: str) -> Mapping[str, AgentDispatch]:
        """The dispatches of a room, by id. Raises KeyError where it is not open."""
        return self._places[room].dispatches

    def delete(self, room: str, id: str) -> AgentDispatch:
        """Take an agent out of a room again. Raises KeyError where there is none of that id."""
        place = self._places[room]
        dispatch = place.dispatches.pop(id)
        place.asked = {each for each in place.asked if each[0] != id}
        dispatch.state.deleted_at = int(self._clock() * 1e9)
        self._terminate(dispatch)
        return dispatch

    # jobs

    def _look_again(self, worker: Worker) -> None:
        for place in list(self._places.values()):
            for dispatch in list(place.dispatches.values()):
                if dispatch.agent_name == worker.registration.agent_name:
                    self._launch_all(place, dispatch)

    def _launch_all(self, place: _Place, dispatch: AgentDispatch) -> None:
        self._launch(place, dispatch, JobType.JT_ROOM, None)
        for participant in list(place.present.values()):
            self._launch(place, dispatch, JobType.JT_PARTICIPANT, participant)
            if participant.identity in place.publishing:
                self._launch(place, dispatch, JobType.JT_PUBLISHER, participant)

    def _launch(
        self, place: _Place, dispatch: AgentDispatch, kind: JobType, participant: ParticipantInfo | None
    ) -> None:
        asked = (dispatch.id, kind, "" if participant is None else participant.identity)
        if asked in place.asked:
            return
        job = Job(
            id=self._name("AJ_"),
            dispatch_id=dispatch.id,
            type=kind,
            room=place.room,
            participant=participant,
            metadata=dispatch.metadata,
            agent_name=dispatch.agent_name,
            deployment=dispatch.deployment,
            attributes=dispatch.attributes,
        )
        if not any(worker.registration.fits(job) for worker in self._workers.by_id.values()):
            return
        place.asked.add(asked)
        task = asyncio.ensure_future(self._assign(place, dispatch, job, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _assign(self, place: _Place, dispatch: AgentDispatch, job: Job, asked: tuple[str, JobType, str]) -> None:
        if not await self._workers.assign(job):
            _log.warning("no worker takes the job", extra={"room": dispatch.room, "agent": dispatch.agent_name})
            place.asked.discard(asked)
        elif self._places.get(dispatch.room) is not place or dispatch.id not in place.dispatches:
            self._workers.terminate(job)  # its room has ended meanwhile, or nobody wants it any more

    def handle_job(self, job: Job) -> None:
        """A worker's job has changed its state."""
        place = self._places.get(job.room.name)
        dispatch = None if place is None else place.dispatches.get(job.dispatch_id)
        if dispatch is not None:
            _store(dispatch, job)
        if job.state.status in _ENDED:
            self._tell("agent_job_ended", job.room.name, job)
        elif job.state.started_at == job.state.updated_at:
            self._tell("agent_job_started", job.room.name, job)

    def _terminate(self, dispatch: AgentDispatch) -> None:
        for job in list(dispatch.state.jobs):
            if job.state.status not in _ENDED:
                self._workers.terminate(job)

    async def close(self) -> None:
        """Offer no more jobs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _store(dispatch: AgentDispatch, job: Job) -> None:
    """Keep the job's state with its dispatch."""
    jobs = [each for each in dispatch.state.jobs if each.id != job.id]
    ended = [each for each in jobs if each.state.status in _ENDED][-_MOST_ENDED:]
    running = [each for each in jobs if each.state.status not in _ENDED]
    del dispatch.state.jobs[:]
    dispatch.state.jobs.extend([*ended, *running, job])
