"""Which decode target of a dependency structure (RTP Payload Format For AV1, A.4) serves each Layer.

It is the highest that is not above the Layer: the one with the greatest spatial id, and among these with the greatest
temporal id. That holds while the encoder leaves this target out, as long as its frames include all of the highest
active one: its subscribers get those, and go on with it when it comes back. Where they do not (in K-SVC an upper layer
has no frames of the lower ones, but at key frames), another target can only be entered at a key frame. So the lower one
serves the Layer from a key frame on, if the right one is not active then; and if it stops in between, the Layer
needs a key frame: its subscribers get nothing until there is one, or until the target comes back.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.layers import layer_bit
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS


@kernel
def place_targets(structures: NDArray[Any], row: int) -> None:
    """`decode_target_layers()`: the highest ids of the templates in which a target is present; and what it contains."""
    entry = structures[row]
    targets = i64(entry["targets"])
    for target in range(targets):
        spatial, temporal = i64(0), i64(0)
        contained = (i64(1) << targets) - 1
        for template in range(i64(entry["templates"])):
            present = i64(entry["target_present"][template])
            if (present >> target) & 1:
                spatial = max(spatial, i64(entry["spatial"][template]))
                temporal = max(temporal, i64(entry["temporal"][template]))
            else:
                contained &= ~present
        entry["highest_spatial"][target] = spatial
        entry["highest_temporal"][target] = temporal
        entry["contained"][target] = contained


@kernel
def activate(structures: NDArray[Any], row: int, active: int, enter: bool) -> None:
    """Set the active decode targets. `enter`: with a key frame, at which any target can be entered."""
    entry = structures[row]
    entry["active"] = active
    every = (i64(1) << i64(entry["targets"])) - 1
    for target in range(i64(entry["targets"])):
        entry["layers"][target] = 0
        entry["substitute"][target] = 0
    needs_key_frame = i64(0)
    for spatial in range(SPATIAL_LAYERS):
        for temporal in range(TEMPORAL_LAYERS):
            layer = layer_bit(spatial, temporal)
            best = _highest(structures, row, spatial, temporal, active)
            server = i64(entry["server"][8 * spatial + temporal])
            if enter:
                server = _highest(structures, row, spatial, temporal, every)
                if not _includes(structures, row, server, best, active):
                    server = best
                entry["server"][8 * spatial + temporal] = server
            if server < 0:
                continue
            entry["layers"][server] |= layer
            if best >= 0 and (active >> server) & 1 == 0:
                if _includes(structures, row, server, best, active):
                    entry["substitute"][best] |= layer
                else:
                    needs_key_frame |= layer
    entry["needs_key_frame"] = needs_key_frame
    entry["entered"] = 1 if enter else 0
    for template in range(i64(entry["templates"])):
        present, switch, discardable = serve_layers(
            structures,
            row,
            i64(entry["target_present"][template]),
            i64(entry["target_switch"][template]),
            i64(entry["target_discardable"][template]),
        )
        entry["present"][template] = present
        entry["switch"][template] = switch
        entry["discardable"][template] = discardable


@stage
def _highest(structures: NDArray[Any], row: int, spatial: int, temporal: int, among: int) -> int:
    """The highest of these decode targets that is not above the Layer; -1 where all are."""
    entry = structures[row]
    best, rank = i64(-1), i64(-1)
    for target in range(i64(entry["targets"])):
        s, t = i64(entry["highest_spatial"][target]), i64(entry["highest_temporal"][target])
        if (among >> target) & 1 and s <= spatial and t <= temporal and 8 * s + t > rank:
            best, rank = i64(target), 8 * s + t
    return best


@stage
def _includes(structures: NDArray[Any], row: int, server: int, best: int, active: int) -> bool:
    """Whether who follows decode target `server` gets what can be had: it is active, or has all frames of `best`."""
    if server < 0 or best < 0 or (active >> server) & 1:
        return True
    return (i64(structures[row]["contained"][server]) >> best) & 1 != 0


@kernel
def serve_layers(
    structures: NDArray[Any], row: int, present: int, switch: int, discardable: int
) -> tuple[int, int, int]:
    """Masks of decode targets, as `read_indications` returns them, as masks of Layers.

    A switch to the active target that stands in for another is one to that, too: nothing else of it comes.
    """
    entry = structures[row]
    layers_present, layers_switch, layers_discardable = i64(0), i64(0), i64(0)
    for target in range(i64(entry["targets"])):
        layers = i64(entry["layers"][target])
        if (present >> target) & 1:
            layers_present |= layers
        if (switch >> target) & 1:
            layers_switch |= layers | i64(entry["substitute"][target])
        if (discardable >> target) & 1:
            layers_discardable |= layers
    return layers_present, layers_switch, layers_discardable
