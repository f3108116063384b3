"""The qualities that a Track has, and what each costs to receive."""

from __future__ import annotations

from collections.abc import Iterator

from sfu.bwe.allocation import Step
from sfu.media.encoding import Encoding
from sfu.media.layer import WHOLE, Layer
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS

_CLEARLY_MORE = 1.1
"""The least ratio of the rates of two steps; a step that costs less than this replaces the one below it."""
_TOLD_BY_DESCRIPTOR = ("AV1", "H264")
"""Codecs whose spatial Layers only the dependency descriptor tells apart; VP9 has a payload descriptor of its own."""
_RATIO = 3.0
"""The assumed rate of an Encoding that has not come yet, as a multiple of the one below: a picture with sides twice as
long takes about 4 ** 0.75 times the bits at the same quality.
"""


class Qualities:
    """The steps of one Track, kept for all its Subscriptions until they change: they are needed many times between two
    measurements.
    """

    def __init__(self) -> None:
        self._state: tuple[tuple[int, bool, bool], ...] = ()
        self._steps: dict[Layer, tuple[Step[Layer], ...]] = {}  # by ceilings, of which there are few

    def list_steps(self, encodings: tuple[Encoding, ...], ceiling: Layer) -> tuple[Step[Layer], ...]:
        """Return what the function `list_steps` returns for the Track's `encodings`."""
        state = tuple((encoding.measurements, encoding.active, encoding.withheld) for encoding in encodings)
        if state != self._state:
            self._state = state
            self._steps.clear()
        bound = Layer(min(ceiling.spatial, WHOLE.spatial), min(ceiling.temporal, WHOLE.temporal))
        steps = self._steps.get(bound)
        if steps is None:
            steps = self._steps[bound] = list_steps(encodings, bound)
        return steps


def list_steps(encodings: tuple[Encoding, ...], ceiling: Layer = WHOLE) -> tuple[Step[Layer], ...]:
    """Return the steps by rising rate, up to `ceiling`; none while nothing is measured.

    In simulcast the lowest Encoding has a step for each temporal Layer, the others only from half the frame rate on:
    fewer pictures of a larger size are no better than the size below. An Encoding that does not come because nobody
    wanted it counts with its last rate, or one that is assumed from the others, since it comes once it is wanted.

    A step is left out where a better one costs no more, as a large picture that hardly moves may cost less than a small
    one whose encoder spends all that it may.
    """
    simulcast = len(encodings) > 1
    found = _steps_of_encodings(encodings, ceiling) if simulcast else _steps_of_layers(encodings[0], ceiling)
    steps: list[Step[Layer]] = []
    for step in reversed(list(found)):
        if not steps or _CLEARLY_MORE * step.rate_bps <= steps[-1].rate_bps:
            steps.append(step)
    return tuple(reversed(steps))


def pick_target(encodings: tuple[Encoding, ...], ceiling: Layer, allocated: Layer) -> Layer:
    """Return the best Layer that flows within both bounds; if none does, the least that flows, or one that will."""
    bound = min(ceiling.spatial, allocated.spatial, WHOLE.spatial)
    best = bound
    if len(encodings) > 1:
        flowing = [encoding.index for encoding in encodings if encoding.active]
        best = _best_within(flowing, bound, otherwise=min(bound, len(encodings) - 1))
    temporal = min(ceiling.temporal, WHOLE.temporal)
    if best >= allocated.spatial:  # below, all its frames cost less than what is allocated
        temporal = min(temporal, allocated.temporal)
    return Layer(best, temporal)


def find_most_spatial(codec: str, *, takes_layers: bool) -> int:
    """Return the highest spatial Layer within an Encoding that a receiver decodes; `takes_layers`: it reads the
    dependency descriptor, or is known to do without.

    Without the descriptor most receivers take each packet that begins a frame for a new picture, so they cannot decode
    several spatial Layers of one picture, while the lowest alone is an ordinary stream.
    """
    return WHOLE.spatial if takes_layers or codec not in _TOLD_BY_DESCRIPTOR else 0


def find_wanted(encodings: tuple[Encoding, ...], bound: int) -> int:
    """Return the Encodings to ask for, up to the spatial Layer `bound`, as a mask of their indices.

    They are the best that is available, and until it flows, those below it down to one that flows.
    """
    had = _list_had(encodings)
    wanted = 0
    for encoding in reversed([one for one in had if one.index <= bound] or had[:1]):
        wanted |= 1 << encoding.index
        if encoding.active:
            break
    return wanted


