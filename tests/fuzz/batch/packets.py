"""The packet path in batches; an input is one operation of `tests.fuzz.packet_path`, its kind before its body.

The operations of a batch go to one plane after the other, so that state is fuzzed, too.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from sfu.routing.kernels import native
from sfu.routing.kernels.command_records import OPERATION_OF, PassReport, SetTarget
from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.fanout import forward_batch
from sfu.routing.kernels.ingress import receive_datagram
from sfu.routing.kernels.messages import BATCH_PACKETS, NAME_STRIDE, PACKETS, VIRTUAL_US, Buffers
from sfu.routing.kernels.notice_records import NoticeKind
from sfu.routing.kernels.rings import READ, WRITTEN
from sfu.routing.kernels.tables import Tables
from tests.fuzz.packet_path import (
    ACCOUNTS,
    COMMAND,
    KEPT_NOTICES,
    MOST_PLAIN_BYTES,
    NACK_HEAD,
    NO_SOCKET,
    PUBLISHER,
    STEP_US,
    STRANGE,
    STRANGER,
    SUBSCRIBER,
    VIEWER,
    PacketPath,
    sender,
)

from .linked import Linked
from .loop import loop
from .mutate import Octets, Offsets
from .target import CONTRADICTION, COUNT, OPERATIONS, POSITION, STATUS, Words, fold, mix

_SOURCE_LEARNED = int(NoticeKind.SOURCE_LEARNED)
_PASS_REPORT, _SET_TARGET = OPERATION_OF[PassReport], OPERATION_OF[SetTarget]
_RECEIVE, _FORWARD, _APPLY = Linked(receive_datagram), Linked(forward_batch), Linked(apply_commands)
_SSRCS = 16
_SOURCES = (PUBLISHER, STRANGER, SUBSCRIBER)
_SUBSCRIBER = _SOURCES.index(SUBSCRIBER)
_NACK_HEAD = np.frombuffer(struct.pack("!BBHI", *NACK_HEAD), np.uint8)
_NACK_BYTES = 16
_ANY = -1
"""Of datagrams, how many are passed on or counted: RTCP may tell of several paths, or of nothing that is new."""


@intrinsic
def _receive(
    _typing: Any,
    tables: Any,
    buffers: Any,
    index: Any,
    notices: Any,
    start: Any,
    end: Any,
    message: Any,
    socket: Any,
    now_us: Any,
) -> Any:
    return _RECEIVE.signature, _RECEIVE.generate


@intrinsic
def _forward(_typing: Any, tables: Any, buffers: Any, socket: Any, now_us: Any) -> Any:
    return _FORWARD.signature, _FORWARD.generate


@intrinsic
def _apply(_typing: Any, tables: Any, buffers: Any, index: Any, commands: Any, socket: Any) -> Any:
    return _APPLY.signature, _APPLY.generate


class Packets:
    """A plane for each batch."""

    def __init__(self) -> None:
        self.senders = np.stack([sender(source) for source in _SOURCES])
        self.accounts = np.array([int(counter) for counter in ACCOUNTS])
        self.path = PacketPath()
        plane = self.path.plane
        tables, buffers, notices, queue = plane._tables, plane._buffers, plane._notices, plane._queue
        _RECEIVE.link(tables, buffers, notices.index, notices.records, 0, 0, 0, 0, 0)
        _FORWARD.link(tables, buffers, 0, 0)
        _APPLY.link(tables, buffers, queue.index, queue.records, 0)

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end. Unless `again`, they are numbered anew."""
        self.path.close()
        self.path = PacketPath()
        path, plane = self.path, self.path.plane
        return int(
            judge_packets(
                inputs,
                ends,
                progress,
                marks,
                plane._tables,
                plane._buffers,
                plane._queue.index,
                plane._queue.records,
                plane._notices.index,
                plane._notices.records,
                native.srtp_handle(path.encrypt),
                native.srtp_handle(path.encrypt_asking),
                np.array(path.rows),
                np.array(path.tracks),
                self.senders,
                self.accounts,
                path.now_us,
                again,
            )
        )


