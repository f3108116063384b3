"""The forwarding tables. The plane is their only writer; the control side may read counters from them.

Rows refer to each other by index; -1 means none. Lists (a track's subscriptions, a connection's encodings) are
linked through the rows, so the tables never move or grow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.sent_log import SENT_LOG, SENT_PACKET
from sfu.bwe.kernels.state import ESTIMATOR
from sfu.routing.kernels.memory import late_zeros
from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS

ADDRESS_BYTES = 28
"""Length of a `sockaddr_in6`, the longest address we handle."""
NAME_BYTES = 16
"""Longest MID or RID that fits; negotiation refuses longer ones."""
TEMPLATE_BYTES = 64
MAX_SHARDS = 32
MAX_ADDRESSES = 8
"""Addresses that datagrams of one connection may come from."""
ALLOWANCES = 5
"""Kinds of what a connection may bring about at a rate only."""
UFRAGS = 2
"""ICE user fragments of a connection: while ICE restarts there are two."""
MAX_SOURCES = 512
"""SSRCs that one connection may be known by at a time: libsrtp keeps state for each."""
SOURCE_SLOTS = 2 * MAX_SOURCES
RETIRED_SLOTS = 65536
MAX_RETIRED = RETIRED_SLOTS * 3 // 4
"""SSRCs that one connection may give up in its life, since they are remembered: one a second for 13 hours."""
ARRIVALS = 1024
"""How many sequence numbers back an encoding knows which packets have come."""
NEVER = -(1 << 40)
"""No extended sequence number."""
SHIFTS = 64
"""How many changes of its numbering a subscription remembers, for packets that come late."""
STRETCHES = 4
"""How many sources that it has left a subscription remembers, for packets of theirs that come late."""
LOGGED_PACKETS = 512
"""How many sent packets back a subscription can be asked to repeat."""
EGRESS_WINDOW = 128
"""How far behind the highest number libsrtp still takes one of ours (transport/srtp.py)."""
SEALED_BYTES = 1 << 18
"""What is kept of the packets of a subscription without RTX, as they went out: a second of 2 Mbit/s."""
SEALED_AUDIO_BYTES = 1 << 15
"""The same of audio: several seconds."""
PARAMETER_BYTES = 1024
"""H.264 parameter sets of an Encoding, each behind its length in two octets; they have to fit one packet."""
PARAMETER_INDEXES = 4
"""Encodings of a Track whose parameter sets are kept."""
LARGEST_SET_BYTES = 512
QUEUED_PACKETS = 1024
"""How many packets may wait for one connection's pacer, of each kind."""
REPORTED_PACKETS = 4096
"""How far apart the packets of a connection may be that one report tells of."""
PACKET_SLOT_BYTES = 1536
"""A stored RTP packet's place."""

