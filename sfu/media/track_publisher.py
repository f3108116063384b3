"""The connection that a Track comes in on, as the Track sees it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sfu.media.encoding import Encoding
from sfu.wire.rtcp import build_full_intra_request, build_picture_loss


class Publisher(Protocol):
    """What a Track asks of the connection that it comes in on."""

    @property
    def connected(self) -> bool:
        """Whether the publisher's connection is up, so that RTCP reaches it."""
        ...

    @property
    def rtcp_ssrc(self) -> int:
        """The SSRC that our RTCP names as its sender."""
        ...

    def send_rtcp(self, packet: bytes) -> None:
        """Send RTCP to the publisher, if it is connected."""
        ...

    def touch(self) -> None:
        """Take note that a deadline of the Track has changed."""
        ...


class NoPublisher:
    """Of a Track that has ended: whoever still holds the Track, such as a vacant Subscription, holds no connection."""

    connected = False
    rtcp_ssrc = 0

    def send_rtcp(self, packet: bytes) -> None:
        """Nobody is there."""

    def touch(self) -> None:
        """Nothing is due."""


def ask_for_key_frame(publisher: Publisher, encoding: Encoding, feedback: Collection[str]) -> bool:
    """Send a PLI, which browsers prefer, or a FIR; return False if neither is in `feedback`, since only what was
    negotiated may be sent (RFC 4585 section 4.2).
    """
    if encoding.ssrc is None:
        return True
    if "nack pli" in feedback:
        publisher.send_rtcp(build_picture_loss(publisher.rtcp_ssrc, encoding.ssrc))
    elif "ccm fir" in feedback:
        encoding.intra_requests += 1
        publisher.send_rtcp(build_full_intra_request(publisher.rtcp_ssrc, encoding.ssrc, encoding.intra_requests))
    else:
        return False
    return True
