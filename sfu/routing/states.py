"""Snapshots of table rows, as the control side reads them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class EncodingState:
    """Reception statistics of an encoding (RFC 3550 appendix A); `packets` 0: nothing has arrived."""

    ssrc: int
    packets: int
    octets: int
    base_sequence: int
    extended_sequence: int
    jitter_16: int
    last_timestamp: int
    last_arrival_us: int

    @property
    def jitter(self) -> int:
        """Interarrival jitter in timestamp units."""
        return self.jitter_16 >> 4

    @property
    def expected(self) -> int:
        """Packets that should have arrived."""
        return self.extended_sequence - self.base_sequence + 1 if self.packets else 0


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """What was sent to a subscriber; an egress timestamp is the ingress one plus `timestamp_offset` modulo 2**32."""

    ssrc: int
    started: int
    source: int
    packets: int
    octets: int
    sequence_offset: int
    timestamp_offset: int
    last_sequence: int
    last_timestamp: int
    last_arrival_us: int


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Traffic of a connection; datagrams of all kinds in, RTP out."""

    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    last_arrival_us: int
    no_gso: int


def read_state(kind: type[_S], record: Any) -> _S:
    """Read the fields of dataclass `kind` from a table's record."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: int(record[name]) for name in names})
