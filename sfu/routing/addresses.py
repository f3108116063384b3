"""The addresses of the peers of a plane's connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfu.routing.kernels import command_records as commands
from sfu.routing.kernels.command_class import Command
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES
from sfu.routing.kernels.tables import Tables
from sfu.wire.sockaddr import Address, encode_address


class Addresses:
    """The control side's copy of which addresses each connection has, and which of them is sent to."""

    def __init__(self, tables: Tables, post: Callable[[int, Command], None], family: Callable[[], int]) -> None:
        """`post` posts a command for a row; `family` returns that of the plane's socket, known once that is bound."""
        self._post = post
        self._family = family
        self._held: dict[int, list[tuple[Address | None, int]]] = {}
        self._selected: dict[int, Address | None] = {}
        self._last_use = 0
        self._generations, self._heard_us = tables.addresses["generation"], tables.addresses["heard_us"]

    def open(self, connection: int) -> None:
        """Note that a connection has a row now, and no address yet."""
        self._held[connection] = [(None, 0)] * MAX_ADDRESSES

    def close(self, connection: int) -> None:
        """Note that a connection's row is freed."""
        del self._held[connection]
        self._selected.pop(connection, None)

    def set(
        self, connection: int, addresses: Sequence[Address], selected: Address | None, *, tcp: bool = False
    ) -> None:
        """Take what comes from these addresses, at most `MAX_ADDRESSES`, for the peer's, from nowhere else; send to
        `selected`, from where it goes on by TCP or not.

        An address that another connection had is this one's from now on.
        """
        held = self._held[connection]
        for place, (address, _) in enumerate(held):
            if address is not None and address not in addresses:
                held[place] = (None, 0)
                self._post(connection, commands.DropAddress(place))
        for address in addresses:
            known = [held_address for held_address, _ in held]
            if address not in known:
                place = known.index(None)
                self._last_use = (self._last_use + 1) & 0x7FFFFFFF
                held[place] = (address, self._last_use)
                raw = encode_address(address, self._family()).tobytes()
                self._post(connection, commands.ClaimAddress(place, self._last_use, raw))
        if selected != self._selected.get(connection):
            self._selected[connection] = selected
            raw = b"" if selected is None else encode_address(selected, self._family()).tobytes()
            self._post(connection, commands.SetAddress(raw, tcp))

    def heard(self, connection: int) -> list[tuple[Address, float]]:
        """Return when something authentic (SRTP, SRTCP) last came from each address, in seconds of CLOCK_MONOTONIC.

        Addresses from which nothing came are left out.
        """
        first = connection * MAX_ADDRESSES
        found = []
        for place, (address, generation) in enumerate(self._held[connection]):
            if address is None or self._generations.item(first + place) != generation:
                continue  # the plane has yet to begin with it
            heard_us = self._heard_us.item(first + place)
            if heard_us > 0:
                found.append((address, heard_us / 1e6))
        return found
