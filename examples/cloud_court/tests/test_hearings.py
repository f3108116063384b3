"""Features 2 to 4, 6, 10 to 13, 16, 17; scenario 11; the waiting room, the countdown and who sees whom."""

from __future__ import annotations

import datetime
from itertools import product

import pytest

from court.errors import Refusal
from court.hearings.rules import MOVES, STATES, find_move
from court_stage import Trial, make_trial


async def test_no_code_is_issued_before_both_sides_agreed(trial: Trial) -> None:
    assert await trial.clerk.refused(f"{trial.path}/invitations") == "consent.missing"
    parties = (await trial.clerk.get(f"/cases/{trial.case['id']}"))["parties"]
    said = {"party_id": parties[0]["id"], "given": True, "person": "张三"}
    await trial.clerk.post(f"{trial.path}/consents", said, 201)
    assert await trial.clerk.refused(f"{trial.path}/invitations") == "consent.missing"
    await trial.clerk.post(f"{trial.path}/consents", said | {"party_id": parties[1]["id"]}, 201)
    states = {
        each["role"]: each["code_state"] for each in await trial.clerk.post(f"{trial.path}/invitations", None, 201)
    }
    assert (states["plaintiff"], states["defendant"], states["judge"]) == ("issued", "issued", "none")


async def test_a_party_says_itself_stage_by_stage_whether_it_agrees_until_the_opening(trial: Trial) -> None:
    party = (await trial.plaintiff.get(trial.path))["party_id"]
    other = (await trial.defendant.get(trial.path))["party_id"]
    path = f"{trial.path}/consents"
    for stage in ("hearing", "mediation"):
        said = {"party_id": party, "stage": stage, "given": True, "person": "某人", "channel": "phone"}
        made = await trial.plaintiff.post(path, said, 201)
        assert (made["channel"], made["person"]) == ("platform", "张三")
    assert await trial.plaintiff.refused(path, said | {"party_id": other}) == "not_found"
    assert await trial.defendant.get(path) == [], "that is the other side's"
    assert await trial.judge.refused(f"{path}/{made['id']}x/withdraw") == "not_found"
    await trial.agree()
    assert await trial.defendant.refused(f"{path}/{made['id']}/withdraw") == "not_found"
    await trial.plaintiff.post(f"{path}/{made['id']}/withdraw")
    states = {each["name"]: each["code_state"] for each in await trial.clerk.get(f"{trial.path}/people")}
    assert states["张三"] == "issued", "the mediation alone"
    await trial.prepare(trial.plaintiff, trial.defendant)
    await trial.judge.act(trial.id, "open")
    assert await trial.plaintiff.refused(path, said) == "act.impossible"


async def test_a_consent_that_is_withdrawn_revokes_the_code(trial: Trial) -> None:
    await trial.agree()
    consents = await trial.clerk.get(f"{trial.path}/consents")
    await trial.clerk.post(f"{trial.path}/consents/{consents[0]['id']}/withdraw")
    states = sorted(each["code_state"] for each in await trial.clerk.get(f"{trial.path}/people"))
    assert states == ["issued", "none", "none", "revoked"]


async def test_the_message_says_how_and_a_retry_sends_nothing_twice_and_a_new_date_supersedes(trial: Trial) -> None:
    await trial.agree()
    people = {each["role"]: each for each in await trial.clerk.get(f"{trial.path}/people")}
    phone = people["plaintiff"]["phone"]
    first = (await trial.stage.read_sms(phone))[0]
    code = await trial.read_personal_code(phone)
    assert (
        trial.hearing["number"] in first["text"]
        and f"http://court.test/#/join/{trial.hearing['number']}/{code}" in first["text"]
    )
    await trial.clerk.post(f"{trial.path}/invitations", None, 201)
    sent = [each for each in await trial.stage.read_sms(phone) if "会议号" in each["text"]]
    assert len(sent) == 1 and sent[0]["sent"] is not None
    later = (trial.stage.clock() + datetime.timedelta(days=2)).isoformat()
    trial.stage.clock.advance(1)
    await trial.clerk.act(trial.id, "reschedule", start=later)
    newest, older = [each for each in await trial.stage.read_sms(phone) if "会议号" in each["text"]]
    assert older["superseded"] is not None and newest["superseded"] is None and "以本条为准" in newest["text"]


