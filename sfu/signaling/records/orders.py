"""What is said about a recording over HTTP: the JSON of each request, read strictly.

It ends up in a signed ledger that nobody can amend later. So nothing is ignored: a field that is not known, a key that
stands twice or a text with control characters is refused, not mended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfu.signaling.http.json_body import check_object, parse_json
from sfu.signaling.http.problem import Problem

MOST_NAME = 200
"""Most characters in the name of a mark or phase, in a ground, and in the name of the authoriser."""
MOST_NOTE = 4000
MOST_OBJECT_BYTES = 16_384
"""Most bytes of `metadata` or `data` as JSON: a quarter of what a line of the ledger can hold."""
_TITLE = "Recording request refused"


@dataclass(frozen=True, slots=True)
class Mark:
    """`{"name", "data"}`."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """`{"ground", "authoriser", "note"}`."""

    ground: str
    authoriser: str
    note: str


def parse_start(text: str) -> Mapping[str, Any]:
    """Return the metadata of a new recording; the body may be empty. Raises Problem 400, as all functions here."""
    return _read_object(_parse(text, "metadata") if text.strip() else {}, "metadata")


def parse_mark(text: str) -> Mark:
    """Return a mark; `data` is optional."""
    fields = _parse(text, "name", "data")
    return Mark(_read_text(fields, "name"), _read_object(fields, "data"))


def parse_phase(text: str) -> str:
    """Return the name of the phase that begins."""
    return _read_text(_parse(text, "name"), "name")


def parse_pause(text: str) -> Pause:
    """Return why a recording pauses; `note` is optional."""
    fields = _parse(text, "ground", "authoriser", "note")
    return Pause(_read_text(fields, "ground"), _read_text(fields, "authoriser"), _read_note(fields))


def parse_resume(text: str) -> str:
    """Return the name of who lets a recording go on."""
    return _read_text(_parse(text, "authoriser"), "authoriser")


def _parse(text: str, *known: str) -> dict[str, Any]:
    value = check_object(parse_json(text, _TITLE), _TITLE)
    for key in value:
        if key not in known:
            raise _malformed(f"{key[:40]!a} is not a field of this request, which are: {', '.join(known)}.")
    return value


def _read_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_NAME or not value.isprintable() or not value.strip():
        raise _malformed(f"{name} must be a text of 1 to {MOST_NAME} printable characters.")
    return value


def _read_note(fields: Mapping[str, Any]) -> str:
    value = fields.get("note", "")
    if not isinstance(value, str) or len(value) > MOST_NOTE or not all(c.isprintable() or c in "\n\t" for c in value):
        raise _malformed(f"note must be a text of at most {MOST_NOTE} printable characters and line breaks.")
    return value


def _read_object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise _malformed(f"{name} must be a JSON object.")
    if len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) > MOST_OBJECT_BYTES:
        raise _malformed(f"{name} may have at most {MOST_OBJECT_BYTES} bytes.")
    return value


def _malformed(detail: str) -> Problem:
    return Problem(400, _TITLE, detail)
