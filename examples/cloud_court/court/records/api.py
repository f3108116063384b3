"""Records of a hearing: how they fare, a fault's explanation, the verifier, the package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import sfu
from court.accounts.login import Me, TheCourt
from court.errors import Refusal, not_found
from court.hearings.standing import Standing, find_standing
from court.records.models import Recording, Seal
from court.records.playing import HEAR
from court.records.schemas import (
    ExplanationAsked,
    PauseOut,
    PlaybackOut,
    RecordingOut,
    SealOut,
    SourceOut,
    SpanOut,
    VerdictOut,
)
from court.records.verifying import build_explanation, verify_hearing
from court.transcripts.signing import verify as verify_signature
from sfu.recording import Record

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
    """The presiding judge explains a fault and signs that; without it nothing is sealed."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        standing.require_role("judge")
        recording = await _find_recording(work.db, standing, recording_id)
        if not recording.fault:
            raise not_found()
        statement, _ = build_explanation(standing.hearing.number, recording_id, asked.explanation)
        pem, der = verify_signature(statement, asked.public_key, asked.signature)
        serial = await court.adapters.certificates.certify(me.id, me.account.name, pem)
        recording.explanation, recording.explained_by = asked.explanation, me.id
        recording.explanation_signature = {"public_key": pem, "signature": der, "certificate": serial}
        work.audit("recording", "explain", me.id, hearing=hearing_id, recording=recording_id, text=asked.explanation)
        return RecordingOut.model_validate(recording)


async def _find_recording(db: AsyncSession, standing: Standing, id: str) -> Recording:
    recording = await db.get(Recording, id)
    if recording is None or recording.hearing_id != standing.hearing.id:
        raise not_found()
    return recording


@router.post("/recordings/{recording_id}/playback")
async def open_playback(court: TheCourt, me: Me, hearing_id: str, recording_id: str) -> PlaybackOut:
    """Hear and see the hearing again, as far as it was recorded by now; that somebody does is written down."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        standing.require_proceedings()
        standing.require_role(*HEAR)
        recording = await _find_recording(work.db, standing, recording_id)
        try:
            opened = await court.players.open(recording, court.new_id(), work.now)
        except sfu.RecordError as error:
            raise Refusal("recording.unreadable", reason=str(error)) from error
        work.audit("recording", "play", me.id, hearing=hearing_id, recording=recording_id)
    return _tell_playback(opened.key, opened.record)


def _tell_playback(key: str, record: Record) -> PlaybackOut:
    return PlaybackOut(
        key=key,
        closed=record.closed,
        duration=record.duration_us / 1e6,
        sources=[
            SourceOut(
                number=each.number,
                kind=each.kind,
                label=each.label,
                person_id=each.peer,
                spans=[SpanOut(begin=span.begin_us / 1e6, end=span.end_us / 1e6) for span in each.spans],
            )
            for each in record.sources
        ],
        pauses=[
            PauseOut(begin=each.begin_us / 1e6, end=each.end_us / 1e6, ground=each.ground) for each in record.pauses
        ],
    )


@router.get("/recordings/{recording_id}/playback/{key}/{number}")
async def get_media(
    court: TheCourt, me: Me, request: Request, hearing_id: str, recording_id: str, key: str, number: int
) -> Response:
    """Picture or sound of one source, by ranges; its time is the record's."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        standing.require_proceedings()
        standing.require_role(*HEAR)
        await _find_recording(db, standing, recording_id)
    answer = await court.players.find(recording_id, key).answer(request, number)
    answer.headers["Cache-Control"] = "no-store"
    return answer


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
