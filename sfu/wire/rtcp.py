"""RTCP packets (RFC 3550 section 6, RFC 4585, RFC 5104): parse hostile ones, build our own.

Written for the two that come a thousand times a second in a large room, the receiver and the sender report; so
packets are tuples, and building is one `struct` call. Feedback that the server does not act on is skipped, not an
error: new kinds appear all the time. Reduced-size packets (RFC 5506) are accepted.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

GENERIC_NACK = 1
"""Feedback message type of a Generic NACK (RFC 4585 section 6.2.1)."""
PICTURE_LOSS = 1
"""Feedback message type of a PLI (RFC 4585 section 6.3.1)."""
FULL_INTRA = 4
"""Feedback message type of a FIR (RFC 5104 section 4.3.1)."""

MAX_BLOCKS = 31
"""Report blocks (or sources) that fit one packet: the count field has five bits."""

MAX_NACK_PAIRS = 128
"""Most (PID, BLP) pairs of one Generic NACK that are read or built: 524 bytes, room for a report beside it.

One pair asks for up to 17 packets, so even losses far apart are covered for more packets than a history keeps; what a
receiver asks for beyond that is left out, and it will ask again.
"""

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!LQLLL")
_BLOCK = struct.Struct("!LLLLLL")
_WORD = struct.Struct("!L")
_PAIR = struct.Struct("!LL")
_NACK_PAIR = struct.Struct("!HH")
_NACK_REACH = 16  # sequence numbers after the PID that its bit mask covers
_FIR_ENTRY = struct.Struct("!LB3x")
_BUILD_SENDER = struct.Struct("!BBHLQLLL")
_BUILD_RECEIVER = struct.Struct("!BBHL")
_BUILD_FEEDBACK = struct.Struct("!BBHLL")
_VERSION = 0x80
_PADDING = 0x20


class RtcpError(ValueError):
    """The datagram is no RTCP, by the sender's fault; drop and count it."""


class ReportBlock(NamedTuple):
    """What a receiver saw of one source (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Packets lost since the former report, in 1/256 (0..255)."""
    packets_lost: int
    """Packets lost since the start, -2^23..2^23-1; duplicates make it negative."""
    highest_sequence: int
    """Highest sequence number, extended by the wraps in the upper 16 bits."""
    jitter: int
    """Interarrival jitter, RTP timestamp units."""
    last_sender_report: int
    """Middle 32 bits of the NTP time of the last sender report; 0 before one came."""
    delay: int
    """Delay since that sender report, in 1/65536 s."""


class SenderReport(NamedTuple):
    """A sender report (RFC 3550 section 6.4.1)."""

    ssrc: int
    ntp_time: int
    """NTP time in 1/2^32 s."""
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    """A receiver report (RFC 3550 section 6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class Goodbye(NamedTuple):
    """A BYE (RFC 3550 section 6.6): the sources stop."""

    ssrcs: tuple[int, ...]


class PictureLoss(NamedTuple):
    """PLI, RFC 4585 section 6.3.1: the receiver needs a key frame of `media_ssrc`."""

    sender_ssrc: int
    media_ssrc: int


class FullIntraRequest(NamedTuple):
    """FIR, RFC 5104 section 4.3.1: (media SSRC, command sequence number) for each source asked."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]


class GenericNack(NamedTuple):
    """Generic NACK, RFC 4585 section 6.2.1: the receiver misses packets of `media_ssrc`."""

    sender_ssrc: int
    media_ssrc: int
    pairs: tuple[tuple[int, int], ...]
    """(PID, BLP): a sequence number, and a mask in which bit i (from 0) stands for number PID + 1 + i. At most
    `MAX_NACK_PAIRS`."""

    def sequences(self) -> list[int]:
        """The sequence numbers asked for (0..65535), each once however often it was named; at most 2,176."""
        asked: dict[int, None] = {}
        for first, mask in self.pairs:
            asked[first] = None
            for bit in range(_NACK_REACH):
                if mask >> bit & 1:
                    asked[first + 1 + bit & 0xFFFF] = None
        return list(asked)


Packet = SenderReport | ReceiverReport | Goodbye | GenericNack | PictureLoss | FullIntraRequest


