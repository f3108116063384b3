from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Callable

import pytest

from sfu.recording.entries import MAX_LINE_BYTES, NO_HEAD, EntryError, format_utc, parse_utc
from sfu.recording.ledger import Ledger, LedgerError, LedgerParser, parse_ledger
from sfu.recording.signing import SigningKey, build_head_statement

RECORD = "0123456789abcdef" * 2
UTC = datetime.datetime(2026, 1, 31, 9, 0, 0, 250_000, datetime.UTC)
KEY = SigningKey.generate()


def ledger() -> Ledger:
    return Ledger(RECORD, KEY)


def written() -> list[bytes]:
    made = ledger()
    return [
        made.start("saal 1", UTC, "sfu 1", {"case": "7 C 12/26"}),
        made.append("join", 10, peer="Żofia", metadata={"role": "witness"}),
        made.append("mark", 20, name="oath", data={"n": 1.5, "list": [None, True, -3]}),
        made.sign_head(30, UTC),
        made.append("stop", 40, cause="stopped", utc=format_utc(UTC)),
        made.sign_head(40, UTC),
    ]


def error_of(data: bytes) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        list(parse_ledger(data))
    return caught.value


def test_each_line_holds_the_hash_of_the_one_before() -> None:
    lines = written()
    prev = NO_HEAD
    for n, line in enumerate(lines):
        fields = json.loads(line)
        assert list(fields)[:4] == ["n", "t_us", "prev", "type"]
        assert (fields["n"], fields["prev"]) == (n, prev)
        prev = hashlib.sha256(line).hexdigest()
    assert b'"peer":"\xc5\xbbofia","metadata":{"role":"witness"}}\n' in lines[1]


def test_what_was_written_is_read() -> None:
    entries = list(parse_ledger(b"".join(written())))
    assert [entry.type for entry in entries] == ["start", "join", "mark", "head", "stop", "head"]
    assert [entry.t_us for entry in entries] == [0, 10, 20, 30, 40, 40]
    assert entries[2].fields == {"name": "oath", "data": {"n": 1.5, "list": [None, True, -3]}}
    assert entries[0].text("room") == "saal 1" and (entries[0].integer("version"), entries[0].copy) == (3, 0)
    assert entries[3].prev == entries[2].head == entries[3].text("head")
    assert list(parse_ledger(b"")) == []


def test_a_head_signs_the_chain_before_it_and_its_own_times() -> None:
    entry = list(parse_ledger(b"".join(written())))[3]
    statement = build_head_statement(RECORD, 3, 30, "2026-01-31T09:00:00.250000Z", entry.prev)
    assert statement == f"sfu-record-head-v1\n{RECORD}\n3\n30\n2026-01-31T09:00:00.250000Z\n{entry.prev}\n".encode()
    signature = base64.b64decode(entry.text("signature"), validate=True)
    assert KEY.public.verify(statement, signature)
    assert not KEY.public.verify(statement.replace(b"\n30\n", b"\n31\n"), signature)


def test_time_never_falls() -> None:
    made = ledger()
    lines = made.start("r", UTC, "s") + made.append("mark", 500, name="a") + made.append("mark", 499, name="b")
    assert [entry.t_us for entry in parse_ledger(lines)] == [0, 500, 500]


