"""Links a film to the record it was made from: a line in the film, and a file beside it that knows both hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfu.recording.compose.chapters import Chapter
from sfu.recording.compose.edit_list import EditList
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.entries import format_utc
from sfu.recording.errors import RecordError
from sfu.recording.folder import write_whole
from sfu.recording.reader import Record
from sfu.version import read_version

FORMAT, VERSION = "sfu-film", 1
SUFFIX = ".json"
_CHUNK_BYTES = 1 << 20


def build_metadata(record: Record) -> dict[str, str]:
    """Return the texts to store in the film itself."""
    return {
        "title": record.room,
        "comment": f"Composed from sfu record {record.id}, ledger head {record.head}",
        "creation_time": format_utc(record.start),
    }


def build_link(
    record: Record,
    film: Path,
    digest: str,
    size: int,
    edits: EditList,
    chapters: Sequence[Chapter],
    problems: Sequence[str],
    options: ComposeOptions,
) -> dict[str, Any]:
    """Return the contents of the file beside the film; times in microseconds from the beginning of film or record."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "film": film.name,
        "bytes": size,
        "sha256": digest,
        "duration_us": edits.duration_us,
        "record": record.id,
        "room": record.room,
        "start": format_utc(record.start),
        "head": record.head,
        "key": record.key_id,
        "closed": record.closed,
        "software": f"sfu {read_version()}",
        "size": f"{options.width}x{options.height}",
        "fps": str(edits.fps),
        "stretches": [
            {
                "film_us": edits.film_us(each.first_frame),
                "begin_us": each.begin_us,
                "end_us": each.end_us,
                "shows": "media" if each.pause is None else "pause" if each.running else "card",
            }
            for each in edits.all
        ],
        "chapters": [
            {"film_us": edits.film_us(each.first_frame), "at_us": each.at_us, "title": each.title} for each in chapters
        ],
        "problems": list(problems),
    }


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file, in hex, and its size. RecordError when it cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise RecordError(path, f"the film cannot be read again: {error.strerror}") from error
    return digest.hexdigest(), size


def link_path(film: Path) -> Path:
    """Return the path of the file beside a film: `hearing.mp4.json`."""
    return film.with_name(film.name + SUFFIX)


def write_link(film: Path, link: Mapping[str, Any]) -> None:
    """Write the file beside the film. RecordError when it cannot be written."""
    write_whole(link_path(film), json.dumps(link, ensure_ascii=False, indent=2).encode() + b"\n")
