"""The transcript: pushed as the clerk types, objected to, frozen, signed or refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Me, TheCourt
from court.court import Work
from court.errors import Refusal, not_found
from court.hearings.acts import perform
from court.hearings.models import Person
from court.hearings.people import list_screened
from court.hearings.rules import OVER
from court.hearings.schemas import ActAsked
from court.hearings.standing import Standing, find_standing
from court.records.models import Recording
from court.transcripts.models import Objection, Revision, Segment, Signature
from court.transcripts.rules import check_move
from court.transcripts.schemas import (
    IntegrityOut,
    ObjectionAnswered,
    ObjectionAsked,
    ObjectionOut,
    RefuseAsked,
    RevisionOut,
    SegmentAsked,
    SegmentEdited,
    SegmentOut,
    SignAsked,
    SignatureOut,
    TranscriptOut,
)
from court.transcripts.signing import (
    build_statement,
    find_revision,
    list_segments,
    list_unsigned,
    request_signatures,
    tell_state,
    verify,
    void,
)

router = APIRouter(prefix="/api/hearings/{hearing_id}/transcript", tags=["transcript"])

GAP = 1024
"""Between two positions, so that a segment fits in between."""
MAX_SEGMENTS = 20_000


async def _find(db: AsyncSession, me: Me, hearing_id: str) -> tuple[Standing, Revision | None]:
    standing = await find_standing(db, me, hearing_id)
    standing.require_proceedings()
    return standing, await find_revision(db, hearing_id)


async def _find_integrity(db: AsyncSession, standing: Standing) -> str:
    """The head of the newest recording that was closed without a fault, once the hearing is over."""
    if standing.hearing.state not in OVER:
        return ""
    query = select(Recording.head).where(Recording.hearing_id == standing.hearing.id, Recording.head != "")
    return await db.scalar(query.order_by(Recording.started.desc()).limit(1)) or ""


@router.get("")
async def get_transcript(court: TheCourt, me: Me, hearing_id: str) -> TranscriptOut:
    """All of it; the refresh button asks for the same."""
    async with court.database.read() as db:
        standing, revision = await _find(db, me, hearing_id)
        if standing.role == "gallery":
            raise not_found()
        own = standing.person
        hidden = frozenset() if own is None else await list_screened(db, hearing_id, own.id)
        objections = await db.scalars(
            select(Objection).where(Objection.hearing_id == hearing_id).order_by(Objection.created, Objection.id)
        )
        signatures = await db.scalars(
            select(Signature).where(Signature.hearing_id == hearing_id).order_by(Signature.at, Signature.id)
        )
        told = None
        number = standing.hearing.number
        if revision is not None:
            told = RevisionOut.model_validate(revision)
            told.statement = build_statement(number, "transcript", revision.number, revision.sha256)
        head = await _find_integrity(db, standing)
        return TranscriptOut(
            state="frozen" if tell_state(revision) == "frozen" else "live",
            segments=[SegmentOut.model_validate(each) for each in await list_segments(db, hearing_id)],
            revision=told,
            integrity=IntegrityOut(sha256=head, statement=build_statement(number, "recording", 0, head))
            if head
            else None,
            objections=[ObjectionOut.model_validate(each) for each in objections],
            signatures=[SignatureOut.model_validate(each) for each in signatures if each.person_id not in hidden],
            unsigned=await list_unsigned(db, hearing_id, hidden),
        )


@router.post("/segments", status_code=201)
async def type_segment(court: TheCourt, me: Me, hearing_id: str, asked: SegmentAsked) -> SegmentOut:
    """The clerk types: everybody sees it at once."""
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        hearing = standing.hearing
        check_move("type", tell_state(revision), hearing.state, standing.role)
        speaker = asked.speaker
        if asked.speaker_id is not None:
            person = await work.db.get(Person, asked.speaker_id)
            if person is None or person.hearing_id != hearing_id:
                raise not_found()
            speaker = person.name
        count, last = (
            await work.db.execute(
                select(func.count(), func.max(Segment.position)).where(Segment.hearing_id == hearing_id)
            )
        ).one()
        if count >= MAX_SEGMENTS:
            raise Refusal("exhibit.too_many", limit=MAX_SEGMENTS)
        segment = Segment(
            id=court.new_id(),
            hearing_id=hearing_id,
            position=(last or 0) + GAP if asked.position is None else asked.position,
            speaker_id=asked.speaker_id,
            speaker=speaker,
            text=asked.text,
            phase=hearing.phase,
            record_at=court.media.position(hearing.room),
            created=work.now,
            edited=None,
            version=1,
        )
        work.db.add(segment)
        await _note(work, standing, segment, "typed")
        return SegmentOut.model_validate(segment)


async def _note(work: Work, standing: Standing, segment: Segment, what: str) -> None:
    hearing, media, account = standing.hearing, work.court.media, standing.account
    work.audit(
        "transcript",
        what,
        account,
        hearing=hearing.id,
        segment=segment.id,
        version=segment.version,
        text=segment.text,
        speaker=segment.speaker,
    )
    work.tell("transcript", segment.id, what, hearing=hearing.id, proceedings=True, version=segment.version)
    facts = {"segment": segment.id, "version": segment.version}

    async def mark() -> None:
        media.mark(hearing.room, f"transcript:{what}", account, facts)

    work.order(mark)


@router.patch("/segments/{segment_id}")
async def correct(court: TheCourt, me: Me, hearing_id: str, segment_id: str, asked: SegmentEdited) -> SegmentOut:
    """Correct a segment. After the freeze that voids the revision, and every signature on it."""
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        check_move("correct", tell_state(revision), standing.hearing.state, standing.role)
        segment = await work.db.get(Segment, segment_id)
        if segment is None or segment.hearing_id != hearing_id:
            raise not_found()
        if segment.version != asked.version:
            raise Refusal("transcript.frozen")
        if revision is not None and revision.voided is None:
            await void(work, standing, revision)
        segment.text, segment.edited = asked.text, work.now
        segment.version += 1
        await _note(work, standing, segment, "corrected")
        return SegmentOut.model_validate(segment)


@router.post("/freeze")
async def freeze(court: TheCourt, me: Me, hearing_id: str) -> RevisionOut:
    """The judge asks for signatures. After the close that begins the signing."""
    async with court.work() as work:
        standing, _ = await _find(work.db, me, hearing_id)
        if standing.hearing.state in OVER:
            await perform(work, standing, ActAsked(act="request_signatures"))
        else:
            await request_signatures(work, standing)
        await work.db.flush()
        revision = await find_revision(work.db, hearing_id)
        told = RevisionOut.model_validate(revision)
        told.statement = build_statement(standing.hearing.number, "transcript", told.number, told.sha256)
        return told


@router.get("/revisions/{number}")
async def get_revision(
    court: TheCourt, me: Me, hearing_id: str, number: Annotated[int, Path(ge=1, le=1_000_000)]
) -> Response:
    """The bytes of a revision, which its hash is of."""
    async with court.database.read() as db:
        await _find(db, me, hearing_id)
        revision = await db.get(Revision, (hearing_id, number))
    if revision is None:
        raise not_found()
    return Response(revision.content, media_type="application/json", headers={"X-SHA256": revision.sha256})


@router.post("/objections", status_code=201)
async def object_to(court: TheCourt, me: Me, hearing_id: str, asked: ObjectionAsked) -> ObjectionOut:
    """Object to a segment; the answer carries the record's moment, to jump to."""
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        check_move("object", tell_state(revision), standing.hearing.state, standing.role)
        segment = await work.db.get(Segment, asked.segment_id)
        if segment is None or segment.hearing_id != hearing_id:
            raise not_found()
        objection = Objection(
            id=court.new_id(),
            hearing_id=hearing_id,
            segment_id=segment.id,
            person_id=standing.require_person().id,
            text=asked.text,
            record_at=segment.record_at,
            created=work.now,
            answer="open",
            reply="",
        )
        work.db.add(objection)
        work.audit("transcript", "object", me.id, hearing=hearing_id, segment=segment.id, text=asked.text)
        work.tell("transcript", objection.id, "objection", hearing=hearing_id, proceedings=True)
        return ObjectionOut.model_validate(objection)


