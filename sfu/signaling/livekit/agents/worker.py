"""One registered worker: what it runs, how loaded it is, and the jobs that it has."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from livekit.protocol.agent import (
    AvailabilityRequest,
    AvailabilityResponse,
    Job,
    JobAssignment,
    JobState,
    JobStatus,
    JobTermination,
    JobType,
    RegisterWorkerRequest,
    ServerMessage,
    UpdateJobStatus,
    WorkerMessage,
    WorkerPong,
    WorkerStatus,
)
from livekit.protocol.models import ParticipantPermission

from sfu.signaling.livekit.claims import Claims, VideoGrants
from sfu.signaling.livekit.participant import apply_permission
from sfu.signaling.livekit.tokens import ApiKeys

AGENT_NAME = "lk.agent_name"
"""The attribute by which a participant says which agent it is."""
AVAILABILITY_S = 10.0
"""That a worker has to say whether it takes a job."""
JOB_TOKEN_TTL = 3600.0
MAX_JOBS = 10_000
"""That one worker has; more are not offered to it."""

_ENDED = (JobStatus.JS_SUCCESS, JobStatus.JS_FAILED)


def set_status(job: Job, status: JobStatus, now: float) -> None:
    """Write how a job stands since `now`, in seconds since the Unix epoch."""
    state: JobState = job.state
    state.status = status
    state.updated_at = int(now * 1e9)
    state.started_at = state.started_at or state.updated_at
    if status in _ENDED:
        state.ended_at = state.updated_at


class Declined(Exception):
    """The worker does not take the job: it said so, said nothing in time, or went away."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker has said of itself; jobs of this kind are offered to it."""

    job_type: JobType
    agent_name: str = ""
    """Empty: it is sent into all rooms that name no agents."""
    namespace: str = ""
    deployment: str = ""
    permissions: ParticipantPermission = field(default_factory=ParticipantPermission)

    @classmethod
    def of(cls, request: RegisterWorkerRequest) -> Registration:
        """What a registration says; permissions that are not given allow all but to be hidden."""
        permissions = ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, can_update_metadata=True
        )
        if request.HasField("allowed_permissions"):
            permissions = request.allowed_permissions
        return cls(request.type, request.agent_name, request.namespace, request.deployment, permissions)

    def fits(self, job: Job) -> bool:
        """Whether a job is for such a worker."""
        return (self.job_type, self.agent_name, self.deployment) == (job.type, job.agent_name, job.deployment)


