"""Which Layer a Subscription is to get."""

from __future__ import annotations

from collections.abc import Callable

from sfu.bwe.allocation import Step
from sfu.media.layer import WHOLE, Layer
from sfu.media.quality import find_most_spatial, find_wanted, pick_target
from sfu.media.track import Track


class LayerSelector:
    """Chooses the best Layer that flows within the viewer's ceiling, the connection's budget and the client's decoder.

    It only decides and remembers; the Subscription tells the plane, the Track and the publisher.
    """

    def __init__(self, track: Track, takes_layers: Callable[[], bool]) -> None:
        """`takes_layers` says whether the client is known to decode several spatial Layers, whatever the codec."""
        self.ceiling = WHOLE
        """The best Layer that the viewer wants."""
        self.target: Layer | None = None
        """The chosen Layer; None: none was chosen yet."""
        self.starved = False
        """Whether the budget does not carry even the lowest Layer."""
        self.is_new = True
        """Whether nothing was allocated since the Subscription began, or was shown again."""
        self._allocated = WHOLE
        self._most_bps: float | None = None
        self._track = track
        self._takes_layers = takes_layers

    @property
    def index(self) -> int:
        """The index of the Encoding that the target asks for."""
        return self.target.spatial if self.target is not None and self._is_simulcast else 0

    @property
    def within(self) -> Layer:
        """The target as a Layer within the Encoding that it asks for."""
        target = self.target or WHOLE
        return Layer(self._most_spatial, target.temporal) if self._is_simulcast else target

    def follow(self, track: Track) -> None:
        """Go on with another Track, of which nothing was chosen yet."""
        self._track = track
        self.target, self._allocated = None, WHOLE

    def choose(self) -> bool:
        """Choose anew, as Encodings have come or gone or a bound has moved; return whether the target has changed."""
        before, self.target = self.target, pick_target(self._track.encodings, self._reachable, self._allocated)
        return self.target != before

    def allocate(self, layer: Layer | None) -> bool:
        """Take the Layer that the budget carries (None: not even the lowest); return whether that moves the bound."""
        self.starved = layer is None
        self.is_new = False
        if layer is None or layer == self._allocated:
            return False
        self._allocated = layer
        return True

    def let_grow(self, growth_bps: float) -> None:
        """Note that it has the best Layer, and that this may cost so much more until another choice is due."""
        steps = self.list_steps()
        self._most_bps = steps[-1].rate_bps + growth_bps if steps else None

    def bound_growth(self) -> None:
        """Forget that: a choice is due soon anyway."""
        self._most_bps = None

    @property
    def has_outgrown(self) -> bool:
        """Whether there is a better Layer now, or it costs more than it may without another choice."""
        if self._most_bps is None:
            return False
        steps = self.list_steps()
        return bool(steps) and (steps[-1].layer != self._allocated or steps[-1].rate_bps > self._most_bps)

    def list_steps(self) -> tuple[Step[Layer], ...]:
        """Return the qualities that can be chosen, and what each costs."""
        return self._track.list_steps(self._reachable)

    def find_taken(self) -> int:
        """Return the Encodings that the Subscription is to get while it is not stopped, as a mask of their indices."""
        if self._track.kind == "audio" or not self._is_simulcast:
            return 1
        bound = min(self.ceiling.spatial, self._allocated.spatial)
        return 1 << self.index | find_wanted(self._track.encodings, bound)

    def enters(self, layer: Layer) -> bool:
        """Whether the Subscription would begin, or go to a larger picture, with this Layer, which takes a key frame."""
        return self.is_new or self.starved or layer.spatial > self._allocated.spatial

    def descends(self, layer: Layer) -> bool:
        """Whether the Subscription would go to a smaller Encoding with this Layer, which takes a key frame, too."""
        return self._is_simulcast and not self.starved and layer.spatial < self._allocated.spatial

    @property
    def _is_simulcast(self) -> bool:
        return len(self._track.encodings) > 1

    @property
    def _most_spatial(self) -> int:
        """The highest spatial Layer within an Encoding that the client can decode."""
        return find_most_spatial(self._track.codec.name, takes_layers=self._takes_layers())

    @property
    def _reachable(self) -> Layer:
        """The ceiling, lowered to what the client can decode."""
        if self._is_simulcast:
            return self.ceiling
        return Layer(min(self.ceiling.spatial, self._most_spatial), self.ceiling.temporal)
