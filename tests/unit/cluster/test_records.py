"""What stands in the directory may be damaged, another version's, another program's, or huge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.cluster.node_requests import Loads, Look, Renew
from sfu.cluster.records import (
    MAX_RECORD_BYTES,
    NodeRecord,
    RecordError,
    check_node_id,
    check_room,
    read_entry,
    read_node,
)
from sfu.cluster.requests import Request
from sfu.cluster.room_requests import Claim, Move, Put, Read, Release
from sfu.errors import ArgumentError


def test_a_record_comes_back_as_it_was() -> None:
    record = NodeRecord(id="a", epoch=7, region="é", draining=True, version="1.2")
    assert read_node("a", f"7 {record.encode()}") == record


def test_what_another_version_has_more_is_ignored_and_what_it_lacks_has_its_default() -> None:
    record = read_node("a", '3 {"region":"eu","colour":"red"}')
    assert record == NodeRecord(id="a", epoch=3, region="eu")


@pytest.mark.parametrize(
    "text",
    ["", "3", "3 ", "x {}", "3 []", "3 {", '3 {"region":5}', '3 {"draining":"yes"}', '3 {"protocol":true}',
     "-1 {}", "٣ {}", "3 " + "[" * 5000, "3 " + '"' + "x" * MAX_RECORD_BYTES + '"', "9" * 30 + " {}"],
)  # fmt: skip
def test_what_is_no_record_is_refused_with_one_error(text: str) -> None:
    with pytest.raises(RecordError):
        read_node("a", text)


@pytest.mark.parametrize(
    ("field", "text"),
    [("track", "a 1 {}"), ("track/", "a 1 {}"), ("track/T", "a x {}"), ("track/T", "a 1"),
     ("track/T", "a " + "1" * 30 + " {}"),     ("track/T", "a 1 " + "x" * 9000), ("x" * 9000 + "/y", "a 1 {}")],
)  # fmt: skip
def test_what_is_no_entry_is_refused_with_one_error(field: str, text: str) -> None:
    with pytest.raises(RecordError):
        read_entry(field, text)


@pytest.mark.parametrize("node", ["", "a b", "a/b", "é", "x" * 65, "a\n"])
def test_ids_that_would_not_fit_are_refused(node: str) -> None:
    with pytest.raises(ArgumentError, match="a node's id is"):
        check_node_id(node)


@pytest.mark.parametrize("room", ["", "x" * 1025, "\ud800"])
def test_names_of_rooms_that_would_not_fit_are_refused(room: str) -> None:
    with pytest.raises(ArgumentError, match="1 to 1024 bytes"):
        check_room(room)


def test_unreadable_nodes_and_entries_are_skipped_and_counted() -> None:
    seen = Look(0, "").read(
        [b"i", 4, 1, [b"a", b'1 {"region":"eu"}', b"b", b"garbage", b"\xff", b"1 {}", b"c", b"\xff"]]
    )
    assert [node.id for node in seen.nodes] == ["a"] and seen.unreadable == 3
    (room,) = Read(("r",), True).read(
        [[1, b"5", b"a", b"1", b"0", [b"track/T", b"a 1 {}", b"x", b"y", b"track/U", b"\xff"]]]
    )
    assert [entry.id for entry in room.entries] == ["T"] and room.unreadable == 2


def test_a_load_that_is_no_share_is_taken_for_a_full_node() -> None:
    assert Loads(("a", "b", "c")).read([b"nan", b"-1", b"7"]) == {"a": 1.0, "b": 1.0, "c": 1.0}


REQUESTS: list[Request[object]] = [
    Renew("a", 1, 0.0, None),
    Look(0, ""),
    Loads(("a", "b")),
    Claim("a", 1, "i", 5, False, (("r", 0), ("s", 3))),
    Release("a", 1, (("r", 3),)),
    Move("a", 1, "r", 3, "b", 2),
    Put("a", 1, "r", 3, "track/T", "{}"),
    Read(("r", "s")),
]

scalars = st.one_of(st.none(), st.binary(max_size=8), st.integers(-5, 5), st.text(max_size=4), st.floats())
answers = st.recursive(scalars, lambda inner: st.lists(inner, max_size=8), max_leaves=20)


@given(st.sampled_from(REQUESTS), answers)
def test_any_answer_is_read_or_refused_with_one_error(request: Request[object], raw: object) -> None:
    try:
        request.read(raw)
    except RecordError:
        pass
