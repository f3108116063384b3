"""Features 34 to 38, 40, 41; consultations, the officer's board, the recording watch."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from court_stage import Stage, Trial, User, make_identity
from uploading import PDF, announce, send


async def test_a_case_is_bound_once_by_its_password_in_batches_with_a_lock_out(trial: Trial) -> None:
    lawyer = await trial.stage.person("陈律师", office="lawyer")
    good = {"number": trial.case["number"], "password": trial.case["password"], "side": "plaintiff"}
    wrong = good | {"password": "WRONG222"}
    for _ in range(4):
        assert (await lawyer.post("/cases/bind", {"cases": [wrong]}))[0]["code"] == "code.wrong"
    told = await lawyer.post("/cases/bind", {"cases": [wrong | {"number": "(2026)无此案号"}, good, good]})
    assert [each["code"] for each in told] == ["code.wrong", "", "attempts.too_many"]
    page = await lawyer.get(f"/cases/{trial.case['id']}")
    assert (page["role"], page["judge_name"], len(page["parties"])) == ("lawyer", "王法官", 2)
    assert {each["kind"] for each in page["progress"]} == {"filed", "hearing"}
    stranger = await trial.stage.person("路人")
    assert (await stranger.post("/cases/bind", {"cases": [good]}))[0]["code"] == "identity.failed"


async def test_a_message_to_the_judge_shows_when_it_was_delivered_and_read(trial: Trial) -> None:
    path = f"/cases/{trial.case['id']}/messages"
    sent = await trial.plaintiff.post(path, {"text": "请问何时提交证据？"}, 201)
    assert (sent["delivered"], sent["read"]) == (None, None)
    (got,) = await trial.judge.get(path)
    assert await trial.defendant.get(path) == []
    assert await trial.defendant.refused(f"{path}/{sent['id']}/read") == "not_found"
    await trial.judge.post(f"{path}/{got['id']}/read")
    (seen,) = await trial.plaintiff.get(path)
    assert seen["delivered"] is not None and seen["read"] is not None
    await trial.judge.post(path, {"text": "七日内。", "recipient_id": trial.plaintiff.id}, 201)
    for _ in range(trial.stage.court.config.messages_a_day - 1):
        await trial.plaintiff.post(path, {"text": "再问"}, 201)
    assert await trial.plaintiff.refused(path, {"text": "再问"}) == "messages.too_many"


def filing(**more: Any) -> dict[str, Any]:
    other = {"name": "李四", "phone": "13700000007", "identity_number": make_identity(707)}
    return {"title": "张三诉李四", "cause": "买卖合同纠纷", "claim": "请求支付货款", "defendant": other, **more}


async def test_a_filing_is_sent_back_corrected_and_accepted_which_opens_the_case(stage: Stage) -> None:
    judge, clerk, user = await stage.staff("judge"), await stage.staff("clerk"), await stage.person("张三")
    made = await user.post("/filings", filing(), 201)
    assert await clerk.get("/filings") == [], "a draft is its owner's"
    path = f"/filings/{made['id']}"
    await user.post(f"{path}/file")
    assert await clerk.refused(f"{path}/decision", {"decision": "send_back"}) == "request.invalid", "without a reason"
    await clerk.post(f"{path}/decision", {"decision": "send_back", "reason": "请补充被告地址"})
    assert (await user.get("/filings"))[0]["reason"] == "请补充被告地址"
    await user.ask("PUT", path, 200, json=filing(claim="请求支付货款及利息"))
    await user.post(f"{path}/file")
    assert await clerk.get("/filings/judges") == [{"id": judge.id, "name": judge.name}]
    assert await user.refused("/filings/judges", method="GET") == "role.denied"
    accepted = {"decision": "accept", "judge_id": judge.id, "number": "(2026)京0491民初9号"}
    told = await clerk.post(f"{path}/decision", accepted)
    assert (told["state"], (await user.get(f"/cases/{told['case_id']}"))["role"]) == ("accepted", "plaintiff")
    assert await user.refused(f"{path}/file") == "act.impossible"


async def test_documents_of_a_filing_are_read_by_the_registry_and_become_the_cases_materials(stage: Stage) -> None:
    judge, clerk, user = await stage.staff("judge"), await stage.staff("clerk"), await stage.person("张三")
    stranger = await stage.person("路人")
    made = await user.post("/filings", filing(), 201)
    place = await announce(user, len(PDF), filename="起诉状.pdf", purpose="filing", target=made["id"])
    await send(user, place, PDF)
    path = f"/filings/{made['id']}"
    told = await user.post(f"{path}/file")
    (document,) = told["files"]
    assert (told["defendant"]["name"], document["sha256"]) == ("李四", hashlib.sha256(PDF).hexdigest())
    file = f"{path}/files/{document['id']}"
    assert (await clerk.ask("GET", file, 200)).content == PDF
    assert await stranger.refused(file, method="GET") == "not_found"
    accepted = {"decision": "accept", "judge_id": judge.id, "number": "(2026)京0491民初9号"}
    case = (await clerk.post(f"{path}/decision", accepted))["case_id"]
    (material,) = (await judge.get(f"/cases/{case}"))["materials"]
    kept = f"/cases/{case}/materials/{material['id']}/file"
    assert (await judge.ask("GET", kept, 200)).content == PDF
    assert await stranger.refused(kept, method="GET") == "not_found"


async def test_the_password_of_a_new_case_comes_to_its_parties_and_binds_one_with_another_phone(stage: Stage) -> None:
    judge, clerk, user = await stage.staff("judge"), await stage.staff("clerk"), await stage.person("张三")
    made = await user.post("/filings", filing(), 201)
    await user.post(f"/filings/{made['id']}/file")
    accepted = {"decision": "accept", "judge_id": judge.id, "number": "(2026)京0491民初9号"}
    case = (await clerk.post(f"/filings/{made['id']}/decision", accepted))["case_id"]
    text = (await stage.read_sms("13700000007"))[0]["text"]
    found = re.search(r"案件密码 (\w{8})", text)
    assert found is not None
    other = await stage.person("李四", "13700000099", make_identity(707))
    (bound,) = await other.post("/cases/bind", {"cases": [{"number": accepted["number"], "password": found[1]}]})
    assert (bound["case_id"], (await other.get(f"/cases/{case}"))["role"]) == (case, "defendant")


async def test_registers_name_their_source_and_mask_identity_numbers(stage: Stage) -> None:
    user = stage.user()
    found = await user.get("/judgments", q="购物")
    assert found["total"] == 1 and "演示数据" in found["items"][0]["source"]
    (defaulter,) = (await user.get("/defaulters", q="赵某"))["items"]
    assert defaulter["identity_number"] == "1101**********0302" and defaulter["published"]
    assert (await user.get("/defaulters", q="0302"))["total"] == 0


async def begin(trial: Trial, user: User, *others: User, **more: Any) -> Any:
    persons = [await trial.person_of(each) for each in others]
    return await user.post(f"{trial.path}/consultations", {"persons": persons, **more}, 201)


async def do(trial: Trial, user: User, room: str, act: str, expect: int = 200) -> Any:
    return await user.post(f"{trial.path}/consultations/{room}/acts", {"act": act}, expect)


async def test_a_consultation_is_accepted_declined_or_unanswered_and_private(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff, trial.defendant)
    lawyer = await trial.invite("lawyer", "律师")
    made = await begin(trial, trial.plaintiff, trial.defendant, lawyer)
    room = made["id"]
    assert ("private", f"c-{room}") in trial.stage.media.calls
    assert await lawyer.refused(f"{trial.path}/consultations/{room}/join") == "act.impossible"
    await do(trial, trial.defendant, room, "decline")
    await do(trial, lawyer, room, "accept")
    assert (await lawyer.post(f"{trial.path}/consultations/{room}/join"))["room"] == f"c-{room}"
    await do(trial, lawyer, room, "lock")
    late = await begin(trial, trial.plaintiff, trial.defendant)
    trial.stage.clock.advance(121)
    (mine,) = [each for each in await trial.defendant.get(f"{trial.path}/consultations") if each["id"] == late["id"]]
    assert {each["state"] for each in mine["members"]} == {"accepted", "no_answer"}
    assert await trial.defendant.refused(f"{trial.path}/consultations/{late['id']}/acts", {"act": "accept"}) == (
        "act.impossible"
    )
    assert await trial.judge.get(f"{trial.path}/consultations") == [], "the court does not see it"


async def test_consultations_are_closed_to_observers_screened_persons_and_in_the_last_minutes(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff)
    visitor = await trial.invite("gallery", "旁听")
    path = f"{trial.path}/consultations"
    ids = {user.name: await trial.person_of(user) for user in (trial.plaintiff, trial.defendant, visitor)}
    assert await trial.plaintiff.refused(path, {"persons": [ids["旁听"]]}) == "consultation.denied"
    assert await trial.plaintiff.refused(path, {"kind": "judges"}) == "consultation.denied"
    await trial.clerk.post(f"{trial.path}/screening", {"protected_id": ids["张三"], "from_id": ids["李四"]}, 204)
    assert await trial.plaintiff.refused(path, {"persons": [ids["李四"]]}) == "consultation.denied"
    await begin(trial, trial.judge, trial.clerk, kind="judges")
    trial.stage.clock.advance(3400)
    assert await trial.plaintiff.refused(path, {}) == "consultation.closed"


async def test_nobody_but_the_court_and_who_belongs_to_her_consults_with_a_witness_before_she_is_called(
    trial: Trial,
) -> None:
    await trial.agree()
    witness = await trial.invite("witness", "证人")
    id = await trial.person_of(witness)
    await trial.invite("interpreter", "译员", language="en", linked_to=id)
    await trial.prepare(trial.plaintiff, trial.defendant, witness)
    path = f"{trial.path}/consultations"
    assert await trial.plaintiff.refused(path, {"persons": [id]}) == "consultation.denied"
    assert await witness.refused(path, {"persons": [await trial.person_of(trial.plaintiff)]}) == "consultation.denied"
    with_court = await begin(trial, trial.judge, witness)
    assert len(with_court["members"]) == 3, "her interpreter comes with her"
    more = {"persons": [await trial.person_of(trial.plaintiff)]}
    assert await trial.judge.refused(f"{path}/{with_court['id']}/invitations", more) == "consultation.denied"
    await begin(trial, witness)
    await trial.judge.act(trial.id, "open")
    await trial.judge.post(f"{trial.path}/people/{id}/acts", {"act": "call"})
    await trial.judge.act(trial.id, "recess")
    await begin(trial, trial.plaintiff, witness)


async def test_an_invitation_of_who_is_interpreted_for_asks_the_interpreter_too(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff)
    spoken_for = await trial.person_of(trial.defendant)
    interpreter = await trial.invite("interpreter", "译员", language="en", linked_to=spoken_for)
    made = await begin(trial, trial.plaintiff, trial.defendant)
    assert await trial.person_of(interpreter) in [each["person_id"] for each in made["members"]]


async def test_who_is_linked_goes_in_once_both_have_accepted(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff, trial.defendant)
    client = await trial.person_of(trial.defendant)
    lawyer = await trial.invite("lawyer", "律师", linked_to=client)
    made = await begin(trial, trial.plaintiff, lawyer)
    assert client in [each["person_id"] for each in made["members"]], "a lawyer comes with his client"
    await trial.prepare(lawyer)
    room, path = made["id"], f"{trial.path}/consultations/{made['id']}/join"
    assert (await do(trial, lawyer, room, "accept"))["waits_for"] == [client]
    assert await lawyer.refused(path) == "consultation.linked"
    assert (await trial.plaintiff.post(path))["room"] == f"c-{room}", "who has begun waits for nobody"
    assert (await do(trial, trial.defendant, room, "accept"))["waits_for"] == []
    assert (await lawyer.post(path))["room"] == f"c-{room}"


async def test_a_consultation_ends_when_two_of_it_are_kept_apart(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff, trial.defendant)
    ids = [await trial.person_of(user) for user in (trial.plaintiff, trial.defendant)]
    made = await begin(trial, trial.plaintiff, trial.defendant)
    own = await begin(trial, trial.plaintiff)
    await trial.clerk.post(f"{trial.path}/screening", {"protected_id": ids[0], "from_id": ids[1]}, 204)
    assert [each["id"] for each in await trial.plaintiff.get(f"{trial.path}/consultations")] == [own["id"]]
    assert ("close", f"c-{made['id']}") in trial.stage.media.calls


async def test_consultations_end_when_the_court_sits(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff, trial.defendant)
    made = await begin(trial, trial.plaintiff, trial.defendant)
    await trial.judge.act(trial.id, "open")
    assert ("close", f"c-{made['id']}") in trial.stage.media.calls
    assert await trial.plaintiff.refused(f"{trial.path}/consultations/{made['id']}/join") == "consultation.over"


async def test_the_board_shows_the_day_and_an_alert_is_ticked_off_by_name(trial: Trial) -> None:
    officer = await trial.stage.staff("technician", "赵技术员")
    await trial.open()
    person = await trial.person_of(trial.plaintiff)
    await trial.plaintiff.post(f"{trial.path}/health", {"rtt_ms": 80, "loss": 0.02}, 204)
    await trial.plaintiff.post(f"{trial.path}/self-test", {"camera": 0, "microphone": 25, "speaker": 5, "network": 5})
    await trial.plaintiff.post(f"{trial.path}/health", {"blocked": True}, 204)
    await trial.stage.happen("joined", trial.room, person)
    await trial.stage.happen("left", trial.room, person, "disconnected")
    await trial.stage.happen("recorder_lost", trial.room, detail="nothing_written")
    (row,) = await officer.get("/board")
    kinds = [each["kind"] for each in row["alerts"]]
    assert kinds == ["self_test_failed", "media_blocked", "disconnected", "recording_lost"]
    assert [each["rtt_ms"] for each in row["health"][person]] == [80, 0]
    alert = row["alerts"][0]["id"]
    ticked = await officer.post(f"/board/alerts/{alert}/acknowledge")
    assert (ticked["acknowledged_by"], ticked["acknowledged_name"]) == (officer.id, "赵技术员")
    listener = trial.stage.court.hub.listen(trial.plaintiff.id, {trial.id: True})
    where = {each["name"]: each["where"] for each in (await officer.get("/board"))[0]["people"]}
    assert (listener is not None, where["张三"], where["李四"]) == (True, "ready", "away")
    assert await officer.refused(f"/board/alerts/{alert}/acknowledge") == "act.impossible"
    assert await trial.plaintiff.refused("/board", method="GET") == "not_found"


async def test_the_judge_is_told_at_once_of_a_lost_recorder_and_restarts_it(trial: Trial) -> None:
    """Scenario 9, at the server."""
    await trial.open()
    listener = trial.stage.court.hub.listen(trial.judge.id, {trial.id: True})
    assert listener is not None
    await trial.stage.happen("recording_ended", trial.room, detail="failed")
    told = set()
    while not listener.queue.empty():
        news = listener.queue.get_nowait()
        assert news is not None
        told.add((news.topic, news.what))
    assert ("alert", "recording_lost") in told
    trial.stage.media.broken = True
    assert await trial.judge.refused(f"{trial.path}/acts", {"act": "restart_recording"}) == "recording.missing"
    trial.stage.media.broken = False
    assert (await trial.judge.act(trial.id, "restart_recording"))["recording"]["state"] == "recording"
    faults = [each["fault"] for each in await trial.judge.get(f"{trial.path}/recordings")]
    assert faults == [True, False]


async def test_a_recorder_restarted_in_a_lawful_break_stays_off_the_record(trial: Trial) -> None:
    await trial.open()
    await trial.judge.act(trial.id, "phase", phase="evidence")
    await trial.judge.act(trial.id, "in_camera")
    trial.stage.media.ground = ""
    trial.stage.media.calls.clear()
    told = await trial.judge.act(trial.id, "restart_recording")
    assert (told["recording"]["state"], told["recording"]["ground"]) == ("paused", "closed_evidence")
    assert trial.stage.media.names() == ["stop", "record", "phase", "pause"]


@pytest.mark.parametrize("office", ["judge", "technician", "person"])
async def test_only_the_registry_opens_cases_and_schedules_hearings(stage: Stage, office: str) -> None:
    user = await (stage.person("张三") if office == "person" else stage.staff(office))
    party = {"side": "plaintiff", "name": "a", "phone": "13700000001", "identity_number": make_identity(1)}
    body = {"number": "(2026)京1号", "title": "t", "cause": "c", "judge_id": user.id, "parties": [party, party]}
    assert await user.refused("/cases", body) == "role.denied"
