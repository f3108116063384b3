"""What one end of a ring writes, the other reads, field by field as the classes define them; so a field that one end
forgets is found. `test_modes.py` runs this module again, unjitted and bounds-checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import literal_unroll

from sfu.routing.kernels import command_records as commands
from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.counters import COUNTER_COUNT
from sfu.routing.kernels.messages import NAME_STRIDE, VIRTUAL_US, make_buffers
from sfu.routing.kernels.notice_records import DATAGRAM_BYTES, NOTICE, NOTICES, NoticeKind
from sfu.routing.kernels.notices import (
    push_datagram,
    push_estimate,
    push_gap,
    push_key_frame_needed,
    push_missed,
    push_repaired,
    push_source,
)
from sfu.routing.kernels.rings import INDEX_LENGTH, READ, WRITTEN
from sfu.routing.kernels.slots import Octets, Padded, stored_fields
from sfu.routing.kernels.tables import make_tables
from sfu.routing.plane import Datagram
from sfu.routing.queues import CommandQueue, NoticeQueue
from sfu.wire.sockaddr import encode_address
from tests.local_addresses import build_local

from .modes import examples

_ROWS = 4
_POISON = 0xA5
_IPV6 = 10

rows = st.integers(0, _ROWS - 1)
connections = st.integers(-(1 << 31), (1 << 31) - 1)


def ends(kind: Any) -> tuple[int, int]:
    """What fits a number's field, from the least to the most."""
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def values_of(message: type, name: str) -> st.SearchStrategy[Any]:
    """All that a field takes; its ends more often than not."""
    kind = stored_fields(message)[name]
    if isinstance(kind, Octets | Padded):
        return st.one_of(st.binary(max_size=kind.most), st.just(b"\xff" * kind.most), st.just(b""))
    if get_type_hints(message)[name] is bool:
        return st.booleans()
    least, most = ends(kind)
    return st.one_of(st.sampled_from([least, -1 if least else 1, 0, most]), st.integers(least, most))


def contents_of(message: type) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: values_of(message, name) for name in stored_fields(message)})


def in_order(message: type, contents: dict[str, int]) -> np.ndarray:
    return np.array([contents[name] for name in stored_fields(message)], np.int64)


