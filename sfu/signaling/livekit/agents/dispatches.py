"""Which agents a room is to have, and the jobs that come of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from livekit.protocol.agent import Job, JobStatus, JobType
from livekit.protocol.agent_dispatch import AgentDispatch, AgentDispatchState, JobRestartPolicy, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, Room

from sfu.errors import LimitError
from sfu.signaling.livekit.agents.worker import Worker, set_status
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.packing import pack, unpack

_log = logging.getLogger("sfu.signaling.livekit")

MAX_DISPATCHES_PER_ROOM = 64
RETURN_S = 30.0
"""That a job has to be known again after a restart in place: as long as LiveKit's clients try to come again."""
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
    agents: set[str] = field(default_factory=set)
    """Identities of agents that are there."""
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
        self._awaited: dict[str, str] = {}  # rooms, by jobs that another process has begun
        self._giving_up: asyncio.TimerHandle | None = None
        self._handed_over = False
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
        if place is None:
            return
        if participant.kind == ParticipantInfo.Kind.AGENT:
            place.agents.add(participant.identity)
        if participant.kind in (ParticipantInfo.Kind.AGENT, ParticipantInfo.Kind.EGRESS):
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
        place.agents.discard(identity)
        place.asked = {each for each in place.asked if each[2] != identity}
        for dispatch in place.dispatches.values():
            for job in list(dispatch.state.jobs):
                if job.state.participant_identity == identity and job.state.status not in _ENDED:
                    self._end(job, "the agent has left the room")

    # from one process to the next

    def hand_over(self) -> list[str]:
        """Let go of all without ending a job, and return them for another process, as JSON."""
        self._handed_over = True
        held = [dispatch for place in self._places.values() for dispatch in place.dispatches.values()]
        self._places.clear()
        return [pack(dispatch.SerializeToString()) for dispatch in held]

    def take_over(self, handed: Iterable[str], rooms: Mapping[str, Room], *, within: float = RETURN_S) -> None:
        """Go on with dispatches of these rooms. Jobs that ran there run, as far as we know: their agents come again as
        participants, and their workers report them (`take_back`). Those of which neither has come `within` so many
        seconds have failed, and are begun anew, unless the dispatch forbids that.
        """
        for name, room in rooms.items():
            self._places.setdefault(name, _Place(room))
        for each in handed:
            dispatch = AgentDispatch.FromString(unpack(each))
            place = self._places.get(dispatch.room)
            if place is not None:
                place.dispatches[dispatch.id] = dispatch
                running = [job for job in dispatch.state.jobs if job.state.status not in _ENDED]
                place.asked.update(_key(dispatch, job) for job in running)
                self._awaited.update((job.id, dispatch.room) for job in running)
        if self._awaited:
            self._giving_up = asyncio.get_running_loop().call_later(within, self._give_up)

    def take_back(self, worker: Worker, ids: Sequence[str]) -> None:
        """A worker runs these jobs: it has those that it was given by another process, before a restart."""
        for id in ids:
            found = self._find_awaited(id)
            if found is not None and worker.take_back(deepcopy(found[2])):
                del self._awaited[id]

    def _find_awaited(self, id: str) -> tuple[_Place, AgentDispatch, Job] | None:
        """A job that runs, as far as another process knew."""
        place = self._places.get(self._awaited.get(id, ""))
        if place is None:
            return None
        for dispatch in place.dispatches.values():
            for job in dispatch.state.jobs:
                if job.id == id and job.state.status not in _ENDED:
                    return place, dispatch, job
        return None

    def _give_up(self) -> None:
        """What has not come again until now does not come any more."""
        self._giving_up = None
        for id in list(self._awaited):
            found = self._find_awaited(id)
            if found is not None and found[2].state.participant_identity in found[0].agents:
                continue  # its worker may report it yet
            del self._awaited[id]
            if found is None:
                continue
            place, dispatch, job = found
            self._end(job, "the agent did not come again after a restart of the server")
            if dispatch.restart_policy != JobRestartPolicy.JRP_NEVER:
                place.asked.discard(_key(dispatch, job))
                self._launch_all(place, dispatch)

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
        """A worker's job has changed its state. Once another process goes on nobody is told: there it runs."""
        if self._handed_over:
            return
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
                self._end(job)

    def _end(self, job: Job, error: str = "") -> None:
        """End a job: successfully, or with what went wrong. Its worker may not be here, after a restart."""
        if self._workers.terminate(job, error):
            return
        ended = deepcopy(job)
        ended.state.error = error
        set_status(ended, JobStatus.JS_FAILED if error else JobStatus.JS_SUCCESS, self._clock())
        self.handle_job(ended)

    async def close(self) -> None:
        """Offer no more jobs."""
        if self._giving_up is not None:
            self._giving_up.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _key(dispatch: AgentDispatch, job: Job) -> tuple[str, JobType, str]:
    """See `_Place.asked`."""
    return dispatch.id, job.type, job.participant.identity


def _store(dispatch: AgentDispatch, job: Job) -> None:
    """Keep the job's state with its dispatch."""
    jobs = [each for each in dispatch.state.jobs if each.id != job.id]
    ended = [each for each in jobs if each.state.status in _ENDED][-_MOST_ENDED:]
    running = [each for each in jobs if each.state.status not in _ENDED]
    del dispatch.state.jobs[:]
    dispatch.state.jobs.extend([*ended, *running, job])