@router.post("/objections/{objection_id}")
async def answer(court: TheCourt, me: Me, hearing_id: str, objection_id: str, asked: ObjectionAnswered) -> ObjectionOut:
    """The court answers an objection; what is accepted is corrected in the segment by the clerk."""
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        check_move("answer", tell_state(revision), standing.hearing.state, standing.role)
        objection = await work.db.get(Objection, objection_id)
        if objection is None or objection.hearing_id != hearing_id:
            raise not_found()
        objection.answer, objection.reply = asked.answer, asked.reply
        work.audit("transcript", "answer", me.id, hearing=hearing_id, objection=objection_id, **asked.model_dump())
        work.tell("transcript", objection_id, "answered", hearing=hearing_id, proceedings=True)
        return ObjectionOut.model_validate(objection)


async def _add_signature(
    work: Work, standing: Standing, person: Person, of: str, revision: int, sha256: str, **more: str | bool
) -> SignatureOut:
    done = select(Signature).where(
        Signature.hearing_id == person.hearing_id, Signature.person_id == person.id, Signature.voided.is_(None)
    )
    if await work.db.scalar(done.limit(1)) is not None:
        raise Refusal("signature.done")
    empty = {"reason": "", "statement": "", "public_key": "", "signature": "", "certificate": "", "drawn": ""}
    row = Signature(
        id=work.court.new_id(),
        hearing_id=person.hearing_id,
        person_id=person.id,
        of=of,
        revision=revision,
        sha256=sha256,
        at=work.now,
        noted_by=standing.account,
        voided=None,
        **{"refused": False, **empty, **more},
    )
    work.db.add(row)
    act = "refuse" if row.refused else "sign"
    facts = {"of": of, "revision": revision, "sha256": sha256, "reason": row.reason, "key": row.public_key}
    work.audit("signature", act, standing.account, hearing=person.hearing_id, person=person.id, **facts)
    work.tell("transcript", row.id, act, hearing=person.hearing_id, proceedings=True)
    return SignatureOut.model_validate(row)