async def test_who_comes_by_number_and_code_enters_his_hearing_once_his_identity_is_checked(trial: Trial) -> None:
    await trial.agree()
    added = {"role": "witness", "name": "钱五", "phone": "13700000001", "identity_number": trial.judge.identity_number}
    await trial.clerk.post(f"{trial.path}/people", added, 201)
    await trial.clerk.post(f"{trial.path}/invitations", None, 201)
    code = await trial.read_personal_code("13700000001")
    guest = trial.stage.user()
    assert (
        await guest.refused("/login/hearing", {"number": trial.hearing["number"], "code": "AAAA2222"}) == "code.wrong"
    )
    me = await guest.post("/login/hearing", {"number": trial.hearing["number"], "code": code})
    guest.take(me)
    assert me["hearing_id"] == trial.id
    assert await guest.refused(f"{trial.path}/join") == "identity.unchecked"
    wrong = {"name": "钱五", "identity_number": trial.clerk.identity_number}
    assert await guest.refused(f"{trial.path}/identity", wrong) == "identity.failed"
    await guest.post(f"{trial.path}/identity", wrong | {"identity_number": added["identity_number"]})
    assert await guest.refused(f"{trial.path}/join") == "hearing.declaration"
    await guest.post(f"{trial.path}/declaration")
    assert (await guest.post(f"{trial.path}/join"))["entry"] == "wait"


async def test_a_stolen_code_stays_out(trial: Trial) -> None:
    """Scenario 11."""
    await trial.agree()
    people = {each["role"]: each for each in await trial.clerk.get(f"{trial.path}/people")}
    stolen = {"number": trial.hearing["number"], "code": await trial.read_personal_code(people["plaintiff"]["phone"])}
    thief = await trial.stage.person("贼")
    assert await thief.refused("/claim", stolen) == "code.other_account"
    nobody = trial.stage.user()
    nobody.take(await nobody.post("/login/hearing", stolen))
    assert await nobody.refused(f"{trial.path}/join") == "identity.unchecked"
    for path in (f"{trial.path}/transcript", f"/cases/{trial.case['id']}", "/cases", "/filings"):
        assert await nobody.refused(path, method="GET") == "not_found"
    assert await nobody.get(f"{trial.path}/exhibits") == []
    assert len(await nobody.get(f"{trial.path}/people")) == 1
    await trial.plaintiff.post("/claim", stolen)
    assert await trial.stage.user().refused("/login/hearing", stolen) == "code.other_account"


async def test_another_users_hearing_is_not_found_by_any_call(trial: Trial) -> None:
    other = await make_trial(trial.stage)
    paths = ("", "/people", "/consents", "/attendance")
    for path, user in product(paths, (trial.plaintiff, trial.judge)):
        assert await user.refused(f"{other.path}{path}", method="GET") == "not_found"
    for path, body in (("/join", None), ("/declaration", None), ("/acts", {"act": "open"}), ("/invitations", None)):
        assert await trial.judge.refused(f"{other.path}{path}", body) == "not_found"
    assert await trial.plaintiff.refused(f"/cases/{other.case['id']}", method="GET") == "not_found"
    assert [each["id"] for each in (await trial.plaintiff.get("/hearings"))["items"]] == [trial.id]


async def test_codes_die_at_the_close_and_nobody_enters_any_more(trial: Trial) -> None:
    await trial.open()
    assert (await trial.plaintiff.post(f"{trial.path}/join"))["token"]
    assert (await trial.plaintiff.post(f"{trial.path}/join"))["token"], "again, after the browser was killed"
    await trial.judge.act(trial.id, "close")
    assert await trial.plaintiff.refused(f"{trial.path}/join") == "hearing.closed"
    people = await trial.clerk.get(f"{trial.path}/people")
    assert {each["code_state"] for each in people} == {"none", "expired"}
    assert ("close", trial.room) in trial.stage.media.calls


async def test_the_waiting_room_says_how_things_stand(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff)
    stage, said = trial.stage, []

    async def look() -> None:
        said.append((await trial.plaintiff.get(trial.path))["waiting"])

    await look()
    assert (await trial.plaintiff.post(f"{trial.path}/join"))["waiting"] == "early"
    assert (await trial.clerk.get(trial.path))["state"] == "waiting"
    stage.clock.advance(3100)
    await look()
    stage.clock.advance(600)
    await look()
    for act in ("open", "recess", "suspend", "close"):
        await trial.judge.act(trial.id, act)
        await look()
    assert said == ["early", "about_to_begin", "delayed", "open", "paused", "suspended", "closed"]


