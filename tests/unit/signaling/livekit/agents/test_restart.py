"""Jobs that run while one process takes another's place: known again, given up, or begun anew, and never twice."""

from __future__ import annotations

import asyncio
import json

import pytest
from livekit.protocol.agent import JobStatus, JobType, WorkerMessage
from livekit.protocol.agent_dispatch import JobRestartPolicy, RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo

from sfu.signaling.livekit.agents.worker import Worker
from tests.unit.signaling.livekit.agents.hall import ALICE, LOBBY, Hall, settle

LONG_S = 1000.0


async def run_until_restart(policy: JobRestartPolicy = JobRestartPolicy.JRP_ON_FAILURE) -> tuple[Hall, list[str], str]:
    """A hall whose worker has a job in the lobby; what it hands over, and the job's id."""
    before = Hall()
    worker = before.add("scribe")
    before.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="scribe", restart_policy=policy)])
    await settle()
    [assignment] = before.assigned(worker)
    return before, before.dispatches.hand_over(), assignment.job.id


def go_on(handed: list[str], *, within: float = LONG_S) -> Hall:
    after = Hall()
    after.dispatches.take_over(json.loads(json.dumps(handed)), {"lobby": LOBBY}, within=within)
    return after


def report(worker: Worker, *ids: str) -> None:
    """What LiveKit's agents send behind their registration once a connection was lost."""
    assert worker.handle(WorkerMessage(migrate_job={"job_ids": ids}))


def states(hall: Hall) -> list[str]:
    [dispatch] = hall.dispatches.list("lobby").values()
    return [JobStatus.Name(job.state.status) for job in dispatch.state.jobs]


def agent_of(job: str) -> ParticipantInfo:
    return ParticipantInfo(sid="PA_9", identity=f"agent-{job}", kind=ParticipantInfo.Kind.AGENT)


async def give_up() -> None:
    await asyncio.sleep(0.01)
    await settle()


async def test_the_process_that_ends_says_of_no_job_that_it_has_ended() -> None:
    before, _, _ = await run_until_restart()
    before.workers.remove(next(iter(before.workers.by_id.values())))
    assert [event for event, *_ in before.jobs] == ["agent_job_started"]


async def test_a_worker_that_comes_again_with_its_job_has_it_and_gets_no_other() -> None:
    _, handed, job = await run_until_restart()
    after = go_on(handed, within=0.0)
    worker = after.add("scribe")
    report(worker, job, "AJ_of_somewhere_else")
    after.dispatches.add_participant("lobby", agent_of(job))
    await give_up()
    assert (states(after), after.kinds(worker), after.jobs) == (["JS_RUNNING"], [], [])
    [dispatch] = after.dispatches.list("lobby").values()
    assert dispatch.state.jobs[0].state.worker_id == worker.id
    after.dispatches.close_room("lobby")
    assert after.kinds(worker) == ["termination"]
    assert after.jobs == [("agent_job_ended", "lobby", "JS_SUCCESS")]


async def test_an_agent_that_is_in_its_room_again_goes_on_whatever_its_worker_says() -> None:
    """Workers of older versions report nothing."""
    _, handed, job = await run_until_restart()
    after = go_on(handed, within=0.0)
    worker = after.add("scribe")
    after.dispatches.add_participant("lobby", agent_of(job))
    await give_up()
    assert (states(after), after.kinds(worker)) == (["JS_RUNNING"], [])
    after.dispatches.remove_participant("lobby", f"agent-{job}")
    assert states(after) == ["JS_FAILED"]
    assert after.jobs == [("agent_job_ended", "lobby", "JS_FAILED")]


async def test_a_worker_that_comes_late_has_the_job_of_an_agent_that_is_there() -> None:
    _, handed, job = await run_until_restart()
    after = go_on(handed, within=0.0)
    after.dispatches.add_participant("lobby", agent_of(job))
    await give_up()
    worker = after.add("scribe")
    report(worker, job)
    after.dispatches.remove_participant("lobby", f"agent-{job}")
    assert after.kinds(worker) == ["termination"]


async def test_a_job_that_does_not_come_back_has_failed_and_is_begun_anew() -> None:
    _, handed, _ = await run_until_restart()
    after = go_on(handed, within=0.0)
    worker = after.add("scribe")
    assert after.kinds(worker) == [], "it may still come"
    await give_up()
    assert states(after) == ["JS_FAILED", "JS_RUNNING"]
    assert len(after.assigned(worker)) == 1
    assert [event for event, *_ in after.jobs] == ["agent_job_ended", "agent_job_started"]
    [dispatch] = after.dispatches.list("lobby").values()
    assert "restart" in dispatch.state.jobs[0].state.error


async def test_it_is_begun_anew_by_the_next_worker_if_none_is_there() -> None:
    _, handed, _ = await run_until_restart()
    after = go_on(handed, within=0.0)
    await give_up()
    assert states(after) == ["JS_FAILED"]
    worker = after.add("scribe")
    await settle()
    assert len(after.assigned(worker)) == 1


async def test_a_dispatch_that_wants_no_second_job_gets_none() -> None:
    _, handed, _ = await run_until_restart(JobRestartPolicy.JRP_NEVER)
    after = go_on(handed, within=0.0)
    worker = after.add("scribe")
    await give_up()
    assert (states(after), after.kinds(worker)) == (["JS_FAILED"], [])


@pytest.mark.parametrize(("name", "kind"), [("other", JobType.JT_ROOM), ("scribe", JobType.JT_PUBLISHER)])
async def test_a_worker_of_another_kind_takes_nobody_s_job(name: str, kind: JobType) -> None:
    _, handed, job = await run_until_restart()
    after = go_on(handed)
    worker = after.add(name, kind)
    report(worker, job)
    assert worker.jobs == {}
    await after.dispatches.close()


async def test_a_job_of_a_room_that_ends_first_ends_with_it() -> None:
    _, handed, job = await run_until_restart()
    after = go_on(handed, within=0.0)
    after.dispatches.close_room("lobby")
    assert after.jobs == [("agent_job_ended", "lobby", "JS_SUCCESS")]
    worker = after.add("scribe")
    report(worker, job)
    await give_up()
    assert (worker.jobs, after.kinds(worker)) == ({}, [])


async def test_a_job_for_somebody_is_begun_anew_only_if_he_is_there() -> None:
    before = Hall()
    before.add("scribe", JobType.JT_PUBLISHER)
    before.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="scribe")])
    before.dispatches.add_participant("lobby", ALICE)
    before.dispatches.add_publisher("lobby", ALICE)
    await settle()
    after = go_on(before.dispatches.hand_over(), within=0.0)
    worker = after.add("scribe", JobType.JT_PUBLISHER)
    await give_up()
    assert (states(after), after.assigned(worker)) == (["JS_FAILED"], [])
    after.dispatches.add_participant("lobby", ALICE)
    after.dispatches.add_publisher("lobby", ALICE)
    await settle()
    assert len(after.assigned(worker)) == 1