@loop
def judge_packets(
    inputs: Octets,
    ends: Offsets,
    progress: Words,
    marks: Words,
    tables: Tables,
    buffers: Buffers,
    command_index: NDArray[np.int64],
    commands: NDArray[Any],
    index: NDArray[np.int64],
    notices: NDArray[Any],
    encrypt: int,
    encrypt_asking: int,
    rows: NDArray[np.int64],
    tracks: NDArray[np.int64],
    senders: NDArray[np.uint8],
    accounts: NDArray[np.int64],
    now_us: int,
    again: bool,
) -> int:
    """Do all operations; see `Packets.judge`."""
    numbers = np.zeros(_SSRCS, np.int64)
    at = 0
    for k in range(len(ends)):
        progress[POSITION] = k
        start, end = at + 1, ends[k]
        at = end
        marks[k] = 0
        if end < start:
            continue
        progress[OPERATIONS] += 1
        kind, size = np.int64(inputs[start - 1]), end - start
        if index[WRITTEN] - index[READ] >= KEPT_NOTICES:
            index[READ] = index[WRITTEN]
        source, expected = (kind & STRANGE) // STRANGE, 1
        if kind & COMMAND == COMMAND and size >= 5:
            if inputs[start] & 0x80:
                _command(inputs, start, commands[command_index[WRITTEN] % len(commands)], rows, tracks)
                command_index[WRITTEN] += 1
                buffers.state[VIRTUAL_US] = now_us
                _apply(tables, buffers, command_index, commands, NO_SOCKET)
                continue
            lead = np.int64(inputs[start])
            tables.subscriptions[rows[lead % len(rows)]]["repeat_interval_ms"] = (lead >> 4) & 3
            _ask(inputs, start, tables, buffers.received, rows)
            size = _protect(encrypt_asking, True, _NACK_BYTES, buffers)
            source, expected = _SUBSCRIBER, 0
        elif kind & 3 == 0:
            size = min(size, MOST_PLAIN_BYTES)
            compound = size > 1 and 192 <= inputs[start + 1] < 224
            expected = _ANY if compound else 1
            if not (again or compound) and size >= 12:
                _number(inputs, start, numbers)
            _copy(inputs, start, size, buffers.received)
            viewer = compound and kind & VIEWER != 0
            source = _SUBSCRIBER if viewer else source
            size = _protect(encrypt_asking if viewer else encrypt, compound, size, buffers)
            if size < 0:
                marks[k] = 1
                continue
        else:
            _copy(inputs, start, size, buffers.received)
        for j in range(NAME_STRIDE):
            buffers.receive_names[j] = senders[source, j]
        now_us += STEP_US
        buffers.state[VIRTUAL_US] = now_us
        before, first = _accounted(tables, accounts), index[WRITTEN]
        row = _receive(tables, buffers, index, notices, 0, size, 0, NO_SOCKET, now_us)
        if not -1 <= row < BATCH_PACKETS:
            return STATUS
        _forward(tables, buffers, NO_SOCKET, now_us)
        if buffers.state[PACKETS] != 0:
            return CONTRADICTION
        passed = 0
        mark = np.int64(row)
        for position in range(first, index[WRITTEN]):
            told = notices[position % len(notices)]["kind"]
            passed += told < _SOURCE_LEARNED
            mark = mix(mark, told)
        after = _accounted(tables, accounts)
        if expected != _ANY and after - before + passed != expected:
            return COUNT
        marks[k] = fold(_weigh(mark, row, tables, accounts, buffers))
    return 0


@loop
def _copy(inputs: Octets, start: int, size: int, received: Octets) -> None:
    for j in range(size):
        received[j] = inputs[start + j]


@loop
def _accounted(tables: Tables, accounts: NDArray[np.int64]) -> int:
    found = np.int64(0)
    for j in range(len(accounts)):
        found += tables.counters[accounts[j]]
    return found


