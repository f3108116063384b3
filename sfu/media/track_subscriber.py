"""A Subscription, as its Track sees it."""

from __future__ import annotations

from typing import Protocol

from sfu.media.layer import Layer


class TrackSubscriber(Protocol):
    """Who takes a Track; told what becomes of it, and asked which of its Encodings are needed."""

    closed: bool

    @property
    def target(self) -> Layer | None:
        """The Layer that it shall get; None: none was chosen yet."""
        ...

    @property
    def target_index(self) -> int:
        """The Encoding that the target asks for."""
        ...

    @property
    def has_arrived(self) -> bool:
        """Whether the Encoding of the target is forwarded, or there is nothing to wait for."""
        ...

    @property
    def lacks_layer(self) -> bool:
        """Whether a higher Layer of the Encoding that is forwarded comes and is its target, but was not entered."""
        ...

    def wants(self, index: int) -> bool:
        """Whether its target is the Encoding `index`, and media shall flow."""
        ...

    def shows(self, index: int) -> bool:
        """Whether it forwards the Encoding `index`."""
        ...

    def is_within(self, index: int, layers: int) -> bool:
        """Whether it forwards a Layer of the Encoding `index` that is in this mask (sfu/wire/layers.py)."""
        ...

    def report_wanted(self) -> int:
        """The Encodings that are meant for it, as a mask of their indices."""
        ...

    def aim(self, now: float) -> None:
        """Encodings have come or gone: choose the target anew."""
        ...

    def apply_hold(self) -> None:
        """The Track is held, or blocked, or is so no more."""
        ...

    def pass_sender_report(self, index: int, now: float) -> None:
        """The publisher has sent a sender report for the Encoding `index`."""
        ...

    def handle_track_ended(self) -> None:
        """The Track ends."""
        ...
