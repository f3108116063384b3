"""Uploads that resume, by tus 1.0.0 (core, creation, termination): `/api/uploads`.

Written here: the library there is (tuspyserver 4.4) writes a body to disk before it asks who sends it, waits for locks
in the event loop, and answers in another form than the court.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import func, select
from starlette.requests import ClientDisconnect

from court.accounts.login import Login, Me, TheCourt
from court.cases.api import find_mine
from court.cases.materials import hand_in
from court.cases.models import CaseBinding
from court.court import Court, Work
from court.errors import Refusal, not_found
from court.exhibits.files import check_content, find_extension, hash_file, keep_file
from court.exhibits.models import Exhibit, Part, Upload
from court.hearings.standing import find_standing

router = APIRouter(prefix="/api/uploads", tags=["uploads"])

VERSION = {"Tus-Resumable": "1.0.0"}
HEAD_BYTES = 1 << 16
MAX_OPEN = 40
"""Uploads of one account that are not complete."""
_writing: set[str] = set()


def read_metadata(header: str) -> dict[str, str]:
    """What `Upload-Metadata` says; refuses what is not of its form."""
    found = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refusal("upload.form", reason=f"Upload-Metadata: {key[:20]}") from error
    return found


def read_number(request: Request, header: str) -> int:
    """A header that holds a whole number."""
    text = request.headers.get(header, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Refusal("upload.form", reason=header)
    return int(text)


def check_size(court: Court, name: str, size: int) -> None:
    """Refuse what is too large before a byte of it is sent, and say into how many parts it could be split."""
    limit = court.config.max_file_bytes
    if size > limit:
        raise Refusal("exhibit.too_large", name=name, size=size, limit=limit, parts=math.ceil(size / limit))
    allowed = court.config.allowed_types
    if find_extension(name) not in allowed:
        raise Refusal("exhibit.type", name=name, allowed=" ".join(allowed))


@router.options("", status_code=204)
async def tell_abilities(court: TheCourt) -> Response:
    """What is spoken here."""
    more = {"Tus-Version": "1.0.0", "Tus-Extension": "creation,termination"}
    return Response(None, 204, {**VERSION, **more, "Tus-Max-Size": str(court.config.max_file_bytes)})


@router.post("", status_code=201)
async def create(court: TheCourt, me: Me, request: Request) -> Response:
    """Announce a file: `Upload-Length`, and as metadata `filename`, `purpose` (exhibit, material, filing), `target`,
    and of a part `index`; `sha256` if it is known.
    """
    size = read_number(request, "Upload-Length")
    said = read_metadata(request.headers.get("Upload-Metadata", ""))
    name = Path(said.get("filename", "")).name[:200]
    check_size(court, name, size)
    index = said.get("index", "0")
    if not index.isdigit() or int(index) >= court.config.max_parts or size == 0:
        raise Refusal("upload.form", reason="index" if size else "Upload-Length")
    async with court.work() as work:
        await check_target(work, me, said.get("purpose", ""), said.get("target", ""))
        unfinished = select(func.count()).where(Upload.account_id == me.id, Upload.sha256 == "")
        if (await work.db.scalar(unfinished) or 0) >= MAX_OPEN:
            raise Refusal("exhibit.too_many", limit=MAX_OPEN)
        upload = Upload(
            id=court.new_id(),
            account_id=me.id,
            purpose=said["purpose"],
            target_id=said["target"],
            index=int(index),
            name=name,
            size=size,
            announced_sha256=said.get("sha256", "")[:64],
            created=work.now,
            sha256="",
        )
        work.db.add(upload)
    await asyncio.to_thread(_make, path_of(court, upload.id))
    below = request.scope.get("root_path", "")  # of a practice, whose uploads are not the court's
    return Response(None, 201, {**VERSION, "Location": f"{below}/api/uploads/{upload.id}", "Upload-Offset": "0"})


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def path_of(court: Court, id: str) -> Path:
    """Where the bytes of an upload stand until it is complete."""
    return court.config.folder / "uploads" / id


async def check_target(work: Work, me: Login, purpose: str, target: str) -> None:
    """Refuse an upload that would belong to what is not one's own draft."""
    match purpose:
        case "exhibit":
            await find_draft(work, me, target)
        case "material":
            await find_mine(work.db, me, target)
        case "filing":
            from court.filings.api import find_filing

            await find_filing(work.db, me, target, editable=True)
        case _:
            raise Refusal("upload.form", reason="purpose")


