"""The qualities that a Track really has now, and what each costs to receive."""

from __future__ import annotations

from collections.abc import Iterator

from sfu.bwe.allocation import Step
from sfu.encoding import Encoding
from sfu.layer import WHOLE, Layer
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS

_CLEARLY_MORE = 1.1
"""A step that costs hardly more than the one below it replaces that one."""


def list_steps(encodings: tuple[Encoding, ...], ceiling: Layer = WHOLE) -> tuple[Step[Layer], ...]:
    """Steps by rising rate, up to `ceiling`; empty while nothing is measured.

    In simulcast the lowest Encoding comes in all its temporal Layers, the others from half the frame rate on: fewer
    pictures of a larger size are no better than the size below. An Encoding that its publisher has stopped because
    nobody took it counts with its last rate: whoever takes it, gets it.
    """
    simulcast = len(encodings) > 1
    found = _steps_of_encodings(encodings, ceiling) if simulcast else _steps_of_layers(encodings[0], ceiling)
    steps: list[Step[Layer]] = []
    for step in found:
        if steps and step.rate_bps < _CLEARLY_MORE * steps[-1].rate_bps:
            if step.layer.spatial == steps[-1].layer.spatial or not simulcast:
                steps[-1] = step
            continue
        steps.append(step)
    return tuple(steps)


def _steps_of_encodings(encodings: tuple[Encoding, ...], ceiling: Layer) -> Iterator[Step[Layer]]:
    allowed = [encoding for encoding in encodings if encoding.is_to_be_had]
    within = [encoding for encoding in allowed if encoding.index <= ceiling.spatial] or allowed[:1]
    for encoding in within:
        rates = _sum_up(encoding, SPATIAL_LAYERS - 1)
        top = len(rates) - 1
        for temporal, rate in enumerate(rates):
            if temporal < top - 1 and encoding is not within[0]:
                continue
            if temporal <= ceiling.temporal or temporal == 0:
                yield Step(Layer(encoding.index, temporal if temporal < top else WHOLE.temporal), rate)


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
    """What each temporal Layer costs with all below it, and with the spatial Layers up to `spatial`."""
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
