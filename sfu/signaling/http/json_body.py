"""JSON in requests, read strictly: nothing that a client has written is ignored."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from sfu.signaling.http.problem import Problem


def parse_json(text: str, title: str) -> Any:
    """Return the parsed `text`; raise Problem 400 with this `title` if it is no JSON, or an object has a key twice."""

    def build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise Problem(400, title, "A key stands twice in one object.")
        return made

    def refuse_constant(name: str) -> NoReturn:
        raise Problem(400, title, f"{name} is not a number that JSON knows.")

    try:
        return json.loads(text, object_pairs_hook=build_object, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        # The parser's own words would quote nothing but positions; a number of a million digits fails here, too.
        raise Problem(400, title, "The body is not JSON.") from error


def check_object(value: object, title: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object; otherwise raise a Problem."""
    if not isinstance(value, dict):
        raise Problem(400, title, "The body must be a JSON object.")
    return value
