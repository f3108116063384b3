"""The addresses of the peers of a plane's connections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels import address_records as commands
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
        self._selected: dict[int, tuple[Address | None, bytes]] = {}
        self._last_use = 0
        self._generations = tables.addresses["generation"]
        self._heard_us, self._checked_us = tables.addresses["heard_us"], tables.addresses["checked_us"]

    def open(self, connection: int) -> None:
        """Note that a connection has a row now, and no address yet."""
        self._held[connection] = [(None, 0)] * MAX_ADDRESSES

    def close(self, connection: int) -> None:
        """Note that a connection's row is freed."""
        del self._held[connection]
        self._selected.pop(connection, None)

    def set(
        self,
        connection: int,
        addresses: Sequence[Address],
        selected: Address | None,
        *,
        local: bytes = b"",
        tcp: bool = False,
        relayed: Collection[Address] = (),
    ) -> None:
        """Take what comes from these addresses, at most `MAX_ADDRESSES`, for the peer's, from nowhere else; send to
        `selected`, from where it goes on by TCP or not, and from the local address `local` (wire/local_address.py).

        An address that another connection had is this one's from now on. `relayed`: those of them that are of relays of
        ours, so that the peer is elsewhere.
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
                self._post(connection, commands.ClaimAddress(address in relayed, place, self._last_use, raw))
        if (selected, local) != self._selected.get(connection, (None, b"")):
            self._selected[connection] = selected, local
            raw = b"" if selected is None else encode_address(selected, self._family()).tobytes()
            self._post(connection, commands.SetAddress(raw, local, tcp))

    def heard(self, connection: int) -> list[tuple[Address, float]]:
        """Return when something authentic (SRTP, SRTCP) last came from each address, in seconds of CLOCK_MONOTONIC.

        Addresses from which nothing came are left out.
        """
        return self._times(connection, self._heard_us)

    def checked(self, connection: int) -> list[tuple[Address, float]]:
        """Return when a check that the plane has answered by itself, and that was new, last came from each address, in
        seconds of CLOCK_MONOTONIC; addresses from which none came are left out.
        """
        return self._times(connection, self._checked_us)

    def _times(self, connection: int, column: NDArray[Any]) -> list[tuple[Address, float]]:
        first = connection * MAX_ADDRESSES
        found = []
        for place, (address, generation) in enumerate(self._held[connection]):
            if address is None or self._generations.item(first + place) != generation:
                continue  # the plane has yet to begin with it
            last_us = column.item(first + place)
            if last_us > 0:
                found.append((address, last_us / 1e6))
        return found
