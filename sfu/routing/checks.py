"""Which connectivity checks a plane answers, and what it remembers of all of them. See kernels/consent.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sfu.routing.kernels.check_records import AnswerChecks, LeaveChecks, NoteCheck
from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.connection_columns import MOST_PWD_BYTES, MOST_REMOTE_UFRAG_BYTES, REMEMBERED_CHECKS
from sfu.routing.kernels.tables import Tables
from sfu.wire.ufrag import pack_ufrag

_MASK_63 = (1 << 63) - 1


class Checks:
    """The control side's part in the checks of a plane's connections."""

    def __init__(self, tables: Tables, post: Callable[[int, Command], None], applied: Callable[[], bool]) -> None:
        """`post` posts a command for a row; `applied` tells whether the plane has applied all that were posted."""
        self._tables = tables
        self._post = post
        self._applied = applied

    def answer(self, connection: int, *, ufrag: str, pwd: str, remote_ufrag: str, nominated: bool) -> None:
        """Let the plane answer a client's routine checks, which name `ufrag` and are signed with `pwd`, both ours.

        `nominated`: the client has nominated the selected address, so that to do it again is routine. A fragment of the
        client's that is longer than any browser's leaves the checks to the control side.
        """
        key, remote = pwd.encode("ascii"), remote_ufrag.encode("utf-8", "replace")
        if len(key) > MOST_PWD_BYTES or len(remote) > MOST_REMOTE_UFRAG_BYTES:
            self.leave(connection)
        else:
            self._post(connection, AnswerChecks(nominated, pack_ufrag(ufrag), key, remote))

    def leave(self, connection: int) -> None:
        """Have all checks of a client passed on from now on; the plane forgets the key."""
        self._post(connection, LeaveChecks())

    def memory(self, connection: int) -> CheckMemory:
        """Return what tells new checks of a connection, whose row has just been opened, from those sent again."""
        return CheckMemory(connection, self._tables, self._post, self._applied)


class CheckMemory:
    """The transaction ids of one connection's checks. They stand in the plane, which alone writes them; here are only
    those that it has yet to take.
    """

    def __init__(
        self, connection: int, tables: Tables, post: Callable[[int, Command], None], applied: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._transactions, self._remembered = tables.transactions, tables.checks["remembered"]
        self._post = post
        self._applied = applied
        self._under_way: deque[int] = deque(maxlen=REMEMBERED_CHECKS)

    def is_new(self, transaction_id: bytes) -> bool:
        """Whether the id (12 octets) of an authentic check is new; it is remembered from now on."""
        known = int.from_bytes(transaction_id[4:]) & _MASK_63
        if self._applied():
            self._under_way.clear()
        count = min(self._remembered.item(self._connection), REMEMBERED_CHECKS)
        if known in self._under_way or (self._transactions[self._connection, :count] == known).any():
            return False
        self._under_way.append(known)
        self._post(self._connection, NoteCheck(known))
        return True
