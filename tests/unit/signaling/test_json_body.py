"""JSON from strangers says one thing, or is refused with a sentence; nothing else comes out of the reader."""

from __future__ import annotations

import pytest

from sfu.signaling.http.json_body import check_object, parse_json
from sfu.signaling.http.problem import Problem


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ('{"a": 1, "a": 1}', "twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "twice"),
        ("NaN", "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
    ],
)
def test_what_is_not_one_json_text_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Problem, match=reason) as caught:
        parse_json(text, "Title")
    assert (caught.value.status, caught.value.title) == (400, "Title")


def test_what_is_json_is_read() -> None:
    assert parse_json(' {"a": [1, null, "x"], "b": {"a": 2}} ', "Title") == {"a": [1, None, "x"], "b": {"a": 2}}


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_an_object_is_an_object(value: object) -> None:
    assert check_object({"a": 1}, "Title") == {"a": 1}
    with pytest.raises(Problem, match="JSON object"):
        check_object(value, "Title")
