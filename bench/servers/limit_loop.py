"""The limit reference: the least that delivering these packets costs on this machine with this libsrtp.

Frame by frame, for each subscriber: write nine headers, protect nine packets of one size, one GSO message; a packet of
audio is a message by itself. Messages leave by `sendmmsg`. It receives nothing, decides nothing and does not even copy
a payload.
Run as `python -m bench.servers.limit_loop DIRECTORY`.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.generator.frames import VP8_DESCRIPTOR_BYTES, build_packet, end_frame
from bench.generator.kernel import kernel, stage
from bench.generator.layout import ENCODING
from bench.generator.native import (
    CLOCK_MONOTONIC,
    IOVEC,
    MSG_DONTWAIT,
    SOL_UDP,
    UDP_SEGMENT,
    clock_nanosleep,
    message_array,
    monotonic_ns,
    sendmmsg,
    session_address,
    srtp_protect,
)
from bench.links import new_session
from bench.servers.static import (
    AUDIO_TYPE,
    LIFETIME_S,
    RATE_MILLI,
    READY,
    SENDING,
    SENT_PACKETS,
    VIDEO_TYPE,
    first_ssrc,
    open_control,
)
from bench.traffic import AUDIO, VIDEO, Traffic

#: Messages per `sendmmsg`; their bytes stay within a core's second-level cache.
_BATCH = 32
_MESSAGE_BYTES = 16384
_SOCKADDR_BYTES = 16
_IDLE_NS = 1_000_000
_TIMER_ABSTIME = 1
#: Frames.
_MAX_BEHIND = 100
_SEND_ATTEMPTS = 1000


class Output(NamedTuple):
    """Where it sends, and the memory for that."""

    sessions: NDArray[np.uint64]  # libsrtp handles, one a subscriber
    ssrcs: NDArray[np.uint32]  # (subscribers, 2), of video and audio
    addresses: NDArray[np.uint8]  # (subscribers, 16), sockaddr_in
    buffers: NDArray[np.uint8]  # (batch, bytes), one row a message
    messages: NDArray[Any]
    vectors: NDArray[Any]
    ancillary: NDArray[np.uint8]  # (batch, 24), the segment sizes
    length: NDArray[np.int32]
    timespec: NDArray[np.int64]
    until: NDArray[np.int64]  # when it wakes again


@stage
def write_message(encoding: Any, subscriber: int, row: int, out: Output) -> None:
    """One subscriber's share of a frame: `frame_packets` protected packets of one size in a row of the batch."""
    now_ns = monotonic_ns(out.timespec)
    encoding["ssrc"] = out.ssrcs[subscriber, 0 if encoding["payload_type"] == VIDEO_TYPE else 1]
    at = 0
    for index in range(np.int64(encoding["frame_packets"])):
        packet = out.buffers[row, at:]
        out.length[0] = build_packet(packet, encoding, index, now_ns, 0, 0, False)[0]
        encoding["sequence"] += np.uint64(1)
        srtp_protect(out.sessions[subscriber], packet.ctypes.data, out.length.ctypes.data)
        at += np.int64(out.length[0])
    out.vectors[row]["length"] = at
    out.messages[row]["name"] = out.addresses.ctypes.data + subscriber * out.addresses.shape[1]
    out.ancillary[row, 16] = out.length[0] & 0xFF
    out.ancillary[row, 17] = out.length[0] >> 8


@stage
def flush(socket_fd: int, queued: int, out: Output) -> None:
    """Send the first `queued` rows; what the socket still refuses after many tries is lost."""
    sent = 0
    for _attempt in range(_SEND_ATTEMPTS):
        base = out.messages.ctypes.data + sent * out.messages.itemsize
        sent += max(sendmmsg(socket_fd, base, queued - sent, MSG_DONTWAIT), 0)
        if sent == queued:
            return


@stage
def send_frame_to_all(encoding: Any, socket_fd: int, out: Output) -> None:
    """One frame to every subscriber."""
    first = encoding["sequence"]
    queued = 0
    for subscriber in range(out.sessions.shape[0]):
        encoding["sequence"] = first
        write_message(encoding, subscriber, queued, out)
        queued += 1
        if queued == out.buffers.shape[0]:
            flush(socket_fd, queued, out)
            queued = 0
    flush(socket_fd, queued, out)
    end_frame(encoding)


@stage
def send_due(encoding: Any, now_ns: int, rate_milli: int, socket_fd: int, out: Output) -> int:
    """Send the encoding's frame if it is due; packets that are to be counted as sent to each, skipped ones included."""
    if now_ns < encoding["next_frame_ns"]:
        return 0
    if encoding["next_frame_ns"] == 0:
        encoding["next_frame_ns"] = now_ns
    send_frame_to_all(encoding, socket_fd, out)
    step_ns = np.int64(encoding["interval_ns"]) * 1000 // rate_milli
    # It may catch up as a server does that finds the frames in its socket's buffer.
    behind = (now_ns - np.int64(encoding["next_frame_ns"]) - step_ns) // step_ns
    skipped = max(behind - _MAX_BEHIND, 0)
    encoding["next_frame_ns"] += step_ns * (1 + skipped)
    return np.int64(encoding["frame_packets"]) * (1 + skipped)


