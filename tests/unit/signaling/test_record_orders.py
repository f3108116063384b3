from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sfu.signaling import Problem
from sfu.signaling.records.orders import (
    MOST_NAME,
    MOST_NOTE,
    Mark,
    Pause,
    parse_mark,
    parse_pause,
    parse_phase,
    parse_resume,
    parse_start,
)

PARSERS: tuple[Callable[[str], Any], ...] = (parse_start, parse_mark, parse_phase, parse_pause, parse_resume)
WHOLE: dict[Callable[[str], Any], Mapping[str, Any]] = {
    parse_start: {"metadata": {"case": "1 C 1/26"}},
    parse_mark: {"name": "exhibit", "data": {"number": 7}},
    parse_phase: {"name": "pleadings"},
    parse_pause: {"ground": "recess", "authoriser": "Judge Weiß", "note": "until two\no'clock"},
    parse_resume: {"authoriser": "Judge Weiß"},
}


def refused(parse: Callable[[str], Any], body: str) -> str:
    with pytest.raises(Problem) as caught:
        parse(body)
    assert caught.value.status == 400
    return caught.value.detail


def test_what_is_said_is_read() -> None:
    assert parse_start("") == parse_start(" \n") == parse_start("{}") == {}
    assert parse_start(json.dumps(WHOLE[parse_start])) == {"case": "1 C 1/26"}
    assert parse_mark(json.dumps(WHOLE[parse_mark])) == Mark("exhibit", {"number": 7})
    assert parse_mark('{"name": "now"}') == Mark("now", {})
    assert parse_phase(json.dumps(WHOLE[parse_phase])) == "pleadings"
    assert parse_pause(json.dumps(WHOLE[parse_pause])) == Pause("recess", "Judge Weiß", "until two\no'clock")
    assert parse_pause('{"ground": "g", "authoriser": "a"}').note == ""
    assert parse_resume(json.dumps(WHOLE[parse_resume])) == "Judge Weiß"


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        "7",
        '"name"',
        "\ufeff{}",
        "{'name': 'x'}",
        "[" * 60_000,
        '{"name":' * 10_000,
        '{"name": NaN}',
        '{"metadata": {"x": -Infinity}}',
        '{"metadata": {"x": ' + "9" * 5000 + "}}",
        '{"metadata": {"a": 1, "a": 2}}',
    ],
    ids=lambda body: body[:20],
)
def test_what_is_no_json_object_is_refused(parse: Callable[[str], Any], body: str) -> None:
    assert refused(parse, body)


@pytest.mark.parametrize("parse", PARSERS)
def test_a_field_that_is_not_known_is_refused_and_named(parse: Callable[[str], Any]) -> None:
    parse(json.dumps(WHOLE[parse]))
    told = refused(parse, json.dumps({**WHOLE[parse], "reson": "x"}))
    assert "'reson'" in told
    assert all(name in told for name in WHOLE[parse])
    assert len(refused(parse, json.dumps({**WHOLE[parse], "\ud800" + "x" * 50_000: 1}))) < 300


@pytest.mark.parametrize("parse", PARSERS[1:])
def test_a_field_that_is_needed_is_named(parse: Callable[[str], Any]) -> None:
    for name, value in WHOLE[parse].items():
        if name not in ("data", "note"):
            rest = {key: other for key, other in WHOLE[parse].items() if key != name}
            assert refused(parse, json.dumps(rest)).startswith(name)
            assert refused(parse, json.dumps({**rest, name: [value]})).startswith(name)


UNPRINTABLE = ["a\nb", "a\x00", "\x1b[2J", "\u202eabc", "\ud800"]


@pytest.mark.parametrize("text", ["", " ", *UNPRINTABLE, "x" * (MOST_NAME + 1), None, 7], ids=ascii)
def test_a_text_is_short_and_printable(text: Any) -> None:
    assert refused(parse_phase, json.dumps({"name": text})).startswith("name must be")
    assert refused(parse_resume, json.dumps({"authoriser": text})).startswith("authoriser must be")
    assert refused(parse_pause, json.dumps({"ground": text, "authoriser": "a"})).startswith("ground must be")


@pytest.mark.parametrize("note", ["x" * (MOST_NOTE + 1), "\x1b[2J", "\ud800", 7, None, ["x"]])
def test_a_note_is_bounded_text(note: Any) -> None:
    assert refused(parse_pause, json.dumps({"ground": "g", "authoriser": "a", "note": note})).startswith("note must be")


@pytest.mark.parametrize(("parse", "name"), [(parse_start, "metadata"), (parse_mark, "data")])
@pytest.mark.parametrize("value", [None, [], "x", 7, True, {"x": "ä" * 9000}, {str(n): 0 for n in range(3000)}])
def test_an_object_is_an_object_and_bounded(parse: Callable[[str], Any], name: str, value: Any) -> None:
    assert refused(parse, json.dumps({"name": "x", name: value} if name == "data" else {name: value})).startswith(name)


VALUES: list[Any] = [None, True, 0, -1, 1.5, 1e308, "", "q", "\ud800", [], {}, {"self": 1, "name": 2}, [[[]]]]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_any_value_is_understood_or_refused(parse: Callable[[str], Any], value: Any) -> None:
    for name in WHOLE[parse]:
        with contextlib.suppress(Problem):
            parse(json.dumps({**WHOLE[parse], name: value}))
