"""The columns of what the plane knows of Tracks, Encodings and their parameter sets."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels.connection_columns import NAME_BYTES
from sfu.wire.kernels.columns import Columns
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS

MAX_SHARDS = 32
ARRIVALS = 1024
"""Number of sequence numbers for which an encoding remembers whether the packet has come."""
NEVER = -(1 << 40)
"""Stands for no extended sequence number."""
PARAMETER_BYTES = 1024
"""Room for the H.264 parameter sets of an Encoding, each after its length in two octets; they have to fit one
packet."""
PARAMETER_INDEXES = 4
"""Number of a Track's Encodings whose parameter sets are kept."""
LARGEST_SET_BYTES = 512
CLOCKS = 4
"""Number of a Track's Encodings whose sender reports are kept."""
PACKET_SLOT_BYTES = 1536
"""A stored RTP packet's place."""

TRACK_COLUMNS = Columns(
    opened_by=("media_commands",),
    media_commands=[
        ("active", np.int32),
        ("tapped", np.int32),  # a bit for each Encoding that goes to the tap ring
        ("relayed", np.int32),  # shards that this track is relayed to
        ("generation", np.int64),  # of this row: no two tracks of a shard share a number
        ("relay", np.int32, (MAX_SHARDS,)),  # the track's row on each other shard
        ("relay_generation", np.int64, (MAX_SHARDS,)),  # and that row's generation
    ],
    subscribing=[
        ("first_subscription", np.int32),
        ("subscriptions", np.int32),
    ],
    history=[
        ("kept", np.int64),  # position of its latest packet in the history, -1: none
    ],
    sender_reports=[  # the last of each Encoding, by its index
        ("clock_known", np.int32, (CLOCKS,)),
        ("clock_seconds", np.int64, (CLOCKS,)),  # NTP time
        ("clock_fraction", np.int64, (CLOCKS,)),
        ("clock_timestamp", np.int64, (CLOCKS,)),  # the RTP timestamp at that time
    ],
    fanout=[
        ("batch_first", np.int32),  # this batch's packets
        ("batch_last", np.int32),
    ],
)
TRACK = TRACK_COLUMNS.dtype

ENCODING_COLUMNS = Columns(
    opened_by=("media_commands",),
    media_commands=[
        ("active", np.int32),
        ("track", np.int32),
        ("connection", np.int32),
        ("next", np.int32),  # the connection's next encoding
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
    ],
    classify=[
        ("ssrc", np.int64),  # -1: not known yet
        ("former_ssrc", np.int64),  # the one before, -1: none
        ("replaced_us", np.int64),  # when it was replaced
        ("key_frames_before", np.int64),  # its key frames when its SSRC was learned
        ("clock_offset", np.int64),  # to the common clock of the Track's Encodings
        ("aligned", np.int32),  # 1: that is known
    ],
    reception=[  # statistics, RFC 3550 appendix A
        ("generation", np.int32),  # counts the SSRCs that this encoding has had
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
    ],
    publisher_reports=[
        ("told_generation", np.int32),  # the source that its publisher was told of, and as of then
        ("told_expected", np.int64),
        ("told_packets", np.int64),
        ("lost_256", np.int32),  # the share that was lost in the last interval, in 1/256
        ("sender_ntp", np.int64),  # of its publisher's last sender report, the middle 32 bits
        ("sender_us", np.int64),  # and when it came, 0: none has
    ],
    describe=[
        ("media_packets", np.int64),  # of video, without those that hold nothing but padding
        ("key_frames", np.int64),
        ("spatial_layers", np.int32),  # seen so far
        ("spatial_top", np.int32),  # VP9: the highest that the stream announced, -1: none
        ("temporal_layers", np.int32),
        ("needs_key_frame", np.int64),  # the Layers that cannot go on without a key frame
        ("key_timestamp", np.int64),  # of the last key frame, -1: none
        ("layer_octets", np.int64, (SPATIAL_LAYERS * TEMPORAL_LAYERS,)),  # payload, by the frame's own layer
        ("levels", np.int64),  # packets that had an audio level, RFC 6464
        ("loudness", np.int64),  # sum of 127 minus the level in -dBov
        ("voiced", np.int64),  # packets said to hold a voice
    ],
)
ENCODING = ENCODING_COLUMNS.dtype

PARAMETERS_COLUMNS = Columns(
    parameters=[
        ("bytes", np.int32),
        ("data", np.uint8, (PARAMETER_BYTES,)),
        ("changes", np.int64),  # odd while it is being changed
        ("sequence_timestamp", np.int64),  # of the packet that brought a sequence parameter set last, -1: none
        ("picture_timestamp", np.int64),  # the same for picture parameter sets
        ("gap_timestamp", np.int64),  # of the last packet before which others were missing, -1: none
        ("in_band", np.int32),  # 1: the last key frame that was whole had both kinds
        ("declared_bytes", np.int32),  # of a set that the control side is telling
        ("declared", np.uint8, (LARGEST_SET_BYTES,)),
    ],
)
PARAMETERS = PARAMETERS_COLUMNS.dtype
"""The H.264 parameter sets of one Encoding, from SDP and from its packets."""
