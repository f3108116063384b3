"""What an unclosed record holds behind its last signed head: found, and set apart from what was signed.

Whoever has the folder may have put it there. So nobody vouches for it: it is moved out of the ledger and out of the
media files to the folder `unattested`, byte for byte, where a recovery's own lines say what was found.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sfu.recording.entries import MAX_LINE_BYTES, Entry
from sfu.recording.errors import RecordError, RefusedError
from sfu.recording.findings import SourceFacts
from sfu.recording.folder import (
    FOLDER_MODE,
    LEDGER,
    UNATTESTED,
    Folder,
    open_as_ours,
    parse_unattested_file,
    sync_folder,
    unattested_file,
)
from sfu.recording.heads import head_is_signed
from sfu.recording.ledger import LedgerError, LedgerParser
from sfu.recording.manifest import FileFact
from sfu.recording.signing import PublicKey

_HEAD_TYPE = b'"type":"head"'


@dataclass(frozen=True, slots=True)
class SignedPart:
    """How far the ledger of an unclosed record was signed."""

    start: Entry
    signed_lines: int
    bytes: int
    """Length of the signed lines in bytes."""
    head: str
    """SHA-256 of the last signed line."""
    lines: int
    """Number of whole and chained lines, signed or not."""


def find_signed_part(folder: Folder, key: PublicKey, breathe: Callable[[], None] = lambda: None) -> SignedPart:
    """Find the last head that the key has signed. `breathe` is called at each line.

    RefusedError when there is none, when another key began the record, or when lines that were signed are not what they
    were: behind what is wrong stands another head. What was never signed may be anything.
    """
    parser = LedgerParser()
    start: Entry | None = None
    signed_lines = signed_bytes = 0
    head, wrong = "", "the ledger is empty"
    with io.BufferedReader(folder.open(LEDGER), 1 << 16) as file:
        for line in _read_lines(folder, file):
            breathe()
            try:
                entry = parser.parse(line)
            except LedgerError as error:
                wrong = f"{LEDGER}, line {error.line}: {error.reason}"
                if _is_head(line) or any(map(_is_head, _read_lines(folder, file))):
                    raise _altered(folder, wrong) from error
                break
            if start is None:
                start = entry
                if entry.text("key") != key.key_id:
                    raise RefusedError(folder.path, "this record was begun with another key; recover it with that one")
            if entry.type != "head":
                continue
            if not head_is_signed(key, start, entry):
                raise _altered(folder, f"{LEDGER}, line {parser.n}: its signature does not fit the lines before it")
            signed_lines, signed_bytes, head = parser.n, parser.offset, entry.head
    if start is None:
        raise RefusedError(folder.path, f"this is no record that can be recovered: {wrong}")
    if not signed_lines:
        raise RefusedError(
            folder.path,
            "no line of this record was signed, so there is nothing that a recovery could vouch for",
        )
    return SignedPart(start, signed_lines, signed_bytes, head, parser.n)


def _read_lines(folder: Folder, file: io.BufferedReader[io.FileIO]) -> Iterator[bytes]:
    try:
        while line := file.readline(MAX_LINE_BYTES + 1):
            yield line
    except OSError as error:
        raise RecordError(folder.path / LEDGER, f"this file cannot be read: {error.strerror}") from error


def _is_head(line: bytes) -> bool:
    """Whether a line is a whole head line, whether or not its signature is right."""
    return _HEAD_TYPE in line and line.endswith(b"\n")


def _altered(folder: Folder, reason: str) -> RefusedError:
    return RefusedError(folder.path, f"this record is wrong, and recovery would hide it: {reason}")


def set_apart(path: Path, ledger: io.FileIO, signed_bytes: int, uncovered: list[FileFact]) -> int:
    """Move all that is behind the signed part to the folder `unattested`; return how many bytes of the ledger.

    `uncovered` are files, and how many of their last bytes no signed line tells of. Each piece is on the disk in its
    new place before it leaves the old one, so a crash on the way loses nothing.
    """
    loose = [each for each in uncovered if parse_unattested_file(each.path) is None]
    with _tell_failure(path / UNATTESTED):
        left = os.fstat(ledger.fileno()).st_size - signed_bytes
        if left or loose:
            (path / UNATTESTED).mkdir(FOLDER_MODE, exist_ok=True)
            sync_folder(path)
        number = 1 + max((parse_unattested_file(f"{UNATTESTED}/{name}") or 0 for name in _names(path)), default=0)
        if left:
            _cut_off(ledger.fileno(), signed_bytes, path / unattested_file(number, LEDGER))
        for each in loose:
            _move(path, each, path / unattested_file(number, each.path))
    return left


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path / UNATTESTED)
    except FileNotFoundError:
        return []


def _move(path: Path, piece: FileFact, to: Path) -> None:
    """Move a whole file, or its last bytes."""
    descriptor = os.open(path / piece.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        keep = os.fstat(descriptor).st_size - piece.bytes
        if keep > 0:
            _cut_off(descriptor, keep, to)
            return
    finally:
        os.close(descriptor)
    os.rename(path / piece.path, to)
    sync_folder(to.parent)
    sync_folder((path / piece.path).parent)


def _cut_off(descriptor: int, offset: int, to: Path) -> None:
    """Move everything from an offset on to a new file."""
    copy_rest(descriptor, offset, to)
    os.ftruncate(descriptor, offset)
    os.fsync(descriptor)


def copy_rest(descriptor: int, offset: int, to: Path) -> None:
    """Write a new file of what stands from an offset on, and see it on the disk."""
    with open(to, "xb", opener=open_as_ours) as file:
        try:
            while chunk := os.pread(descriptor, 1 << 20, offset):
                file.write(chunk)
                offset += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # a part of it helps nobody, and takes what a full disk lacks
                to.unlink()
            raise
    sync_folder(to.parent)


@contextmanager
def _tell_failure(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(place, f"what was not signed cannot be set apart: {error.strerror}") from error


def describe_set_apart(path: Path) -> Iterator[FileFact]:
    """Hash what stands in the folder `unattested`, which a recovery that was interrupted may have filled, too."""
    with Folder(path) as folder:
        for name, size in sorted(folder.list().sizes.items()):
            if parse_unattested_file(name) is not None:
                digest = hashlib.sha256()
                for chunk in folder.read_chunks(name, 0, size):
                    digest.update(chunk)
                yield FileFact(name, size, digest.hexdigest())


def is_missing_end(source: SourceFacts) -> bool:
    """Whether the signed lines do not say what became of the end of a source's media."""
    return bool(source.kind) and not (source.ended or source.lost)