def parse_compound(data: bytes) -> list[Packet]:
    """Return the packets of one RTCP datagram (after SRTCP) that the server knows, in their order.

    Checks lengths as RFC 3550 appendix A.2 does, but lets the first packet be of any type (RFC 5506).

    Raises:
        RtcpError: whatever else the bytes are.
    """
    packets: list[Packet] = []
    position, size = 0, len(data)
    if not size:
        raise RtcpError("empty RTCP datagram")
    while position < size:
        if size - position < 4:
            raise RtcpError(f"RTCP header cut off at byte {position}")
        first, packet_type, words = _HEADER.unpack_from(data, position)
        if first & 0xC0 != _VERSION:
            raise RtcpError(f"RTCP version {first >> 6} at byte {position}")
        end = position + 4 * (words + 1)
        if end > size:
            raise RtcpError(f"RTCP packet at byte {position} ends behind the datagram")
        body_end = end
        if first & _PADDING:
            # "only ... on the last individual packet" (RFC 3550 section 6.4.1)
            padding = data[end - 1]
            if end != size or padding == 0 or padding % 4 or padding > end - position - 4:
                raise RtcpError(f"RTCP packet at byte {position} has wrong padding")
            body_end = end - padding
        parse = _PARSERS.get(packet_type)
        if parse is not None:
            packet = parse(data, position + 4, body_end, first & 0x1F)
            if packet is not None:
                packets.append(packet)
        position = end
    return packets


def _parse_sender_report(data: bytes, start: int, end: int, count: int) -> SenderReport:
    if end - start < 24 * (count + 1):
        raise RtcpError("sender report shorter than its count says")
    ssrc, ntp_time, rtp_timestamp, packets, octets = _SENDER.unpack_from(data, start)
    blocks = _parse_blocks(data, start + 24, count)
    return SenderReport(ssrc, ntp_time, rtp_timestamp, packets, octets, blocks)


def _parse_receiver_report(data: bytes, start: int, end: int, count: int) -> ReceiverReport:
    if end - start < 4 + 24 * count:
        raise RtcpError("receiver report shorter than its count says")
    return ReceiverReport(_WORD.unpack_from(data, start)[0], _parse_blocks(data, start + 4, count))


