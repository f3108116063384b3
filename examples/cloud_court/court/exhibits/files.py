"""Files by hash: what they hold is judged by content, not by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import puremagic
from fastapi.responses import StreamingResponse

from court.config import CourtConfig
from court.errors import Refusal

CHUNK = 1 << 20
SAME = {
    "docx": ("zip",),
    "xlsx": ("zip",),
    "jpg": ("jpeg", "jpg", "jfif"),
    "jpeg": ("jpeg", "jpg", "jfif"),
    "mp4": ("mp4", "m4v", "m4a", "mov", "3gp"),
    "wav": ("wav",),
    "mp3": ("mp3",),
}
"""What a sniffer may call a file of an extension."""


def place_of(folder: Path, sha256: str) -> Path:
    """Where a file stands."""
    return folder / "files" / sha256[:2] / sha256


def keep_file(folder: Path, path: Path, sha256: str) -> None:
    """Move a file to where its hash says; the same bytes are kept once."""
    place = place_of(folder, sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    path.replace(place)


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """SHA-256 of several files' bytes, one after the other."""
    digest = hashlib.sha256()
    for chunk in read_files(paths):
        digest.update(chunk)
    return digest.hexdigest()


def read_files(paths: Sequence[Path]) -> Iterator[bytes]:
    """The bytes of several files, one after the other."""
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def hand_out(folder: Path, sha256s: Sequence[str], name: str, media_type: str, joint: str) -> StreamingResponse:
    """Files, one after the other, as one answer that no browser runs; `joint`: the hash of all its bytes."""
    paths = [place_of(folder, each) for each in sha256s]
    headers = {
        "Content-Length": str(sum(each.stat().st_size for each in paths)),
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "private, no-store",
        "X-SHA256": joint,
    }
    return StreamingResponse(read_files(paths), media_type=media_type, headers=headers)


def hand_out_one(config: CourtConfig, name: str, sha256: str) -> StreamingResponse:
    """One file that is no part of an exhibit; its type is that of its name, which was checked when it came."""
    media_type = config.allowed_types.get(find_extension(name), "application/octet-stream")
    return hand_out(config.folder, [sha256], name, media_type, sha256)


def find_extension(name: str) -> str:
    """That of a name, in lower case."""
    return Path(name).suffix.lower().removeprefix(".")


def check_content(name: str, head: bytes) -> None:
    """Refuse a file that does not begin as its name promises."""
    extension = find_extension(name)
    if extension == "txt":
        if not _is_text(head):
            raise Refusal("exhibit.content", name=name, found="binary")
        return
    try:
        found = {match.extension.removeprefix(".").lower() for match in puremagic.magic_string(head, name)}
    except (puremagic.PureError, ValueError):
        found = set()
    if not found & {extension, *SAME.get(extension, ())}:
        raise Refusal("exhibit.content", name=name, found="/".join(sorted(found)[:3]) or "unknown")


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            head[: len(head) - 4 if len(head) > 4096 else None].decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False
