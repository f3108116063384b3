"""The columns of what the plane knows of connections and their addresses."""

from __future__ import annotations

import numpy as np

from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.columns import Columns
from sfu.wire.kernels.sha1 import PADS
from sfu.wire.local_address import LOCAL_BYTES
from sfu.wire.sockaddr import SOCKADDR_BYTES

ADDRESS_BYTES = SOCKADDR_BYTES
"""Length of a `sockaddr_in6`, the longest address that we handle."""
NAME_BYTES = 16
"""Longest MID or RID that fits; negotiation refuses longer ones."""
MAX_ADDRESSES = 8
"""Addresses that datagrams of one connection may come from."""
ALLOWANCES = 7
"""Number of kinds of requests that a connection may make only at a limited rate."""
CNAME_BYTES = 32
"""Longest CNAME (RFC 7022) that fits; ours have 24 characters."""
MOST_PWD_BYTES = 32
"""Longest ICE password that fits; ours have 24 characters."""
MOST_REMOTE_UFRAG_BYTES = 32
"""Longest user fragment of a client whose checks the plane answers; browsers' have 4 and 8 characters."""
REMEMBERED_CHECKS = 1024
"""Connectivity checks that are remembered of one connection: three quarters of an hour of a browser's."""
UFRAGS = 2
"""Most ICE user fragments of a connection: two while ICE restarts."""
MAX_SOURCES = 512
"""SSRCs that one connection may have at a time: libsrtp keeps state for each."""
SOURCE_SLOTS = 2 * MAX_SOURCES
RETIRED_SLOTS = 65536
MAX_RETIRED = RETIRED_SLOTS * 3 // 4
"""SSRCs that one connection may give up in its life, since they are remembered: one a second for 13 hours."""
QUEUED_PACKETS = 1024
"""Most packets of each kind that wait for one connection's pacer."""
REPORTED_PACKETS = 4096
"""Largest distance between the packets of a connection that one report covers."""

CONNECTION_COLUMNS = Columns(
    opened_by=("connection_commands",),
    connection_commands=[
        ("active", np.int32),
        ("address_bytes", np.int32),  # 0: no selected address yet
        ("address", np.uint8, (32,)),  # where to send: a sockaddr, as sendmmsg takes it
        ("local", np.uint8, (LOCAL_BYTES,)),  # from where of ours: a control message, as sendmmsg takes it
        ("local_bytes", np.int32),  # 0: the system chooses
        ("receive_srtp", np.int64),  # srtp_t
        ("send_srtp", np.int64),
        ("extension_kind", np.uint8, (16,)),  # Extension by negotiated id
        ("extension_id", np.uint8, (EXTENSION_COUNT,)),  # negotiated id by Extension
        ("controlled", np.int32),  # 0: no feedback is agreed on, 1: the receiver tells of each packet, 2: of rates
        ("reports", np.int32),  # feedback to it. 1: transport-wide, 2: REMB instead
        ("report_ssrc", np.int64),  # ours in feedback and reports to it, 0: none are sent
        ("cname_bytes", np.int32),
        ("cname", np.uint8, (CNAME_BYTES,)),
        ("mixed", np.int32),  # 1: takes one-byte and two-byte header extensions (RFC 8285 section 4.1.2)
        ("takes_data", np.int32),  # 1: data channels are negotiated
    ],
    media_commands=[
        ("first_encoding", np.int32),
    ],
    subscription_commands=[
        ("first_subscription", np.int32),
        ("subscriptions", np.int32),
    ],
    sender_reports=[
        ("unreported", np.int32),  # subscriptions that await a sender report
        ("look_us", np.int64),  # when those are looked at again
    ],
    publisher_reports=[
        ("tell_us", np.int64),  # when it is told next of what it sends
    ],
    sources=[
        ("sources", np.int32),  # SSRCs that it is known by
        ("retired", np.int32),  # SSRCs that it has given up
        ("source_free_us", np.int64),  # from when on new ones are at no more than their rate
    ],
    template=[
        ("transport_sequence", np.int64),  # of the next packet, extended
    ],
    estimates=[
        ("reported_bps", np.float64),  # the estimate that the control side knows
        ("reported_us", np.int64),
    ],
    pacing=[  # egress, see bwe/ too
        ("free_us", np.int64),  # when the line is free again, at the pacing rate
        ("probe_free_us", np.int64),  # the same at the probe's rate
        ("busy", np.int32),  # 1: in the list of those that have something to send later
        ("queued_bytes", np.int64),
        ("drain_bps", np.float64),  # so that what waits is gone in time, 0: nothing waits
    ],
    repeat=[
        ("repair_tokens", np.int64),  # bytes that may be repeated now
        ("repair_refill_us", np.int64),
    ],
    uplink=[
        ("uplink_bps", np.float64),  # what the control side was told last
        ("uplink_us", np.int64),
    ],
    arrival_report=[  # transport-wide feedback to the publisher
        ("report_media", np.int64),  # SSRC of a packet that came
        ("report_first", np.int64),  # the next extended number to report on
        ("report_highest", np.int64),
        ("report_count", np.int64),
        ("report_due_us", np.int64),
        ("report_bytes", np.int64),  # received since the last
        ("report_us", np.int64),
        ("reporting", np.int32),  # 1: in the list of those that are to be reported to
    ],
    send=[
        ("gso_bytes", np.int32),  # the largest packet that may share a message
        ("gso_retry_us", np.int64),  # when larger ones are tried again
        ("packets_out", np.int64),
        ("bytes_out", np.int64),
    ],
    ingress=[
        ("packets_in", np.int64),
        ("bytes_in", np.int64),
        ("last_arrival_us", np.int64),
    ],
)
CONNECTION = CONNECTION_COLUMNS.dtype

REMOTE_COLUMNS = Columns(
    opened_by=("connection_commands",),
    connection_commands=[
        ("held", np.int32),  # 1: in the index
        ("generation", np.int32),  # of those that had this row one after the other
        ("address", np.uint8, (32,)),  # sockaddr
        ("relayed", np.int32),  # 1: of a relay of ours, which stands between
    ],
    consent=[
        ("checked_us", np.int64),  # when a check that was answered in the plane last came from there, 0: never
    ],
    feedback=[
        ("heard_us", np.int64),  # when something authentic (SRTP, SRTCP) last came from there, 0: never
    ],
)
REMOTE = REMOTE_COLUMNS.dtype
"""An address at which a connection's client has proved to be; `MAX_ADDRESSES` rows a connection."""

CHECK_COLUMNS = Columns(
    consent=[
        ("answered", np.int32),  # 1: routine checks are answered in the plane
        ("nominated", np.int32),  # 1: the client has nominated the selected address
        ("ufrag", np.int64),  # ours
        ("remote_bytes", np.int32),
        ("remote", np.uint8, (MOST_REMOTE_UFRAG_BYTES,)),  # the client's user fragment
        ("pads", np.int64, (PADS,)),  # by which our password signs, see wire/kernels/sha1.py
        ("remembered", np.int64),  # ids of checks that were ever remembered
    ],
)
CHECKS = CHECK_COLUMNS.dtype
"""Which checks of a connection are routine."""
