"""What the LiveKit protocol's readers do with any bytes: signal frames, requests to join, data packets, data tracks.

An input is an octet that says what it is taken for, and the bytes. They are read, or refused with the reader's one
error; what is read can be passed on, and says the same when it is read again.
"""

from __future__ import annotations

import base64

from livekit.protocol.models import DataPacket

from sfu.signaling.livekit.data.metrics import normalize
from sfu.signaling.livekit.data.packets import MOST_DESTINATIONS, PacketError, align_destinations, read_packet
from sfu.signaling.livekit.data_tracks.packet import MAX_PACKET_BYTES, parse_packet
from sfu.signaling.livekit.data_tracks.packet import PacketError as DataTrackError
from sfu.signaling.livekit.frames import Encoded, FrameError, parse_request
from sfu.signaling.livekit.join import JoinError, read_join_request, read_query

NOW = 1_800_000_000.0


def run(data: bytes) -> None:
    """Run one input; any exception is a finding."""
    if data:
        RUNS[MODES[data[0] % len(MODES)]](data[1:])


def _run_binary(data: bytes) -> None:
    _run_frame(data)


def _run_text(data: bytes) -> None:
    _run_frame(data.decode("utf-8", "replace"))


def _run_frame(frame: bytes | str) -> None:
    try:
        request = parse_request(frame)
    except FrameError:
        return
    assert parse_request(Encoded(request).binary) == request


def _run_join(data: bytes) -> None:
    try:
        join = read_join_request(base64.urlsafe_b64encode(data).decode())
    except JoinError:
        return
    assert join.single and join.protocol >= 0
    join.hears_of("OK")


def _run_query(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    query = dict(part.partition("=")[::2] for part in text.split("&"))
    try:
        join = read_query(query)
    except JoinError:
        return
    for key, value in join.attributes.items():
        key.encode(), value.encode()


def _run_packet(data: bytes) -> None:
    try:
        packet = read_packet(data)
    except PacketError:
        return
    if packet.HasField("user"):
        align_destinations(packet)
    if packet.HasField("metrics"):
        normalize(packet.metrics, NOW)
    assert len(packet.destination_identities) <= MOST_DESTINATIONS
    assert DataPacket.FromString(packet.SerializeToString()) is not None


def _run_track(data: bytes) -> None:
    try:
        packet = parse_packet(data)
    except DataTrackError:
        return
    assert 0 < packet.handle <= 0xFFFF and len(data) <= MAX_PACKET_BYTES
    again = parse_packet(packet.address(7))
    assert (again.handle, again.frame, again.starts) == (7, packet.frame, packet.starts)
    assert again.address(packet.handle) == data


RUNS = {
    "binary": _run_binary,
    "text": _run_text,
    "join": _run_join,
    "query": _run_query,
    "packet": _run_packet,
    "track": _run_track,
}
MODES = tuple(RUNS)
