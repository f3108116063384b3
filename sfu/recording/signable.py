"""The two things that records have signed, told from everything else: heads of a ledger, and manifests.

A signer that holds the key for others signs nothing but these, so nobody makes it sign what means something elsewhere.
The two cannot be taken for each other: one begins with `sfu-record-head-v1`, the other with `{"format":`.
"""

from __future__ import annotations

import re
from typing import Any

from sfu.recording.entries import VERSIONS, EntryError, decode, is_count, parse_utc
from sfu.recording.folder import MANIFEST, SIGNATURE, is_record_file
from sfu.recording.manifest import FORMAT, parse_manifest_files

MAX_BYTES = 16 << 20
"""Longest text to be signed: a manifest of 65,536 sources has half of that."""
_HEAD = re.compile(
    rb"sfu-record-head-v1\n[0-9a-f]{32}\n(?:0|[1-9][0-9]{0,18})\n(?:0|[1-9][0-9]{0,18})\n"
    rb"([0-9TZ:.\-]{27})\n[0-9a-f]{64}\n"
)
_HASH = re.compile(r"[0-9a-f]{64}")
_RECORD = re.compile(r"[0-9a-f]{32}")
_KEYS = ["format", "version", "record", "key", "lines", "head", "counts", "files"]


class UnsignableError(ValueError):
    """Neither a head nor a manifest of the key's own; the text says why."""


def check_signable(data: bytes, key_id: str) -> str:
    """Return `head` or `manifest`; UnsignableError for anything else, and for a manifest that names another key."""
    if len(data) > MAX_BYTES:
        raise UnsignableError(f"it is longer than {MAX_BYTES} bytes")
    head = _HEAD.fullmatch(data)
    try:
        if head is not None:
            parse_utc(head[1].decode("ascii"))
            return "head"
        if not data.endswith(b"\n"):
            raise UnsignableError("it is neither a head nor a manifest")
        _check_manifest(decode(data[:-1]), key_id)
        for each in parse_manifest_files(data):
            if not is_record_file(each.path) or each.path in (MANIFEST, SIGNATURE) or not _HASH.fullmatch(each.sha256):
                raise UnsignableError("a file that it names is none of a record")
    except EntryError as error:
        raise UnsignableError(f"it is neither a head nor a manifest: {error}") from error
    return "manifest"


def _check_manifest(fields: dict[str, Any], key_id: str) -> None:
    if list(fields) != _KEYS or fields["format"] != FORMAT or fields["version"] not in VERSIONS:
        raise UnsignableError("it is neither a head nor a manifest")
    if fields["key"] != key_id:
        raise UnsignableError("it is the manifest of a record that another key signs")
    good = (
        isinstance(fields["record"], str) and _RECORD.fullmatch(fields["record"]),
        isinstance(fields["head"], str) and _HASH.fullmatch(fields["head"]),
        is_count(fields["lines"]),
        isinstance(fields["counts"], dict) and all(map(is_count, fields["counts"].values())),
    )
    if not all(good):
        raise UnsignableError("it is neither a head nor a manifest")