@router.post("/sign", status_code=201)
async def sign(court: TheCourt, me: Me, hearing_id: str, asked: SignAsked) -> SignatureOut:
    """Sign the frozen revision, or the recording's integrity value: by a key that is the signer's alone."""
    async with court.database.read() as db:
        standing, revision = await _find(db, me, hearing_id)
        head = await _find_integrity(db, standing)
    person, number = standing.require_person(), 0
    if asked.of == "transcript":
        check_move("sign", tell_state(revision), standing.hearing.state, standing.role)
        number = 0 if revision is None else revision.number
        head = "" if revision is None else revision.sha256
    elif standing.hearing.state not in ("closed", "signing"):
        raise Refusal("act.impossible", act="sign", state=standing.hearing.state)
    if asked.sha256 != head:
        raise Refusal("transcript.hash", sha256=head)
    statement = build_statement(standing.hearing.number, asked.of, number, head)
    pem, der = verify(statement, asked.public_key, asked.signature)
    serial = await court.adapters.certificates.certify(me.id, person.name, pem)
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        if asked.of == "transcript" and (revision is None or revision.sha256 != head or revision.voided is not None):
            raise Refusal("transcript.frozen")
        return await _add_signature(
            work,
            standing,
            standing.require_person(),
            asked.of,
            number,
            head,
            statement=statement,
            public_key=pem,
            signature=der,
            certificate=serial,
            drawn=asked.drawn,
        )


@router.post("/refuse", status_code=201)
async def refuse(court: TheCourt, me: Me, hearing_id: str, asked: RefuseAsked) -> SignatureOut:
    """Refuse to sign, with a reason; the court notes the same of who does not even say so."""
    async with court.work() as work:
        standing, revision = await _find(work.db, me, hearing_id)
        check_move("refuse", tell_state(revision), standing.hearing.state, standing.role)
        person = standing.require_person()
        if standing.is_host:
            noted = None if asked.person_id is None else await work.db.get(Person, asked.person_id)
            if noted is None or noted.hearing_id != hearing_id:
                raise not_found()
            person = noted
        elif asked.person_id not in (None, person.id):
            raise Refusal("role.denied")
        number, sha256 = (0, "") if revision is None else (revision.number, revision.sha256)
        return await _add_signature(
            work, standing, person, "transcript", number, sha256, refused=True, reason=asked.reason
        )
