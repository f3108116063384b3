"""The manifest: what a closed record consists of. One signature over it covers each byte of each file.

It holds nothing that the other files do not say, so whoever has these and the private key makes the same bytes again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sfu.recording.entries import VERSION, EntryError, decode, encode
from sfu.recording.errors import RecordError
from sfu.recording.folder import CHUNK_BYTES, MANIFEST, SIGNATURE, discard_whole, write_whole
from sfu.recording.signing import Signer

FORMAT: Final = "sfu-record-manifest"
MAX_MANIFEST_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, order=True)
class FileFact:
    """A file of a record: its name from the record's folder on, and what is in it."""

    path: str
    bytes: int
    sha256: str


def build_manifest(
    record: str,
    key_id: str,
    lines: int,
    head: str,
    counts: Mapping[str, int],
    files: Iterable[FileFact],
    version: int = VERSION,
) -> bytes:
    """Return the bytes of manifest.json.

    `lines` and `head` are the ledger's `n` and `prev` after its last line, `counts` its number of lines of each type.
    `files` are all but the manifest and its signature. `version` is that of the record.
    """
    manifest = {
        "format": FORMAT,
        "version": version,
        "record": record,
        "key": key_id,
        "lines": lines,
        "head": head,
        "counts": dict(sorted(counts.items())),
        "files": [{"path": each.path, "bytes": each.bytes, "sha256": each.sha256} for each in sorted(files)],
    }
    return encode(manifest) + b"\n"


def parse_manifest_files(data: bytes) -> list[FileFact]:
    """Return the files that a manifest names; ValueError when it is none."""
    if not data.endswith(b"\n"):
        raise EntryError("it does not end with a newline")
    files = decode(data[:-1]).get("files")
    if not isinstance(files, list):
        raise EntryError("it names no files")
    return [_parse_file(each) for each in files]


def _parse_file(value: Any) -> FileFact:
    if not isinstance(value, dict) or list(value) != ["path", "bytes", "sha256"]:
        raise EntryError("a file in it has not path, bytes and sha256")
    path, size, sha256 = value.values()
    if not isinstance(path, str) or type(size) is not int or not isinstance(sha256, str):
        raise EntryError("a file in it has not path, bytes and sha256")
    return FileFact(path, size, sha256)


def write_manifest(folder: Path, manifest: bytes, key: Signer) -> None:
    """Close a record: write the signature, then the manifest, whose presence says that the record is closed."""
    write_signed(folder, manifest, key.sign(manifest))


def write_signed(folder: Path, manifest: bytes, signature: bytes) -> None:
    """Close a record with a manifest that is signed already. After an error there is none: the record is not closed."""
    write_whole(folder / SIGNATURE, signature)
    try:
        write_whole(folder / MANIFEST, manifest)
    except RecordError:
        discard_whole(folder / MANIFEST)
        raise


def digest_file(folder: Path, name: str) -> FileFact:
    """Return what a file of our own record holds, reading it in pieces. RecordError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with (folder / name).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
            return FileFact(name, os.fstat(file.fileno()).st_size, digest.hexdigest())
    except OSError as error:
        raise RecordError(folder / name, f"this file cannot be read: {error.strerror}") from error
