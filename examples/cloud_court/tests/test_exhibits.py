"""Features 19 to 28; scenarios 2 and 3: drafts, submission, withdrawal, uploads that resume, parts, annotations."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import product
from typing import Any

import pytest

from court.errors import Refusal
from court.exhibits.rules import MOVES, STATES, find_move
from court.hearings.rules import STATES as HEARING_STATES
from court_stage import Stage, Trial, User
from uploading import PDF, announce, send, upload

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"


async def draft(trial: Trial, user: User, data: bytes = PDF) -> str:
    made = await user.post(f"{trial.path}/exhibits", {"title": "合同", "purpose": "证明合同成立"}, 201)
    await upload(user, made["id"], data)
    return str(made["id"])


async def act(trial: Trial, user: User, exhibit: str, act: str, **more: Any) -> Any:
    return await user.post(f"{trial.path}/exhibits/{exhibit}/acts", {"act": act}, **more)


async def see(trial: Trial, user: User) -> list[str]:
    return [each["id"] for each in await user.get(f"{trial.path}/exhibits")]


async def test_a_draft_is_its_owners_until_submitted_and_withdrawn_only_before_the_opening(trial: Trial) -> None:
    """Scenario 3."""
    first, second = await draft(trial, trial.plaintiff), await draft(trial, trial.plaintiff)
    for user in (trial.defendant, trial.judge, trial.clerk):
        assert await see(trial, user) == []
        assert await user.refused(f"{trial.path}/exhibits/{first}/file", method="GET") == "not_found"
    assert (await act(trial, trial.plaintiff, first, "submit"))["number"] == 1
    assert (await act(trial, trial.plaintiff, second, "submit"))["number"] == 2
    assert await see(trial, trial.defendant) == [first, second]
    await act(trial, trial.plaintiff, first, "withdraw")
    assert await see(trial, trial.defendant) == [second]
    assert await trial.defendant.refused(f"{trial.path}/exhibits/{first}/file", method="GET") == "not_found"
    assert {each["id"]: each["state"] for each in await trial.judge.get(f"{trial.path}/exhibits")}[first] == "withdrawn"
    await trial.open()
    path = f"{trial.path}/exhibits/{second}/acts"
    assert await trial.plaintiff.refused(path, {"act": "withdraw"}) == "act.impossible"
    assert await trial.plaintiff.refused(path, {"act": "order_withdrawal"}) == "role.denied"
    await trial.judge.post(path, {"act": "order_withdrawal", "reason": "当事人申请"})
    assert await see(trial, trial.defendant) == []


async def test_a_new_edition_takes_the_number_and_the_place_of_the_former_whose_trace_and_file_stay(
    trial: Trial,
) -> None:
    first = await draft(trial, trial.plaintiff)
    path, asked = f"{trial.path}/exhibits", {"title": "合同", "replaces": first}
    assert await trial.plaintiff.refused(path, asked) == "act.impossible", "a draft is corrected, not replaced"
    before = await act(trial, trial.plaintiff, first, "submit")
    assert await trial.defendant.refused(path, asked) == "role.denied", "it is not his"
    second, rival = [(await trial.plaintiff.post(path, asked, 201))["id"] for _ in range(2)]
    newer = PDF + b"corrected\n"
    for each in (second, rival):
        await upload(trial.plaintiff, each, newer)
    assert await see(trial, trial.defendant) == [first], "a draft replaces nothing yet"
    after = await act(trial, trial.plaintiff, second, "submit")
    assert (after["number"], after["edition"], after["replaces"]) == (before["number"], 2, first)
    assert await trial.plaintiff.refused(f"{path}/{rival}/acts", {"act": "submit"}) == "act.impossible"
    earlier = {"edition": 1, "joint_sha256": before["joint_sha256"], "submitted": before["submitted"]}
    (seen,) = await trial.defendant.get(path)
    assert (seen["id"], seen["joint_sha256"], seen["earlier"]) == (second, hashlib.sha256(newer).hexdigest(), [earlier])
    assert await trial.defendant.refused(f"{path}/{first}/file", method="GET") == "not_found"
    states = {each["id"]: each["state"] for each in await trial.judge.get(path)}
    assert states == {second: "submitted", first: "replaced"}
    assert (await trial.judge.http.get(f"/api{path}/{first}/file")).content == PDF
    await trial.open()
    asked["replaces"] = second
    assert await trial.plaintiff.refused(path, asked) == "act.impossible", "only before the opening"
    verdicts = {each["part"]: each["good"] for each in await trial.judge.get(f"{trial.path}/verify")}
    assert verdicts["exhibit:1:0"] and verdicts["exhibit:1:0:1"]


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_two_editions_that_are_submitted_at_the_same_moment_one_takes_the_place(
    trial: Trial, processes: int
) -> None:
    """Two processes have one database while one takes over from another."""
    first = await draft(trial, trial.plaintiff)
    before = await act(trial, trial.plaintiff, first, "submit")
    path, asked = f"{trial.path}/exhibits", {"title": "合同", "replaces": first}
    rivals = [(await trial.plaintiff.post(path, asked, 201))["id"] for _ in range(2)]
    for each in rivals:
        await upload(trial.plaintiff, each, PDF)
    async with trial.stage.beside() as beside:
        users = trial.plaintiff, trial.plaintiff.elsewhere(beside)
        submits = zip(users if processes == 2 else users[:1] * 2, rivals, strict=True)
        answers = await asyncio.gather(
            *(user.http.post(f"/api{path}/{each}/acts", json={"act": "submit"}) for user, each in submits)
        )
    assert sorted(each.status_code for each in answers) == [200, 409], [each.text for each in answers]
    (lost,) = (each.json() for each in answers if each.status_code == 409)
    assert lost["code"] == "act.impossible"
    (seen,) = await trial.defendant.get(path)
    assert (seen["number"], seen["edition"]) == (before["number"], 2)
    assert [each["edition"] for each in seen["earlier"]] == [1]
    assert all(each["good"] for each in await trial.judge.get(f"{trial.path}/verify"))


async def test_a_file_one_byte_over_the_limit_is_refused_before_it_is_sent(trial: Trial) -> None:
    """Scenario 2, at the server."""
    limit = trial.stage.court.config.max_file_bytes
    made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "录像"}, 201)
    said = {"filename": "录像.mp4", "purpose": "exhibit", "target": made["id"]}
    refused = await announce(trial.plaintiff, limit + 1, 413, **said)
    assert (refused["code"], refused["size"], refused["limit"], refused["parts"]) == (
        "exhibit.too_large",
        limit + 1,
        limit,
        2,
    )
    await announce(trial.plaintiff, limit, **said)
    checked = await trial.plaintiff.post(
        "/uploads/check",
        [{"name": "a.pdf", "size": 5}, {"name": "b.mp4", "size": limit + 1}, {"name": "c.exe", "size": 1}],
    )
    assert [each["code"] for each in checked] == ["", "exhibit.too_large", "exhibit.type"]


async def test_parts_are_one_exhibit_with_one_joint_hash_that_the_other_side_downloads(trial: Trial) -> None:
    made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "长合同", "part_count": 3}, 201)
    parts = [PDF[:1000], PDF[1000:1500], PDF[1500:]]
    for index in (2, 0, 1):
        await upload(trial.plaintiff, made["id"], parts[index], index=str(index))
    told = await act(trial, trial.plaintiff, made["id"], "submit")
    assert (len(told["parts"]), told["joint_sha256"]) == (3, hashlib.sha256(PDF).hexdigest())
    answer = await trial.defendant.http.get(f"/api{trial.path}/exhibits/{made['id']}/file")
    assert answer.content == PDF and answer.headers["x-sha256"] == hashlib.sha256(answer.content).hexdigest()


async def test_an_exhibit_without_all_its_parts_is_not_submitted(trial: Trial) -> None:
    """Neither without its first part nor without its last one, whose bytes the joint hash would lack."""
    for index in ("1", "0"):
        made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "长合同", "part_count": 2}, 201)
        path = f"{trial.path}/exhibits/{made['id']}/acts"
        assert await trial.plaintiff.refused(path, {"act": "submit"}) == "exhibit.empty"
        await upload(trial.plaintiff, made["id"], PDF, index=index)
        assert await trial.plaintiff.refused(path, {"act": "submit"}) == "exhibit.empty"


async def test_an_upload_goes_on_where_it_broke_off(trial: Trial) -> None:
    made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "合同"}, 201)
    user, digest = trial.plaintiff, hashlib.sha256(PDF).hexdigest()
    place = await announce(user, len(PDF), filename="a.pdf", purpose="exhibit", target=made["id"], sha256=digest)
    assert (await send(user, place, PDF[:700])).headers["Upload-Offset"] == "700"
    assert (await user.http.head(place)).headers["Upload-Offset"] == "700"
    wrong = await send(user, place, PDF[900:], 900)
    assert (wrong.status_code, wrong.json()["offset"]) == (409, 700)
    assert (await send(user, place, PDF[700:] + b"x", 700)).status_code == 400
    offset = int((await user.http.head(place)).headers["Upload-Offset"])
    assert (await send(user, place, PDF[offset:], offset)).status_code == 204
    assert (await user.get(f"{trial.path}/exhibits/{made['id']}"))["parts"][0]["sha256"] == digest


async def test_anothers_upload_is_not_found(trial: Trial) -> None:
    made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "合同"}, 201)
    said = {"filename": "a.pdf", "purpose": "exhibit", "target": made["id"]}
    place = await announce(trial.plaintiff, 10, **said)
    assert (await trial.defendant.http.head(place)).status_code == 404
    assert (await send(trial.defendant, place, b"%PDF-1.7")).status_code == 404
    assert (await announce(trial.defendant, 10, 404, **said))["code"] == "not_found"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.pdf", PNG, "exhibit.content"),
        ("a.png", b"MZ" + bytes(100), "exhibit.content"),
        ("a.txt", b"text\0binary", "exhibit.content"),
        ("a.png", PNG, ""),
        ("a.txt", "证据说明".encode("gb18030"), ""),
    ],
    ids=["a picture as PDF", "a program as PNG", "bytes as text", "a picture", "Chinese text"],
)
async def test_a_file_is_judged_by_content_not_by_name(trial: Trial, name: str, data: bytes, code: str) -> None:
    made = await trial.plaintiff.post(f"{trial.path}/exhibits", {"title": "合同"}, 201)
    place = await announce(trial.plaintiff, len(data), filename=name, purpose="exhibit", target=made["id"])
    answer = await send(trial.plaintiff, place, data)
    assert (answer.json()["code"] if answer.content else "") == code
    assert len((await trial.plaintiff.get(f"{trial.path}/exhibits/{made['id']}"))["parts"]) == (0 if code else 1)


async def test_what_comes_during_the_hearing_is_flagged_late_and_goes_through_examination(trial: Trial) -> None:
    await trial.open()
    exhibit = await draft(trial, trial.defendant)
    assert (await act(trial, trial.defendant, exhibit, "submit"))["late"] is True
    assert await trial.plaintiff.refused(f"{trial.path}/exhibits/{exhibit}/acts", {"act": "present"}) == "role.denied"
    await act(trial, trial.defendant, exhibit, "present")
    await trial.plaintiff.ask(
        "PUT", f"{trial.path}/exhibits/{exhibit}/opinions", 200, json={"authenticity": "disputed", "text": "不认可"}
    )
    for step in ("examine", "admit"):
        assert (await act(trial, trial.judge, exhibit, step))["late"] is True
    assert (await trial.judge.get(f"{trial.path}/exhibits/{exhibit}/opinions"))[0]["authenticity"] == "disputed"
    marks = [call[2] for call in trial.stage.media.calls if call[0] == "mark"]
    assert marks[-4:] == [f"exhibit:{each}" for each in ("submit", "present", "examine", "admit")]


async def test_annotations_lie_over_the_original_whose_hash_never_changes(trial: Trial) -> None:
    exhibit = await draft(trial, trial.plaintiff)
    before = await act(trial, trial.plaintiff, exhibit, "submit")
    path = f"{trial.path}/exhibits/{exhibit}/annotations"
    selector = {"type": "FragmentSelector", "value": "page=1&xywh=percent:10,10,20,5"}
    body = {"body": [{"type": "TextualBody", "value": "此处"}], "target": {"source": exhibit, "selector": selector}}
    made = await trial.defendant.post(path, body, 201)
    assert (made["type"], made["creator"]["id"]) == (
        "Annotation",
        f"urn:court:person:{await trial.person_of(trial.defendant)}",
    )
    assert [each["id"] for each in await trial.plaintiff.get(path)] == [made["id"]]
    refused = await trial.plaintiff.http.delete(f"/api{path}/{made['id']}")
    assert refused.status_code == 404, "it is not his"
    await trial.defendant.ask("DELETE", f"{path}/{made['id']}", 204)
    assert await trial.plaintiff.get(path) == []
    after = await trial.plaintiff.get(f"{trial.path}/exhibits/{exhibit}")
    assert after["joint_sha256"] == before["joint_sha256"] == hashlib.sha256(PDF).hexdigest()


async def test_a_witness_and_the_gallery_see_no_exhibit_before_it_is_theirs_to_see(trial: Trial) -> None:
    await trial.agree()
    witness, visitor = await trial.invite("witness", "证人"), await trial.invite("gallery", "旁听")
    exhibit = await draft(trial, trial.plaintiff)
    await act(trial, trial.plaintiff, exhibit, "submit")
    await trial.judge.act(trial.id, "open")
    assert await see(trial, witness) == await see(trial, visitor) == []
    await act(trial, trial.judge, exhibit, "present")
    assert (await see(trial, witness), await see(trial, visitor)) == ([], [exhibit])
    person = await trial.person_of(witness)
    await trial.judge.post(f"{trial.path}/people/{person}/acts", {"act": "call"})
    assert await see(trial, witness) == [exhibit]


async def test_materials_get_a_receipt_that_carries_the_hash(trial: Trial) -> None:
    """Feature 39."""
    case = trial.case["id"]
    place = await announce(trial.plaintiff, len(PDF), filename="申请书.pdf", purpose="material", target=case)
    assert (await send(trial.plaintiff, place, PDF)).status_code == 204
    (receipt,) = (await trial.plaintiff.get(f"/cases/{case}"))["materials"]
    assert receipt["sha256"] == hashlib.sha256(PDF).hexdigest() and receipt["receipt"]
    assert (await trial.defendant.get(f"/cases/{case}"))["materials"] == []
    assert len((await trial.judge.get(f"/cases/{case}"))["materials"]) == 1


@pytest.mark.parametrize(("act", "state"), list(product(MOVES, STATES)))
def test_a_move_of_an_exhibit_that_the_table_does_not_have_is_refused(act: str, state: str) -> None:
    move = MOVES[act]
    for hearing, role in product(HEARING_STATES, ("owner", "judge", "clerk", "defendant")):
        during = {
            "before": hearing in ("scheduled", "waiting"),
            "open": hearing in ("open", "in_camera"),
            "any": hearing not in ("closed", "signing", "sealed"),
        }
        if state in move.origins and role in move.who and during[move.during]:
            assert find_move(act, state, hearing, frozenset({role})) is move
        else:
            with pytest.raises(Refusal):
                find_move(act, state, hearing, frozenset({role}))


async def test_types_are_one_list_that_is_published(stage: Stage) -> None:
    told = await stage.user().get("/court")
    assert (told["allowed_types"], told["max_file_bytes"]) == (stage.court.config.allowed_types, 100 * 1024 * 1024)