def spelled(record: str, slot: np.dtype[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a class in its slot: numbers, and octets."""
    columns = slot[record]
    assert columns.names is not None
    numbers = tuple(name for name in columns.names if columns[name].shape == ())
    return numbers, tuple(name for name in columns.names if columns[name].shape != ())


def make_reader(record: str) -> Any:
    """A kernel that copies a command's columns out, octets to the end of their field."""
    numbers, octets = spelled(record, commands.COMMAND)

    @numba.njit
    def read_numbers(slots: Any, at: int, out: Any) -> None:
        k = 0
        for name in literal_unroll(numbers):  # takes neither enumerate() nor its name with a dot
            out[k] = slots[at][record][name]
            k = k + 1

    @numba.njit
    def read_octets(slots: Any, at: int, out: Any) -> None:
        k = 0
        for name in literal_unroll(octets):
            for each in range(len(slots[at][record][name])):
                out[k, each] = slots[at][record][name][each]
            k = k + 1

    def read(slots: Any, at: int) -> dict[str, Any]:
        found, raw = np.zeros(len(numbers), np.int64), np.full((len(octets), 64), 0, np.uint8)
        read_numbers(slots, at, found)
        if octets:
            read_octets(slots, at, raw)
        sizes = [commands.COMMAND[record][name].shape[0] for name in octets]
        return dict(zip(numbers, found.tolist(), strict=True)) | {
            name: bytes(raw[k, :size]) for k, (name, size) in enumerate(zip(octets, sizes, strict=True))
        }

    return read


@pytest.fixture(scope="module")
def queue() -> Iterator[CommandQueue]:
    made = CommandQueue(0)
    yield made
    made.close()


_TELLING = [command for command in commands.COMMANDS if stored_fields(command)]


@pytest.mark.parametrize("command", _TELLING, ids=lambda command: command.__name__)
def test_what_is_posted_is_what_a_kernel_reads(command: type, queue: CommandQueue) -> None:
    read = make_reader(command.__name__)

    @given(st.integers(0, (1 << 31) - 1), contents_of(command))
    @settings(deadline=None, max_examples=examples(30))
    def go_round(row: int, contents: dict[str, Any]) -> None:
        queue.records.view(np.uint8)[: 2 * commands.COMMAND.itemsize] = _POISON
        queue.index[WRITTEN] = queue.index[READ] = 1
        queue.post(row, command(**contents))
        assert queue.index[WRITTEN] == 2
        slot = queue.records[1]
        assert (slot["operation"], slot["row"]) == (commands.COMMANDS.index(command), row)
        expected: dict[str, Any] = {}
        for name, kind in stored_fields(command).items():
            if isinstance(kind, Octets):
                expected[f"{name}_bytes"] = len(contents[name])
            sized = isinstance(kind, Octets | Padded)
            expected[name] = contents[name].ljust(kind.most, b"\0") if sized else contents[name]
        assert read(queue.records, 1) == expected

    go_round()


@pytest.mark.parametrize("command", _TELLING, ids=lambda command: command.__name__)
def test_what_does_not_fit_is_not_posted(command: type, queue: CommandQueue) -> None:
    fitting = {name: b"" if isinstance(kind, Octets | Padded) else 0 for name, kind in stored_fields(command).items()}
    queue.index[:] = 0
    for name, kind in stored_fields(command).items():
        if isinstance(kind, Octets | Padded):
            wrong, error = [bytes(kind.most + 1)], ValueError
        else:
            wrong, error = [ends(kind)[0] - 1, ends(kind)[1] + 1], OverflowError
        for value in wrong:
            with pytest.raises(error):
                queue.post(0, command(**{**fitting, name: value}))
    assert queue.index[WRITTEN] == 0


class Noting:
    """A record that notes which of its columns are read."""

    def __init__(self, record: Any) -> None:
        self.record = record
        self.read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.read:
            value = self.record[name]
            self.read[name] = Noting(value) if isinstance(value, np.void) else value
        return self.read[name]


@pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="test_modes.py runs it: compiled kernels take no other record")
@pytest.mark.parametrize("command", commands.COMMANDS, ids=lambda command: command.__name__)
def test_the_plane_reads_every_field_of_a_command(command: type) -> None:
    tables, buffers = make_tables(2, 2, 2, 2, COUNTER_COUNT, logs=2, resent=2), make_buffers()
    buffers.state[VIRTUAL_US] = 1
    tables.connections["first_subscription"] = tables.tracks["first_subscription"] = tables.subscriptions["track"] = -1
    tables.connections["controlled"] = 2 if command is commands.SetLossBound else 0
    tables.tracks["active"] = 1
    index = np.zeros(INDEX_LENGTH, np.int64)
    slot = np.zeros(1, commands.COMMAND)[0]
    slot["operation"] = commands.COMMANDS.index(command)
    if stored_fields(command):
        for name in slot[command.__name__].dtype.names:
            slot[command.__name__][name] = 1
    index[WRITTEN] = 1
    noting = Noting(slot)
    assert apply_commands(tables, buffers, index, [noting], -1) == (command is commands.Stop)
    assert index[READ] == 1
    if stored_fields(command):
        assert set(noting.read) == {"operation", "row", command.__name__}
        assert set(noting.read[command.__name__].read) == set(slot[command.__name__].dtype.names)


def make_writer(record: str) -> Any:
    """A kernel that fills a notice's columns."""
    numbers, _ = spelled(record, NOTICE)

    @numba.njit
    def write(slots: Any, at: int, values: Any) -> None:
        k = 0
        for name in literal_unroll(numbers):
            slots[at][record][name] = values[k]
            k = k + 1

    return write


@pytest.fixture(scope="module")
def notices() -> Iterator[NoticeQueue]:
    made = NoticeQueue()
    yield made
    made.close()


@pytest.mark.parametrize("kind", NOTICES, ids=lambda kind: kind.name)
def test_what_a_kernel_writes_is_what_the_control_side_reads(kind: NoticeKind, notices: NoticeQueue) -> None:
    notice = NOTICES[kind]
    write = make_writer(notice.__name__)

    @given(connections, contents_of(notice))
    @settings(deadline=None, max_examples=examples(30))
    def go_round(connection: int, contents: dict[str, Any]) -> None:
        notices.records.view(np.uint8)[: NOTICE.itemsize] = _POISON
        notices.records[0]["kind"], notices.records[0]["connection"] = kind, connection
        write(notices.records, 0, in_order(notice, contents))
        notices.index[WRITTEN], notices.index[READ] = 1, 0
        assert notices.poll(1) == [notice(connection=connection, **contents)]

    go_round()


@numba.njit
def push(
    kind: int, tables: Any, buffers: Any, index: Any, notices: Any, connection: int, numbers: Any, size: int
) -> None:
    """`numbers`: the fields, in order; `size`: of a datagram."""
    if kind == _SOURCE_LEARNED:
        push_source(tables, buffers, index, notices, numbers[0], numbers[1])
    elif kind == _GAP:
        push_gap(tables, buffers, index, notices, numbers[0], numbers[1], numbers[2])
    elif kind == _REPAIRED:
        push_repaired(tables, buffers, index, notices, numbers[0], numbers[1])
    elif kind == _REPEAT_MISSED:
        push_missed(tables, buffers, index, notices, numbers[0])
    elif kind == _KEY_FRAME_NEEDED:
        push_key_frame_needed(tables, buffers, index, notices, numbers[0], numbers[1])
    elif kind == _ESTIMATE:
        push_estimate(tables, buffers, index, notices, connection, numbers[0], False)
    elif kind == _UPLINK:
        push_estimate(tables, buffers, index, notices, connection, numbers[0], True)
    else:
        push_datagram(tables, buffers, index, notices, kind, connection, 0, size, 0)


_SOURCE_LEARNED, _GAP, _REPAIRED = int(NoticeKind.SOURCE_LEARNED), int(NoticeKind.GAP), int(NoticeKind.REPAIRED)
_REPEAT_MISSED, _KEY_FRAME_NEEDED = int(NoticeKind.REPEAT_MISSED), int(NoticeKind.KEY_FRAME_NEEDED)
_ESTIMATE, _UPLINK = int(NoticeKind.ESTIMATE), int(NoticeKind.UPLINK)


@pytest.mark.parametrize("kind", NoticeKind, ids=lambda kind: kind.name)
def test_what_the_plane_tells_is_what_the_control_side_reads(kind: NoticeKind, notices: NoticeQueue) -> None:
    tables, buffers = make_tables(2, 2, _ROWS, _ROWS, COUNTER_COUNT), make_buffers()
    told = {}
    if kind in NOTICES:
        fields = stored_fields(NOTICES[kind])
        of_row = [name for name in fields if name in ("encoding", "subscription")]
        told = {name: rows if name in of_row else values_of(NOTICES[kind], name) for name in fields}

    locals_ = st.sampled_from([b"", build_local("192.0.2.1"), build_local("2001:db8::2")])

    @given(connections, st.fixed_dictionaries(told), st.binary(max_size=DATAGRAM_BYTES), locals_)
    @settings(deadline=None, max_examples=examples(30))
    def go_round(connection: int, contents: dict[str, Any], data: bytes, local: bytes) -> None:
        notices.records.view(np.uint8)[: NOTICE.itemsize] = _POISON
        notices.index[:] = 0
        tables.encodings["connection"] = tables.subscriptions["connection"] = connection
        buffers.receive_names[:NAME_STRIDE] = _POISON
        buffers.receive_names[:28] = encode_address(("2001:db8::1", 4000), _IPV6)
        buffers.received[: len(data)] = np.frombuffer(data, np.uint8)
        buffers.receive_messages["control_bytes"][0] = len(local)
        buffers.receive_controls[: len(local)] = np.frombuffer(local, np.uint8)
        numbers = in_order(NOTICES[kind], contents) if kind in NOTICES else np.zeros(0, np.int64)
        push(int(kind), tables, buffers, notices.index, notices.records, connection, numbers, len(data))
        if kind in NOTICES:
            expected: Any = NOTICES[kind](connection=connection, **contents)
        else:
            expected = Datagram(kind.name.lower(), data, ("2001:db8::1", 4000), connection, local)
        assert notices.poll(2) == [expected]

    go_round()
