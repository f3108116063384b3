"""What stands in one line of a record's ledger: its types, the fields that each must have, and how it is encoded.

The encoding is canonical: for the same fields there is one sequence of bytes, and a line that says the same in other
bytes is refused. Hence a hash of the bytes is a hash of the meaning.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sfu.errors import LocalError

FORMAT: Final = "sfu-record"
VERSION: Final = 3
"""Version of the format that is written."""
VERSIONS: Final = (1, 2, 3)
"""Versions of the format that are read."""
NO_HEAD: Final = "0" * 64
"""The field `prev` of the first line."""
MAX_LINE_BYTES: Final = 65_536
"""Longest line, with its newline; a longer one is neither written nor read."""
MAX_DEPTH: Final = 16
"""How deep lists and objects may be nested."""

_COMMON = ("n", "t_us", "prev", "type")
_INTEGER_BOUND = 1 << 63
_TYPE = re.compile(r"[a-z][a-z_]{0,31}")
_HASH = re.compile(r"[0-9a-f]{64}")
_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

Check = Callable[[Any], bool]


class EntryError(LocalError, ValueError):
    """A line of a ledger cannot be read or written; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ledger, checked: the fields that its type requires are there and have the right types."""

    n: int
    t_us: int
    prev: str
    type: str
    fields: Mapping[str, Any]
    """All other fields, in the order of the line."""
    head: str
    """SHA-256 of the line, as in the field `prev` of the next one."""

    def integer(self, key: str) -> int:
        """Return a field that holds a whole number."""
        value = self.fields.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise EntryError(f"{key} is not a whole number")
        return value

    def text(self, key: str) -> str:
        """Return a field that holds a string."""
        value = self.fields.get(key)
        if not isinstance(value, str):
            raise EntryError(f"{key} is not a string")
        return value

    @property
    def copy(self) -> int:
        """The field `copy` of a start line: 0 for the main record, then one number for each mirror; version 1 lacks
        it.
        """
        value = self.fields.get("copy", 0)
        return value if is_count(value) else 0

    @property
    def encryption(self) -> str:
        """What a `source` line says that the frames are encrypted with, end to end; empty: nothing."""
        value = self.fields.get("encryption")
        return value if isinstance(value, str) else ""


def format_utc(moment: datetime.datetime) -> str:
    """Return an aware time as ledgers have it (RFC 3339): UTC, with microseconds and a Z."""
    if moment.tzinfo is None:
        raise EntryError(f"{moment} has no time zone")
    return moment.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_utc(text: str) -> datetime.datetime:
    """Return the time that `format_utc` wrote; EntryError for anything else."""
    if not _UTC.fullmatch(text):
        raise EntryError(f"{text[:40]!r} is not a time like 2026-01-31T09:00:00.000000Z")
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise EntryError(f"{text!r} is not a time: {error}") from error


def encode(fields: dict[str, Any]) -> bytes:
    """Return the canonical JSON of an object, without newline: keys in the order made, no spaces, UTF-8.

    EntryError when it holds what JSON or a ledger cannot: NaN, whole numbers beyond 64 bits, half of a surrogate pair,
    keys that are not strings, or lists in lists deeper than MAX_DEPTH.
    """
    _check_object(fields, "the line", 0)
    try:
        return _ENCODER.encode(fields).encode()
    except UnicodeEncodeError as error:
        raise EntryError("a text in it holds half of a surrogate pair") from error


def decode(data: bytes) -> dict[str, Any]:
    """Return the object that canonical JSON holds; EntryError for any other bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EntryError(f"it is not UTF-8 (byte {error.start + 1})") from error
    try:
        value = _DECODER.decode(text)
    except EntryError:
        raise
    except RecursionError as error:
        raise EntryError("it is nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, and whole numbers of thousands of digits
        raise EntryError(f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise EntryError("it is not a JSON object")
    if encode(value) != data:
        raise EntryError("it is not written in the one way that a ledger is written (spaces, escapes or numbers)")
    return value


def build_line(n: int, t_us: int, prev: str, kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return a whole line with its newline; EntryError when a field is missing, of a wrong type, or it is too long."""
    for key in _COMMON:
        if key in fields:
            raise EntryError(f"{key} is made by the ledger")
    _check_fields(kind, fields)
    line = encode({"n": n, "t_us": t_us, "prev": prev, "type": kind, **fields}) + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise EntryError(f"a {kind} line of {len(line)} bytes is longer than {MAX_LINE_BYTES}")
    return line


def check_line(kind: str, fields: Mapping[str, Any]) -> None:
    """Raise EntryError unless a ledger can hold a line of these fields, wherever in it and whenever."""
    most = _INTEGER_BOUND - 1
    build_line(most, most, NO_HEAD, kind, fields)


def read_fields(line: bytes) -> tuple[int, int, str, str, dict[str, Any]]:
    """Return n, t_us, prev, type and the other fields of a line without its newline; EntryError when it is wrong."""
    fields = decode(line)
    if tuple(fields)[:4] != _COMMON:
        raise EntryError("it does not begin with n, t_us, prev and type")
    n, t_us, prev, kind = (fields.pop(key) for key in _COMMON)
    for key, good in (("n", is_count(n)), ("t_us", is_count(t_us)), ("prev", is_hash(prev))):
        if not good:
            raise EntryError(f"{key} is not what it must be")
    if not isinstance(kind, str):
        raise EntryError("type is not a string")
    _check_fields(kind, fields)
    return n, t_us, prev, kind, fields


def name_count(kind: str) -> str:
    """Return under what name lines of a type are counted: types that this version does not know count together."""
    return kind if kind in _FIELDS else "other"


def _check_fields(kind: str, fields: Mapping[str, Any]) -> None:
    """Check the fields that a type requires. An unknown type is an event that says nothing of files; signatures cover
    it as any other.
    """
    if not _TYPE.fullmatch(kind):
        raise EntryError(f"{kind[:40]!r} is not a type of line")
    for key, check in _FIELDS.get(kind, {}).items():
        if key not in fields:
            raise EntryError(f"a {kind} line must have {key}")
        if not check(fields[key]):
            raise EntryError(f"{key} of a {kind} line cannot be {_shorten(fields[key])}")


def _shorten(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise EntryError("a key stands twice in one object")
    return made


def _refuse_constant(name: str) -> Any:
    raise EntryError(f"{name} is not a number that JSON knows")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(object_pairs_hook=_build_object, parse_constant=_refuse_constant)


def _check_object(fields: Mapping[str, Any], where: str, depth: int) -> None:
    for key, value in fields.items():
        if not isinstance(key, str):
            raise EntryError(f"key {_shorten(key)} of {where} is not a string")
        _check_value(value, key, depth + 1)


def _check_value(value: Any, where: str, depth: int) -> None:
    if value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if not -_INTEGER_BOUND <= value < _INTEGER_BOUND:
            raise EntryError(f"{where} is a number beyond 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise EntryError(f"{where} is not a finite number")
    elif depth > MAX_DEPTH:
        raise EntryError("it is nested too deeply")
    elif isinstance(value, dict):
        _check_object(value, where, depth)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_value(each, where, depth + 1)
    else:
        raise EntryError(f"{where} is of a type that a ledger cannot hold: {type(value).__name__}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number that is not negative."""
    return _is_integer(value) and value >= 0


def _is_count_or_unknown(value: Any) -> bool:
    return value is None or is_count(value)


def is_hash(value: Any) -> bool:
    """Whether a value is a SHA-256 as ledgers write it."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def is_record_id(value: Any) -> bool:
    """Whether a value is the id of a record."""
    return isinstance(value, str) and _RECORD_ID.fullmatch(value) is not None


def _is_utc(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse_utc(value)
    except EntryError:
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_nobody(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


_PLACE: dict[str, Check] = {"bytes": is_count, "sha256": is_hash}

_FIELDS: dict[str, dict[str, Check]] = {
    "start": {
        "format": _is_text,
        "version": is_count,
        "record": is_record_id,
        "room": _is_text,
        "utc": _is_utc,
        "key": is_hash,
        "software": _is_text,
        "metadata": _is_object,
    },
    "source": {
        "source": is_count,
        "file": _is_text,
        "kind": lambda value: value in ("audio", "video"),
        "codec": _is_text,
        "peer": _is_text,
    },
    "pause": {},
    "resume": {},
    "alarm": {},
    "fault": {},
    "join": {"peer": _is_text},
    "leave": {"peer": _is_text},
    "track": {"source": is_count, "event": _is_text},
    "report": {"source": is_count},
    "silent": {"peer": _is_text, "kind": _is_text},
    "fragment": {
        "source": is_count,
        "index": is_count,
        "offset": is_count,
        **_PLACE,
        "begin_us": is_count,
        "end_us": is_count,
    },
    "gap": {"source": is_count, "cause": _is_text, "begin_us": is_count, "end_us": _is_count_or_unknown},
    "block": {"peer": _is_text, "kind": _is_text, "subject": _is_text_or_nobody},
    "unblock": {"peer": _is_text, "kind": _is_text, "subject": _is_text_or_nobody},
    "remove": {"peer": _is_text, "subject": _is_text_or_nobody},
    "close_room": {"subject": _is_text_or_nobody},
    "mark": {"name": _is_text},
    "phase": {"name": _is_text},
    "speakers": {"peers": _is_list},
    "head": {"head": is_hash, "signature": _is_text, "utc": _is_utc},
    "timestamp": {"file": _is_text, **_PLACE, "head": is_hash},
    "torn": {"file": _is_text, **_PLACE},
    "tail": {"source": is_count, "file": _is_text, "offset": is_count, **_PLACE},
    "stray": {"file": _is_text, **_PLACE},
    "unattested": {"file": _is_text, **_PLACE},
    "recover": {"utc": _is_utc},
    "suspend": {"at_us": is_count, "utc": _is_utc},
    "continue": {"begin_us": is_count, "end_us": is_count, "utc": _is_utc, "key": is_hash, "clock": _is_text},
    "stop": {"cause": _is_text, "utc": _is_utc},
}
