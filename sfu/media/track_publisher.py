"""The connection that a Track comes in on, as the Track sees it."""

from __future__ import annotations

from typing import Protocol


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
