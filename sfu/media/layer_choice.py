"""Which Layer a Subscription shall get."""

from __future__ import annotations

from collections.abc import Callable

from sfu.bwe.allocation import Step
from sfu.media.layer import WHOLE, Layer
from sfu.media.quality import find_most_spatial, find_wanted, pick_target
from sfu.media.track import Track


class LayerChoice:
    """The best Layer that flows, as far as the viewer, the connection's budget and the client's decoder let it be.

    It decides and remembers only; that the plane, the Track and the publisher hear of it is the Subscription's work.
    """

    def __init__(self, track: Track, reads_dependencies: Callable[[], bool]) -> None:
        """`reads_dependencies`: whether the client has agreed to the dependency descriptor by now."""
        self.ceiling = WHOLE
        """The best that the viewer wants."""
        self.target: Layer | None = None
        """What was chosen; None: nothing yet."""
        self.starved = False
        """The budget does not carry even the lowest."""
        self.is_new = True
        """Whether nothing was allocated since it began, or was shown again."""
        self._allocated = WHOLE
        self._track = track
        self._reads_dependencies = reads_dependencies

    @property
    def index(self) -> int:
        """The Encoding that the target asks for."""
        return self.target.spatial if self.target is not None and self._is_simulcast else 0

    @property
    def within(self) -> Layer:
        """The target as a Layer within that Encoding."""
        target = self.target or WHOLE
        return Layer(self._most_spatial, target.temporal) if self._is_simulcast else target

    def follow(self, track: Track) -> None:
        """Choose anew, of another Track."""
        self._track = track
        self.target, self._allocated = None, WHOLE

    def choose(self) -> bool:
        """Encodings have come or gone, or a bound has moved: choose anew, and return whether the target has changed."""
        before, self.target = self.target, pick_target(self._track.encodings, self._reachable, self._allocated)
        return self.target != before

    def allocate(self, layer: Layer | None) -> bool:
        """The budget carries this Layer, None: not even the lowest; return whether that moves the bound."""
        self.starved = layer is None
        self.is_new = False
        if layer is None or layer == self._allocated:
            return False
        self._allocated = layer
        return True

    def list_steps(self) -> tuple[Step[Layer], ...]:
        """The qualities that there are to choose from, and what each costs."""
        return self._track.list_steps(self._reachable)

    def find_taken(self) -> int:
        """The Encodings that are meant for it while it is not stopped, as a mask of their indices."""
        if self._track.kind == "audio" or not self._is_simulcast:
            return 1
        bound = min(self.ceiling.spatial, self._allocated.spatial)
        return 1 << self.index | find_wanted(self._track.encodings, bound)

    def enters(self, layer: Layer) -> bool:
        """Whether with this Layer it would begin, or rise to a larger picture, which takes a key frame."""
        return self.is_new or self.starved or layer.spatial > self._allocated.spatial

    def descends(self, layer: Layer) -> bool:
        """Whether with this Layer it would go on with a smaller Encoding, which takes a key frame, too."""
        return self._is_simulcast and not self.starved and layer.spatial < self._allocated.spatial

    @property
    def _is_simulcast(self) -> bool:
        return len(self._track.encodings) > 1

    @property
    def _most_spatial(self) -> int:
        """The highest spatial Layer within an Encoding that the client can decode."""
        return find_most_spatial(self._track.codec.name, described=self._reads_dependencies())

    @property
    def _reachable(self) -> Layer:
        """The ceiling, as far as the client can decode."""
        if self._is_simulcast:
            return self.ceiling
        return Layer(min(self.ceiling.spatial, self._most_spatial), self.ceiling.temporal)
