"""Agents that rooms are to have, and the jobs that come of it."""

from __future__ import annotations

import asyncio

import pytest
from livekit.protocol.agent import Job, JobStatus, JobType, WorkerMessage, WorkerStatus
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, ParticipantPermission

from sfu.errors import LimitError
from sfu.signaling.livekit.agents.dispatches import MAX_DISPATCHES_PER_ROOM
from tests.unit.signaling.livekit.agents.hall import ALICE, LOBBY, Hall, available, settle


async def test_a_room_that_names_no_agents_gets_those_without_a_name(hall: Hall) -> None:
    worker, named = hall.add(participant_identity="agent-7", participant_attributes={"a": "b"}), hall.add("helper")
    hall.dispatches.open_room(LOBBY)
    await settle()
    assert hall.kinds(worker) == ["availability", "assignment"]
    assert hall.kinds(named) == []
    (assignment,) = hall.assigned(worker)
    assert assignment.job.room == LOBBY
    assert assignment.job.state.status == JobStatus.JS_RUNNING
    claims = hall.keys.verify(assignment.token)
    assert (claims.identity, claims.require_join()) == ("agent-7", "lobby")
    assert claims.participant_kind == ParticipantInfo.Kind.AGENT
    assert claims.attributes == {"a": "b", "lk.agent_name": ""}
    assert claims.video.can_subscribe and claims.video.hidden and not claims.video.can_publish
    assert claims.video.can_publish_sources == {"microphone"}
    assert hall.jobs == [("agent_job_started", "lobby", "JS_RUNNING")]


async def test_a_room_gets_the_agents_that_it_names_with_their_metadata(hall: Hall) -> None:
    worker, other = hall.add("helper"), hall.add()
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="helper", metadata="m", attributes={"a": "b"})])
    await settle()
    (assignment,) = hall.assigned(worker)
    assert (assignment.job.metadata, dict(assignment.job.attributes)) == ("m", {"a": "b"})
    assert hall.kinds(other) == []
    (dispatch,) = hall.dispatches.list("lobby").values()
    assert [job.id for job in dispatch.state.jobs] == [assignment.job.id]


async def test_who_declines_or_is_silent_leaves_the_job_to_the_next(hall: Hall) -> None:
    declining, silent, full = hall.add(available=False), hall.add(silent=True), hall.add()
    silent.availability_s = 0.01
    full.handle(WorkerMessage(update_worker={"status": WorkerStatus.WS_FULL}))
    hall.dispatches.open_room(LOBBY)
    await asyncio.sleep(0.05)
    assert not any(map(hall.assigned, (declining, silent, full)))
    assert hall.kinds(full) == []
    taking = hall.add()
    async with asyncio.timeout(10):
        while not hall.assigned(taking):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
    assert len(hall.assigned(taking)) == 1


async def test_a_dispatch_without_a_worker_waits_for_one(hall: Hall) -> None:
    hall.dispatches.open_room(LOBBY)
    hall.dispatches.create("lobby", RoomAgentDispatch(agent_name="helper"))
    await settle()
    worker = hall.add("helper")
    await settle()
    assert len(hall.assigned(worker)) == 1
    hall.add("helper")
    await settle()
    assert len(hall.jobs) == 1  # it has its job


async def test_less_loaded_workers_are_preferred(hall: Hall) -> None:
    busy, idle = hall.add(), hall.add()
    busy.handle(WorkerMessage(update_worker={"load": 0.9}))
    idle.handle(WorkerMessage(update_worker={"load": 0.1}))
    draws = iter((number + 0.5) / 100 for number in range(100))
    hall.workers._random = lambda: next(draws)
    for number in range(100):
        assert await hall.workers.assign(Job(id=f"AJ_x{number}", room=LOBBY))
    assert len(hall.assigned(busy)) == 10
    assert len(hall.assigned(idle)) == 90
    for load in (float("nan"), float("inf"), -5.0):
        idle.handle(WorkerMessage(update_worker={"load": load}))
        assert 0.0 <= idle.load <= 1.0


async def test_publishers_and_participants_get_jobs_of_their_own_but_agents_none(hall: Hall) -> None:
    publishing, present = hall.add(kind=JobType.JT_PUBLISHER), hall.add(kind=JobType.JT_PARTICIPANT)
    hall.dispatches.open_room(LOBBY)
    hall.dispatches.add_participant("lobby", ALICE)
    hall.dispatches.add_participant("lobby", ParticipantInfo(identity="robot", kind=ParticipantInfo.Kind.AGENT))
    hall.dispatches.add_publisher("lobby", ParticipantInfo(identity="robot", kind=ParticipantInfo.Kind.AGENT))
    await settle()
    assert [assignment.job.participant.identity for assignment in hall.assigned(present)] == ["alice"]
    assert hall.kinds(publishing) == []
    hall.dispatches.add_publisher("lobby", ALICE)
    hall.dispatches.add_publisher("lobby", ALICE)
    await settle()
    assert [assignment.job.participant.identity for assignment in hall.assigned(publishing)] == ["alice"]
    late = hall.add("late", kind=JobType.JT_PUBLISHER)
    hall.dispatches.create("lobby", RoomAgentDispatch(agent_name="late"))
    await settle()
    assert len(hall.assigned(late)) == 1


