"""A Subscription, as its Track sees it."""

from __future__ import annotations

from typing import Protocol

from sfu.media.layer import Layer


class TrackSubscriber(Protocol):
    """A subscriber of a Track, which tells it what becomes of the Track, and asks which Encodings it needs."""

    id: str

    @property
    def negotiated(self) -> bool:
        """Whether its client has agreed to it."""
        ...

    @property
    def ceiling(self) -> Layer:
        """The best Layer that it may get."""
        ...

    @property
    def is_shown(self) -> bool:
        """Whether media may flow if the path carries them."""
        ...

    @property
    def target(self) -> Layer | None:
        """The Layer that the subscriber is to get; None: none was chosen yet."""
        ...

    @property
    def target_index(self) -> int:
        """The index of the Encoding that the target asks for."""
        ...

    @property
    def has_arrived(self) -> bool:
        """Whether the Encoding of the target is forwarded, or there is nothing to wait for."""
        ...

    @property
    def lacks_layer(self) -> bool:
        """Whether the forwarded Encoding has a higher Layer, up to the target, that comes but was not entered."""
        ...

    def wants(self, index: int) -> bool:
        """Whether its target is the Encoding `index`, and media may flow."""
        ...

    def shows(self, index: int) -> bool:
        """Whether it forwards the Encoding `index`."""
        ...

    def is_within(self, index: int, layers: int) -> bool:
        """Whether it forwards a Layer of the Encoding `index` that is in the mask `layers` (sfu/wire/layers.py)."""
        ...

    def report_wanted(self) -> int:
        """Return the Encodings that it is to get, as a mask of their indices."""
        ...

    def aim(self, now: float) -> None:
        """Choose the target anew, since Encodings have come or gone."""
        ...

    def handle_hold(self) -> None:
        """Stop or let through: whether the Track is `kept_back` has changed."""
        ...

    def handle_measurement(self) -> None:
        """Take up that the Track's qualities have been measured."""
        ...

    def handle_track_ended(self) -> None:
        """Leave the Track, which ends."""
        ...