async def find_draft(work: Work, me: Login, exhibit_id: str) -> Exhibit:
    """A draft of one's own."""
    exhibit = await work.db.get(Exhibit, exhibit_id)
    if exhibit is None:
        raise not_found()
    standing = await find_standing(work.db, me, exhibit.hearing_id)
    if standing.person is None or exhibit.person_id != standing.person.id:
        raise not_found()
    if exhibit.state != "draft":
        raise Refusal("act.impossible", act="upload", state=exhibit.state)
    return exhibit


async def _find(court: Court, me: Login, id: str) -> Upload:
    async with court.database.read() as db:
        upload = await db.get(Upload, id)
    if upload is None or upload.account_id != me.id:
        raise not_found()
    return upload


@router.head("/{upload_id}")
async def tell_offset(court: TheCourt, me: Me, upload_id: str) -> Response:
    """How much has come: where to go on."""
    upload = await _find(court, me, upload_id)
    offset = upload.size if upload.sha256 else path_of(court, upload_id).stat().st_size
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size), "Cache-Control": "no-store"}
    return Response(None, 200, {**VERSION, **headers})


@router.patch("/{upload_id}", status_code=204)
async def go_on(court: TheCourt, me: Me, upload_id: str, request: Request) -> Response:
    """Send the bytes from `Upload-Offset` on. What has come before a break stays."""
    upload = await _find(court, me, upload_id)
    if request.headers.get("content-type") != "application/offset+octet-stream":
        raise Refusal("upload.form", reason="Content-Type")
    if upload_id in _writing or upload.sha256:
        raise Refusal("upload.offset", offset=upload.size)
    _writing.add(upload_id)
    try:
        offset = await _write(court, upload, request)
        if offset == upload.size:
            await _complete(court, me, upload)
    finally:
        _writing.discard(upload_id)
    return Response(None, 204, {**VERSION, "Upload-Offset": str(offset)})


async def _write(court: Court, upload: Upload, request: Request) -> int:
    path = path_of(court, upload.id)
    offset = path.stat().st_size
    if read_number(request, "Upload-Offset") != offset:
        raise Refusal("upload.offset", offset=offset)
    with path.open("ab") as file:
        try:
            async for chunk in request.stream():
                if offset + len(chunk) > upload.size:
                    raise Refusal("upload.form", reason="more bytes than Upload-Length")
                await asyncio.to_thread(file.write, chunk)
                offset += len(chunk)
        except ClientDisconnect:  # it comes again, and asks how much has come
            pass
    return offset


async def _complete(court: Court, me: Login, upload: Upload) -> None:
    path = path_of(court, upload.id)
    try:
        if upload.index == 0:
            with path.open("rb") as file:
                check_content(upload.name, file.read(HEAD_BYTES))
        sha256 = await asyncio.to_thread(hash_file, path)
        if upload.announced_sha256 not in ("", sha256):
            raise Refusal("upload.hash")
    except Refusal:
        await _forget(court, upload)
        raise
    await asyncio.to_thread(keep_file, court.config.folder, path, sha256)
    async with court.work() as work:
        row = await work.db.get_one(Upload, upload.id)
        row.sha256 = sha256
        await _attach(work, me, row)


async def _attach(work: Work, me: Login, upload: Upload) -> None:
    """Give a complete file to what it was sent for."""
    facts: dict[str, Any] = {"name": upload.name, "sha256": upload.sha256, "size": upload.size}
    media_type = work.court.config.allowed_types[find_extension(upload.name)]
    if upload.purpose == "exhibit":
        exhibit = await find_draft(work, me, upload.target_id)
        await work.db.merge(Part(exhibit_id=exhibit.id, index=upload.index, media_type=media_type, **facts))
        work.audit("exhibit", "upload", me.id, hearing=exhibit.hearing_id, exhibit=exhibit.id, **facts)
    elif upload.purpose == "material":
        bound = await work.db.get(CaseBinding, (upload.target_id, me.id))
        hand_in(work, upload.target_id, upload, me.account.office if bound is None else bound.role)
    else:
        work.audit("filing", "upload", me.id, filing=upload.target_id, **facts)


@router.delete("/{upload_id}", status_code=204)
async def end(court: TheCourt, me: Me, upload_id: str) -> Response:
    """Give an upload up."""
    upload = await _find(court, me, upload_id)
    if upload.sha256:
        raise Refusal("act.impossible", act="delete", state="complete")
    await _forget(court, upload)
    return Response(None, 204, VERSION)


async def _forget(court: Court, upload: Upload) -> None:
    path_of(court, upload.id).unlink(missing_ok=True)
    async with court.database.write() as db:
        row = await db.get(Upload, upload.id)
        if row is not None:
            await db.delete(row)
