"""Sealing: all is verified together, then packed into one file that anybody can check with openssl."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import sfu
from court.accounts.api import end_sessions_of
from court.audit.trail import read_chain
from court.cases.models import Case, Progress
from court.court import Court, Work
from court.errors import Refusal
from court.exhibits.files import place_of
from court.exhibits.models import Exhibit, Part
from court.hearings.models import Hearing
from court.hearings.standing import Standing
from court.records.models import Recording, Seal
from court.records.pages import CHECKING
from court.records.verifying import build_explanation, verify_hearing
from court.transcripts.models import Revision, Signature
from court.transcripts.printing import print_transcript
from court.transcripts.signing import list_unsigned

Contents = dict[str, bytes | Path]


async def seal_hearing(work: Work, standing: Standing) -> None:
    """Seal, or refuse: every fault is explained, everybody has signed or refused, all of it verifies."""
    hearing, db, court = standing.hearing, work.db, work.court
    recordings = list(await db.scalars(select(Recording).where(Recording.hearing_id == hearing.id)))
    if any(each.id in court.recovering for each in recordings):
        raise Refusal("recording.recovering")
    if any(each.fault and not each.explanation for each in recordings):
        raise Refusal("recording.unexplained")
    missing = await list_unsigned(db, hearing.id)
    if missing:
        raise Refusal("transcript.unsigned", missing="、".join(missing))
    verdicts = await verify_hearing(court, db, hearing)
    bad = [each.part for each in verdicts if not each.good]
    if bad:
        work.audit("record", "defective", standing.account, hearing=hearing.id, parts=bad)
    contents = await _gather(court, db, hearing, recordings)
    manifest = {
        "format": "court-package",
        "version": 1,
        "hearing": hearing.number,
        "sealed": work.now.isoformat(),
        "verdicts": [each.model_dump() for each in verdicts],
        "defective": bad,
        "faults": [{"recording": each.id, "explanation": each.explanation} for each in recordings if each.fault],
        "files": {},
    }
    path = court.config.folder / "packages" / f"{hearing.number}.zip"
    files = await asyncio.to_thread(_pack, path, contents, manifest, court.config.folder / "record-key.pem")
    db.add(
        Seal(
            hearing_id=hearing.id,
            at=work.now,
            by=standing.account,
            manifest={**manifest, "files": files},
            folder=str(path),
        )
    )
    db.add(Progress(id=court.new_id(), case_id=hearing.case_id, at=work.now, kind="sealed", text="庭审归档"))
    await end_sessions_of(work, hearing.id)


async def _gather(court: Court, db: AsyncSession, hearing: Hearing, recordings: list[Recording]) -> Contents:
    """What the package holds, by its path there."""
    contents: Contents = {"CHECKING.md": CHECKING.encode(), "audit.jsonl": await read_chain(db, hearing.id)}
    for number, recording in enumerate(recordings, 1):
        for copy, folder in enumerate(recording.folders):
            for file in await asyncio.to_thread(_list_files, Path(folder)):
                contents[f"records/{number}-{copy}/{file.relative_to(folder)}"] = file
        if signed := recording.explanation_signature:
            stem = f"records/{number}-explanation"
            statement, contents[f"{stem}.txt"] = build_explanation(hearing.number, recording.id, recording.explanation)
            _add_signature(contents, stem, statement, signed["public_key"], signed["signature"])
    signatures = list(await db.scalars(select(Signature).where(Signature.hearing_id == hearing.id)))
    case = await db.get_one(Case, hearing.case_id)
    for revision in await db.scalars(select(Revision).where(Revision.hearing_id == hearing.id)):
        contents[f"transcript/revision-{revision.number}.json"] = revision.content
        if revision.voided is None:
            own = [each for each in signatures if each.voided is None]
            contents["transcript/transcript.pdf"] = await asyncio.to_thread(
                print_transcript, court.config.name, case.number, hearing, revision, own
            )
    for row in signatures:
        if not row.refused:
            _add_signature(contents, f"transcript/signatures/{row.id}", row.statement, row.public_key, row.signature)
    here = (Exhibit.hearing_id == hearing.id, Exhibit.number.is_not(None))
    gone = select(Exhibit.number).where(*here, Exhibit.state == "withdrawn")
    query = select(Part, Exhibit).join(Exhibit, Exhibit.id == Part.exhibit_id)
    for part, exhibit in (await db.execute(query.where(*here, Exhibit.number.not_in(gone)))).all():
        earlier = f"edition-{exhibit.edition}/" if exhibit.state == "replaced" else ""
        place = f"exhibits/{exhibit.number}/{earlier}{part.index}-{part.name}"
        contents[place] = place_of(court.config.folder, part.sha256)
    return contents


def _add_signature(contents: Contents, stem: str, statement: str, public_key: str, signature: str) -> None:
    contents[f"{stem}.statement"] = statement.encode()
    contents[f"{stem}.pem"] = public_key.encode()
    contents[f"{stem}.sig"] = base64.b64decode(signature)


def _list_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _pack(path: Path, contents: Contents, manifest: dict[str, Any], key_path: Path) -> dict[str, str]:
    """Write the package; its manifest names each file by hash and is signed with the court's key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key, _ = sfu.load_or_create_signing_key(key_path)
    files: dict[str, str] = {}
    temporary = path.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as package:
        for name, content in sorted(contents.items()):
            if isinstance(content, Path):
                with content.open("rb") as file:
                    files[name] = hashlib.file_digest(file, "sha256").hexdigest()
                package.write(content, name)
            else:
                files[name] = hashlib.sha256(content).hexdigest()
                package.writestr(name, content)
        told = json.dumps({**manifest, "files": files}, ensure_ascii=False, indent=1).encode()
        package.writestr("SHA256SUMS", "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items())))
        package.writestr("manifest.json", told)
        package.writestr("manifest.json.sig", key.sign(told))
        package.writestr("public-key.pem", key.public.pem)
    temporary.replace(path)
    return files
