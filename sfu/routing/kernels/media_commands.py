"""Commands that change tracks and encodings."""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.classify import find_source
from sfu.routing.kernels.describe import forget_structure
from sfu.routing.kernels.index import insert_encoding, remove_encoding
from sfu.routing.kernels.media_columns import MAX_SHARDS
from sfu.routing.kernels.parameters import forget_parameters
from sfu.routing.kernels.reception import begin_generation
from sfu.routing.kernels.sender_reports import forget_reports
from sfu.routing.kernels.sources import CURRENT, hold_source, release_source
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage


@stage
def open_track(tables: Tables, row: int, generation: int) -> None:
    """Begin a fresh row of a track."""
    entry = tables.tracks[row]
    entry["active"] = 1
    entry["generation"] = generation
    entry["tapped"] = 0
    entry["first_subscription"] = -1
    entry["subscriptions"] = 0
    entry["relayed"] = 0
    entry["kept"] = -1
    forget_parameters(tables, row)
    forget_reports(tables, row)
    for k in range(MAX_SHARDS):
        entry["relay"][k] = -1
    entry["batch_first"] = -1


@stage
def close_track(tables: Tables, row: int) -> None:
    """Free a track's row."""
    tables.tracks[row]["active"] = 0


@stage
def set_tap(tables: Tables, row: int, encodings: int) -> None:
    """Copy these Encodings of a track, a bit for each, to the tap ring."""
    tables.tracks[row]["tapped"] = encodings


@stage
def set_relay(tables: Tables, row: int, command: Any) -> None:
    """Relay a track to a row of another shard, or stop that."""
    entry = tables.tracks[row]
    shard = i64(command["shard"])
    entry["relay"][shard] = command["target"]
    entry["relay_generation"][shard] = command["generation"]
    entry["relayed"] = 0
    for k in range(MAX_SHARDS):
        if entry["relay"][k] >= 0:
            entry["relayed"] += 1


@stage
def open_encoding(tables: Tables, row: int, command: Any) -> None:
    """Begin a fresh row for one RTP stream."""
    entry = tables.encodings[row]
    connection = i64(command["connection"])
    entry["active"] = 1
    entry["track"] = command["track"]
    entry["connection"] = connection
    entry["payload_type"] = command["payload_type"]
    entry["audio"] = command["audio"]
    entry["redundant_type"] = command["redundant_type"]
    entry["codec"] = command["codec"]
    entry["index"] = command["index"]
    entry["asks"] = command["asks"]
    entry["repairs"] = command["repairs"]
    entry["clock_rate"] = command["clock_rate"]
    entry["mid_bytes"] = command["mid_bytes"]
    entry["rid_bytes"] = command["rid_bytes"]
    for k in range(len(entry["mid"])):
        entry["mid"][k] = command["mid"][k]
        entry["rid"][k] = command["rid"][k]
    forget_structure(tables, row)
    begin_generation(tables.encodings, tables.arrivals, row)
    entry["last_arrival_us"] = 0
    entry["repaired"] = 0
    entry["lost_256"] = 0
    entry["key_frames"] = 0
    entry["key_frames_before"] = 0
    entry["aligned"] = 0
    entry["clock_offset"] = 0
    entry["media_packets"] = 0
    entry["spatial_layers"] = 0
    entry["spatial_top"] = -1
    entry["needs_key_frame"] = 0
    entry["key_timestamp"] = -1
    entry["temporal_layers"] = 0
    for k in range(len(entry["layer_octets"])):
        entry["layer_octets"][k] = 0
    entry["levels"] = 0
    entry["loudness"] = 0
    entry["voiced"] = 0
    entry["ssrc"] = -1
    entry["former_ssrc"] = -1
    entry["next"] = tables.connections[connection]["first_encoding"]
    tables.connections[connection]["first_encoding"] = row
    ssrc = i64(command["ssrc"])
    known = ssrc < 0 or find_source(tables, connection, ssrc) >= 0
    if not known and hold_source(tables, connection, ssrc, CURRENT):
        entry["ssrc"] = ssrc
        insert_encoding(tables.by_ssrc, tables.encodings, row)


@stage
def close_encoding(tables: Tables, row: int) -> None:
    """Free an encoding's row."""
    entry = tables.encodings[row]
    if entry["ssrc"] >= 0:
        remove_encoding(tables.by_ssrc, tables.encodings, row)
        heard_us = i64(tables.connections[entry["connection"]]["last_arrival_us"])
        release_source(tables, i64(entry["connection"]), i64(entry["ssrc"]), heard_us)
    entry["ssrc"] = -1
    entry["active"] = 0
    connection = tables.connections[entry["connection"]]
    at = i64(connection["first_encoding"])
    if at == row:
        connection["first_encoding"] = entry["next"]
        return
    while at >= 0:
        following = i64(tables.encodings[at]["next"])
        if following == row:
            tables.encodings[at]["next"] = entry["next"]
            return
        at = following
