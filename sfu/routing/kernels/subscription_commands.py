"""Commands about subscriptions: opened, closed, paused, what they aim at and how they are repaired."""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels import native
from sfu.routing.kernels.history import begin_log
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.numbering import leave_source
from sfu.routing.kernels.receiver_reports import begin_reception
from sfu.routing.kernels.sealed import begin_sealing
from sfu.routing.kernels.select import leave_layer
from sfu.routing.kernels.sender_reports import begin_reports, end_reports
from sfu.routing.kernels.subscribing import link_subscription, unlink_subscription
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.template import build_template
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.layers import SPATIAL_LAYERS, TEMPORAL_LAYERS


@stage
def open_subscription(tables: Tables, row: int, command: Any) -> None:
    """Begin a fresh row, in its track's list."""
    entry = tables.subscriptions[row]
    entry["active"] = 1
    entry["paused"] = 0
    entry["connection"] = command["connection"]
    entry["ssrc"] = command["ssrc"]
    entry["payload_type"] = command["payload_type"]
    entry["redundant_type"] = command["redundant_type"]
    entry["transport_cc"] = command["transport_cc"]
    entry["pads"] = command["pads"]
    entry["padded"] = 0
    entry["picture_ended"] = 1
    entry["repair_type"] = 0
    begin_reception(entry)
    entry["nacks"] = 0
    entry["missed_us"] = 0
    entry["log"] = -1
    entry["sealed"] = 0
    _reset_selection(entry)
    entry["mid_bytes"] = command["mid_bytes"]
    for k in range(len(entry["mid"])):
        entry["mid"][k] = command["mid"][k]
    entry["cname_bytes"] = command["cname_bytes"]
    for k in range(len(entry["cname"])):
        entry["cname"][k] = command["cname"][k]
    entry["started"] = 0
    entry["source"] = -1
    entry["seed_sequence"] = command["seed_sequence"]
    entry["seed_timestamp"] = command["seed_timestamp"]
    entry["sequence_offset"] = 0
    entry["timestamp_offset"] = 0
    entry["packets"] = 0
    entry["octets"] = 0
    entry["last_arrival_us"] = 0
    link_subscription(tables, row, i64(command["track"]))
    connection = tables.connections[entry["connection"]]
    connection["subscriptions"] += 1
    entry["sibling"] = connection["first_subscription"]
    connection["first_subscription"] = row
    begin_reports(tables, row)
    build_template(tables, row)


@stage
def close_subscription(tables: Tables, buffers: Buffers, row: int, goodbye: bool, socket: int) -> None:
    """Free a subscription's row; with `goodbye`, its client is told."""
    entry = tables.subscriptions[row]
    reported = end_reports(tables, buffers, row, goodbye, socket)
    unlink_subscription(tables, row)
    entry["active"] = 0
    connection = tables.connections[entry["connection"]]
    connection["subscriptions"] -= 1
    _leave_connection(tables, connection, row)
    if connection["send_srtp"] != 0:
        if entry["started"] == 1 or entry["padded"] == 1 or reported:
            native.forget_stream(connection["send_srtp"], i64(entry["ssrc"]))
        if entry["repeated"] > 0 and entry["repair_type"] > 0:
            native.forget_stream(connection["send_srtp"], i64(entry["repair_ssrc"]))
    entry["log"] = -1
    entry["sealed"] = 0


@stage
def _leave_connection(tables: Tables, connection: Any, row: int) -> None:
    following = tables.subscriptions[row]["sibling"]
    at = i64(connection["first_subscription"])
    if at == row:
        connection["first_subscription"] = following
        return
    while at >= 0:
        after = i64(tables.subscriptions[at]["sibling"])
        if after == row:
            tables.subscriptions[at]["sibling"] = following
            return
        at = after


@stage
def _reset_selection(entry: Any) -> None:
    entry["target_index"] = 0
    entry["target_spatial"] = SPATIAL_LAYERS - 1
    entry["target_temporal"] = TEMPORAL_LAYERS - 1
    entry["current_index"] = -1
    entry["current_spatial"] = 0
    entry["current_temporal"] = 0
    entry["last_picture"] = 0
    entry["last_tl0"] = 0
    entry["last_frame"] = 0
    entry["aligned"] = 0
    entry["common_offset"] = 0
    entry["renumbering_count"] = 0
    entry["renumbering_first"] = 0
    entry["left_source_count"] = 0
    entry["given_sets"] = -1
    entry["highest"] = 0
    entry["switches"] = 0
    entry["pictures"] = 0
    entry["freezes"] = 0
    entry["picture_gap_us"] = 0
    entry["picture_arrival_us"] = 0
    entry["repeated"] = 0
    entry["not_repeated"] = 0


@stage
def set_paused(tables: Tables, row: int, paused: int) -> None:
    """Hold a subscription back, or let it go on: where its numbering stopped, video with a key frame."""
    tables.subscriptions[row]["paused"] = paused
    leave_source(tables, row)
    leave_layer(tables, row)


@stage
def set_target(tables: Tables, row: int, command: Any) -> None:
    """Aim a subscription at an Encoding and at a Layer within it."""
    entry = tables.subscriptions[row]
    entry["target_index"] = command["index"]
    entry["target_spatial"] = command["spatial"]
    entry["target_temporal"] = command["temporal"]


@stage
def set_repair(tables: Tables, row: int, command: Any) -> None:
    """Let a subscription ask for packets again, by RTX, from the log row that it gets."""
    entry = tables.subscriptions[row]
    entry["repair_ssrc"] = command["ssrc"]
    entry["repair_type"] = command["payload_type"]
    _begin_log(tables, entry, i64(command["log"]), i64(command["sequence"]))


@stage
def set_resending(tables: Tables, row: int, command: Any) -> None:
    """Let a subscription ask for packets again, as they went out, for which they are kept. A log is only for the pacer
    then, and there may be none.
    """
    entry = tables.subscriptions[row]
    kept = i64(command["sealed"])
    entry["sealed"] = kept + 1
    entry["sealed_bytes"] = command["sealed_bytes"]
    begin_sealing(tables, kept)
    _begin_log(tables, entry, i64(command["log"]), i64(0))


@stage
def _begin_log(tables: Tables, entry: Any, log: int, repair_sequence: int) -> None:
    entry["log"] = log
    entry["repair_sequence"] = repair_sequence
    entry["repair_tokens"] = 0
    entry["repair_refill_us"] = 0
    if log >= 0:
        begin_log(tables, log)