CONNECTION = np.dtype(
    [
        ("active", np.int32),
        ("address_bytes", np.int32),  # 0: no selected address yet
        ("address", np.uint8, (32,)),  # where to send: a sockaddr, as sendmmsg takes it
        ("receive_session", np.int64),  # srtp_t
        ("send_session", np.int64),
        ("extension_kind", np.uint8, (16,)),  # Extension by negotiated id
        ("extension_id", np.uint8, (EXTENSION_COUNT,)),  # negotiated id by Extension
        ("first_encoding", np.int32),
        ("first_subscription", np.int32),
        ("subscriptions", np.int32),
        ("sources", np.int32),  # SSRCs that it is known by, see sources.py
        ("retired", np.int32),  # that it has given up
        ("source_free_us", np.int64),  # from when on new ones are at no more than their rate
        ("transport_sequence", np.int64),  # of the next packet, extended
        # egress: congestion control and pacing, see bwe/ and pacing.py
        ("controlled", np.int32),  # 0: no feedback is agreed on, 1: the receiver tells of each packet, 2: of rates
        ("told_bps", np.float64),  # the estimate that the control side knows
        ("told_us", np.int64),
        ("free_us", np.int64),  # when the line is free again, at the pacing rate
        ("probe_free_us", np.int64),  # the same at the probe's rate
        ("busy", np.int32),  # 1: in the list of those that have something to send later
        ("queued_bytes", np.int64),
        ("repair_tokens", np.int64),  # bytes that may be repeated now
        ("repair_refill_us", np.int64),
        # ingress: transport-wide feedback, see arrival_report.py
        ("reports", np.int32),  # 1: agreed on; 2: REMB instead, see uplink.py
        ("uplink_bps", np.float64),  # what the control side was told last
        ("uplink_us", np.int64),
        ("report_ssrc", np.int64),
        ("report_media", np.int64),  # SSRC of a packet that came
        ("report_first", np.int64),  # the next extended number to report on
        ("report_highest", np.int64),
        ("report_count", np.int64),
        ("report_due_us", np.int64),
        ("report_bytes", np.int64),  # received since the last
        ("report_us", np.int64),
        ("reporting", np.int32),  # 1: in the list of those that are to be reported to
        ("mixed", np.int32),  # 1: takes one-byte and two-byte header extensions (RFC 8285 section 4.1.2)
        ("gso_bytes", np.int32),  # the largest packet that may share a message, see send.py
        ("gso_retry_us", np.int64),  # when larger ones are tried again
        ("packets_in", np.int64),
        ("bytes_in", np.int64),
        ("packets_out", np.int64),
        ("bytes_out", np.int64),
        ("last_arrival_us", np.int64),
    ]
)

REMOTE = np.dtype(
    [
        ("held", np.int32),  # 1: in the index
        ("use", np.int32),  # which use of this row
        ("address", np.uint8, (32,)),  # sockaddr
        ("heard_us", np.int64),  # when something authentic (SRTP, SRTCP) last came from there, 0: never
    ]
)
"""An address at which a connection's client has proved to be; `MAX_ADDRESSES` rows a connection."""