def _parse_blocks(data: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for position in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(data, position)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(blocks)


def _parse_goodbye(data: bytes, start: int, end: int, count: int) -> Goodbye:
    if end - start < 4 * count:
        raise RtcpError("goodbye shorter than its count says")
    return Goodbye(struct.unpack_from(f"!{count}L", data, start))


def _parse_transport_feedback(data: bytes, start: int, end: int, kind: int) -> GenericNack | None:
    if end - start < 8:
        raise RtcpError("transport feedback without its two SSRCs")
    if kind != GENERIC_NACK:
        return None
    if end - start < 12:
        raise RtcpError("generic NACK without an entry")
    sender, media = _PAIR.unpack_from(data, start)
    read_to = min(end, start + 8 + 4 * MAX_NACK_PAIRS)
    return GenericNack(sender, media, tuple(_NACK_PAIR.iter_unpack(data[start + 8 : read_to])))


def _parse_payload_feedback(data: bytes, start: int, end: int, kind: int) -> PictureLoss | FullIntraRequest | None:
    if end - start < 8:
        raise RtcpError("payload-specific feedback without its two SSRCs")
    sender, media = _PAIR.unpack_from(data, start)
    if kind == PICTURE_LOSS:
        return PictureLoss(sender, media)
    if kind == FULL_INTRA:
        if end - start < 16:
            raise RtcpError("full intra request without an entry")
        entries = (_FIR_ENTRY.unpack_from(data, at) for at in range(start + 8, end - 7, 8))
        return FullIntraRequest(sender, tuple((ssrc, number) for ssrc, number in entries))
    return None


_PARSERS: dict[int, Callable[[bytes, int, int, int], Packet | None]] = {
    SENDER_REPORT: _parse_sender_report,
    RECEIVER_REPORT: _parse_receiver_report,
    GOODBYE: _parse_goodbye,
    TRANSPORT_FEEDBACK: _parse_transport_feedback,
    PAYLOAD_FEEDBACK: _parse_payload_feedback,
}


def build_sender_report(ssrc: int, ntp_time: int, rtp_timestamp: int, packets: int, octets: int) -> bytes:
    """Build a sender report without report blocks; the counts wrap at 2^32 as on the wire."""
    return _BUILD_SENDER.pack(
        _VERSION, SENDER_REPORT, 6, ssrc, ntp_time, rtp_timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )


def build_receiver_report(ssrc: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    """Build a receiver report.

    Raises:
        ValueError: over 31 blocks; the caller has to split.
    """
    count = len(blocks)
    if count > MAX_BLOCKS:
        raise ValueError(f"{count} report blocks; one packet holds {MAX_BLOCKS}")
    parts = [_BUILD_RECEIVER.pack(_VERSION | count, RECEIVER_REPORT, 1 + 6 * count, ssrc)]
    for block in blocks:
        loss = block.fraction_lost << 24 | block.packets_lost & 0xFFFFFF
        parts.append(
            _BLOCK.pack(block.ssrc, loss, block.highest_sequence, block.jitter, block.last_sender_report, block.delay)
        )
    return b"".join(parts)


def build_source_description(ssrc: int, cname: str) -> bytes:
    """Build an SDES packet with the CNAME (RFC 3550 section 6.5.1), at most 255 bytes of UTF-8.

    Raises:
        ValueError: the CNAME is longer.
    """
    name = cname.encode()
    if len(name) > 255:
        raise ValueError(f"a CNAME of {len(name)} bytes; RFC 3550 allows 255")
    item = _WORD.pack(ssrc) + bytes((1, len(name))) + name
    item += bytes(4 - len(item) % 4)  # at least one null octet ends the chunk
    return _HEADER.pack(_VERSION | 1, SOURCE_DESCRIPTION, len(item) // 4) + item


def build_goodbye(ssrcs: Sequence[int]) -> bytes:
    """Build a BYE for up to 31 sources, without a reason.

    Raises:
        ValueError: over 31 sources.
    """
    count = len(ssrcs)
    if count > MAX_BLOCKS:
        raise ValueError(f"{count} sources; one BYE holds {MAX_BLOCKS}")
    return struct.pack(f"!BBH{count}L", _VERSION | count, GOODBYE, count, *ssrcs)


def build_picture_loss(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Build a PLI."""
    return _BUILD_FEEDBACK.pack(_VERSION | PICTURE_LOSS, PAYLOAD_FEEDBACK, 2, sender_ssrc, media_ssrc)


def build_full_intra_request(sender_ssrc: int, media_ssrc: int, number: int) -> bytes:
    """Build a FIR with one entry; `number` (mod 256) rises with each new command, not with a repetition.

    The SSRC of the media source field "is not used and SHALL be set to 0" (RFC 5104 section 4.3.1.2).
    """
    header = _BUILD_FEEDBACK.pack(_VERSION | FULL_INTRA, PAYLOAD_FEEDBACK, 4, sender_ssrc, 0)
    return header + _FIR_ENTRY.pack(media_ssrc, number & 0xFF)


def build_nack(sender_ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> list[bytes]:
    """Build Generic NACKs that ask for `sequences` (taken modulo 2^16; in any order, repetitions do no harm).

    As few pairs as their spread allows; a new packet after each `MAX_NACK_PAIRS`. None for no sequences.
    """
    pairs = _pack_nack_pairs(sorted({sequence & 0xFFFF for sequence in sequences}))
    packets = []
    for first in range(0, len(pairs), MAX_NACK_PAIRS):
        part = pairs[first : first + MAX_NACK_PAIRS]
        header = _BUILD_FEEDBACK.pack(
            _VERSION | GENERIC_NACK, TRANSPORT_FEEDBACK, 2 + len(part), sender_ssrc, media_ssrc
        )
        packets.append(header + b"".join(_NACK_PAIR.pack(*pair) for pair in part))
    return packets


def _pack_nack_pairs(ordered: list[int]) -> list[tuple[int, int]]:
    """Cover distinct, rising 16-bit numbers by pairs; a pair may reach over the wrap."""
    if not ordered:
        return []
    # Start after the widest hole of the circle: then greedy is best, and a run over the wrap stays together.
    holes = [after - before for before, after in itertools.pairwise([*ordered, ordered[0] + 0x10000])]
    start = holes.index(max(holes)) + 1
    pairs: list[tuple[int, int]] = []
    first, mask = -1, 0
    for sequence in ordered[start:] + ordered[:start]:
        ahead = (sequence - first) & 0xFFFF
        if first >= 0 and ahead <= _NACK_REACH:
            mask |= 1 << (ahead - 1)
            continue
        if first >= 0:
            pairs.append((first, mask))
        first, mask = sequence, 0
    pairs.append((first, mask))
    return pairs
