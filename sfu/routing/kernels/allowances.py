"""What one connection may bring about beyond media: a rate for each kind, with bursts, as in GCRA (ITU-T I.371).

All of it costs much more than it costs to ask: the control side's time, or packets that are sent again. Without bounds
one client's flood would be everybody's.
"""

from __future__ import annotations

from sfu.routing.kernels.connection_columns import ALLOWANCES
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

RTCP, NACK_ENTRIES, CHECKS, CLAIMS, RECORDS, DATA_RECORDS, REPORT_BLOCKS = 0, 1, 2, 3, 4, 5, 6
"""Kinds: RTCP that the control side handles; entries of NACKs (RFC 4585 section 6.2.1); connectivity checks from an
address where the client has proved to be; checks from any other, which whoever has seen its SDP can write; DTLS
records; DTLS records of application data, where the connection takes data channels; blocks of receiver reports."""

_INTERVAL_US = (2_000, 500, 10_000, 20_000, 10_000, 500, 500)
_BURST_US = (1_000_000, 500_000, 2_000_000, 2_000_000, 2_000_000, 500_000, 500_000)
"""Microseconds' worth that may come at once: 500, 1000, 200, 100, 200, 1000 and 1000 of each kind."""


@stage
def forget_allowances(tables: Tables, connection: int) -> None:
    """Begin a fresh connection, which has used up nothing."""
    for kind in range(ALLOWANCES):
        tables.allowances[connection, kind] = 0


@stage
def take_allowance(tables: Tables, connection: int, kind: int, now_us: int) -> bool:
    """Whether the connection may have one more of this kind now; if so, it is counted."""
    begins_us = max(i64(tables.allowances[connection, kind]), now_us)
    if begins_us - now_us >= _BURST_US[kind]:
        return False
    tables.allowances[connection, kind] = begins_us + _INTERVAL_US[kind]
    return True
