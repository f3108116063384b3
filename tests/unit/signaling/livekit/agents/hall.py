"""Rooms and workers of agents, without sockets."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

from livekit.protocol.agent import Job, JobStatus, JobType, ServerMessage, WorkerMessage
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, Room, TrackSource

from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.agents.worker import Registration, Worker
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.tokens import ApiKeys

SECRET = "s" * 40


LOBBY = Room(sid="RM_1", name="lobby")


ALICE = ParticipantInfo(sid="PA_1", identity="alice")


def available(job_id: str, **fields: Any) -> dict[str, Any]:
    return {"availability": {"job_id": job_id, "available": True, **fields}}


class Hall:
    """Workers that answer as each test says, and the rooms' dispatches."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.jobs: list[tuple[str, str, str]] = []
        self.keys = ApiKeys({"one": SECRET}, time.time)
        self.workers = Workers(lambda: 0.5)
        self.dispatches = Dispatches(self.workers, clock=time.time, name=self.name, on_job=self.note)
        self.sent: dict[str, list[ServerMessage]] = {}
        self.answers: dict[str, dict[str, Any] | None] = {}

    def name(self, prefix: str) -> str:
        return f"{prefix}{next(self.numbers)}"

    def note(self, event: str, room: str, job: Job) -> None:
        self.jobs.append((event, room, JobStatus.Name(job.state.status)))

    def add(
        self,
        name: str = "",
        kind: JobType = JobType.JT_ROOM,
        permissions: ParticipantPermission | None = None,
        **answer: Any,
    ) -> Worker:
        """A worker that answers to each offer: by default it takes it."""
        sent: list[ServerMessage] = []

        def send(message: ServerMessage) -> None:
            sent.append(message)
            if message.HasField("availability") and answer.get("silent") is None:
                fields = {"job_id": message.availability.job.id, "available": True} | answer
                asyncio.get_running_loop().call_soon(worker.handle, WorkerMessage(availability=fields))

        permissions = permissions or ParticipantPermission(
            can_subscribe=True, can_publish_sources=[TrackSource.MICROPHONE], hidden=True
        )
        worker = Worker(
            self.name("AW_"),
            Registration(kind, name, permissions=permissions),
            "one",
            self.keys,
            send,
            self.dispatches.handle_job,
            on_report=self.dispatches.take_back,
            clock=time.time,
        )
        self.sent[worker.id] = sent
        self.workers.add(worker)
        return worker

    def kinds(self, worker: Worker) -> list[str]:
        return [message.WhichOneof("message") for message in self.sent[worker.id]]

    def assigned(self, worker: Worker) -> list[Any]:
        return [message.assignment for message in self.sent[worker.id] if message.HasField("assignment")]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