async def test_a_dispatch_that_is_deleted_and_a_room_that_ends_end_their_jobs(hall: Hall) -> None:
    worker = hall.add()
    hall.dispatches.open_room(LOBBY)
    await settle()
    (dispatch,) = hall.dispatches.list("lobby").values()
    deleted = hall.dispatches.delete("lobby", dispatch.id)
    assert deleted.state.deleted_at > 0
    assert hall.kinds(worker)[-1] == "termination"
    assert not worker.jobs
    with pytest.raises(KeyError):
        hall.dispatches.delete("lobby", dispatch.id)
    hall.dispatches.create("lobby", RoomAgentDispatch())
    await settle()
    assert len(worker.jobs) == 1
    hall.dispatches.close_room("lobby")
    assert not worker.jobs
    assert hall.jobs[-1] == ("agent_job_ended", "lobby", "JS_SUCCESS")
    with pytest.raises(KeyError):
        hall.dispatches.list("lobby")


async def test_a_job_that_is_assigned_after_its_room_has_ended_is_terminated(hall: Hall) -> None:
    worker = hall.add(silent=True)
    hall.dispatches.open_room(LOBBY)
    await settle()
    job = hall.sent[worker.id][0].availability.job
    hall.dispatches.close_room("lobby")
    worker.handle(WorkerMessage(**available(job.id)))
    await settle()
    assert hall.kinds(worker) == ["availability", "assignment", "termination"]


async def test_an_agent_that_leaves_the_room_or_ends_its_job_is_told_of(hall: Hall) -> None:
    worker = hall.add(participant_identity="robot")
    hall.dispatches.open_room(LOBBY)
    await settle()
    hall.dispatches.remove_participant("lobby", "robot")
    assert hall.jobs[-1] == ("agent_job_ended", "lobby", "JS_FAILED")
    hall.dispatches.create("lobby", RoomAgentDispatch())
    await settle()
    (job_id,) = worker.jobs
    worker.handle(WorkerMessage(update_job={"job_id": job_id, "status": JobStatus.JS_SUCCESS}))
    assert hall.jobs[-1] == ("agent_job_ended", "lobby", "JS_SUCCESS")
    assert not worker.jobs


async def test_a_worker_that_goes_has_failed_and_what_it_was_asked_goes_to_another(hall: Hall) -> None:
    worker, slow = hall.add(), hall.add("slow", silent=True)
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(), RoomAgentDispatch(agent_name="slow")])
    await settle()
    hall.workers.remove(worker)
    assert hall.jobs[-1] == ("agent_job_ended", "lobby", "JS_FAILED")
    hall.workers.remove(slow)
    await settle()
    other = hall.add("slow")
    await settle()
    assert len(hall.assigned(other)) == 1


async def test_a_worker_may_end_a_job_instead_of_taking_it(hall: Hall) -> None:
    worker = hall.add(terminate=True)
    hall.dispatches.open_room(LOBBY)
    await settle()
    assert hall.kinds(worker) == ["availability"]
    assert hall.jobs == [("agent_job_ended", "lobby", "JS_SUCCESS")]


async def test_a_worker_under_development_asks_for_a_job_of_its_own(hall: Hall) -> None:
    worker = hall.add("dev")
    worker.handle(WorkerMessage(simulate_job={"room": LOBBY, "participant": ALICE}))
    await settle()
    (assignment,) = hall.assigned(worker)
    assert (assignment.job.type, assignment.job.participant.identity) == (JobType.JT_PUBLISHER, "alice")


async def test_answers_that_nobody_waits_for_are_passed_over(hall: Hall) -> None:
    worker = hall.add()
    for message in (available("AJ_none"), {"update_job": {"job_id": "AJ_none"}}, {"migrate_job": {"job_ids": ["x"]}}):
        assert worker.handle(WorkerMessage(**message))
    assert not worker.handle(WorkerMessage())
    assert not worker.handle(WorkerMessage(register={}))
    assert hall.sent[worker.id] == []


async def test_a_room_has_a_bounded_number_of_dispatches_and_of_ended_jobs(hall: Hall) -> None:
    worker = hall.add()
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="x")] * 100)
    assert len(hall.dispatches.list("lobby")) == MAX_DISPATCHES_PER_ROOM
    with pytest.raises(LimitError):
        hall.dispatches.create("lobby", RoomAgentDispatch())
    hall.dispatches.close_room("lobby")
    hall.dispatches.open_room(LOBBY)
    (dispatch,) = hall.dispatches.list("lobby").values()
    for number in range(200):
        job = Job(id=f"AJ_n{number}", room=LOBBY, dispatch_id=dispatch.id)
        await worker.offer(job)
        worker.handle(WorkerMessage(update_job={"job_id": job.id, "status": JobStatus.JS_FAILED, "error": "e" * 5000}))
    assert len(dispatch.state.jobs) < 70
    assert max(len(job.state.error) for job in dispatch.state.jobs) == 1000


async def test_a_dispatch_that_was_deleted_is_not_remembered(hall: Hall) -> None:
    hall.add("helper")
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="none")])
    for _ in range(20):
        dispatch = hall.dispatches.create("lobby", RoomAgentDispatch(agent_name="helper"))
        await settle()
        hall.dispatches.delete("lobby", dispatch.id)
    assert not hall.dispatches._places["lobby"].asked


async def test_a_worker_that_asks_for_unknown_sources_gets_its_job(hall: Hall) -> None:
    worker = hall.add("helper", permissions=ParticipantPermission(can_publish=True, can_publish_sources=[99]))  # type: ignore[list-item]
    hall.dispatches.open_room(LOBBY, [RoomAgentDispatch(agent_name="helper")])
    await settle()
    (assigned,) = hall.assigned(worker)
    assert hall.keys.verify(assigned.token).video.can_publish_sources == {"99"}
