"""The columns of what the plane knows of Subscriptions, and of what it sent to them."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels.connection_columns import CNAME_BYTES, NAME_BYTES
from sfu.wire.kernels.columns import Columns

TEMPLATE_BYTES = 64
RENUMBERINGS = 64
"""Number of changes of its numbering that a subscription remembers, for packets that come late."""
LEFT_SOURCES = 4
"""Number of sources it has left that a subscription remembers, for packets of theirs that come late."""
LOGGED_PACKETS = 512
"""Number of sent packets that a subscription can be asked to repeat."""
EGRESS_WINDOW = 128
"""Number of packets behind the highest that libsrtp still takes for sending (transport/srtp.py)."""
SEALED_BYTES = 1 << 18
"""Room for the sent packets of a subscription without RTX: a second of 2 Mbit/s."""
SEALED_AUDIO_BYTES = 1 << 15
"""The same room for audio: several seconds."""

SUBSCRIPTION_COLUMNS = Columns(
    opened_by=("subscription_commands",),
    subscription_commands=[
        ("active", np.int32),
        ("paused", np.int32),
        ("connection", np.int32),
        ("sibling", np.int32),  # the connection's next subscription
        ("ssrc", np.int64),
        ("payload_type", np.int32),
        ("redundant_type", np.int32),  # 0: RED is unpacked
        ("transport_cc", np.int32),  # 1: its section takes transport-wide sequence numbers
        ("pads", np.int32),  # 1: video, among which there may be packets of padding
        ("repair_type", np.int32),  # payload type of retransmissions, 0: none
        ("repair_ssrc", np.int64),
        ("log", np.int32),  # row of sent packets, -1: none
        ("sealed", np.int32),  # without RTX: row of packets as they went out plus one, 0: none
        ("sealed_bytes", np.int32),  # how much of that row is used
        ("mid_bytes", np.int32),
        ("mid", np.uint8, (NAME_BYTES,)),
        ("cname_bytes", np.int32),
        ("cname", np.uint8, (CNAME_BYTES,)),
        ("target_index", np.int32),
        ("target_spatial", np.int32),
        ("target_temporal", np.int32),
        ("seed_timestamp", np.int64),
    ],
    subscribing=[
        ("track", np.int32),
        ("next", np.int32),  # the track's next subscription
        ("previous", np.int32),
    ],
    sender_reports=[
        ("reported", np.int32),  # 1: a sender report has gone out
        (
            "awaits_report",
            np.int32,
        ),  # 1: the first report on its track is to go out as soon as it can
        ("report_ntp", np.int64),  # of the last one, the middle 32 bits
        ("report_us", np.int64),  # and when it went out
    ],
    receiver_reports=[  # what its receiver has reported last
        ("lost_256", np.int32),  # the share of packets that it lost since the report before, in 1/256
        ("packets_lost", np.int64),
        ("jitter", np.int64),  # timestamp units
        ("round_trip_us", np.int64),  # without the receiver's own delay, -1: not known
        ("repeat_interval_ms", np.int32),  # a packet is not repeated sooner
    ],
    padding=[
        ("padded", np.int32),  # 1: there were packets of padding among its media
    ],
    numbering=[
        ("picture_ended", np.int32),  # 1: the last packet was a picture's last
        ("dropped_picture", np.int64),  # picture ID of the last picture left out
        ("highest", np.int64),  # ingress sequence number, extended
        ("renumbering_count", np.int64),
        ("renumbering_first", np.int64),  # the first of this source
        ("picture_offset", np.int32),
        ("tl0_offset", np.int32),
        ("frame_offset", np.int32),
        ("last_picture", np.int32),  # egress, -1: none yet
        ("last_tl0", np.int32),
        ("last_frame", np.int32),
        ("common_offset", np.int64),  # egress timestamp minus the Track's common clock
        ("aligned", np.int32),  # 1: `common_offset` is known
        ("started", np.int32),
        ("source", np.int64),  # whose numbering the offsets translate
        ("sequence_offset", np.int64),
        ("timestamp_offset", np.int64),
        ("last_sequence", np.int64),  # the highest number that was given, or reserved for what may still come
        ("last_timestamp", np.int64),
        ("last_arrival_us", np.int64),
        ("seed_sequence", np.int64),
    ],
    rewrite=[
        ("repair_sequence", np.int32),
        ("repeated", np.int64),  # packets sent again
        ("packets", np.int64),
        ("octets", np.int64),
    ],
    repeat=[
        ("repair_tokens", np.int64),  # bytes that may be repeated now
        ("repair_refill_us", np.int64),
        ("not_repeated", np.int64),
    ],
    nack=[
        ("nacks", np.int64),  # packets that its receiver has asked for
        ("missed_us", np.int64),  # when it was last told that the history had not what was asked for
    ],
    select=[
        ("current_index", np.int32),  # -1: waits for a key frame
        ("current_spatial", np.int32),
        ("current_temporal", np.int32),
        ("intact", np.int64),  # Layers that the subscriber could decode by what it got so far
        ("picture_timestamp", np.int64),
        ("changed_at", np.int64),  # timestamp of the picture at which the current Layer was entered
        ("given_sets", np.int64),  # H.264: timestamp of the last picture that got its parameter sets by us
        ("switches", np.int64),
        ("pictures", np.int64),
        ("freezes", np.int64),
        ("picture_gap_us", np.int64),  # smoothed time between two pictures
        ("picture_arrival_us", np.int64),
    ],
    left_sources=[
        ("left_source_count", np.int64),
    ],
    template=[
        ("template_bytes", np.int32),
        ("abs_send_time_at", np.int32),
        ("transport_sequence_at", np.int32),
        ("template", np.uint8, (TEMPLATE_BYTES,)),
    ],
)
SUBSCRIPTION = SUBSCRIPTION_COLUMNS.dtype

SHIFT_COLUMNS = Columns(
    numbering=[
        ("sequence", np.int64),  # the first ingress sequence number that it holds for, extended
        ("sequence_offset", np.int32),
        ("picture_offset", np.int32),
    ],
)
RENUMBERING = SHIFT_COLUMNS.dtype
"""A change of a subscription's numbering, because packets before it were left out."""

