"""All registered workers, and which of them gets a job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

from livekit.protocol.agent import Job, JobType

from sfu.signaling.livekit.agents.worker import Declined, Worker

_log = logging.getLogger("sfu.signaling.livekit")

_LEAST_WEIGHT = 0.01
"""Of a worker that calls itself fully loaded and available all the same."""


class Workers:
    """The registry. Who registers may get jobs at once: `on_registered` is called."""

    def __init__(self, random: Callable[[], float]) -> None:
        """`random()` is within [0, 1)."""
        self._workers: dict[str, Worker] = {}
        self._random = random
        self.on_registered: Callable[[Worker], None] = lambda worker: None

    @property
    def by_id(self) -> Mapping[str, Worker]:
        """Those that are here."""
        return MappingProxyType(self._workers)

    def add(self, worker: Worker) -> None:
        """It has registered."""
        self._workers[worker.id] = worker
        kind = worker.registration
        facts = {"worker": worker.id, "agent": kind.agent_name, "jobs": JobType.Name(kind.job_type)}
        _log.info("worker registered", extra=facts)
        self.on_registered(worker)

    def remove(self, worker: Worker) -> None:
        """It has gone."""
        if self._workers.pop(worker.id, None) is not None:
            _log.info("worker gone", extra={"worker": worker.id, "running": len(worker.jobs)})
            worker.close()

    async def assign(self, job: Job) -> bool:
        """Offer a job to the workers that it is for, the less loaded ones rather, until one takes it."""
        asked: set[str] = set()
        while (worker := self._choose(job, asked)) is not None:
            asked.add(worker.id)
            try:
                await worker.offer(job)
            except Declined as error:
                _log.info("job declined", extra={"job": job.id, "worker": worker.id, "reason": str(error)})
                continue
            return True
        return False

    def _choose(self, job: Job, asked: set[str]) -> Worker | None:
        able = [
            worker
            for worker in self._workers.values()
            if worker.id not in asked and worker.available and worker.registration.fits(job)
        ]
        weights = [max(1.0 - worker.load, _LEAST_WEIGHT) for worker in able]
        drawn = self._random() * sum(weights)
        for worker, weight in zip(able, weights, strict=True):
            drawn -= weight
            if drawn < 0:
                return worker
        return able[-1] if able else None

    def terminate(self, job: Job, error: str = "") -> bool:
        """End a job, wherever it runs; False: none of those that are here has it."""
        worker = self._workers.get(job.state.worker_id)
        return worker is not None and worker.terminate(job.id, error)
