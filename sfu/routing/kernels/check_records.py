"""The commands that say which connectivity checks the plane answers by itself. See consent.py."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.connection_columns import MOST_PWD_BYTES, MOST_REMOTE_UFRAG_BYTES
from sfu.routing.kernels.slots import Flag, Int64, Octets


class AnswerChecks(Command):
    """Answer the routine checks of a connection's client."""

    nominated: Flag
    """The client has nominated the selected address, so that to do it again changes nothing."""
    ufrag: Int64
    """Our user fragment that they name, packed, and the password by which they are signed."""
    pwd: Annotated[bytes, Octets(MOST_PWD_BYTES)] = field(repr=False)
    remote_ufrag: Annotated[bytes, Octets(MOST_REMOTE_UFRAG_BYTES)]
    """The client's."""


class LeaveChecks(Command):
    """Leave all checks to the control side, and forget the key."""


class NoteCheck(Command):
    """Remember the id of a check that the control side has found authentic."""

    transaction: Int64
