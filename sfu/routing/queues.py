"""The control side's ends of the rings: posting commands and reading notices."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.command_records import COMMAND, OPERATION_OF
from sfu.routing.kernels.notice_records import NOTICE, NOTICES, NoticeKind, Numbers
from sfu.routing.kernels.rings import INDEX_LENGTH, READ, WRITTEN
from sfu.routing.kernels.slots import stored_fields, write_fields
from sfu.routing.ring_ends import ReadEnd, WriteEnd
from sfu.wire.sockaddr import Address, decode_address


def _offset(field: str) -> int:
    """Return the offset of a stored datagram's field in its slot."""
    slot, record = NOTICE.fields, NOTICE["StoredDatagram"].fields
    assert slot is not None
    assert record is not None
    return int(slot["StoredDatagram"][1]) + int(record[field][1])


_COMMAND_SLOTS = 8192
NOTICE_SLOTS = 4096
_DATA_AT = _offset("data")
_ADDRESS_AT = _offset("address")
_LOCAL_AT = _offset("local")
_KIND_NAMES: dict[int, str] = {NoticeKind.STUN: "stun", NoticeKind.DTLS: "dtls", NoticeKind.RTCP: "rtcp"}


class PlaneError(RuntimeError):
    """The plane's thread does not take commands: a defect of ours, or a machine that stands still."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram for the control side: `kind` is 'stun', 'dtls' or 'rtcp' (decrypted).

    `connection` is the row whose selected address it came from, -1 when it is nobody's.
    """

    kind: str
    data: bytes
    address: Address
    connection: int
    local: bytes = b""
    """Which of our addresses it came to (wire/local_address.py); empty where the socket is bound to one."""


Notice = Datagram | Numbers


def _open_event() -> int:
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


class CommandQueue:
    """The command ring, the event that wakes the plane, and what must outlive a command."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self.index = np.zeros(INDEX_LENGTH, np.int64)
        self._end = WriteEnd(self.index)
        self.records: NDArray[Any] = np.zeros(_COMMAND_SLOTS, COMMAND)
        self.event = _open_event()
        self._kept: deque[tuple[int, object]] = deque()

    @property
    def applied(self) -> bool:
        """Whether the plane has applied every command that was posted."""
        return bool(self.index[READ] == self.index[WRITTEN])

    def post(self, row: int, command: Command) -> None:
        """Hand a command to the plane. Raises PlaneError when it has taken none for a second."""
        position = int(self.index[WRITTEN])
        if position - int(self.index[READ]) >= _COMMAND_SLOTS:
            self._await_room(position)
        slot = self.records[position % _COMMAND_SLOTS]
        slot["operation"] = OPERATION_OF[type(command)]
        slot["row"] = row
        if stored_fields(type(command)):
            write_fields(slot[type(command).__name__], command)
        self._end.publish(1)
        os.eventfd_write(self.event, 1)
        while self._kept and int(self.index[READ]) >= self._kept[0][0]:
            self._kept.popleft()

    def _await_room(self, position: int) -> None:
        """Wait a moment for room: the ring is full only while the plane is in one long round."""
        pause = threading.Event()
        for _ in range(1000):
            if position - int(self.index[READ]) < _COMMAND_SLOTS:
                return
            pause.wait(0.001)
        raise PlaneError(f"shard {self._shard} has taken no command for a second")

    def keep_until_applied(self, held: object) -> None:
        """Keep `held` alive until the command that is posted next has been applied."""
        if held is not None:
            self._kept.append((int(self.index[WRITTEN]) + 1, held))

    def close(self) -> None:
        """Close the event, once the plane's thread has ended. Idempotent."""
        if self.event >= 0:
            os.close(self.event)
            self.event = -1
        self._kept.clear()


class NoticeQueue:
    """The notice ring and the event that wakes the control side."""

    def __init__(self) -> None:
        self.index = np.zeros(INDEX_LENGTH, np.int64)
        self._end = ReadEnd(self.index)
        self.records: NDArray[Any] = np.zeros(NOTICE_SLOTS, NOTICE)
        self.event = _open_event()
        # Columns and raw octets: a record field by field costs several times as much (see states.py).
        self._kinds, self._connections = self.records["kind"], self.records["connection"]
        self._columns: dict[int, tuple[type[Numbers], list[NDArray[Any]]]] = {
            kind: (notice, [self.records[notice.__name__][name] for name in stored_fields(notice)])
            for kind, notice in NOTICES.items()
        }
        datagrams = self.records["StoredDatagram"]
        self._data_bytes, self._address_bytes = datagrams["data_bytes"], datagrams["address_bytes"]
        self._local_bytes = datagrams["local_bytes"]
        self._octets = self.records.view(np.uint8).data

    @property
    def written(self) -> int:
        """Number of notices that the plane has ever written."""
        return int(self.index[WRITTEN])

    @property
    def read(self) -> int:
        """Number of notices that were taken."""
        return int(self.index[READ])

    def poll(self, most: int) -> list[Notice]:
        """Take waiting notices, at most so many."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.event)
        waiting = min(self._end.readable(), most)
        first = int(self.index[READ])
        found = [self._read(position % NOTICE_SLOTS) for position in range(first, first + waiting)]
        self._end.release(waiting)
        return found

    def _read(self, slot: int) -> Notice:
        kind = self._kinds.item(slot)
        connection = self._connections.item(slot)
        if kind in self._columns:
            notice, columns = self._columns[kind]
            return notice(connection, *[column.item(slot) for column in columns])
        data = slot * NOTICE.itemsize + _DATA_AT
        address = slot * NOTICE.itemsize + _ADDRESS_AT
        local = slot * NOTICE.itemsize + _LOCAL_AT
        return Datagram(
            _KIND_NAMES[kind],
            bytes(self._octets[data : data + self._data_bytes.item(slot)]),
            decode_address(bytes(self._octets[address : address + self._address_bytes.item(slot)])),
            connection,
            bytes(self._octets[local : local + self._local_bytes.item(slot)]),
        )

    def close(self) -> None:
        """Close the event. Idempotent."""
        if self.event >= 0:
            os.close(self.event)
            self.event = -1