class Worker:
    """Knows nothing of sockets: `send` takes what goes to it, and must not wait."""

    def __init__(
        self,
        id: str,
        registration: Registration,
        api_key: str,
        keys: ApiKeys,
        send: Callable[[ServerMessage], None],
        on_job: Callable[[Job], None],
        *,
        on_report: Callable[[Worker, Sequence[str]], None],
        clock: Callable[[], float],
    ) -> None:
        """`on_job` hears of each change of a job's state, `on_report` of the ids of jobs that the worker says it runs.
        `clock`: seconds since the Unix epoch.
        """
        self.id = id
        self.registration = registration
        self.load = 0.0
        """From 0 to 1, as the worker says."""
        self.available = True
        self.availability_s = AVAILABILITY_S
        self.jobs: dict[str, Job] = {}
        """Those that run, by id."""
        self._api_key = api_key
        self._keys = keys
        self._send = send
        self._on_job = on_job
        self._on_report = on_report
        self._clock = clock
        self._answers: dict[str, asyncio.Future[AvailabilityResponse]] = {}
        self._simulated = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, job: Job) -> None:
        """Ask whether the worker takes a job, and assign it. Raises Declined."""
        if len(self.jobs) + len(self._answers) >= MAX_JOBS or job.id in self._answers:
            raise Declined("it has too many jobs")
        answer: asyncio.Future[AvailabilityResponse] = asyncio.get_running_loop().create_future()
        self._answers[job.id] = answer
        try:
            self._send(ServerMessage(availability=AvailabilityRequest(job=job)))
            async with asyncio.timeout(self.availability_s):
                response = await answer
        except TimeoutError as error:
            raise Declined(f"it said nothing for {self.availability_s:.0f} s") from error
        finally:
            del self._answers[job.id]
        if response.terminate:
            self._set_state(job, JobStatus.JS_SUCCESS)
        elif response.available:
            self._assign(job, response)
        else:
            raise Declined("it is not available")

    def _assign(self, job: Job, response: AvailabilityResponse) -> None:
        job.state.participant_identity = response.participant_identity or f"agent-{job.id}"
        self.jobs[job.id] = job
        self._set_state(job, JobStatus.JS_RUNNING)
        self._send(ServerMessage(assignment=JobAssignment(job=job, token=self._mint(job, response))))

    def _mint(self, job: Job, response: AvailabilityResponse) -> str:
        entering = VideoGrants(room_join=True, room=job.room.name)
        video = replace(apply_permission(entering, self.registration.permissions), agent=True)
        claims = Claims(
            api_key=self._api_key,
            identity=job.state.participant_identity,
            name=response.participant_name,
            metadata=response.participant_metadata,
            attributes={**response.participant_attributes, AGENT_NAME: self.registration.agent_name},
            kind="agent",
            video=video,
            expires=0.0,
        )
        return self._keys.mint(claims, JOB_TOKEN_TTL)

    def take_back(self, job: Job) -> bool:
        """Have a job that was assigned by another process, if it is of its kind and there is room for it."""
        if not self.registration.fits(job) or len(self.jobs) >= MAX_JOBS:
            return False
        self.jobs[job.id] = job
        self._set_state(job, JobStatus.JS_RUNNING)
        return True

    def terminate(self, job_id: str, error: str = "") -> bool:
        """End one of its jobs: successfully, or with what went wrong. False: it has none of that id."""
        job = self.jobs.get(job_id)
        if job is None:
            return False
        self._send(ServerMessage(termination=JobTermination(job_id=job_id)))
        self._end(job, JobStatus.JS_FAILED if error else JobStatus.JS_SUCCESS, error)
        return True

    def handle(self, message: WorkerMessage) -> bool:
        """Take what the worker says after its registration; False for what is not understood, and passed over."""
        match message.WhichOneof("message"):
            case "availability":
                answer = self._answers.get(message.availability.job_id)
                if answer is not None and not answer.done():
                    answer.set_result(message.availability)
            case "update_worker":
                update = message.update_worker
                if update.HasField("status"):
                    self.available = update.status == WorkerStatus.WS_AVAILABLE
                self.load = min(max(update.load, 0.0), 1.0) if update.load == update.load else 1.0
            case "update_job":
                self._update_job(message.update_job)
            case "ping":
                pong = WorkerPong(last_timestamp=message.ping.timestamp, timestamp=int(self._clock() * 1000))
                self._send(ServerMessage(pong=pong))
            case "simulate_job":
                self._simulate(message)
            case "migrate_job":
                self._on_report(self, message.migrate_job.job_ids)  # LiveKit's agents tell so what they still run
            case _:
                return False
        return True

    def _update_job(self, update: UpdateJobStatus) -> None:
        job = self.jobs.get(update.job_id)
        if job is None:
            return
        if update.status in _ENDED:
            self._end(job, update.status, update.error[:1000])
        else:
            self._set_state(job, update.status)

    def _simulate(self, message: WorkerMessage) -> None:
        """A worker under development asks for a job of its own."""
        asked = message.simulate_job
        job = Job(
            id=f"AJ_{self.id}_{next(self._simulated)}",
            type=JobType.JT_PUBLISHER if asked.HasField("participant") else JobType.JT_ROOM,
            room=asked.room,
            agent_name=self.registration.agent_name,
        )
        if asked.HasField("participant"):
            job.participant.CopyFrom(asked.participant)
        task = asyncio.ensure_future(self._offer_simulated(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _offer_simulated(self, job: Job) -> None:
        try:
            await self.offer(job)
        except Declined:
            pass  # it was its own job

    def _end(self, job: Job, status: JobStatus, error: str) -> None:
        self.jobs.pop(job.id, None)
        job.state.error = error
        self._set_state(job, status)

    def _set_state(self, job: Job, status: JobStatus) -> None:
        job.state.worker_id = self.id
        set_status(job, status, self._clock())
        self._on_job(job)

    def close(self) -> None:
        """It has gone: what it was asked is declined, and its jobs have failed."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Declined("it went away"))
        for task in self._tasks:
            task.cancel()
        for job in list(self.jobs.values()):
            self._end(job, JobStatus.JS_FAILED, "the worker has gone")
