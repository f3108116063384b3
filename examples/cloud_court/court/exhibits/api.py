"""Exhibits of a hearing: the numbered list, drafts, acts, the file, annotations and opinions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Me, TheCourt
from court.court import Court, Work
from court.errors import Refusal, not_found
from court.exhibits.files import hand_out, hash_files, place_of
from court.exhibits.models import Annotation, Exhibit, Opinion, Part
from court.exhibits.rules import find_move, visible_to
from court.exhibits.schemas import (
    AnnotationAsked,
    BatchFile,
    BatchOut,
    EarlierOut,
    ExhibitAct,
    ExhibitOut,
    NewExhibit,
    OpinionAsked,
    OpinionOut,
    PartOut,
)
from court.exhibits.uploads import check_size, find_draft
from court.hearings.entering import HOSTS, SIDES
from court.hearings.rules import BEFORE, OVER
from court.hearings.standing import Standing, find_standing

router = APIRouter(prefix="/api/hearings/{hearing_id}/exhibits", tags=["exhibits"])
checks = APIRouter(prefix="/api", tags=["exhibits"])

OWNERS = SIDES | {"lawyer", "legal_worker"}
MAX_ANNOTATION = 32_768
MAX_ANNOTATIONS = 2_000
NEWEST = (Exhibit.number.is_(None), Exhibit.number, Exhibit.edition.desc(), Exhibit.created, Exhibit.id)
"""The order of the list: by number, the newest edition first; drafts last."""


@checks.post("/uploads/check")
async def check_batch(court: TheCourt, me: Me, files: list[BatchFile]) -> list[BatchOut]:
    """Check a batch before a byte of it is sent."""
    told = []
    for file in files[:100]:
        code = detail = ""
        parts = 1
        try:
            check_size(court, file.name, file.size)
        except Refusal as refusal:
            code, detail, parts = refusal.code, str(refusal), refusal.facts.get("parts", 0)
        told.append(BatchOut(name=file.name, code=code, detail=detail, parts=parts))
    return told


async def find_exhibit(db: AsyncSession, standing: Standing, exhibit_id: str) -> Exhibit:
    """One that somebody may see; another is not found."""
    found: Exhibit | None = await db.scalar(select(Exhibit).where(Exhibit.id == exhibit_id, visible_to(standing)))
    if found is None:
        raise not_found()
    return found


async def list_parts(db: AsyncSession, exhibit_id: str) -> list[Part]:
    """Its files, in order."""
    return list(await db.scalars(select(Part).where(Part.exhibit_id == exhibit_id).order_by(Part.index)))


async def tell_exhibit(db: AsyncSession, exhibit: Exhibit) -> ExhibitOut:
    """An exhibit with its files, and the editions before it."""
    told = ExhibitOut.model_validate(_columns(exhibit))
    told.parts = [PartOut.model_validate(each) for each in await list_parts(db, exhibit.id)]
    if exhibit.edition > 1:
        here = (Exhibit.hearing_id == exhibit.hearing_id, Exhibit.number == exhibit.number)
        query = select(Exhibit).where(*here, Exhibit.edition < exhibit.edition).order_by(Exhibit.edition)
        told.earlier = [EarlierOut.model_validate(each) for each in await db.scalars(query)]
    return told


def _columns(exhibit: Exhibit) -> dict[str, Any]:
    return {name: getattr(exhibit, name) for name in ExhibitOut.model_fields if name not in ("parts", "earlier")}


@router.get("")
async def list_exhibits(court: TheCourt, me: Me, hearing_id: str) -> list[ExhibitOut]:
    """The numbered list, as one may see it; one's own drafts come last."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        query = select(Exhibit).where(visible_to(standing))
        found = await db.scalars(query.order_by(*NEWEST))
        return [await tell_exhibit(db, each) for each in list(found)]


@router.post("", status_code=201)
async def draft(court: TheCourt, me: Me, hearing_id: str, asked: NewExhibit) -> ExhibitOut:
    """Begin a draft, before or during the hearing; then upload its file, then submit it."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        standing.require_proceedings()
        standing.require_role(*OWNERS)
        person = standing.require_person()
        if standing.hearing.state in OVER:
            raise Refusal("hearing.closed")
        own = select(func.count()).where(Exhibit.hearing_id == hearing_id, Exhibit.person_id == person.id)
        if (await work.db.scalar(own) or 0) >= court.config.max_exhibits:
            raise Refusal("exhibit.too_many", limit=court.config.max_exhibits)
        if asked.replaces is not None:
            former = await find_exhibit(work.db, standing, asked.replaces)
            find_move("replace", former.state, standing.hearing.state, _roles(standing, former))
        exhibit = Exhibit(
            id=court.new_id(),
            hearing_id=hearing_id,
            person_id=person.id,
            number=None,
            title=asked.title,
            purpose=asked.purpose,
            state="draft",
            replaces=asked.replaces,
            edition=1,
            late=False,
            part_count=asked.part_count,
            joint_sha256="",
            created=work.now,
            submitted=None,
            withdrawn=None,
            version=1,
        )
        work.db.add(exhibit)
        await work.db.flush()
        facts = {"replaces": asked.replaces} if asked.replaces else {}
        work.audit("exhibit", "draft", me.id, hearing=hearing_id, exhibit=exhibit.id, **facts)
        return await tell_exhibit(work.db, exhibit)


@router.get("/{exhibit_id}")
async def get_exhibit(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str) -> ExhibitOut:
    """One exhibit."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        return await tell_exhibit(db, await find_exhibit(db, standing, exhibit_id))


