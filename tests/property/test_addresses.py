"""Whatever connections claim and give up, an address leads to the one that claimed it last, or to none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES
from sfu.routing.kernels.index import find_address
from sfu.routing.plane import Plane, PlaneLimits
from sfu.wire.kernels.row_index import ROW
from sfu.wire.sockaddr import encode_address
from tests.property.modes import examples

ADDRESSES = [(ip, port) for ip in ("10.0.0.1", "10.0.0.2", "2001:db8::1") for port in range(1, 5)]
AF_INET6 = 10


class _Family:
    family = AF_INET6


def apply(plane: Plane) -> None:
    apply_commands(plane._tables, plane._buffers, plane._queue.index, plane._queue.records, -1)


claims = st.tuples(
    st.integers(0, 3), st.lists(st.sampled_from(ADDRESSES), max_size=MAX_ADDRESSES, unique=True), st.booleans()
)


@given(st.lists(st.one_of(claims, st.integers(0, 3)), max_size=40))
@settings(deadline=None, max_examples=examples(60))
def test_addresses_lead_to_their_newest_claim(steps) -> None:
    plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(4, 1, 1, 1, 1, 1))
    plane._socket = _Family()
    try:
        rows = [plane.open_connection() for _ in range(4)]
        claimed: dict[int, set[tuple[str, int]]] = {row: set() for row in rows}
        for step in steps:
            if isinstance(step, int):  # one goes, another comes
                plane.close_connection(rows[step])
                del claimed[rows[step]]
                rows[step] = plane.open_connection()
                claimed[rows[step]] = set()
            else:
                number, addresses, selects = step
                # As the directory does it: who loses an address is told first.
                for row, held in claimed.items():
                    if row != rows[number] and held & set(addresses):
                        held -= set(addresses)
                        plane.addresses.set(row, sorted(held), None)
                claimed[rows[number]] = set(addresses)
                plane.addresses.set(rows[number], addresses, addresses[0] if addresses and selects else None)
            apply(plane)
            for address in ADDRESSES:
                found = find_address(
                    plane._tables.by_address, plane._tables.addresses, encode_address(address, AF_INET6), 0
                )
                owners = [row for row, held in claimed.items() if address in held]
                assert [found // MAX_ADDRESSES] == (owners or [-1])
        entered = sum(1 for row in plane._tables.by_address[:, ROW] if row >= 0)
        assert entered == sum(len(held) for held in claimed.values())
    finally:
        plane._socket = None
        plane.stop()