def test_a_ledger_is_continued_where_it_ended() -> None:
    lines = written()
    parser = LedgerParser()
    for line in lines[:2]:
        parser.parse(line)
    again = Ledger(RECORD, KEY, n=parser.n, prev=parser.prev, t_us=parser.t_us)
    assert again.append("mark", 20, name="oath", data={"n": 1.5, "list": [None, True, -3]}) == lines[2]
    assert again.sign_head(30, UTC) == lines[3]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": 1}, "name of a mark line cannot be 1"),
        ({}, "a mark line must have name"),
        ({"name": "a", "prev": "b"}, "prev is made by the ledger"),
        ({"name": "a", "data": float("nan")}, "data is not a finite number"),
        ({"name": "a", "data": 1 << 63}, "data is a number beyond 64 bits"),
        ({"name": "a", "data": b"x"}, "of a type that a ledger cannot hold: bytes"),
        ({"name": "a", "data": {1: 2}}, "key 1 of data is not a string"),
        ({"name": "\ud800"}, "half of a surrogate pair"),
        ({"name": "x" * MAX_LINE_BYTES}, "is longer than"),
    ],
)
def test_what_a_ledger_cannot_hold_is_refused_and_the_chain_is_as_before(fields: dict, reason: str) -> None:
    made = ledger()
    made.start("r", UTC, "s")
    before = made.n, made.prev, made.t_us
    with pytest.raises(EntryError, match=reason):
        made.append("mark", 5, **fields)
    assert (made.n, made.prev, made.t_us) == before


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("edit", "line", "reason"),
    [
        (lambda lines: lines[1].replace(b"witness", b"lawyers"), 3, "line 2 was changed"),
        (lambda lines: lines[1].replace(b'"n":1', b'"n":2'), 2, "number 2 where 1 must stand"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us": 10'), 2, "not written in the one way"),
        (lambda lines: lines[1].replace("Ż".encode(), b"\\u017b"), 2, "not written in the one way"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":1e1'), 2, "not written in the one way"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":10.0'), 2, "t_us is not what it must be"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":-1'), 2, "t_us is not what it must be"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":true'), 2, "t_us is not what it must be"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":NaN'), 2, "NaN is not a number"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":1e999'), 2, "t_us is not a finite number"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":' + b"9" * 5000), 2, "not JSON"),
        (lambda lines: lines[1].replace(b'"t_us":10', b'"t_us":' + b"9" * 30), 2, "beyond 64 bits"),
        (lambda lines: lines[1].replace(b'"peer"', b'"n":1,"peer"'), 2, "a key stands twice"),
        (lambda lines: lines[1].replace(b'"role":', b'"role":1,"role":'), 2, "a key stands twice"),
        (lambda lines: lines[1].replace(b'"peer"', b'"pear"'), 2, "a join line must have peer"),
        (lambda lines: lines[1].replace("Ż".encode(), b"\xff"), 2, "it is not UTF-8"),
        (lambda lines: lines[1].replace("Ż".encode(), b"\\ud800"), 2, "half of a surrogate pair"),
        (lambda lines: lines[1].replace(b'"witness"', deep(30)), 2, "nested too deeply"),
        (lambda lines: lines[1].replace(b'"witness"', deep(30_000)), 2, "nested too deeply"),
        (lambda lines: lines[1].replace(b'"witness"', b"[" * 60_000), 2, "nested too deeply"),
        (lambda lines: lines[1].replace(b'"type":"join"', b'"type":"Join"'), 2, "not a type of line"),
        (lambda lines: lines[1].replace(b'"type":"join"', b'"type":["join"]'), 2, "type is not a string"),
        (lambda lines: lines[1].replace(b'"type":"join"', b'"type":"start"'), 2, "a start line must have format"),
        (lambda lines: b"[1]\n", 2, "not a JSON object"),
        (lambda lines: b"{}\n", 2, "does not begin with n, t_us, prev and type"),
        (lambda lines: b"\n", 2, "not JSON"),
        (lambda lines: b"", 2, "number 2 where 1 must stand"),
        (lambda lines: lines[1] * 2, 3, "number 1 where 2 must stand"),
        (lambda lines: lines[1][:-1] + b" " * MAX_LINE_BYTES + b"\n", 2, "is longer than"),
        (lambda lines: lines[1][:-1] + b"\r\n", 2, "not written in the one way"),
        (lambda lines: lines[1].replace(b"}\n", b"}\x00\n"), 2, "not JSON"),
    ],
)
def test_the_first_wrong_line_is_named_with_its_fault(
    edit: Callable[[list[bytes]], bytes], line: int, reason: str
) -> None:
    lines = written()
    lines[1] = edit(lines)
    error = error_of(b"".join(lines))
    assert error.line == line
    assert reason in error.reason


def test_a_time_that_falls_is_found() -> None:
    made = ledger()
    first = made.start("r", UTC, "s")
    one = made.append("mark", 500, name="a")
    two = Ledger(RECORD, KEY, n=2, prev=made.prev).append("mark", 499, name="b")
    error = error_of(first + one + two)
    assert (error.line, error.reason) == (3, "its time is 499 us, before the 500 us of the line before")


def test_a_torn_last_line_is_found() -> None:
    data = b"".join(written())
    for kept in (1, 100):
        error = error_of(data[:-kept])
        assert (error.line, "torn" in error.reason) == (6, True)


def test_a_ledger_begins_with_its_start() -> None:
    lines = written()
    assert error_of(lines[1]).line == 1
    assert "64 zeros" in error_of(lines[0].replace(NO_HEAD.encode(), NO_HEAD[1:].encode() + b"1")).reason
    assert "must stand first" in error_of(ledger().append("mark", 0, name="a")).reason
    with pytest.raises(EntryError, match="starts once"):
        Ledger(RECORD, KEY, n=1).start("r", UTC, "s")


def test_a_parser_is_after_an_error_as_it_was_before() -> None:
    lines = written()
    parser = LedgerParser()
    parser.parse(lines[0])
    with pytest.raises(LedgerError):
        parser.parse(lines[2])
    assert parser.parse(lines[1]).type == "join"
    assert parser.offset == len(lines[0] + lines[1])


def test_times_are_written_in_one_way() -> None:
    east = UTC.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
    assert format_utc(east) == format_utc(UTC) == "2026-01-31T09:00:00.250000Z"
    assert parse_utc(format_utc(UTC)) == UTC
    with pytest.raises(ValueError, match="no time zone"):
        format_utc(UTC.replace(tzinfo=None))
    for wrong in ("2026-01-31T09:00:00Z", "2026-02-30T09:00:00.000000Z", "2026-01-31T09:00:00.000000Z\n", "٢" * 27):
        with pytest.raises(EntryError):
            parse_utc(wrong)
