"""Features 30 to 33 and scenario 7: typed live, frozen, objected to, corrected, signed, refused; then sealed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from court.audit.models import AuditEvent
from court_pen import Pen, explain, state_explanation
from court_stage import Trial, User
from uploading import PDF, upload


async def say(trial: Trial, words: str, speaker: User | None = None) -> Any:
    speaker_id = await trial.person_of(speaker or trial.plaintiff)
    return await trial.clerk.post(f"{trial.path}/transcript/segments", {"text": words, "speaker_id": speaker_id}, 201)


async def freeze(trial: Trial) -> Any:
    return await trial.judge.post(f"{trial.path}/transcript/freeze")


async def sign(trial: Trial, user: User, revision: Any, **more: Any) -> Any:
    body = Pen().sign(revision["statement"], revision["sha256"])
    return await user.post(f"{trial.path}/transcript/sign", body | more, 201)


async def test_everybody_is_told_what_the_clerk_types_but_no_witness_who_waits(trial: Trial) -> None:
    await trial.agree()
    witness = await trial.invite("witness", "证人")
    await trial.judge.act(trial.id, "open")
    hub = trial.stage.court.hub
    party, waiting = hub.listen(trial.defendant.id, {trial.id: True}), hub.listen(witness.id, {trial.id: False})
    assert party is not None and waiting is not None
    await say(trial, "请求判令被告支付货款。")
    assert party.queue.get_nowait().topic == "transcript"
    assert waiting.queue.empty()
    assert [each["text"] for each in (await trial.defendant.get(f"{trial.path}/transcript"))["segments"]]
    assert await witness.refused(f"{trial.path}/transcript", method="GET") == "not_found"
    typed = {"text": "x"}
    assert await trial.plaintiff.refused(f"{trial.path}/transcript/segments", typed) == "role.denied"


async def test_an_objection_carries_the_moment_and_a_correction_voids_what_was_signed(trial: Trial) -> None:
    """Scenario 7."""
    await trial.open()
    trial.stage.media.at = 125.5
    segment = await say(trial, "我收到了货款。", trial.defendant)
    await trial.judge.act(trial.id, "close")
    revision = await freeze(trial)
    assert (await trial.judge.get(trial.path))["state"] == "signing"
    await sign(trial, trial.plaintiff, revision)
    objected = {"segment_id": segment["id"], "text": "我说的是没有收到"}
    objection = await trial.defendant.post(f"{trial.path}/transcript/objections", objected, 201)
    assert objection["record_at"] == 125.5
    answer = {"answer": "accepted", "reply": "以录音录像为准"}
    await trial.judge.post(f"{trial.path}/transcript/objections/{objection['id']}", answer)
    edit = {"text": "我没有收到货款。", "version": segment["version"]}
    await trial.clerk.ask("PATCH", f"{trial.path}/transcript/segments/{segment['id']}", 200, json=edit)
    told = await trial.judge.get(f"{trial.path}/transcript")
    assert (told["state"], told["signatures"][0]["voided"] is not None, len(told["unsigned"])) == ("live", True, 2)
    old = Pen().sign(revision["statement"], revision["sha256"])
    assert await trial.plaintiff.refused(f"{trial.path}/transcript/sign", old) == "act.impossible"
    again = await freeze(trial)
    assert (again["number"], again["sha256"] != revision["sha256"]) == (2, True)
    await sign(trial, trial.plaintiff, again)
    await trial.defendant.post(f"{trial.path}/transcript/refuse", {"reason": "记录仍不完整"}, 201)
    told = await trial.judge.get(f"{trial.path}/transcript")
    valid = {(each["person_id"], each["refused"], each["reason"]) for each in told["signatures"] if not each["voided"]}
    assert valid == {
        (await trial.person_of(trial.plaintiff), False, ""),
        (await trial.person_of(trial.defendant), True, "记录仍不完整"),
    }
    assert told["unsigned"] == []


async def test_only_a_signature_of_this_revision_by_this_key_counts(trial: Trial) -> None:
    await trial.open()
    await say(trial, "陈述")
    revision = await freeze(trial)
    path, pen = f"{trial.path}/transcript/sign", Pen()
    good = pen.sign(revision["statement"], revision["sha256"])
    other = Pen().sign(revision["statement"], revision["sha256"])
    assert await trial.plaintiff.refused(path, good | {"public_key": other["public_key"]}) == "signature.wrong"
    assert await trial.plaintiff.refused(path, pen.sign("another text", revision["sha256"])) == "signature.wrong"
    assert await trial.plaintiff.refused(path, good | {"sha256": "0" * 64}) == "transcript.hash"
    assert await trial.plaintiff.refused(path, good | {"signature": "AAAA"}) == "signature.wrong"
    assert await trial.judge.refused(path, good) == "role.denied"
    await trial.plaintiff.post(path, good, 201)
    assert await trial.plaintiff.refused(path, good) == "signature.done"
    content = await trial.plaintiff.http.get(f"/api{trial.path}/transcript/revisions/1")
    assert hashlib.sha256(content.content).hexdigest() == revision["sha256"]


async def test_a_screened_persons_signature_is_on_no_list_of_the_other(trial: Trial) -> None:
    await trial.open()
    await say(trial, "陈述")
    revision = await freeze(trial)
    ids = [await trial.person_of(user) for user in (trial.plaintiff, trial.defendant)]
    await trial.clerk.post(f"{trial.path}/screening", {"protected_id": ids[0], "from_id": ids[1]}, 204)
    await sign(trial, trial.plaintiff, revision)
    signed = [
        [each["person_id"] for each in (await user.get(f"{trial.path}/transcript"))["signatures"]]
        for user in (trial.plaintiff, trial.defendant, trial.judge)
    ]
    assert signed == [[ids[0]], [], [ids[0]]]


async def test_a_phone_signs_by_a_log_in_that_was_handed_to_it_once(trial: Trial) -> None:
    """Scenario 12, at the server."""
    await trial.open()
    await say(trial, "陈述")
    revision = await freeze(trial)
    offered = await trial.plaintiff.post("/handoff", None, 201)
    phone = trial.stage.user()
    phone.take(await phone.post("/handoff/claim", {"token": offered["token"]}))
    await sign(trial, phone, revision)
    assert await trial.stage.user().refused("/handoff/claim", {"token": offered["token"]}) == "code.wrong"
    late = await trial.plaintiff.post("/handoff", None, 201)
    trial.stage.clock.advance(121)
    assert await trial.stage.user().refused("/handoff/claim", {"token": late["token"]}) == "code.wrong"


async def finish(trial: Trial) -> None:
    """Close, sign, refuse."""
    await say(trial, "请求判令被告支付货款。")
    await trial.judge.act(trial.id, "close")
    revision = await freeze(trial)
    await sign(trial, trial.plaintiff, revision)


def check_package(folder: Path) -> None:
    """As the page in it says."""
    assert (folder / "transcript/transcript.pdf").read_bytes()[:5] == b"%PDF-"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    manifest = ["-rawin", "-in", "manifest.json", "-sigfile", "manifest.json.sig"]
    openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public-key.pem", *manifest]
    subprocess.run(openssl, cwd=folder, check=True, capture_output=True)
    (statement,) = (folder / "transcript/signatures").glob("*.statement")
    stem = statement.with_suffix("")
    verify = ["openssl", "dgst", "-sha256", "-verify", f"{stem}.pem", "-signature", f"{stem}.sig", str(statement)]
    subprocess.run(verify, check=True, capture_output=True)
    assert (
        statement.read_text().splitlines()[-1]
        == hashlib.sha256((folder / "transcript/revision-1.json").read_bytes()).hexdigest()
    )


async def test_sealing_asks_for_signatures_and_explanations_and_makes_a_package_that_openssl_checks(
    trial: Trial, tmp_path: Path
) -> None:
    """Scenario 9 (the explanation) and the package of scenario 1; of a withdrawn exhibit no edition is in it."""
    for withdrawn in (False, True):
        former = None
        for data in (PDF, PDF + b"corrected\n"):
            asked = {"title": "合同", "replaces": former}
            former = (await trial.plaintiff.post(f"{trial.path}/exhibits", asked, 201))["id"]
            await upload(trial.plaintiff, former, data)
            await trial.plaintiff.post(f"{trial.path}/exhibits/{former}/acts", {"act": "submit"})
        if withdrawn:
            await trial.plaintiff.post(f"{trial.path}/exhibits/{former}/acts", {"act": "withdraw"})
    await trial.open()
    await trial.stage.happen("recorder_lost", trial.room, detail="write_failed")
    await finish(trial)
    acts = f"{trial.path}/acts"
    assert await trial.judge.refused(acts, {"act": "seal"}) == "recording.unexplained"
    (recording,) = await trial.judge.get(f"{trial.path}/recordings")
    words = "磁盘故障，已恢复"
    statement = state_explanation(trial.hearing["number"], recording["id"], words)
    digest = statement.splitlines()[-1]
    said = {"explanation": words} | explain(Pen(), statement)
    path = f"{trial.path}/recordings/{recording['id']}/explanation"
    assert await trial.judge.refused(path, said | {"explanation": "另一说法"}) == "signature.wrong"
    assert await trial.clerk.refused(f"{trial.path}/recordings/{recording['id']}/explanation", said) == "role.denied"
    await trial.judge.post(f"{trial.path}/recordings/{recording['id']}/explanation", said)
    assert await trial.judge.refused(acts, {"act": "seal"}) == "transcript.unsigned"
    absent = {"reason": "缺席", "person_id": await trial.person_of(trial.defendant)}
    await trial.clerk.post(f"{trial.path}/transcript/refuse", absent, 201)
    assert (await trial.judge.act(trial.id, "seal"))["state"] == "sealed"
    package = await trial.judge.http.get(f"/api{trial.path}/package")
    (tmp_path / "package.zip").write_bytes(package.content)
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        archive.extractall(tmp_path / "package")
    folder = tmp_path / "package"
    check_package(folder)
    exhibits = {str(each.relative_to(folder)) for each in (folder / "exhibits").rglob("*") if each.is_file()}
    assert exhibits == {"exhibits/1/0-合同.pdf", "exhibits/1/edition-1/0-合同.pdf"}
    stem = folder / "records/1-explanation"
    assert Path(f"{stem}.statement").read_text() == statement
    assert hashlib.sha256(Path(f"{stem}.txt").read_bytes()).hexdigest() == digest
    told = json.loads((folder / "manifest.json").read_text())
    assert told["faults"] == [{"recording": recording["id"], "explanation": said["explanation"]}]


async def test_parties_sign_the_recordings_integrity_value_in_place_of_a_transcript(trial: Trial) -> None:
    await trial.open()
    await trial.judge.act(trial.id, "close")
    told = (await trial.plaintiff.get(f"{trial.path}/transcript"))["integrity"]
    assert told["sha256"] == "ab" * 32
    body = Pen().sign(told["statement"], told["sha256"], "recording")
    await trial.plaintiff.post(f"{trial.path}/transcript/sign", body, 201)
    assert (await trial.judge.get(f"{trial.path}/transcript"))["unsigned"] == ["李四"]


async def spoil(db: AsyncSession, chain: str, how: str) -> None:
    """Change the fourth line, counted from 1; reordered: exchange it with the fifth."""

    def row(n: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return AuditEvent.chain == chain, AuditEvent.n == n

    if how == "removed":
        await db.execute(delete(AuditEvent).where(*row(3)))
        return
    lines = {n: await db.scalar(select(AuditEvent.line).where(*row(n))) for n in (2, 3, 4)}
    changes = {3: lines[4], 4: lines[3]} if how == "reordered" else {3: lines[2]}
    for n, line in changes.items():
        await db.execute(update(AuditEvent).where(*row(n)).values(line=line))


@pytest.mark.parametrize("how", ["edited", "removed", "reordered"])
async def test_the_verifier_names_each_line_of_the_audit_that_is_wrong(trial: Trial, how: str) -> None:
    """Scenario 8, for the audit; for the record it is `sfu verify`'s own."""
    await trial.open()
    verdicts = await trial.judge.get(f"{trial.path}/verify")
    assert [each["good"] for each in verdicts] == [True]
    async with trial.stage.court.database.write() as db:
        await spoil(db, trial.id, how)
    verdicts = await trial.judge.get(f"{trial.path}/verify")
    wrong = [4, 5] if how == "reordered" else [4]
    assert [(each["good"], each["line"]) for each in verdicts] == [(False, line) for line in wrong]
