"""What a Subscription uses of the connection that it goes out on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sfu.shard.shard import Shard

if TYPE_CHECKING:
    from sfu.media.subscription import Subscription


class Subscriber(Protocol):
    """The connection, as its Subscriptions see it."""

    @property
    def row(self) -> int:
        """The connection's row."""
        ...

    @property
    def shard(self) -> Shard:
        """The connection's shard."""
        ...

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        ...

    @property
    def reads_dependencies(self) -> bool:
        """Whether its client has agreed to the dependency descriptor."""
        ...

    def now(self) -> float:
        """The server's clock."""
        ...

    def demand_changed(self) -> None:
        """What a Subscription could use has changed."""
        ...

    def starved_changed(self, subscription: Subscription) -> None:
        """The path has become too narrow for a Subscription, or carries it again."""
        ...

    def send_sender_report(self, subscription: Subscription, now: float) -> None:
        """Pass the publisher's clock on to the client."""
        ...

    def track_ended(self, subscription: Subscription) -> None:
        """A Subscription's Track has ended: close it, or `vacate` it to keep its place for another."""
        ...

    def end_subscription(self, subscription: Subscription) -> None:
        """The Subscription has closed: give up its place."""
        ...
