"""Revisions and what is signed of them: a statement that names the hash, by a P-256 key of the signer's own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.court import Work
from court.errors import Refusal
from court.hearings.models import Hearing
from court.hearings.standing import Standing, list_persons
from court.transcripts.models import Revision, Segment, Signature
from court.transcripts.rules import check_move, has_to_sign


def build_content(hearing: Hearing, segments: list[Segment], number: int) -> bytes:
    """A revision's bytes: JSON, written one way (keys sorted, no spaces, UTF-8)."""
    told: dict[str, Any] = {
        "format": "court-transcript",
        "version": 1,
        "hearing": hearing.number,
        "title": hearing.title,
        "revision": number,
        "segments": [
            {
                "n": place,
                "speaker": each.speaker,
                "phase": each.phase,
                "text": each.text,
                "record_ms": None if each.record_at is None else round(each.record_at * 1000),
            }
            for place, each in enumerate(segments, 1)
        ],
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def build_statement(hearing: str, of: str, revision: int, sha256: str) -> str:
    """What a signer's key signs: four lines of ASCII after the first, ended by a newline each."""
    return f"court-signature-v1\n{hearing}\n{of}\n{revision}\n{sha256}\n"


def verify(statement: str, public_key: str, signature: str) -> tuple[str, str]:
    """Check a signature as WebCrypto makes it (ECDSA, P-256, SHA-256; r and s, 64 bytes). Returns the key as PEM, and
    the signature as openssl takes it (DER, base64).

    `public_key`: SubjectPublicKeyInfo in base64, as `exportKey("spki")` gives it. Refuses whatever does not fit.
    """
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key, validate=True))
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("signature.wrong") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1) or len(raw) != 64:
        raise Refusal("signature.wrong")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    try:
        key.verify(der, statement.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise Refusal("signature.wrong") from error
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode(), base64.b64encode(der).decode()


async def list_segments(db: AsyncSession, hearing_id: str) -> list[Segment]:
    """The transcript, in order."""
    query = select(Segment).where(Segment.hearing_id == hearing_id).order_by(Segment.position, Segment.id)
    return list(await db.scalars(query))


async def find_revision(db: AsyncSession, hearing_id: str) -> Revision | None:
    """The newest revision, voided or not."""
    query = select(Revision).where(Revision.hearing_id == hearing_id).order_by(Revision.number.desc()).limit(1)
    found: Revision | None = await db.scalar(query)
    return found


def tell_state(revision: Revision | None) -> str:
    """Live, or frozen."""
    return "live" if revision is None or revision.voided is not None else "frozen"


async def request_signatures(work: Work, standing: Standing) -> Revision:
    """The judge asks for signatures: that freezes a revision with its hash."""
    hearing = standing.hearing
    last = await find_revision(work.db, hearing.id)
    check_move("freeze", tell_state(last), hearing.state, standing.role)
    number = 1 if last is None else last.number + 1
    content = build_content(hearing, await list_segments(work.db, hearing.id), number)
    revision = Revision(
        hearing_id=hearing.id,
        number=number,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        frozen=work.now,
        frozen_by=standing.account,
        voided=None,
    )
    work.db.add(revision)
    facts = {"revision": number, "sha256": revision.sha256}
    work.audit("transcript", "freeze", standing.account, hearing=hearing.id, **facts)
    work.tell("transcript", hearing.id, "frozen", hearing=hearing.id, proceedings=True, version=number)
    media, account, room = work.court.media, standing.account, hearing.room

    async def mark() -> None:
        media.mark(room, "transcript:freeze", account, facts)

    work.order(mark)
    return revision


async def void(work: Work, standing: Standing, revision: Revision) -> None:
    """An edit after the freeze: the revision counts no more, nor does any signature on it."""
    revision.voided = work.now
    valid = select(Signature).where(
        Signature.hearing_id == revision.hearing_id,
        Signature.of == "transcript",
        Signature.revision == revision.number,
        Signature.voided.is_(None),
    )
    voided = list(await work.db.scalars(valid))
    for signature in voided:
        signature.voided = work.now
    work.audit(
        "transcript",
        "void",
        standing.account,
        hearing=revision.hearing_id,
        revision=revision.number,
        signatures=[each.id for each in voided],
    )
    work.tell("transcript", revision.hearing_id, "voided", hearing=revision.hearing_id, proceedings=True)


async def list_unsigned(db: AsyncSession, hearing_id: str, hidden: frozenset[str] = frozenset()) -> list[str]:
    """Names of those who have neither signed nor refused what counts now. `hidden`: whom the reader must not meet."""
    done = set(
        await db.scalars(
            select(Signature.person_id).where(Signature.hearing_id == hearing_id, Signature.voided.is_(None))
        )
    )
    persons = await list_persons(db, hearing_id)
    return [each.name for each in persons if has_to_sign(each) and each.id not in done | hidden]