STRETCH_COLUMNS = Columns(
    left_sources=[
        ("source", np.int64),
        ("highest", np.int64),  # ingress sequence number, extended
        ("renumbering_first", np.int64),  # its renumberings
        ("renumbering_end", np.int64),
        ("left_us", np.int64),  # when its last packet came
        ("timestamp_offset", np.int64),
        ("tl0_offset", np.int32),
        ("frame_offset", np.int32),
        ("spatial", np.int32),  # the Layer that was forwarded last
        ("temporal", np.int32),
    ],
)
LEFT_SOURCE = STRETCH_COLUMNS.dtype
"""The numbering of a source that a subscription has left."""

SENT_COLUMNS = Columns(
    opened_by=("history",),
    history=[
        ("history", np.int64),  # position in the packet history
        ("timestamp", np.uint32),  # this and the following as the subscriber got them
        ("sequence", np.uint16),
        ("picture", np.uint16),
        ("frame", np.uint16),
        ("tl0", np.uint8),
        ("flags", np.uint8),  # 1: holds a packet, 2: marker, 4: still waits for the pacer, 8: an empty one in its place
    ],
    repeat=[
        ("repeated_ms", np.uint32),  # when it was last sent again, if ever
        ("repeats", np.uint8),  # how often so far, counted up to 7
    ],
)
SENT = SENT_COLUMNS.dtype
"""What has to be known of a sent packet to send it again."""

SEALED_COLUMNS = Columns(
    opened_by=("sealed",),
    sealed=[
        ("at", np.int64),  # of all octets ever written to the row
        ("transport_sequence", np.int64),  # its transport-wide sequence number, extended; -1: none
        ("bytes", np.int32),  # 0: none
        ("sequence", np.int32),
    ],
    repeat=[
        ("repeated_ms", np.int64),  # when it was last sent again, if ever
        ("repeats", np.uint8),  # how often so far, counted up to 7
    ],
)
SEALED = SEALED_COLUMNS.dtype
"""A packet that is kept as it went out."""
