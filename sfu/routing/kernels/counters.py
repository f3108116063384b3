"""What the plane counts: totals, and every drop by its reason."""

from __future__ import annotations

import enum


class Counter(enum.IntEnum):
    """Index into the plane's counter array. Names are what `Plane.counters()` and the metrics show."""

    RECEIVED_DATAGRAMS = 0
    RECEIVED_BYTES = 1
    RECEIVED_RTP = 2
    SENT_PACKETS = 3
    SENT_BYTES = 4
    SENT_MESSAGES = 5
    RECEIVE_CALLS = 6
    SEND_CALLS = 7
    GSO_REFUSED = 8
    RELAYED_PACKETS = 9
    TAPPED_PACKETS = 10
    DROP_EMPTY = 11
    DROP_TRUNCATED_DATAGRAM = 12
    DROP_UNKNOWN_PROTOCOL = 13
    DROP_UNKNOWN_ADDRESS = 14
    DROP_NO_KEYS = 15
    DROP_RTP_TRUNCATED = 16
    DROP_RTP_VERSION = 17
    DROP_RTP_EXTENSION = 18
    DROP_RTP_PADDING = 19
    DROP_RTP_OVERSIZE = 20
    DROP_UNKNOWN_SOURCE = 21
    DROP_SOURCE_LIMIT = 22
    """Packets under an SSRC that is one too many for now, was given up before, or has just been replaced by another."""
    DROP_SRTP_AUTHENTICATION = 23
    DROP_SRTP_REPLAY = 24
    DROP_SRTP_OTHER = 25
    DROP_NOTICE_RING_FULL = 26
    DROP_TAP_RING_FULL = 27
    DROP_RELAY_RING_FULL = 28
    DROP_PROTECT_FAILED = 29
    DROP_SEND_CONGESTED = 30
    DROP_SEND_FAILED = 31
    DROP_RECEIVE_FAILED = 32
    DROP_PAYLOAD_TYPE = 33
    DROP_DUPLICATE = 34
    DROP_SEQUENCE_JUMP = 35
    DROP_DESCRIPTOR = 36
    """A payload descriptor, dependency descriptor or RED header that makes no sense."""
    REPAIRED_PACKETS = 37
    """Packets that publishers sent again."""
    REPAIR_PADDING = 38
    """Packets of a repair stream that carry nothing (probes)."""
    DROP_REPAIR = 39
    """Retransmissions that make no sense: of an unknown stream, or cut off."""
    DROP_LATE = 40
    """Packets that came too late for a subscription to find their place."""
    FILLED_PACKETS = 41
    """Empty packets in the place of late ones that the subscriber's Layer leaves out."""
    REPEATED_PACKETS = 42
    """Packets sent again to subscribers."""
    REPEAT_REFUSED = 43
    """Packets not sent again: asked for too often, or beyond the subscription's budget."""
    REPEAT_MISSED = 44
    """Packets not sent again: the history no longer has them."""
    LAYER_SWITCHES = 45
    UNKNOWN_STRUCTURE = 46
    """Dependency descriptors that refer to a structure or template that never came; the payload speaks for itself."""
    DROP_RTCP_NO_KEYS = 47
    DROP_RTCP_AUTHENTICATION = 48
    """RTCP that is forged, replayed or cut off."""
    DROP_RTCP_SOURCE_LIMIT = 49
    """RTCP from more SSRCs than a connection may have."""
    DROP_FEEDBACK = 50
    """Transport-wide feedback that is malformed, or that was not agreed on."""
    FEEDBACK_UNSENT = 51
    """Packets that feedback tells of although they were never sent, or too long ago."""
    RECEIVED_FEEDBACK = 52
    SENT_FEEDBACK = 53
    PADDING_PACKETS = 54
    """Packets of padding, sent to probe a path."""
    PACED_PACKETS = 55
    """Packets that waited for the pacer."""
    DROP_PACED = 56
    """Packets that waited so long that the history or the log had lost them."""
    DROP_STUN_UNKNOWN_USER = 57
    """STUN that is no connectivity check for any connection."""
    DROP_STUN_RATE = 58
    """Connectivity checks beyond the rate of one connection."""
    DROP_DTLS_UNKNOWN_ADDRESS = 59
    """DTLS from an address where no connection's client has proved to be."""
    DROP_DTLS_RATE = 60
    """DTLS beyond the rate of one connection."""
    DROP_RTCP_RATE = 61
    """Authentic RTCP beyond the rate of one connection."""
    DROP_NACK_RATE = 62
    """Entries of NACKs beyond the rate of one connection."""
    SENT_REPORTS = 63
    """Sender reports and BYEs to subscribers, receiver reports to publishers."""
    ANSWERED_CHECKS = 64
    """Connectivity checks that the plane has answered by itself."""


COUNTER_COUNT = len(Counter)
