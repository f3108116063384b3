"""Everything that a hearing left is checked together: records and mirrors, transcript, signatures, exhibits, audit."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import zipfile
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.audit.models import AuditEvent
from court.audit.trail import read_chain
from court.court import Court
from court.exhibits.files import hash_file, place_of
from court.exhibits.models import Exhibit, Part
from court.hearings.models import Hearing
from court.records.models import Recording, Seal
from court.records.schemas import VerdictOut
from court.transcripts.models import Revision, Signature
from court.transcripts.signing import build_statement
from sfu.errors import LocalError
from sfu.recording import ChainError, ChainParser, Outcome, load_public_key, verify_record

GOOD = frozenset({Outcome.INTACT, Outcome.RECOVERED})
MISFIT = "it does not fit"
MOST_LINES = 100
"""Wrong lines of one audit that are named."""


async def verify_hearing(court: Court, db: AsyncSession, hearing: Hearing) -> list[VerdictOut]:
    """A verdict for each part: of the audit each wrong line is named, of a record the first file and fragment."""
    told = await verify_audit(db, hearing.id)
    told += await _verify_records(court, db, hearing)
    told += await _verify_transcript(db, hearing.id)
    told += await _verify_exhibits(court, db, hearing.id)
    seal = await db.get(Seal, hearing.id)
    if seal is not None:
        kept = await read_chain(db, hearing.id)
        told.append(await asyncio.to_thread(_verify_package, court.config.folder, seal, kept))
    return told


async def verify_audit(db: AsyncSession, chain: str) -> list[VerdictOut]:
    """Each line against itself, its place, the line before, and the head that stands beside it."""
    part = f"audit:{chain}"
    told, parser = [], ChainParser()
    for row in await db.scalars(select(AuditEvent).where(AuditEvent.chain == chain).order_by(AuditEvent.n)):
        expected = parser.n
        try:
            entry = parser.parse(row.line)
            problem = "" if (entry.n, entry.head) == (row.n, row.head) else "this line was changed"
        except ChainError as error:
            problem = error.reason
        if problem:
            told.append(VerdictOut(part=part, good=False, problem=problem, line=expected + 1))
        parser.n, parser.prev = row.n + 1, row.head  # the next is judged by what stands beside this one
    return told[:MOST_LINES] or [VerdictOut(part=part, good=True, problem="")]


async def _verify_records(court: Court, db: AsyncSession, hearing: Hearing) -> list[VerdictOut]:
    told = []
    ended = select(Recording).where(Recording.hearing_id == hearing.id, Recording.ended.is_not(None))
    for recording in await db.scalars(ended.order_by(Recording.started, Recording.id)):
        if signed := recording.explanation_signature:
            statement, _ = build_explanation(hearing.number, recording.id, recording.explanation)
            good = is_signed(signed["public_key"], statement, signed["signature"])
            told.append(VerdictOut(part=f"explanation:{recording.id}", good=good, problem="" if good else MISFIT))
        for folder in recording.folders:
            part = f"record:{Path(folder).name}"
            try:
                key = load_public_key(court.config.folder / "record-public.pem")
                verdict = await asyncio.to_thread(verify_record, folder, key)
            except (LocalError, OSError) as error:
                told.append(VerdictOut(part=part, good=False, problem=str(error)))
                continue
            fragment = None if verdict.fragment is None else verdict.fragment + 1
            good, problem = verdict.outcome in GOOD, verdict.problem
            told.append(
                VerdictOut(
                    part=part, good=good, problem=problem, file=verdict.file, line=verdict.line, fragment=fragment
                )
            )
    return told


async def _verify_transcript(db: AsyncSession, hearing_id: str) -> list[VerdictOut]:
    told = []
    revisions = list(await db.scalars(select(Revision).where(Revision.hearing_id == hearing_id)))
    for revision in revisions:
        good = hashlib.sha256(revision.content).hexdigest() == revision.sha256
        problem = "" if good else "its bytes do not have its hash"
        told.append(VerdictOut(part=f"transcript:{revision.number}", good=good, problem=problem))
    for row in await db.scalars(select(Signature).where(Signature.hearing_id == hearing_id, ~Signature.refused)):
        good = is_signed(row.public_key, row.statement, row.signature)
        told.append(VerdictOut(part=f"signature:{row.id}", good=good, problem="" if good else MISFIT))
    return told


def build_explanation(number: str, recording: str, text: str) -> tuple[str, bytes]:
    """What the presiding judge signs of a fault's explanation, and the bytes whose hash it names."""
    content = f"{recording}\n{text}\n".encode()
    return build_statement(number, "explanation", 0, hashlib.sha256(content).hexdigest()), content


def is_signed(public_key: str, statement: str, signature: str) -> bool:
    """Whether a signature (DER, base64) fits its statement and its key (PEM)."""
    key = serialization.load_pem_public_key(public_key.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature), statement.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


async def _verify_exhibits(court: Court, db: AsyncSession, hearing_id: str) -> list[VerdictOut]:
    query = select(Part, Exhibit).join(Exhibit, Exhibit.id == Part.exhibit_id)
    query = query.where(Exhibit.hearing_id == hearing_id, Exhibit.state != "draft")
    told = []
    for part, exhibit in (await db.execute(query.order_by(Exhibit.number, Part.index))).all():
        path = place_of(court.config.folder, part.sha256)
        good = path.is_file() and await asyncio.to_thread(hash_file, path) == part.sha256
        edition = f":{exhibit.edition}" if exhibit.state == "replaced" else ""
        name = f"exhibit:{exhibit.number}:{part.index}{edition}"
        told.append(VerdictOut(part=name, good=good, problem="" if good else "the file is not what it was"))
    return told


def _verify_package(folder: Path, seal: Seal, chain: bytes) -> VerdictOut:
    """The package against the manifest that was sealed; the audit may have grown since, but begins as it was sealed."""
    name = ""
    try:
        with zipfile.ZipFile(seal.folder) as package:
            told, signature = package.read("manifest.json"), package.read("manifest.json.sig")
            if not load_public_key(folder / "record-public.pem").verify(told, signature):
                return _misfit("manifest.json.sig", "this is not the court's signature over the manifest")
            if json.loads(told) != seal.manifest:
                return _misfit("manifest.json", "this is not what was sealed")
            for name, digest in seal.manifest["files"].items():
                with package.open(name) as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != digest:  # type: ignore[arg-type]
                        return _misfit(name, "this file is not what the manifest says")
            if not chain.startswith(package.read("audit.jsonl")):
                return _misfit("audit.jsonl", "the audit does not begin as it was sealed")
    except (OSError, KeyError, ValueError, zlib.error, zipfile.BadZipFile, LocalError) as error:
        return _misfit(name, str(error))
    return VerdictOut(part="package", good=True, problem="")


def _misfit(file: str, problem: str) -> VerdictOut:
    return VerdictOut(part="package", good=False, problem=problem, file=file)
