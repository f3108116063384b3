"""The folder of a record: which names may stand in it, and reading and writing there without being led out of it.

A folder that is examined may have been made by anyone. No symbolic link is followed within it, nothing but regular
files is opened, and names that come from a ledger are only taken if they are of the few forms that a record has.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sfu.recording.errors import RecordError

LEDGER: Final = "ledger.jsonl"
PUBLIC_KEY: Final = "public-key.pem"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.json.sig"
MEDIA, TIMESTAMPS, TORN, UNATTESTED = "media", "timestamps", "torn", "unattested"
FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
"""Permissions of folders in a record: its readers are in the owner's group, whatever the process's umask."""
CHUNK_BYTES: Final = 1 << 20

_MEDIA_FILE = re.compile(r"media/([0-9]{3,9})-(audio|video)\.mkv")
_TIMESTAMP_FILE = re.compile(r"timestamps/[0-9]{4,9}\.tsr")
_TORN_FILE = re.compile(r"torn/[0-9]{4,9}\.bin")
_UNATTESTED_FILE = re.compile(
    r"unattested/([0-9]{4,9})-(?:ledger\.jsonl|[0-9]{3,9}-(?:audio|video)\.mkv|[0-9]{4,9}\.(?:tsr|bin))"
)
_TEMPORARY = ".tmp"
_TEMPORARY_FILES = {
    MANIFEST + _TEMPORARY: MANIFEST,
    SIGNATURE + _TEMPORARY: MANIFEST,
    PUBLIC_KEY + _TEMPORARY: PUBLIC_KEY,
}
"""What a crash can leave of `write_whole`, and the file whose presence says that it is none of that. The next
`write_whole` replaces it.
"""
_TOP_FILES = (LEDGER, PUBLIC_KEY, MANIFEST, SIGNATURE)


def media_file(source: int, kind: str) -> str:
    """Return the name of a source's file: `media/001-audio.mkv`."""
    return f"{MEDIA}/{source:03}-{kind}.mkv"


def timestamp_file(number: int) -> str:
    """Return the name of a timestamp: `timestamps/0001.tsr`."""
    return f"{TIMESTAMPS}/{number:04}.tsr"


def parse_media_file(name: str) -> tuple[int, str] | None:
    """Return source number and kind from a name that `media_file` made; None for any other name."""
    match = _MEDIA_FILE.fullmatch(name)
    if match is None or media_file(int(match[1]), match[2]) != name:
        return None
    return int(match[1]), match[2]


def is_timestamp_file(name: str) -> bool:
    """Whether it is a name like `timestamps/0001.tsr`."""
    return _TIMESTAMP_FILE.fullmatch(name) is not None


def is_torn_file(name: str) -> bool:
    """Whether it is a name like `torn/0001.bin`."""
    return _TORN_FILE.fullmatch(name) is not None


def unattested_file(number: int, name: str) -> str:
    """Return the name under which a recovery sets a file apart: `unattested/0001-ledger.jsonl`."""
    return f"{UNATTESTED}/{number:04}-{name.rpartition('/')[2]}"


def parse_unattested_file(name: str) -> int | None:
    """Return the number in a name that `unattested_file` made; None for any other."""
    match = _UNATTESTED_FILE.fullmatch(name)
    return None if match is None else int(match[1])


def is_record_file(name: str) -> bool:
    """Whether a record may have a file of this name."""
    return (
        name in _TOP_FILES
        or parse_media_file(name) is not None
        or is_timestamp_file(name)
        or is_torn_file(name)
        or parse_unattested_file(name) is not None
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """The contents of a record's folder."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Size in bytes of each file that a record may have, by its path within the record's folder."""
    strange: list[tuple[str, str]] = field(default_factory=list)
    """Each name that does not belong there, in printable form, and why."""


class Folder:
    """A record's folder, open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise RecordError(path, f"this folder cannot be read: {_reason(error)}") from error

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list(self) -> Listing:
        """Return everything that is in the folder. Raises RecordError if it cannot be read."""
        listing = Listing()
        try:
            for name, status in self._walk():
                if not stat.S_ISREG(status.st_mode):
                    listing.strange.append((printable(name), f"this is {_name_kind(status)}, which no record has"))
                elif is_record_file(name):
                    listing.sizes[name] = status.st_size
                elif _TEMPORARY_FILES.get(name, name) in listing.sizes or name not in _TEMPORARY_FILES:
                    listing.strange.append((printable(name), "this file was added: it does not belong to a record"))
        except OSError as error:
            raise RecordError(self.path, f"this folder cannot be read: {_reason(error)}") from error
        return listing

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        for name, status in self._scan(self._descriptor, ""):
            if not stat.S_ISDIR(status.st_mode) or name not in (MEDIA, TIMESTAMPS, TORN, UNATTESTED):
                yield name, status
                continue
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                yield from self._scan(inner, f"{name}/")
            finally:
                os.close(inner)

    @staticmethod
    def _scan(descriptor: int, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        for name in sorted(os.listdir(descriptor)):
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:  # renamed meanwhile by who writes the record
                continue
            yield prefix + name, status

    def open(self, name: str) -> io.FileIO:
        """Open a regular file under one of the names that a listing has. Raises RecordError if that is not possible."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        parent, _, base = name.rpartition("/")
        try:
            if not parent:
                descriptor = os.open(base, flags, dir_fd=self._descriptor)
            else:
                inner = os.open(parent, flags | os.O_DIRECTORY, dir_fd=self._descriptor)
                try:
                    descriptor = os.open(base, flags, dir_fd=inner)
                finally:
                    os.close(inner)
        except OSError as error:
            raise RecordError(self.path / name, f"this file cannot be read: {_reason(error)}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise RecordError(self.path / name, "this is not a regular file")
        return io.FileIO(descriptor, "r")

    def read(self, name: str, at_most: int) -> bytes:
        """Return the first bytes of a file."""
        return b"".join(self.read_chunks(name, 0, at_most))

    def read_chunks(self, name: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of a file from `offset` on, or fewer where it ends before."""
        with self.open(name) as file:
            try:
                file.seek(offset)
                while size > 0 and (chunk := file.read(min(size, CHUNK_BYTES))):
                    size -= len(chunk)
                    yield chunk
            except OSError as error:
                raise RecordError(self.path / name, f"this file cannot be read: {_reason(error)}") from error


def open_as_ours(path: str, flags: int) -> int:
    """An opener for `open` that makes files with `FILE_MODE`."""
    return os.open(path, flags, FILE_MODE)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it is there with all its bytes, or not at all. Raises RecordError if that
    fails.
    """
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        with open(temporary, "wb", opener=open_as_ours) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RecordError(path, f"this file cannot be written: {_reason(error)}") from error


def discard_whole(path: Path) -> None:
    """Remove what a `write_whole` that failed may have left, as far as that is possible."""
    for left in (path.with_name(path.name + _TEMPORARY), path):
        with contextlib.suppress(OSError):
            left.unlink()


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def printable(text: str) -> str:
    """Return a text from outside, no longer than a line and without characters that could move a terminal's cursor."""
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:200])
    return safe if len(text) <= 200 else safe + "..."


def _name_kind(status: os.stat_result) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link"}
    return kinds.get(stat.S_IFMT(status.st_mode), "not a regular file")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
