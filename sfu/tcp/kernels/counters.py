"""What the pump counts."""

from __future__ import annotations

from enum import IntEnum


class Counter(IntEnum):
    """Totals of all connections; each only grows."""

    PACKETS_IN = 0
    PACKETS_OUT = 1
    DROP_LATE = 2
    DROP_FULL = 3
    DROP_NO_LEG = 4
    DROP_SEND_FAILED = 5
    DROP_TRUNCATED = 6
    DROP_STRANGER = 7
    """By UDP, of who has no allocation, and asks for none."""
    DROP_STRANGER_RATE = 8
    """By UDP, allocations that are asked for beyond what is taken from all strangers together."""
    DROP_REQUEST_RATE = 9
    """By UDP, a request while another one is being answered, or too many of one client."""
    DROP_MALFORMED = 10
    """By UDP, what is cut short or no message of TURN."""
