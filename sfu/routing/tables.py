"""The forwarding tables. The plane is their only writer; the control side may read counters from them.

Rows refer to each other by index; -1 means none. Lists (a track's subscriptions, a connection's encodings) are
linked through the rows, so the tables never move or grow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.wire.extensions import EXTENSION_COUNT

ADDRESS_BYTES = 28
"""Length of a `sockaddr_in6`, the longest address we handle."""
NAME_BYTES = 16
"""Longest MID or RID that fits; negotiation refuses longer ones."""
TEMPLATE_BYTES = 64
MAX_SHARDS = 32
MAX_NEW_SOURCES = 64
"""New SSRCs that one connection may introduce in its life: each one costs libsrtp memory."""

CONNECTION = np.dtype(
    [
        ("active", np.int32),
        ("address_bytes", np.int32),  # 0: no selected address yet
        ("address", np.uint8, (32,)),  # sockaddr, as sendmmsg takes it
        ("receive_session", np.int64),  # srtp_t
        ("send_session", np.int64),
        ("extension_kind", np.uint8, (16,)),  # Extension by negotiated id
        ("extension_id", np.uint8, (EXTENSION_COUNT,)),  # negotiated id by Extension
        ("first_encoding", np.int32),
        ("subscriptions", np.int32),
        ("new_sources", np.int32),
        ("transport_sequence", np.int32),
        ("no_gso", np.int32),
        ("packets_in", np.int64),
        ("bytes_in", np.int64),
        ("packets_out", np.int64),
        ("bytes_out", np.int64),
        ("last_arrival_us", np.int64),
    ]
)

TRACK = np.dtype(
    [
        ("active", np.int32),
        ("tapped", np.int32),
        ("first_subscription", np.int32),
        ("subscriptions", np.int32),
        ("relayed", np.int32),  # shards that this track is relayed to
        ("use", np.int64),  # which use of this row: no two tracks of a shard share a number
        ("relay", np.int32, (MAX_SHARDS,)),  # the track's row on each other shard
        ("relay_use", np.int64, (MAX_SHARDS,)),  # and the use of that row
        ("batch_first", np.int32),  # this batch's packets
        ("batch_last", np.int32),
    ]
)

ENCODING = np.dtype(
    [
        ("active", np.int32),
        ("track", np.int32),
        ("connection", np.int32),
        ("next", np.int32),  # the connection's next encoding
        ("ssrc", np.int64),  # -1: not known yet
        ("payload_type", np.int32),
        ("audio", np.int32),
        ("clock_rate", np.int32),
        ("mid_bytes", np.int32),
        ("rid_bytes", np.int32),
        ("mid", np.uint8, (NAME_BYTES,)),
        ("rid", np.uint8, (NAME_BYTES,)),
        ("generation", np.int32),  # counts the SSRCs that this encoding has had
        # reception statistics, RFC 3550 appendix A
        ("packets", np.int64),
        ("octets", np.int64),
        ("base_sequence", np.int64),
        ("extended_sequence", np.int64),
        ("jitter_16", np.int64),  # 16 times the interarrival jitter, timestamp units
        ("transit", np.int64),
        ("last_timestamp", np.int64),
        ("last_arrival_us", np.int64),
    ]
)

SUBSCRIPTION = np.dtype(
    [
        ("active", np.int32),
        ("paused", np.int32),
        ("track", np.int32),
        ("connection", np.int32),
        ("next", np.int32),  # the track's next subscription
        ("previous", np.int32),
        ("ssrc", np.int64),
        ("payload_type", np.int32),
        ("mid_bytes", np.int32),
        ("mid", np.uint8, (NAME_BYTES,)),
        ("started", np.int32),
        ("source", np.int64),  # whose numbering the offsets below translate
        ("sequence_offset", np.int64),
        ("timestamp_offset", np.int64),
        ("last_sequence", np.int64),
        ("last_timestamp", np.int64),
        ("last_arrival_us", np.int64),
        ("seed_sequence", np.int64),
        ("seed_timestamp", np.int64),
        ("packets", np.int64),
        ("octets", np.int64),
        # header template, see rewrite.py
        ("template_bytes", np.int32),
        ("abs_send_time_at", np.int32),
        ("transport_sequence_at", np.int32),
        ("template", np.uint8, (TEMPLATE_BYTES,)),
    ]
)


class Tables(NamedTuple):
    """One shard's tables and indexes, as kernels take them."""

    connections: NDArray[Any]
    tracks: NDArray[Any]
    encodings: NDArray[Any]
    subscriptions: NDArray[Any]
    by_address: NDArray[np.int32]
    by_ssrc: NDArray[np.int32]
    counters: NDArray[np.int64]
    touched: NDArray[np.int32]  # tracks with packets in this batch; [0] is their number


def make_tables(connections: int, tracks: int, encodings: int, subscriptions: int, counters: int) -> Tables:
    """Empty tables of the given numbers of rows. Indexes are at most a quarter full."""
    made = Tables(
        np.zeros(connections, CONNECTION),
        np.zeros(tracks, TRACK),
        np.zeros(encodings, ENCODING),
        np.zeros(subscriptions, SUBSCRIPTION),
        np.full(_index_size(connections), -1, np.int32),
        np.full(_index_size(encodings), -1, np.int32),
        np.zeros(counters, np.int64),
        np.zeros(tracks + 1, np.int32),
    )
    made.tracks["batch_first"] = -1
    return made


def _index_size(rows: int) -> int:
    return 1 << (4 * rows - 1).bit_length()
