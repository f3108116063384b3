"""The generator's tables: NumPy record arrays that the compiled loop and the reporting side share.

The loop is the only writer, but for the few fields marked *control*, which Python writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Streams that one connection may receive; a packet of one more SSRC is counted as overflow.
STREAMS_PER_CONNECTION = 64
#: Prebuilt consent checks a connection cycles through (RFC 7675 section 5.1 wants fresh transaction ids).
CONSENTS = 8
CONSENT_BYTES = 160
#: Latency samples kept; more are counted and not kept.
LATENCY_SAMPLES = 1 << 20
#: Bytes at the end of each payload: send time (ns, 8), packet counter (4), mark (4).
STAMP_BYTES = 16
STAMP_MARK = 0x53465542
#: Bytes copied of a packet that is only counted.
SHORT_BYTES = 256
FULL_BYTES = 2048
GRO_BYTES = 65536
NOTICES = 1024
NOTICE_BYTES = 1500

CONNECTION = np.dtype(
    [
        ("fd", "i4"),
        ("publisher", "u1"),  # all its datagrams are read whole and its RTCP goes to Python
        ("gro", "u1"),
        ("srtp_in", "u8"),
        ("rtcp_out", "u8"),
        ("ssrc", "u4"),  # sender SSRC of its receiver reports
        ("streams", "i4"),
        ("calls", "u8"),
        ("next_report_ns", "i8"),
        ("next_consent_ns", "i8"),  # 0: this connection sends no consent checks
        ("consents", "u8"),
        ("packets", "u8"),
        ("bytes", "u8"),
        ("rtcp", "u8"),
        ("stun", "u8"),
        ("other", "u8"),
        ("overflow", "u8"),
    ],
    align=True,
)

STREAM = np.dtype(
    [
        ("ssrc", "u4"),
        ("first", "i8"),  # extended sequence numbers (RFC 3550 appendix A.1)
        ("highest", "i8"),
        ("received", "u8"),
        ("bytes", "u8"),
        ("reordered", "u8"),
        ("sampled", "u8"),
        ("unauthentic", "u8"),
        ("malformed", "u8"),  # authentic, but not the payload that was sent
        ("offset", "i8"),  # extended sequence - packet counter, the same for all packets of a stream
    ],
    align=True,
)

ENCODING = np.dtype(
    [
        ("connection", "i4"),
        ("video", "u1"),
        ("payload_type", "u1"),
        ("mid", "u1"),  # one ASCII character
        ("mid_id", "u1"),  # header extension ids, 0: not negotiated
        ("abs_send_time_id", "u1"),
        ("keyframe", "u1"),  # control: 1 asks for a key frame
        ("srtp_out", "u8"),
        ("rtcp_out", "u8"),
        ("ssrc", "u4"),
        ("interval_ns", "i8"),  # control
        ("next_frame_ns", "i8"),  # control while sending is off
        ("next_report_ns", "i8"),
        ("frame_packets", "i4"),
        ("frame_bytes", "i4"),  # mean bytes of an encoded frame, split over its packets
        ("timestamp", "u4"),
        ("timestamp_step", "u4"),
        ("sequence", "u8"),  # unwrapped; its low 16 bits are sent
        ("frames", "u8"),
        ("packets", "u8"),
        ("bytes", "u8"),
        ("refused", "u8"),  # packets that the socket did not take
        ("late", "u8"),  # frames dropped from the schedule since the generator fell behind
    ],
    align=True,
)

# Words of the int64 control array.
STOP = 0
SENDING = 1
DEADLINE_NS = 2
SAMPLE_EVERY = 3
LATENCY_COUNT = 4  # written by the loop, may exceed LATENCY_SAMPLES
NOTICE_HEAD = 5  # written by the loop
NOTICE_TAIL = 6  # written by Python
NOTICES_LOST = 7
RUNNING = 8  # 1 while the loop runs
RECEIVE_CALLS = 9
CONTROL_WORDS = 16

NOTICE = np.dtype([("connection", "i4"), ("length", "i4"), ("data", "u1", (NOTICE_BYTES,))], align=True)


class Tables(NamedTuple):
    """What the loop and Python share."""

    control: NDArray[np.int64]
    connections: NDArray[Any]
    streams: NDArray[Any]  # (connections, STREAMS_PER_CONNECTION)
    encodings: NDArray[Any]
    consents: NDArray[np.uint8]  # (connections, CONSENTS, CONSENT_BYTES)
    consent_lengths: NDArray[np.int64]
    latency_ns: NDArray[np.int64]
    notices: NDArray[Any]


def make_tables(connections: int, encodings: int) -> Tables:
    """Empty tables."""
    made = Tables(
        control=np.zeros(CONTROL_WORDS, np.int64),
        connections=np.zeros(connections, CONNECTION),
        streams=np.zeros((connections, STREAMS_PER_CONNECTION), STREAM),
        encodings=np.zeros(encodings, ENCODING),
        consents=np.zeros((connections, CONSENTS, CONSENT_BYTES), np.uint8),
        consent_lengths=np.zeros(connections, np.int64),
        latency_ns=np.zeros(LATENCY_SAMPLES, np.int64),
        notices=np.zeros(NOTICES, NOTICE),
    )
    made.streams["offset"] = -1
    return made
