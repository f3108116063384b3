"""The generator's tables: NumPy record arrays that the compiled loop and the reporting side share.

The loop is the only writer, but for the few fields marked *control*, which Python writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Streams that one connection may receive; a packet of one more SSRC is counted as overflow.
STREAMS_PER_CONNECTION = 128
#: Prebuilt consent checks of a connection, each with its own transaction id (RFC 7675 section 5.1), for five minutes.
#: One that comes again proves nothing to a server that remembers ids.
CONSENTS = 64
CONSENT_BYTES = 160
#: Latency samples kept; more are counted and not kept.
LATENCY_SAMPLES = 1 << 20
#: Bytes at the end of each payload: send time (ns, 8), packet counter (4), mark (4).
STAMP_BYTES = 16
STAMP_MARK = 0x53465542
#: Bytes copied of a packet that is only counted: reports and packets of padding fit whole.
SHORT_BYTES = 512
FULL_BYTES = 2048
GRO_BYTES = 65536
NOTICES = 1024
NOTICE_BYTES = 1500
#: Sequence numbers of a stream, back from the highest, of which it is known whether they came.
NUMBERS = 1024
#: Transport-wide numbers of a connection whose arrival is kept for feedback: 100 ms at 20,000 packets/s.
ARRIVALS = 2048
#: Packets that one connection misses and asks for at a time; libwebrtc's list holds 1,000.
MOST_MISSING = 256
#: Video packets that a publisher can repeat: a second at 2.5 Mbit/s.
KEPT = 256
KEPT_BYTES = 1280

# Kinds of stream.
OTHER, VIDEO, AUDIO, REPAIR = 0, 1, 2, 3

CONNECTION = np.dtype(
    [
        ("fd", "i4"),
        ("publisher", "u1"),  # all its datagrams are read whole
        ("gro", "u1"),
        ("stamped", "u1"),  # the kernel says when a datagram came
        ("transport_sequence_id", "u1"),  # of the header extension that feedback is given on, 0: none is
        ("srtp_in", "u8"),  # RTP and RTCP
        ("rtcp_out", "u8"),
        ("ssrc", "u4"),  # sender SSRC of its reports and feedback
        ("streams", "i4"),
        ("last_stream", "i4"),  # row of the packet before: mostly that of the next one, too
        ("random", "i8"),
        ("calls", "u8"),
        ("next_report_ns", "i8"),  # the soonest of its streams'
        ("next_consent_ns", "i8"),  # 0: this connection sends no consent checks
        ("next_feedback_ns", "i8"),
        ("first_arrival", "i8"),  # extended transport-wide number that the next feedback begins with
        ("last_arrival", "i8"),  # the highest that came, -1: none yet
        ("missing", "i4"),  # used rows of `missing`
        ("consents", "u8"),
        ("packets", "u8"),  # of media, each once
        ("bytes", "u8"),
        ("rtcp", "u8"),
        ("rtcp_failed", "u8"),
        ("stun", "u8"),
        ("other", "u8"),
        ("overflow", "u8"),
        ("feedbacks", "u8"),  # transport-wide feedback packets sent
        ("unstamped", "u8"),  # datagrams that the kernel did not say it of
        ("unreported", "u8"),  # arrivals that were too many for the ring
        ("asked", "u8"),  # packets asked for by NACK, each once
        ("given_up", "u8"),  # asked for ten times, or too many at once
        ("transport_sequence", "u8"),  # of a publisher's next packet, unwrapped
        ("keyframe_requests", "u8"),  # PLI and FIR received
        ("feedbacks_in", "u8"),
    ],
    align=True,
)

STREAM = np.dtype(
    [
        ("ssrc", "u4"),
        ("kind", "u1"),
        ("repairs", "i4"),  # of a REPAIR stream: the row that it repairs
        ("repair", "i4"),  # row of the stream that repairs this one, -1: none, so nothing is asked for
        ("first", "i8"),  # extended sequence numbers (RFC 3550 appendix A.1), 0x10000 before any wrap
        ("highest", "i8"),
        ("arrived", "u8"),  # whatever came with this SSRC
        ("delivered", "u8"),  # media, each packet once, by itself or by a repair
        ("repaired", "u8"),  # of those, by a repair
        ("duplicates", "u8"),
        ("padding", "u8"),  # packets that carry nothing
        ("bytes", "u8"),
        ("reordered", "u8"),
        ("sampled", "u8"),
        ("unauthentic", "u8"),
        ("malformed", "u8"),  # authentic, but not the payload that was sent
        ("counter", "i8"),  # of the last sampled payload, -1: none
        ("counted", "i8"),  # extended sequence number that it came under
        ("timestamp", "u4"),
        ("transit", "i8"),  # RTP timestamp units
        ("jitter", "f8"),
        ("told_expected", "i8"),  # as of the last receiver report
        ("told_arrived", "i8"),
        ("sender_report", "u4"),  # middle of the NTP time of the last sender report, 0: none
        ("sender_report_ns", "i8"),
        ("next_report_ns", "i8"),
    ],
    align=True,
)

#: A packet that is missing.
MISSING = np.dtype([("stream", "i4"), ("tries", "i4"), ("sequence", "i8"), ("next_ns", "i8")], align=True)

ENCODING = np.dtype(
    [
        ("connection", "i4"),
        ("video", "u1"),
        ("payload_type", "u1"),
        ("repair_type", "u1"),
        ("mid", "u1"),  # one ASCII character
        ("rid", "u1"),  # likewise, of one of several encodings of a track
        ("mid_id", "u1"),  # header extension ids, 0: not negotiated
        ("rid_id", "u1"),
        ("repaired_rid_id", "u1"),
        ("abs_send_time_id", "u1"),
        ("audio_level_id", "u1"),
        ("transport_sequence_id", "u1"),
        ("keyframe", "u1"),  # 1 asks for a key frame
        ("srtp_out", "u8"),
        ("rtcp_out", "u8"),
        ("ssrc", "u4"),
        ("repair_ssrc", "u4"),  # 0: nothing is repeated
        ("interval_ns", "i8"),  # control
        ("next_frame_ns", "i8"),  # control while sending is off
        ("next_report_ns", "i8"),
        ("frame_packets", "i4"),
        ("frame_bytes", "i4"),  # mean bytes of an encoded frame, split over its packets
        ("timestamp", "u4"),
        ("timestamp_step", "u4"),
        ("sequence", "u8"),  # unwrapped; its low 16 bits are sent
        ("repair_sequence", "u8"),
        ("frames", "u8"),
        ("packets", "u8"),
        ("bytes", "u8"),
        ("repeated", "u8"),  # packets sent again
        ("unrepeatable", "u8"),  # asked for, and no longer there
        ("refused", "u8"),  # packets that the socket did not take
        ("late", "u8"),  # frames dropped from the schedule since the generator fell behind
    ],
    align=True,
)

#: Which packet a row of `kept` holds: its unwrapped sequence number, 0: none.
KEPT_PACKET = np.dtype([("sequence", "i8"), ("length", "i4"), ("header", "i4")], align=True)

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
EPOCH_NS = 10  # of the monotonic clock; arrival times in feedback count from here
REAL_TIME_NS = 11  # what the real-time clock, which stamps arrivals, is ahead of the monotonic one
CONTROL_WORDS = 16

NOTICE = np.dtype([("connection", "i4"), ("length", "i4"), ("data", "u1", (NOTICE_BYTES,))], align=True)


class Tables(NamedTuple):
    """What the loop and Python share; memory that a scenario does not use is never touched."""

    control: NDArray[np.int64]
    connections: NDArray[Any]
    streams: NDArray[Any]  # (connections, STREAMS_PER_CONNECTION)
    seen: NDArray[np.uint8]  # (connections, STREAMS_PER_CONNECTION, NUMBERS), 1: the number has come
    arrivals: NDArray[np.int32]  # (connections, ARRIVALS), when a transport-wide number came, 0: not
    missing: NDArray[Any]  # (connections, MOST_MISSING)
    encodings: NDArray[Any]
    kept: NDArray[np.uint8]  # (encodings, KEPT, KEPT_BYTES), packets in the clear
    kept_packets: NDArray[Any]  # (encodings, KEPT)
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
        seen=np.zeros((connections, STREAMS_PER_CONNECTION, NUMBERS), np.uint8),
        arrivals=np.zeros((connections, ARRIVALS), np.int32),
        missing=np.zeros((connections, MOST_MISSING), MISSING),
        encodings=np.zeros(encodings, ENCODING),
        kept=np.zeros((encodings, KEPT, KEPT_BYTES), np.uint8),
        kept_packets=np.zeros((encodings, KEPT), KEPT_PACKET),
        consents=np.zeros((connections, CONSENTS, CONSENT_BYTES), np.uint8),
        consent_lengths=np.zeros(connections, np.int64),
        latency_ns=np.zeros(LATENCY_SAMPLES, np.int64),
        notices=np.zeros(NOTICES, NOTICE),
    )
    made.connections["last_arrival"] = -1
    return made


def add_stream(tables: Tables, connection: int, ssrc: int, kind: int) -> int:
    """Expect a stream on a connection, from which packets may have come already; its row."""
    row = _row_of(tables, connection, ssrc)
    tables.streams[connection, row]["kind"] = kind
    return row


def add_repair(tables: Tables, connection: int, repaired: int, ssrc: int) -> int:
    """Expect the retransmissions of the stream in row `repaired`; its row."""
    row = add_stream(tables, connection, ssrc, REPAIR)
    tables.streams[connection, row]["repairs"] = repaired
    tables.streams[connection, repaired]["repair"] = row
    return row


def _row_of(tables: Tables, connection: int, ssrc: int) -> int:
    row = int(tables.connections[connection]["streams"])
    known = tables.streams[connection, :row]["ssrc"].tolist()
    if ssrc in known:
        return known.index(ssrc)
    stream = tables.streams[connection, row]
    stream["ssrc"] = ssrc
    stream["repair"] = -1
    stream["counter"] = -1
    tables.connections[connection]["streams"] = row + 1
    return row