TRACK = np.dtype(
    [
        ("active", np.int32),
        ("tapped", np.int32),  # a bit for each Encoding that goes to the tap ring
        ("first_subscription", np.int32),
        ("subscriptions", np.int32),
        ("kept", np.int64),  # position of its latest packet in the history, -1: none
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
        ("redundant_type", np.int32),  # of RED, 0: none
        ("audio", np.int32),
        ("codec", np.int32),  # a PayloadFormat
        ("index", np.int32),  # which Encoding of the Track, 0 the lowest
        ("repairs", np.int32),  # the encoding that this one repairs (RFC 4588), -1: it carries media itself
        ("asks", np.int32),  # tell of gaps, so that what is missing is asked for; 1: it comes by RTX, 2: as it was
        ("clock_rate", np.int32),
        ("mid_bytes", np.int32),
        ("rid_bytes", np.int32),
        ("mid", np.uint8, (NAME_BYTES,)),
        ("rid", np.uint8, (NAME_BYTES,)),
        ("generation", np.int32),  # counts the SSRCs that this encoding has had
        ("former_ssrc", np.int64),  # the one before, -1: none
        ("replaced_us", np.int64),  # when it was replaced
        # reception statistics, RFC 3550 appendix A
        ("packets", np.int64),
        ("octets", np.int64),
        ("base_sequence", np.int64),
        ("extended_sequence", np.int64),
        ("jitter_16", np.int64),  # 16 times the interarrival jitter, timestamp units
        ("transit", np.int64),
        ("last_timestamp", np.int64),
        ("last_arrival_us", np.int64),
        ("resume_sequence", np.int32),  # what must come next for a jump to be a restart, -1: no jump yet
        ("repaired", np.int64),  # packets that came by retransmission
        ("key_frames", np.int64),
        ("key_frames_before", np.int64),  # when its SSRC was learned
        ("aligned", np.int32),
        ("shift", np.int64),  # to the common clock of the Track's Encodings
        ("spatial_layers", np.int32),  # seen so far
        ("spatial_top", np.int32),  # VP9: the highest that the stream announced, -1: none
        ("temporal_layers", np.int32),
        ("stranded", np.int64),  # the Layers that cannot go on without a key frame
        ("key_timestamp", np.int64),  # of the last key frame, -1: none
        ("layer_octets", np.int64, (SPATIAL_LAYERS * TEMPORAL_LAYERS,)),  # payload, by the frame's own layer
        # audio level, RFC 6464
        ("levels", np.int64),  # packets that had one
        ("loudness", np.int64),  # sum of 127 minus the level in -dBov
        ("voiced", np.int64),  # packets said to hold a voice
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
        ("sibling", np.int32),  # the connection's next subscription
        ("ssrc", np.int64),
        ("payload_type", np.int32),
        ("redundant_type", np.int32),  # 0: RED is unpacked
        ("wide", np.int32),  # 1: its section takes transport-wide sequence numbers
        ("pads", np.int32),  # 1: video, among which there may be packets of padding
        ("padded", np.int32),  # 1: there were
        ("picture_ended", np.int32),  # 1: the last packet was a picture's last
        ("repair_type", np.int32),  # payload type of retransmissions, 0: none
        ("repair_ssrc", np.int64),
        ("repair_sequence", np.int32),
        ("repair_tokens", np.int64),  # bytes that may be repeated now
        ("repair_refill_us", np.int64),
        ("repeat_interval_ms", np.int32),  # a packet is not repeated sooner
        ("nacks", np.int64),  # packets that its receiver has asked for
        ("missed_us", np.int64),  # when it was last told that the history had not what was asked for
        ("log", np.int32),  # row of sent packets, -1: none
        ("sealed", np.int32),  # without RTX: row of packets as they went out plus one, 0: none
        ("sealed_bytes", np.int32),  # how much of that row is used
        ("mid_bytes", np.int32),
        ("mid", np.uint8, (NAME_BYTES,)),
        # layers: see select.py
        ("target_index", np.int32),
        ("target_spatial", np.int32),
        ("target_temporal", np.int32),
        ("current_index", np.int32),  # -1: waits for a key frame
        ("current_spatial", np.int32),
        ("current_temporal", np.int32),
        ("intact", np.int64),  # Layers that the subscriber could decode by what it got so far
        ("picture_timestamp", np.int64),
        ("changed_at", np.int64),  # timestamp of the picture at which the current Layer was entered
        ("dropped_picture", np.int64),  # picture ID of the last picture left out
        ("highest", np.int64),  # ingress sequence number, extended
        ("shift_count", np.int64),
        ("shift_first", np.int64),  # the first of this source
        ("stretch_count", np.int64),
        ("given_sets", np.int64),  # H.264: timestamp of the last picture that got its parameter sets by us
        ("picture_offset", np.int32),
        ("tl0_offset", np.int32),
        ("frame_offset", np.int32),
        ("last_picture", np.int32),  # egress, -1: none yet
        ("last_tl0", np.int32),
        ("last_frame", np.int32),
        ("common_offset", np.int64),  # egress timestamp minus the Track's common clock
        ("aligned", np.int32),  # 1: the former is known
        ("switches", np.int64),
        ("pictures", np.int64),
        ("freezes", np.int64),
        ("picture_gap_us", np.int64),  # smoothed time between two pictures
        ("picture_arrival_us", np.int64),
        ("repeated", np.int64),  # packets sent again
        ("not_repeated", np.int64),
        ("started", np.int32),
        ("source", np.int64),  # whose numbering the offsets below translate
        ("sequence_offset", np.int64),
        ("timestamp_offset", np.int64),
        ("last_sequence", np.int64),  # the highest number that was given, or reserved for what may still come
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


SHIFT = np.dtype(
    [
        ("sequence", np.int64),  # the first ingress sequence number that it holds for, extended
        ("sequence_offset", np.int32),
        ("picture_offset", np.int32),
    ]
)
"""A change of a subscription's numbering, because packets before it were left out."""

STRETCH = np.dtype(
    [
        ("source", np.int64),
        ("highest", np.int64),  # ingress sequence number, extended
        ("shift_first", np.int64),  # its shifts
        ("shift_end", np.int64),
        ("left_us", np.int64),  # when its last packet came
        ("timestamp_offset", np.int64),
        ("tl0_offset", np.int32),
        ("frame_offset", np.int32),
        ("spatial", np.int32),  # the Layer that was forwarded last
        ("temporal", np.int32),
    ]
)
"""The numbering of a source that a subscription has left."""

SENT = np.dtype(
    [
        ("history", np.int64),  # position in the packet history
        ("timestamp", np.uint32),  # this and the following as the subscriber got them
        ("sequence", np.uint16),
        ("picture", np.uint16),
        ("frame", np.uint16),
        ("tl0", np.uint8),
        ("flags", np.uint8),  # 1: taken, 2: marker, 4: still waits for the pacer, 8: an empty one in its place
        ("repeated_ms", np.uint32),  # when it was last sent again, if ever
        ("repeats", np.uint8),  # how often so far, counted up to 7
    ]
)
"""What has to be known of a sent packet to send it again."""

SEALED = np.dtype(
    [
        ("at", np.int64),  # of all octets ever written to the row
        ("wide", np.int64),  # its transport-wide sequence number, extended; -1: none
        ("bytes", np.int32),  # 0: none
        ("sequence", np.int32),
        ("repeated_ms", np.int64),  # when it was last sent again, if ever
        ("repeats", np.uint8),  # how often so far, counted up to 7
    ]
)
"""A packet that is kept as it went out."""

PARAMETERS = np.dtype(
    [
        ("bytes", np.int32),
        ("data", np.uint8, (PARAMETER_BYTES,)),
        ("changes", np.int64),  # odd while it is being changed
        ("sequence_timestamp", np.int64),  # of the packet that brought a sequence parameter set last, -1: none
        ("picture_timestamp", np.int64),  # the same for picture parameter sets
        ("gap_timestamp", np.int64),  # of the last packet before which others were missing, -1: none
        ("in_band", np.int32),  # 1: the last key frame that was whole had both kinds
        ("told_bytes", np.int32),  # of a set that the control side is telling
        ("told", np.uint8, (LARGEST_SET_BYTES,)),
    ]
)
"""The H.264 parameter sets of one Encoding, from SDP and from its packets."""


@bundle
class Tables(NamedTuple):
    """One shard's tables, indexes and packet history, as kernels take them."""

    connections: NDArray[Any]
    tracks: NDArray[Any]
    encodings: NDArray[Any]
    subscriptions: NDArray[Any]
    by_address: NDArray[np.int32]  # of addresses
    by_ssrc: NDArray[np.int32]
    counters: NDArray[np.int64]
    touched: NDArray[np.int32]  # tracks with packets in this batch; [0] is their number
    arrivals: NDArray[np.int64]  # [encodings, ARRIVALS] extended sequence numbers
    structures: NDArray[Any]  # [encodings] of STRUCTURE, for dependency descriptors
    shifts: NDArray[Any]  # [subscriptions, SHIFTS]
    logs: NDArray[Any]  # [logs, LOGGED_PACKETS] of SENT
    estimators: NDArray[Any]  # [connections] of ESTIMATOR
    uplinks: NDArray[Any]  # the same of the way in, where the client sends abs-send-time and no more
    sent: NDArray[Any]  # [connections, SENT_LOG] of SENT_PACKET
    arrived: NDArray[np.int64]  # [connections, REPORTED_PACKETS] times, by transport-wide sequence number
    addresses: NDArray[Any]  # [connections * MAX_ADDRESSES] of REMOTE
    source_ssrcs: NDArray[np.int64]  # [connections, SOURCE_SLOTS] SSRCs plus one, 0: free
    source_heard: NDArray[np.int64]  # [connections, SOURCE_SLOTS] when, in microseconds
    retired: NDArray[np.uint32]  # [connections, RETIRED_SLOTS] SSRCs, 0: free
    queue_index: NDArray[np.int64]  # [connections, 2, 2]: entries ever written and read; repeats, then media
    queues: NDArray[np.int64]  # [connections, 2, QUEUED_PACKETS]: subscription << 16 | egress sequence number
    busy: NDArray[np.int32]  # connections that have something to send later; [0] is their number
    reporting: NDArray[np.int32]  # connections that are to be reported to; [0] is their number
    history_packets: NDArray[Any]  # ring of PACKET
    history_data: Octets  # a slot for each
    history_written: NDArray[np.int64]  # [1]: how many were ever written
    stretches: NDArray[Any]  # [subscriptions, STRETCHES]
    sealed: NDArray[Any]  # [sealed rows, LOGGED_PACKETS] of SEALED
    sealed_data: NDArray[np.uint8]  # [sealed rows, SEALED_BYTES]
    sealed_written: NDArray[np.int64]  # [sealed rows]: octets that were ever written
    parameters: NDArray[Any]  # [tracks, PARAMETER_INDEXES] of PARAMETERS
    allowances: NDArray[np.int64]  # [connections, ALLOWANCES] from when on each is within its rate, see allowances.py
    ufrags: NDArray[np.int64]  # [connections * UFRAGS] local ICE user fragments, see wire/kernels/binding.py; -1: none
    by_ufrag: NDArray[np.int32]  # of ufrags


def make_tables(
    connections: int,
    tracks: int,
    encodings: int,
    subscriptions: int,
    counters: int,
    *,
    logs: int = 1,
    history: int = 1,
    resent: int = 1,
) -> Tables:
    """Empty tables of the given numbers of rows; memory is committed as rows are used.

    `logs`: subscriptions that can ask for packets again; `history`: packets kept for that; `resent`: subscriptions
    whose packets are kept as they went out. Indexes are at most a quarter full.
    """
    made = Tables(
        late_zeros(connections, CONNECTION),
        late_zeros(tracks, TRACK),
        late_zeros(encodings, ENCODING),
        late_zeros(subscriptions, SUBSCRIPTION),
        np.full(_index_size(connections * MAX_ADDRESSES), -1, np.int32),
        np.full(_index_size(encodings), -1, np.int32),
        late_zeros(counters, np.int64),
        late_zeros(tracks + 1, np.int32),
        late_zeros((encodings, ARRIVALS), np.int64),
        late_zeros(encodings, STRUCTURE),
        late_zeros((subscriptions, SHIFTS), SHIFT),
        late_zeros((logs, LOGGED_PACKETS), SENT),
        late_zeros(connections, ESTIMATOR),
        late_zeros(connections, ESTIMATOR),
        late_zeros((connections, SENT_LOG), SENT_PACKET),
        late_zeros((connections, REPORTED_PACKETS), np.int64),
        late_zeros(connections * MAX_ADDRESSES, REMOTE),
        late_zeros((connections, SOURCE_SLOTS), np.int64),
        late_zeros((connections, SOURCE_SLOTS), np.int64),
        late_zeros((connections, RETIRED_SLOTS), np.uint32),
        late_zeros((connections, 2, 2), np.int64),
        late_zeros((connections, 2, QUEUED_PACKETS), np.int64),
        late_zeros(connections + 1, np.int32),
        late_zeros(connections + 1, np.int32),
        late_zeros(history, PACKET),
        late_zeros(history * PACKET_SLOT_BYTES, np.uint8),
        late_zeros(1, np.int64),
        late_zeros((subscriptions, STRETCHES), STRETCH),
        late_zeros((resent, LOGGED_PACKETS), SEALED),
        late_zeros((resent, SEALED_BYTES), np.uint8),
        late_zeros(resent, np.int64),
        late_zeros((tracks, PARAMETER_INDEXES), PARAMETERS),
        late_zeros((connections, ALLOWANCES), np.int64),
        np.full(connections * UFRAGS, -1, np.int64),
        np.full(_index_size(connections * UFRAGS), -1, np.int32),
    )
    made.tracks["batch_first"] = -1
    made.tracks["kept"] = -1
    return made


def _index_size(rows: int) -> int:
    return 1 << (4 * rows - 1).bit_length()