def _list_had(encodings: tuple[Encoding, ...]) -> list[Encoding]:
    """Return the available Encodings. None is assumed below the lowest that is known to come, since lower ones begin
    first.
    """
    known = [encoding.index for encoding in encodings if encoding.active or encoding.is_measured]
    lowest = min(known, default=0)
    return [encoding for encoding in encodings if encoding.is_to_be_had and encoding.index >= lowest]


def _assume_rate(encodings: tuple[Encoding, ...], index: int) -> float:
    """Return the assumed rate of an Encoding that was never measured, from the nearest ones that were; 0 if there are
    none.
    """
    known = {one.index: rates[-1] for one in encodings if (rates := _sum_up(one, SPATIAL_LAYERS - 1))}
    below = max((place for place in known if place < index), default=None)
    above = min((place for place in known if place > index), default=None)
    if below is None:
        return 0.0 if above is None else known[above] / _RATIO ** (above - index)
    ratio = _RATIO if above is None else (known[above] / known[below]) ** (1.0 / (above - below))
    return float(known[below] * ratio ** (index - below))


def _best_within(indices: list[int], bound: int, *, otherwise: int) -> int:
    """Return the highest index up to `bound`, else the lowest; `otherwise` if there is none."""
    return max((index for index in indices if index <= bound), default=min(indices, default=otherwise))


def _steps_of_encodings(encodings: tuple[Encoding, ...], ceiling: Layer) -> Iterator[Step[Layer]]:
    allowed = _list_had(encodings)
    within = [encoding for encoding in allowed if encoding.index <= ceiling.spatial] or allowed[:1]
    below = 0.0
    for encoding in within:
        rates = _find_rates(encodings, encoding, below)
        below = max([below, *rates])
        top = len(rates) - 1
        for temporal, rate in enumerate(rates):
            if temporal < top - 1 and encoding is not within[0]:
                continue
            if temporal <= ceiling.temporal or temporal == 0:
                yield Step(Layer(encoding.index, temporal if temporal < top else WHOLE.temporal), rate)


def _find_rates(encodings: tuple[Encoding, ...], encoding: Encoding, below: float) -> list[float]:
    """Return what the temporal Layers of an Encoding cost, each with those under it; empty if it is no choice for now.

    To cost no more than a lower Encoding (`below`) can be a moment's truth: a publisher begins a large picture at a
    low rate, and what stopped long ago may have cost little in another scene. So it is believed only of what comes
    and has settled. What does not come is assumed to cost more; what has just begun has to wait.
    """
    rates = _sum_up(encoding, SPATIAL_LAYERS - 1)
    if not rates and (assumed := _assume_rate(encodings, encoding.index)):
        rates = [assumed]
    if not rates or rates[-1] >= _CLEARLY_MORE * below or (encoding.active and encoding.has_settled):
        return rates
    return [] if encoding.active else [_RATIO * below]


def _steps_of_layers(encoding: Encoding, ceiling: Layer) -> Iterator[Step[Layer]]:
    spatial_top = encoding.spatial_top
    for spatial in range(min(spatial_top, ceiling.spatial) + 1):
        rates = _sum_up(encoding, spatial)
        top = len(rates) - 1
        for temporal, rate in enumerate(rates):
            if temporal < top - 1 and spatial > 0:
                continue
            if temporal <= ceiling.temporal or temporal == 0:
                layer = Layer(
                    spatial if spatial < spatial_top else WHOLE.spatial,
                    temporal if temporal < top else WHOLE.temporal,
                )
                yield Step(layer, rate)


def _sum_up(encoding: Encoding, spatial: int) -> list[float]:
    """Return the rate of each temporal Layer with all below it, over the spatial Layers up to `spatial`."""
    rates: list[float] = []
    total = 0.0
    layers = range(min(spatial, encoding.spatial_top) + 1)  # those above have no rate
    for temporal in range(TEMPORAL_LAYERS):
        own = [encoding.layer_rate_bps(below, temporal) for below in layers]
        if not any(own):
            continue
        total += sum(own)
        rates.append(total)
    return rates