@loop
def _number(inputs: Octets, start: int, numbers: NDArray[np.int64]) -> None:
    """Let most packets of an SSRC follow each other, or libsrtp takes only the first of each seed.

    Some come twice, late or far away; pictures have three packets.
    """
    which = np.int64(inputs[start + 11]) & (_SSRCS - 1)
    low = np.int64(inputs[start + 3])
    if low >= 240:
        return
    numbers[which] += 1
    step = (low & 7) - 6 if low < 16 else 0
    sequence = (numbers[which] + step) & 0xFFFF
    inputs[start + 2], inputs[start + 3] = sequence >> 8, sequence & 0xFF
    timestamp = 3000 * (sequence // 3)
    for j in range(4):
        inputs[start + 4 + j] = (timestamp >> (24 - 8 * j)) & 0xFF


@loop
def _protect(encrypt: int, compound: bool, size: int, buffers: Buffers) -> int:
    """Encrypt what is in `received`; its length then, -1: libsrtp refuses."""
    buffers.length[0] = size
    packet, length = buffers.received.ctypes.data, buffers.length.ctypes.data
    if compound:
        done = native.srtp_protect_rtcp(encrypt, packet, length)
    else:
        done = native.srtp_protect(encrypt, packet, length)
    return np.int64(buffers.length[0]) if done == native.SRTP_OK else np.int64(-1)


@loop
def _command(inputs: Octets, start: int, command: Any, rows: NDArray[np.int64], tracks: NDArray[np.int64]) -> None:
    """Write the command that `PacketPath.command` posts."""
    lead = np.int64(inputs[start])
    if lead & 0x40:
        first = np.int64(inputs[start + 1]) << 8 | np.int64(inputs[start + 2])
        command["row"] = tracks[lead % len(tracks)]
        command["operation"] = _PASS_REPORT
        command["PassReport"]["index"] = inputs[start + 1]
        command["PassReport"]["ntp_seconds"] = first
        command["PassReport"]["ntp_fraction"] = np.int64(inputs[start + 3]) << 8 | np.int64(inputs[start + 4])
        command["PassReport"]["rtp_timestamp"] = first
    else:
        command["row"] = rows[lead % len(rows)]
        command["operation"] = _SET_TARGET
        command["SetTarget"]["index"] = np.int64(inputs[start + 1]) % 3
        command["SetTarget"]["spatial"] = inputs[start + 2] & 3
        command["SetTarget"]["temporal"] = inputs[start + 3] & 7


@loop
def _ask(inputs: Octets, start: int, tables: Tables, received: Octets, rows: NDArray[np.int64]) -> None:
    """Write the NACK that `PacketPath.command` has sent."""
    lead, low = np.int64(inputs[start]), np.int64(inputs[start + 1])
    subscription = tables.subscriptions[rows[lead % len(rows)]]
    first = low << 8 | np.int64(inputs[start + 2])
    if lead & 0x40:
        first = (subscription["last_sequence"] - low % 16) & 0xFFFF
    for j in range(len(_NACK_HEAD)):
        received[j] = _NACK_HEAD[j]
    ssrc = np.int64(subscription["ssrc"])
    for j in range(4):
        received[8 + j] = (ssrc >> (24 - 8 * j)) & 0xFF
    received[12], received[13] = first >> 8, first & 0xFF
    received[14], received[15] = inputs[start + 3], inputs[start + 4]


@loop
def _weigh(mark: int, row: int, tables: Tables, accounts: NDArray[np.int64], buffers: Buffers) -> int:
    """What became of a datagram, roughly: of an accepted one what it is, and what selection has it do."""
    if row < 0:
        for j in range(len(accounts)):
            if tables.counters[accounts[j]] & 1:
                mark ^= np.int64(1) << (j & 7)
        return mark
    packet = buffers.packets[row]
    mark = mix(mark, packet["codec"] << 8 | packet["key"] << 4 | packet["late"] << 2 | packet["gap"] << 1)
    return mix(mark, packet["spatial"] << 4 | packet["temporal"])