async def test_only_the_judge_opens_and_that_starts_the_recording(trial: Trial) -> None:
    assert await trial.clerk.refused(f"{trial.path}/acts", {"act": "open"}) == "role.denied"
    assert await trial.plaintiff.refused(f"{trial.path}/acts", {"act": "open"}) == "role.denied"
    trial.stage.media.broken = True
    assert await trial.judge.refused(f"{trial.path}/acts", {"act": "open"}) == "recording.missing"
    assert (await trial.judge.get(trial.path))["state"] == "scheduled", "no hearing without a record"
    trial.stage.media.broken = False
    opened = await trial.judge.act(trial.id, "open")
    assert (opened["state"], opened["recording"]["state"]) == ("open", "recording")
    assert ("record", trial.room, trial.judge.id) in trial.stage.media.calls


async def test_phases_are_stamped_into_the_record_and_breaks_are_the_lawful_ones(trial: Trial) -> None:
    await trial.open()
    for phase in ("statement", "evidence"):
        await trial.judge.act(trial.id, "phase", phase=phase)
    for act in ("recess", "in_camera", "mediation"):
        await trial.judge.act(trial.id, act)
        await trial.judge.act(trial.id, "resume")
    await trial.judge.act(trial.id, "suspend")
    calls = [call[:3] for call in trial.stage.media.calls if call[0] in ("phase", "pause")]
    assert calls == [
        ("phase", trial.room, "statement"),
        ("phase", trial.room, "evidence"),
        ("pause", trial.room, "recess"),
        ("pause", trial.room, "closed_evidence"),
        ("pause", trial.room, "mediation"),
    ]


async def test_pausing_during_the_countdown_cancels_it(trial: Trial) -> None:
    opened = await trial.judge.act(trial.id, "open")
    assert opened["countdown_until"] is not None
    assert (await trial.judge.act(trial.id, "recess"))["countdown_until"] is None
    assert (await trial.judge.act(trial.id, "resume"))["countdown_until"] is not None


async def test_a_witness_gets_nothing_before_being_called_and_the_gallery_leaves_in_camera(trial: Trial) -> None:
    """Scenario 10, as far as the server decides it."""
    await trial.agree()
    witness, visitor = await trial.invite("witness", "证人"), await trial.invite("gallery", "旁听")
    await trial.prepare(trial.plaintiff, witness, visitor)
    await trial.judge.act(trial.id, "open")
    assert (await witness.post(f"{trial.path}/join"))["token"] == ""
    assert len(await witness.get(f"{trial.path}/people")) == 1
    watching = await visitor.post(f"{trial.path}/join")
    assert trial.stage.media.seats[watching["identity"]].publishes == frozenset()
    called = await trial.person_of(witness)
    await trial.judge.post(f"{trial.path}/people/{called}/acts", {"act": "call"})
    assert (await witness.post(f"{trial.path}/join"))["token"]
    await trial.judge.act(trial.id, "in_camera")
    for identity in (called, watching["identity"]):
        assert ("remove", trial.room, identity) in trial.stage.media.calls
    assert await visitor.refused(f"{trial.path}/join") == "hearing.in_camera"
    assert (await witness.post(f"{trial.path}/join"))["entry"] == "wait"


async def test_role_and_name_on_a_tile_are_the_courts_word(trial: Trial) -> None:
    await trial.open()
    joined = await trial.plaintiff.post(f"{trial.path}/join")
    seat = trial.stage.media.seats[joined["identity"]]
    assert (seat.name, seat.attributes["role"], joined["room"]) == ("张三", "plaintiff", trial.room)


async def test_a_host_mutes_and_locks_admits_dismisses_and_warns(trial: Trial) -> None:
    await trial.agree()
    await trial.prepare(trial.plaintiff)
    person = await trial.person_of(trial.plaintiff)
    acts = f"{trial.path}/people/{person}/acts"
    assert (await trial.plaintiff.post(f"{trial.path}/join"))["entry"] == "wait"
    await trial.clerk.post(acts, {"act": "admit"})
    assert (await trial.plaintiff.post(f"{trial.path}/join"))["entry"] == "enter"
    await trial.clerk.post(acts, {"act": "mute"})
    changed = next(call for call in trial.stage.media.calls if call[0] == "change")
    assert "microphone" not in changed[3] and "camera" in changed[3]
    assert await trial.clerk.refused(acts, {"act": "warn"}) == "role.denied"
    for _ in range(2):
        await trial.judge.post(acts, {"act": "warn", "reason": "擅自离开"})
    await trial.stage.happen("left", trial.room, person, "disconnected")
    log = [(each["kind"], each["detail"].get("cause")) for each in await trial.judge.get(f"{trial.path}/attendance")]
    assert log == [("check", None), ("warning", None), ("warning", None), ("leave", "disconnected")]
    await trial.clerk.post(acts, {"act": "dismiss"})
    assert await trial.plaintiff.refused(f"{trial.path}/join") == "hearing.dismissed"


