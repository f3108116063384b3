"""A chain of another program: made, continued, and its first wrong line named."""

from __future__ import annotations

import json

import pytest

from sfu import EntryError
from sfu.recording import Chain, ChainError, ChainParser, parse_chain


def make_lines(*acts: str) -> list[bytes]:
    chain = Chain()
    return [chain.append("hearing", number * 10, act=act) for number, act in enumerate(acts)]


def test_what_was_appended_is_read_again() -> None:
    entries = list(parse_chain(b"".join(make_lines("open", "close"))))
    assert [(entry.n, entry.type, entry.t_us, entry.fields["act"]) for entry in entries] == [
        (0, "hearing", 0, "open"),
        (1, "hearing", 10, "close"),
    ]
    assert entries[1].prev == entries[0].head


def test_a_chain_goes_on_from_where_a_parser_is() -> None:
    first = b"".join(make_lines("open"))
    parser = ChainParser()
    (entry,) = parser.parse_all(first)
    chain = Chain(n=parser.n, prev=parser.prev, t_us=parser.t_us)
    assert chain.prev == entry.head
    assert len(list(parse_chain(first + chain.append("hearing", 5, act="close")))) == 2


def test_it_needs_no_start_line_and_has_one_wherever_it_likes() -> None:
    assert list(parse_chain(b"")) == []
    assert next(parse_chain(make_lines("open")[0])).type == "hearing"


def test_a_line_that_cannot_be_written_leaves_the_chain_as_it_was() -> None:
    chain = Chain()
    chain.append("hearing", 0, act="open")
    before = (chain.n, chain.prev, chain.t_us)
    with pytest.raises(EntryError):
        chain.append("hearing", 1, act=float("nan"))
    assert (chain.n, chain.prev, chain.t_us) == before


def edited(lines: list[bytes]) -> list[bytes]:
    fields = json.loads(lines[1])
    fields["act"] = "other"
    return [lines[0], json.dumps(fields, separators=(",", ":")).encode() + b"\n", *lines[2:]]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (edited, 3),  # it is the next one that does not hold its hash
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[0], lines[1].replace(b'"act":"b"', b'"act": "b"'), *lines[2:]], 2),
        (lambda lines: [*lines[:3], lines[3][:-1]], 4),
    ],
    ids=["edited", "removed", "reordered", "repeated", "spelt otherwise", "torn"],
)
def test_the_first_wrong_line_is_named(spoil: object, line: int) -> None:
    assert callable(spoil)
    with pytest.raises(ChainError) as raised:
        list(parse_chain(b"".join(spoil(make_lines("a", "b", "c", "d")))))
    assert raised.value.line == line
    assert f"line {line} of the chain" in str(raised.value)