@router.delete("/{exhibit_id}", status_code=204)
async def drop(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str) -> None:
    """Throw a draft away; what was submitted is withdrawn instead, with its trace."""
    async with court.work() as work:
        exhibit = await find_draft(work, me, exhibit_id)
        if exhibit.hearing_id != hearing_id:
            raise not_found()
        await work.db.execute(delete(Part).where(Part.exhibit_id == exhibit_id))
        await work.db.delete(exhibit)
        work.audit("exhibit", "drop", me.id, hearing=hearing_id, exhibit=exhibit_id)


@router.post("/{exhibit_id}/acts")
async def act(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str, asked: ExhibitAct) -> ExhibitOut:
    """Submit, withdraw, present, examine, admit, exclude: by the table of moves."""
    async with court.work() as work:
        standing = await find_standing(work.db, me, hearing_id)
        exhibit = await find_exhibit(work.db, standing, exhibit_id)
        await _perform(work, standing, exhibit, asked)
        return await tell_exhibit(work.db, exhibit)


def _roles(standing: Standing, exhibit: Exhibit) -> frozenset[str]:
    owns = standing.person is not None and standing.person.id == exhibit.person_id
    return frozenset({standing.role, *(("owner",) if owns else ())})


async def _perform(work: Work, standing: Standing, exhibit: Exhibit, asked: ExhibitAct) -> None:
    hearing, before = standing.hearing, exhibit.state
    move = find_move(asked.act, before, hearing.state, _roles(standing, exhibit))
    if asked.act == "submit":
        await _submit(work, standing, exhibit)
    exhibit.state = move.to
    exhibit.version += 1
    if move.to == "withdrawn":
        exhibit.withdrawn = work.now
    facts = {"exhibit": exhibit.id, "number": exhibit.number, "sha256": exhibit.joint_sha256}
    reason = {"reason": asked.reason} if asked.reason else {}
    work.audit("exhibit", asked.act, standing.account, hearing=hearing.id, before=before, **facts, **reason)
    work.tell("exhibits", exhibit.id, asked.act, hearing=hearing.id, proceedings=True, version=exhibit.version)
    media, account = work.court.media, standing.account

    async def mark() -> None:
        media.mark(hearing.room, f"exhibit:{asked.act}", account, facts)

    work.order(mark)


async def _submit(work: Work, standing: Standing, exhibit: Exhibit) -> None:
    """Give it its number, its joint hash, and the flag of what comes late."""
    parts = await list_parts(work.db, exhibit.id)
    if [each.index for each in parts] != list(range(exhibit.part_count)):
        raise Refusal("exhibit.empty")
    paths = [place_of(work.court.config.folder, each.sha256) for each in parts]
    exhibit.joint_sha256 = parts[0].sha256 if len(parts) == 1 else await asyncio.to_thread(hash_files, paths)
    if exhibit.replaces is None:
        highest = select(func.max(Exhibit.number)).where(Exhibit.hearing_id == exhibit.hearing_id)
        exhibit.number = (await work.db.scalar(highest) or 0) + 1
    else:
        former = await find_exhibit(work.db, standing, exhibit.replaces)
        await _perform(work, standing, former, ExhibitAct.model_construct(act="replace"))
        exhibit.number, exhibit.edition = former.number, former.edition + 1
    exhibit.submitted = work.now
    exhibit.late = standing.hearing.state not in BEFORE


@router.get("/{exhibit_id}/file")
async def get_file(
    court: TheCourt, me: Me, hearing_id: str, exhibit_id: str, part: int | None = None
) -> StreamingResponse:
    """All bytes of an exhibit as one file, or those of one part."""
    async with court.database.read() as db:
        standing = await find_standing(db, me, hearing_id)
        exhibit = await find_exhibit(db, standing, exhibit_id)
        parts = [each for each in await list_parts(db, exhibit_id) if part is None or each.index == part]
    if not parts:
        raise not_found()
    digest = exhibit.joint_sha256 if part is None else parts[0].sha256
    hashes = [each.sha256 for each in parts]
    return hand_out(court.config.folder, hashes, parts[0].name, parts[0].media_type, digest)


