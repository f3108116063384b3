"""Routine checks, which say that a client is still there and nothing else (RFC 7675), answered in the plane.

They come from an address where the client has proved to be, by no relay of ours, under the credentials in use; none
nominates another address than the selected one, or has anything that asks for more than a success response. All else is
passed on, as is what does not verify: who counts and decides is the control side (`transport/ice.py`).

A check can be captured and sent again from a forged address, as often as one likes. So each proves something once,
whoever answers it: the ids of all that were authentic stand here, also those that the control side tells of, and it
asks here before it believes one. What is sent again is answered, at the client's own address, and is no sign of life.
"""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.connection_columns import MAX_ADDRESSES, REMEMBERED_CHECKS
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import NAME_STRIDE, POSITION, Buffers
from sfu.routing.kernels.send import flush, room_for, send_answer
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.ancillary import read_local, same_local
from sfu.wire.kernels.binding import (
    MOST_ANSWER_BYTES,
    NOMINATES,
    USERNAME_AT,
    USERNAME_BYTES,
    is_signed,
    parse_check,
    write_success,
)
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import load32, same_octets
from sfu.wire.kernels.row_index import same_address
from sfu.wire.kernels.sha1 import PADS, prepare_key
from sfu.wire.ufrag import UFRAG_BYTES

_ANSWERED = int(Counter.ANSWERED_CHECKS)
_MOST_BYTES = 512
"""Longest check that is looked at here, so that a flood cannot choose what each takes. Browsers' have 100 to 150."""


@stage
def begin_checks(tables: Tables, connection: int) -> None:
    """Begin a fresh connection, of which no check is known."""
    leave_checks(tables, connection)
    tables.checks[connection]["remembered"] = 0


@stage
def answer_checks(tables: Tables, buffers: Buffers, connection: int, command: Any) -> None:
    """Answer a connection's routine checks from now on. Of the password nothing stays but what signs by it."""
    entry = tables.checks[connection]
    prepare_key(command["pwd"], i64(command["pwd_bytes"]), entry["pads"], buffers.digest)
    for k in range(len(command["pwd"])):
        command["pwd"][k] = 0
    entry["ufrag"] = command["ufrag"]
    entry["remote_bytes"] = command["remote_ufrag_bytes"]
    for k in range(len(entry["remote"])):
        entry["remote"][k] = command["remote_ufrag"][k]
    entry["nominated"] = command["nominated"]
    entry["answered"] = 1


@stage
def leave_checks(tables: Tables, connection: int) -> None:
    """Pass all checks on from now on, and forget the key."""
    entry = tables.checks[connection]
    entry["answered"] = 0
    entry["nominated"] = 0
    entry["ufrag"] = -1
    entry["remote_bytes"] = 0
    for k in range(len(entry["remote"])):
        entry["remote"][k] = 0
    for k in range(PADS):
        entry["pads"][k] = 0


@stage
def note_check(tables: Tables, connection: int, transaction: int) -> bool:
    """Remember the id of an authentic check; whether it is new."""
    entry = tables.checks[connection]
    remembered = i64(entry["remembered"])
    known = i64(0)
    for k in range(min(remembered, REMEMBERED_CHECKS)):
        known += tables.transactions[connection, k] == transaction
    if known > 0:
        return False
    tables.transactions[connection, remembered % REMEMBERED_CHECKS] = transaction
    entry["remembered"] = remembered + 1
    return True


@stage
def _names(entry: Any, buffers: Buffers) -> bool:
    """Whether the check's USERNAME is our fragment, which was found, a colon and the client's."""
    count = i64(entry["remote_bytes"])
    at = buffers.check[USERNAME_AT] + UFRAG_BYTES + 1
    return buffers.check[USERNAME_BYTES] == UFRAG_BYTES + 1 + count and same_octets(
        buffers.received, at, entry["remote"], i64(0), count
    )


@stage
def _nominates_another(tables: Tables, buffers: Buffers, remote: int, message: int) -> bool:
    """Whether a check nominates another pair than the selected one: another address of the client's, or of ours."""
    if buffers.check[NOMINATES] == 0:
        return False
    connection = remote // MAX_ADDRESSES
    entry = tables.connections[connection]
    count = read_local(buffers.receive_messages, buffers.receive_controls, message, buffers.local)
    return (
        tables.checks[connection]["nominated"] == 0
        or not same_address(entry["address"], 0, tables.addresses[remote]["address"], 0)
        or not same_local(entry["local"], i64(entry["local_bytes"]), buffers.local, count)
    )


@stage
def _is_routine(tables: Tables, buffers: Buffers, remote: int, ufrag: int, start: int, end: int, message: int) -> bool:
    connection = remote // MAX_ADDRESSES
    entry = tables.checks[connection]
    address = tables.addresses[remote]
    if entry["answered"] == 0 or entry["ufrag"] != ufrag or address["relayed"] == 1 or end - start > _MOST_BYTES:
        return False
    if not parse_check(buffers.received, start, end, buffers.check) or not _names(entry, buffers):
        return False
    if _nominates_another(tables, buffers, remote, message):
        return False
    return is_signed(buffers.received, start, buffers.check, entry["pads"], buffers.digest)


@stage
def answer_check(
    tables: Tables,
    buffers: Buffers,
    remote: int,
    ufrag: int,
    start: int,
    end: int,
    message: int,
    socket: int,
    now_us: int,
) -> bool:
    """Answer the check in `received[start:end]`, which names `ufrag`, from the address `remote` of the same connection,
    if it is a routine one; whether it is.
    """
    if not _is_routine(tables, buffers, remote, ufrag, start, end, message):
        return False
    connection = remote // MAX_ADDRESSES
    transaction = (load32(buffers.received, start + 12) & 0x7FFFFFFF) << 32 | load32(buffers.received, start + 16)
    if note_check(tables, connection, transaction):
        tables.addresses[remote]["checked_us"] = now_us
    if not room_for(buffers, MOST_ANSWER_BYTES):
        flush(buffers, tables, socket)
    at = i64(buffers.state[POSITION])
    name = message * NAME_STRIDE
    pads = tables.checks[connection]["pads"]
    end = write_success(buffers.out, at, buffers.received, start, buffers.receive_names, name, pads, buffers.digest)
    tables.counters[_ANSWERED] += 1
    send_answer(buffers, tables, message, at, end, socket)
    return True