@kernel
def run_limit(
    encodings: NDArray[Any], socket_fd: int, out: Output, shared: NDArray[np.int64], deadline_ns: int
) -> None:
    """Send frames of video and audio while the shared block says so, until the deadline; only video has a rate."""
    until = out.until
    while True:
        now_ns = monotonic_ns(out.timespec)
        if now_ns >= deadline_ns:
            return
        next_ns = now_ns + _IDLE_NS
        for row in range(encodings.shape[0]):
            if shared[SENDING] == 0:
                encodings[row]["next_frame_ns"] = 0
                continue
            rate_milli = shared[RATE_MILLI] if row == 0 else 1000
            shared[SENT_PACKETS] += send_due(encodings[row], now_ns, rate_milli, socket_fd, out)
            next_ns = min(next_ns, np.int64(encodings[row]["next_frame_ns"]))
        until[0] = next_ns // 1_000_000_000
        until[1] = next_ns % 1_000_000_000
        clock_nanosleep(CLOCK_MONOTONIC, _TIMER_ABSTIME, until.ctypes.data, 0)


def main(directory: Path) -> None:
    """Set up from the plan and run."""
    plan = json.loads((directory / "plan.json").read_text())
    subscribers = plan["subscribers"]
    sessions = [new_session(plan["profile"], bytes.fromhex(entry["send_key"]), outbound=True) for entry in subscribers]
    out = make_output([session_address(session) for session in sessions], [e["address"] for e in subscribers])
    shared = open_control(directory / "control")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.bind(tuple(plan["listen"]))
        encodings = plan_frames()
        run_limit(encodings, sock.fileno(), out, shared, 0)  # compiles
        shared[READY] = 1
        run_limit(encodings, sock.fileno(), out, shared, time.monotonic_ns() + int(LIFETIME_S * 1e9))


def make_output(handles: list[int], destinations: list[tuple[str, int]]) -> Output:
    """Allocate and link everything for these subscribers."""
    addresses = np.zeros((len(destinations), _SOCKADDR_BYTES), np.uint8)
    for row, (host, port) in enumerate(destinations):
        packed = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
        addresses[row] = np.frombuffer(packed, np.uint8)
    buffers = np.zeros((_BATCH, _MESSAGE_BYTES), np.uint8)
    ancillary = np.zeros((_BATCH, 24), np.uint8)
    # cmsghdr {length 18, SOL_UDP, UDP_SEGMENT} and room for the segment size (udp(7)).
    ancillary[:, :16] = np.frombuffer(struct.pack("=Qii", 18, SOL_UDP, UDP_SEGMENT), np.uint8)
    vectors = np.zeros(_BATCH, IOVEC)
    messages = message_array(buffers, vectors, ancillary)
    messages["name_length"] = _SOCKADDR_BYTES
    return Output(
        sessions=np.array(handles, np.uint64),
        ssrcs=np.array([(first_ssrc(row), first_ssrc(row) + 1) for row in range(len(handles))], np.uint32),
        addresses=addresses,
        buffers=buffers,
        messages=messages,
        vectors=vectors,
        ancillary=ancillary,
        length=np.zeros(1, np.int32),
        timespec=np.zeros(2, np.int64),
        until=np.zeros(2, np.int64),
    )


def plan_frames() -> NDArray[Any]:
    """The video's and the audio's ENCODING rows; all packets of a frame are equal, as if levelled by padding."""
    encodings = np.zeros(2, ENCODING)
    for encoding, traffic in zip(encodings, (VIDEO, AUDIO), strict=True):
        _plan(encoding, traffic)
    return encodings


def _plan(encoding: Any, traffic: Traffic) -> None:
    encoding["payload_type"] = VIDEO_TYPE if traffic.video else AUDIO_TYPE
    encoding["video"] = 0  # frame sizes do not vary; the descriptor's four bytes are part of the frame instead
    encoding["mid"] = ord("0")
    encoding["mid_id"] = 4
    encoding["abs_send_time_id"] = 2
    encoding["transport_sequence_id"] = 3
    encoding["frame_packets"] = traffic.frame_packets
    per_packet = -(-traffic.frame_bytes // traffic.frame_packets) + (VP8_DESCRIPTOR_BYTES if traffic.video else 0)
    encoding["frame_bytes"] = per_packet * traffic.frame_packets
    encoding["interval_ns"] = round(1e9 / traffic.frames_per_second)
    encoding["timestamp_step"] = round(traffic.clock_rate / traffic.frames_per_second)
    encoding["sequence"] = 1000


if __name__ == "__main__":
    main(Path(sys.argv[1]))