# annotations


def build_annotation(row: Annotation) -> dict[str, Any]:
    """A row as the W3C's Web Annotation Data Model has it."""
    return {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "id": f"urn:court:annotation:{row.id}",
        "type": "Annotation",
        "created": row.created.isoformat(),
        "modified": row.modified.isoformat(),
        "creator": {"id": f"urn:court:person:{row.person_id}", "type": "Person"},
        **row.body,
    }


async def _find_annotated(court: Court, db: AsyncSession, me: Me, hearing_id: str, exhibit_id: str) -> Standing:
    standing = await find_standing(db, me, hearing_id)
    await find_exhibit(db, standing, exhibit_id)
    return standing


@router.get("/{exhibit_id}/annotations")
async def list_annotations(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str) -> list[dict[str, Any]]:
    """All annotations of an exhibit, in the order they were made."""
    async with court.database.read() as db:
        await _find_annotated(court, db, me, hearing_id, exhibit_id)
        query = select(Annotation).where(Annotation.exhibit_id == exhibit_id, Annotation.deleted.is_(None))
        found = await db.scalars(query.order_by(Annotation.created, Annotation.id))
        return [build_annotation(each) for each in found]


@router.post("/{exhibit_id}/annotations", status_code=201)
async def annotate(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str, asked: AnnotationAsked) -> dict[str, Any]:
    """Annotate a page or a picture; the original's bytes and hash stay as they are."""
    body = asked.model_dump()
    if len(json.dumps(body)) > MAX_ANNOTATION:
        raise Refusal("request.invalid")
    async with court.work() as work:
        standing = await _find_annotated(court, work.db, me, hearing_id, exhibit_id)
        standing.require_role(*HOSTS, *OWNERS, "witness")
        count = select(func.count()).where(Annotation.exhibit_id == exhibit_id)
        if (await work.db.scalar(count) or 0) >= MAX_ANNOTATIONS:
            raise Refusal("exhibit.too_many", limit=MAX_ANNOTATIONS)
        row = Annotation(
            id=court.new_id(),
            exhibit_id=exhibit_id,
            person_id=standing.require_person().id,
            created=work.now,
            modified=work.now,
            deleted=None,
            body=body,
        )
        work.db.add(row)
        work.audit("exhibit", "annotate", me.id, hearing=hearing_id, exhibit=exhibit_id, annotation=row.id)
        work.tell("annotations", exhibit_id, "added", hearing=hearing_id, proceedings=True)
        return build_annotation(row)


@router.delete("/{exhibit_id}/annotations/{annotation_id}", status_code=204)
async def remove_annotation(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str, annotation_id: str) -> None:
    """Take back one's own annotation; the audit keeps that it was there."""
    async with court.work() as work:
        standing = await _find_annotated(court, work.db, me, hearing_id, exhibit_id)
        row = await work.db.get(Annotation, annotation_id.removeprefix("urn:court:annotation:"))
        if row is None or row.exhibit_id != exhibit_id or row.person_id != standing.require_person().id:
            raise not_found()
        row.deleted = work.now
        work.audit("exhibit", "unannotate", me.id, hearing=hearing_id, exhibit=exhibit_id, annotation=row.id)
        work.tell("annotations", exhibit_id, "removed", hearing=hearing_id, proceedings=True)


# opinions


@router.get("/{exhibit_id}/opinions")
async def list_opinions(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str) -> list[OpinionOut]:
    """What was said of an exhibit."""
    async with court.database.read() as db:
        await _find_annotated(court, db, me, hearing_id, exhibit_id)
        found = await db.scalars(select(Opinion).where(Opinion.exhibit_id == exhibit_id).order_by(Opinion.at))
        return [OpinionOut.model_validate(each) for each in found]


@router.put("/{exhibit_id}/opinions")
async def give_opinion(court: TheCourt, me: Me, hearing_id: str, exhibit_id: str, asked: OpinionAsked) -> OpinionOut:
    """Say what one thinks of its authenticity, legality and relevance."""
    async with court.work() as work:
        standing = await _find_annotated(court, work.db, me, hearing_id, exhibit_id)
        standing.require_role(*OWNERS)
        if standing.hearing.state in OVER:
            raise Refusal("hearing.closed")
        person = standing.require_person()
        row = await work.db.merge(
            Opinion(exhibit_id=exhibit_id, person_id=person.id, at=work.now, **asked.model_dump())
        )
        work.audit("exhibit", "opinion", me.id, hearing=hearing_id, exhibit=exhibit_id, **asked.model_dump())
        work.tell("opinions", exhibit_id, "given", hearing=hearing_id, proceedings=True)
        return OpinionOut.model_validate(row)
