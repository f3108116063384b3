"""The commands that say where a connection's client is. See connection_commands.py."""

from __future__ import annotations

from typing import Annotated

from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.slots import Flag, Int32, Octets, Padded
from sfu.wire.local_address import LOCAL_BYTES

_SOCKADDR_BYTES = 32


class SetAddress(Command):
    """Select where to send, from where it may go on by TCP; nowhere when the address is empty."""

    address: Annotated[bytes, Octets(_SOCKADDR_BYTES)]
    local: Annotated[bytes, Octets(LOCAL_BYTES)]
    """From which of our addresses (wire/local_address.py); empty: the system chooses."""
    tcp: Flag


class ClaimAddress(Command):
    """Take datagrams from an address (`relayed`: a relay's of ours) for the connection's; a former holder loses it."""

    relayed: Flag
    place: Int32
    """Index of the address among the connection's."""
    generation: Int32
    """Which use of that place it is."""
    address: Annotated[bytes, Padded(_SOCKADDR_BYTES)]


class DropAddress(Command):
    """Give up an address: datagrams from it are a stranger's again."""

    place: Int32