async def test_the_page_is_told_when_the_waiting_rooms_text_changes_by_itself(trial: Trial) -> None:
    for _ in range(2):  # about to begin, then the start
        told = await trial.plaintiff.get(trial.path)
        until = datetime.datetime.fromisoformat(told["waiting_until"])
        trial.stage.clock.advance((until - trial.stage.clock()).total_seconds() + 0.1)
        assert (await trial.plaintiff.get(trial.path))["waiting"] != told["waiting"]
    told = await trial.plaintiff.get(trial.path)
    assert (told["waiting"], told["waiting_until"]) == ("delayed", None)


async def test_screened_persons_are_not_on_each_others_lists(trial: Trial) -> None:
    ids = [await trial.person_of(user) for user in (trial.plaintiff, trial.defendant)]
    await trial.clerk.post(f"{trial.path}/screening", {"protected_id": ids[0], "from_id": ids[1]}, 204)
    for user, hidden in ((trial.plaintiff, ids[1]), (trial.defendant, ids[0])):
        assert hidden not in [each["id"] for each in await user.get(f"{trial.path}/people")]
    assert len(await trial.clerk.get(f"{trial.path}/people")) == 4
    await trial.open()
    await trial.plaintiff.post(f"{trial.path}/join")
    assert trial.stage.media.seats[ids[0]].apart == {ids[1]}
    assert ("apart", trial.room, *ids) in trial.stage.media.calls
    await trial.clerk.post(f"{trial.path}/people/{ids[1]}/acts", {"act": "spotlight"})
    shown = [(await user.get(trial.path))["spotlight"] for user in (trial.plaintiff, trial.defendant)]
    assert shown == [None, ids[1]]
    unsigned = [(await user.get(f"{trial.path}/transcript"))["unsigned"] for user in (trial.plaintiff, trial.clerk)]
    assert "李四" not in unsigned[0] and "李四" in unsigned[1]


@pytest.mark.parametrize(("act", "state"), list(product(MOVES, STATES)))
def test_a_move_that_the_table_does_not_have_is_refused(act: str, state: str) -> None:
    move = MOVES[act]
    for role in ("judge", "clerk", "plaintiff", "gallery", "technician", "system"):
        if state in move.origins and role in move.who:
            assert find_move(act, state, role) is move
        else:
            with pytest.raises(Refusal):
                find_move(act, state, role)


async def test_a_hearing_that_is_adjourned_to_another_day_gets_a_record_of_its_own_then(trial: Trial) -> None:
    await trial.open()
    await trial.judge.act(trial.id, "suspend")
    later = (trial.stage.clock() + datetime.timedelta(days=2)).isoformat()
    assert (await trial.judge.act(trial.id, "reschedule", start=later))["state"] == "scheduled"
    await trial.judge.act(trial.id, "open")
    assert trial.stage.media.names().count("record") == 2
    assert [bool(each["head"]) for each in await trial.judge.get(f"{trial.path}/recordings")] == [True, False]


@pytest.mark.parametrize("path", ["/hearings/a%00b", "/standins/sms?phone=%00"])
async def test_a_nul_in_an_address_is_not_found(trial: Trial, path: str) -> None:
    assert await trial.judge.refused(path, method="GET") == "not_found"


async def test_a_nul_in_a_body_is_refused(trial: Trial) -> None:
    body = {"text": "a\0b", "recipient_id": None}
    assert await trial.plaintiff.refused(f"/cases/{trial.case['id']}/messages", body) == "request.invalid"


async def test_a_page_that_was_open_before_follows_the_hearing_that_was_claimed_then(trial: Trial) -> None:
    await trial.agree()
    user = await trial.stage.person("证人")
    phone = f"138000{trial.stage.people:05d}"
    page = trial.stage.court.hub.listen(user.id, {})
    assert page is not None
    added = {"role": "interpreter", "name": "证人", "phone": phone, "identity_number": user.identity_number}
    await trial.clerk.post(f"{trial.path}/people", added, 201)
    await trial.clerk.post(f"{trial.path}/invitations", None, 201)
    code = await trial.read_personal_code(phone)
    await user.post("/claim", {"number": trial.hearing["number"], "code": code})
    await trial.judge.act(trial.id, "open")
    told = [page.queue.get_nowait() for _ in range(page.queue.qsize())]
    assert ("hearing", "open") in [(each.topic, each.what) for each in told if each is not None]
