"""Records of a hearing: how they fare, a fault's explanation, the verifier, the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from sqlalchemy import select

from court.accounts.login import Me, TheCourt
from court.errors import Refusal, not_found
from court.hearings.standing import find_standing
from court.records.models import Recording, Seal
from court.records.schemas import ExplanationAsked, RecordingOut, SealOut, VerdictOut
from court.records.verifying import verify_hearing

router = APIRouter(prefix="/api/hearings/{hearing_id}", tags=["records"])


@router.get("/recordings")
async def list_recordings(court: TheCourt, me: Me, hearing_id: str) -> list[RecordingOut]:
    """All runs of the recorder; defective ones are kept."""
    async with court.database.read() as db:
        (await find_standing(db, me, hearing_id)).require_proceedings()
        found = await db.scalars(
            select(Recording).where(Recording.hearing_id == hearing_id).order_by(Recording.started, Recording.id)
        )
        return [RecordingOut.model_validate(each) for each in found]


@router.post("/recordings/{recording_id}/explanation")
async def explain(court: TheCourt, me: Me, hearing_id: str, recording_id: str, asked: ExplanationAsked) -> RecordingOut:
    """The presiding judge explains a fault; without that nothing is sealed."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        standing.require_role("judge")
        recording = await work.db.get(Recording, recording_id)
        if recording is None or recording.hearing_id != hearing_id or not recording.fault:
            raise not_found()
        recording.explanation, recording.explained_by = asked.explanation, me.id
        work.audit("recording", "explain", me.id, hearing=hearing_id, recording=recording_id, text=asked.explanation)
        return RecordingOut.model_validate(recording)


@router.get("/verify")
async def verify(court: TheCourt, me: Me, hearing_id: str) -> list[VerdictOut]:
    """Check everything that the hearing left, now."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        standing.require_host()
        return await verify_hearing(court, db, standing.hearing)


@router.get("/seal")
async def get_seal(court: TheCourt, me: Me, hearing_id: str) -> SealOut:
    """What was sealed, by hash."""
    async with court.database.read() as db:
        (await find_standing(db, me, hearing_id)).require_proceedings()
        seal = await db.get(Seal, hearing_id)
        if seal is None:
            raise Refusal("package.open")
        return SealOut(at=seal.at, manifest=seal.manifest)


@router.get("/package")
async def get_package(court: TheCourt, me: Me, hearing_id: str) -> FileResponse:
    """The sealed hearing as one file: records, transcript as PDF/A, exhibits, audit, and how to check it all."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        standing.require_host()
        seal = await db.get(Seal, hearing_id)
    if seal is None:
        raise Refusal("package.open")
    path = Path(seal.folder)
    return FileResponse(path, media_type="application/zip", filename=path.name)
