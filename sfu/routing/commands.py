"""Commands: the only way in which the control side changes the plane's tables."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing import native
from sfu.routing.classify import find_source
from sfu.routing.index import (
    find_connection,
    insert_connection,
    insert_encoding,
    remove_connection,
    remove_encoding,
)
from sfu.routing.rewrite import build_template
from sfu.routing.rings import READ, readable, release
from sfu.routing.tables import MAX_SHARDS, Tables
from sfu.wire.extensions import EXTENSION_COUNT
from sfu.wire.kernel import i64, kernel


class Operation(enum.IntEnum):
    """What a `COMMAND` record asks for."""

    STOP = 0
    OPEN_CONNECTION = 1
    SET_EXTENSIONS = 2
    SET_KEYS = 3
    SET_ADDRESS = 4
    CLOSE_CONNECTION = 5
    OPEN_TRACK = 6
    CLOSE_TRACK = 7
    OPEN_ENCODING = 8
    CLOSE_ENCODING = 9
    OPEN_SUBSCRIPTION = 10
    CLOSE_SUBSCRIPTION = 11
    SET_PAUSED = 12
    SET_TAP = 13
    SET_RELAY = 14


_STOP = int(Operation.STOP)
_OPEN_CONNECTION = int(Operation.OPEN_CONNECTION)
_SET_EXTENSIONS = int(Operation.SET_EXTENSIONS)
_SET_KEYS = int(Operation.SET_KEYS)
_SET_ADDRESS = int(Operation.SET_ADDRESS)
_CLOSE_CONNECTION = int(Operation.CLOSE_CONNECTION)
_OPEN_TRACK = int(Operation.OPEN_TRACK)
_CLOSE_TRACK = int(Operation.CLOSE_TRACK)
_OPEN_ENCODING = int(Operation.OPEN_ENCODING)
_CLOSE_ENCODING = int(Operation.CLOSE_ENCODING)
_OPEN_SUBSCRIPTION = int(Operation.OPEN_SUBSCRIPTION)
_CLOSE_SUBSCRIPTION = int(Operation.CLOSE_SUBSCRIPTION)
_SET_PAUSED = int(Operation.SET_PAUSED)
_SET_TAP = int(Operation.SET_TAP)
_SET_RELAY = int(Operation.SET_RELAY)


@kernel
def _open_connection(tables: Tables, row: int) -> None:
    entry = tables.connections[row]
    entry["active"] = 1
    entry["address_bytes"] = 0
    entry["receive_session"] = 0
    entry["send_session"] = 0
    entry["first_encoding"] = -1
    entry["subscriptions"] = 0
    entry["new_sources"] = 0
    entry["transport_sequence"] = 0
    entry["no_gso"] = 0
    entry["packets_in"] = 0
    entry["bytes_in"] = 0
    entry["packets_out"] = 0
    entry["bytes_out"] = 0
    entry["last_arrival_us"] = 0
    for k in range(len(entry["extension_kind"])):
        entry["extension_kind"][k] = 0
    for k in range(EXTENSION_COUNT):
        entry["extension_id"][k] = 0


@kernel
def _set_extensions(tables: Tables, row: int, command: Any) -> None:
    entry = tables.connections[row]
    for k in range(len(entry["extension_kind"])):
        entry["extension_kind"][k] = 0
    for kind in range(1, EXTENSION_COUNT):
        identifier = command["blob"][kind]
        entry["extension_id"][kind] = identifier
        if identifier > 0:
            entry["extension_kind"][identifier] = kind
    if entry["subscriptions"] > 0:  # a renegotiation: rare enough for a walk over the table
        for k in range(len(tables.subscriptions)):
            if tables.subscriptions[k]["active"] == 1 and tables.subscriptions[k]["connection"] == row:
                build_template(tables, k)


@kernel
def _set_address(tables: Tables, row: int, command: Any) -> None:
    entry = tables.connections[row]
    if entry["address_bytes"] > 0:
        remove_connection(tables.by_address, tables.connections, row)
    holder = find_connection(tables.by_address, tables.connections, command["blob"], 0)
    if holder >= 0:  # the address has a new owner, who has proved it by a newer check
        remove_connection(tables.by_address, tables.connections, holder)
        tables.connections[holder]["address_bytes"] = 0
    for k in range(len(entry["address"])):
        entry["address"][k] = command["blob"][k]
    entry["address_bytes"] = command["blob_bytes"]
    entry["no_gso"] = 0
    insert_connection(tables.by_address, tables.connections, row)


@kernel
def _close_connection(tables: Tables, row: int) -> None:
    entry = tables.connections[row]
    if entry["address_bytes"] > 0:
        remove_connection(tables.by_address, tables.connections, row)
    entry["active"] = 0
    entry["address_bytes"] = 0
    entry["receive_session"] = 0
    entry["send_session"] = 0


@kernel
def _open_track(tables: Tables, row: int, use: int) -> None:
    entry = tables.tracks[row]
    entry["active"] = 1
    entry["use"] = use
    entry["tapped"] = 0
    entry["first_subscription"] = -1
    entry["subscriptions"] = 0
    entry["relayed"] = 0
    for k in range(MAX_SHARDS):
        entry["relay"][k] = -1
    entry["batch_first"] = -1


@kernel
def _set_relay(tables: Tables, row: int, shard: int, target: int, use: int) -> None:
    entry = tables.tracks[row]
    entry["relay"][shard] = target
    entry["relay_use"][shard] = use
    entry["relayed"] = 0
    for k in range(MAX_SHARDS):
        if entry["relay"][k] >= 0:
            entry["relayed"] += 1


@kernel
def _open_encoding(tables: Tables, row: int, command: Any) -> None:
    entry = tables.encodings[row]
    connection = command["b"]
    entry["active"] = 1
    entry["track"] = command["a"]
    entry["connection"] = connection
    entry["payload_type"] = command["d"] & 0x7F
    entry["audio"] = (command["d"] >> 8) & 1
    entry["clock_rate"] = command["e"]
    entry["mid_bytes"] = command["text_bytes"]
    entry["rid_bytes"] = command["blob_bytes"]
    for k in range(len(entry["mid"])):
        entry["mid"][k] = command["text"][k]
        entry["rid"][k] = command["blob"][k]
    entry["generation"] = (entry["generation"] + 1) & 0x7FFFFFFF
    entry["packets"] = 0
    entry["octets"] = 0
    entry["jitter_16"] = 0
    entry["last_arrival_us"] = 0
    entry["ssrc"] = -1
    entry["next"] = tables.connections[connection]["first_encoding"]
    tables.connections[connection]["first_encoding"] = row
    ssrc = command["c"]
    if ssrc >= 0 and find_source(tables, connection, ssrc) < 0:
        entry["ssrc"] = ssrc
        insert_encoding(tables.by_ssrc, tables.encodings, row)


@kernel
def _close_encoding(tables: Tables, row: int) -> None:
    entry = tables.encodings[row]
    if entry["ssrc"] >= 0:
        remove_encoding(tables.by_ssrc, tables.encodings, row)
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


@kernel
def _open_subscription(tables: Tables, row: int, command: Any) -> None:
    entry = tables.subscriptions[row]
    track = tables.tracks[command["a"]]
    entry["active"] = 1
    entry["paused"] = 0
    entry["track"] = command["a"]
    entry["connection"] = command["b"]
    entry["ssrc"] = command["c"]
    entry["payload_type"] = command["d"]
    entry["mid_bytes"] = command["text_bytes"]
    for k in range(len(entry["mid"])):
        entry["mid"][k] = command["text"][k]
    entry["started"] = 0
    entry["source"] = -1
    entry["seed_sequence"] = command["e"] & 0xFFFF
    entry["seed_timestamp"] = (command["e"] >> 16) & 0xFFFFFFFF
    entry["sequence_offset"] = 0
    entry["timestamp_offset"] = 0
    entry["packets"] = 0
    entry["octets"] = 0
    entry["last_arrival_us"] = 0
    first = i64(track["first_subscription"])
    entry["previous"] = -1
    entry["next"] = first
    if first >= 0:
        tables.subscriptions[first]["previous"] = row
    track["first_subscription"] = row
    track["subscriptions"] += 1
    tables.connections[entry["connection"]]["subscriptions"] += 1
    build_template(tables, row)


@kernel
def _close_subscription(tables: Tables, row: int) -> None:
    entry = tables.subscriptions[row]
    if entry["previous"] >= 0:
        tables.subscriptions[entry["previous"]]["next"] = entry["next"]
    else:
        tables.tracks[entry["track"]]["first_subscription"] = entry["next"]
    if entry["next"] >= 0:
        tables.subscriptions[entry["next"]]["previous"] = entry["previous"]
    entry["active"] = 0
    tables.tracks[entry["track"]]["subscriptions"] -= 1
    connection = tables.connections[entry["connection"]]
    connection["subscriptions"] -= 1
    if entry["started"] == 1 and connection["send_session"] != 0:
        # libsrtp keeps a stream for each SSRC; the number in network order
        ssrc = entry["ssrc"]
        swapped = ((ssrc & 0xFF) << 24) | ((ssrc & 0xFF00) << 8) | ((ssrc >> 8) & 0xFF00) | (ssrc >> 24)
        native.srtp_remove_stream(connection["send_session"], np.uint32(swapped))


@kernel
def _apply_to_connection(tables: Tables, operation: int, row: int, command: Any) -> None:
    if operation == _OPEN_CONNECTION:
        _open_connection(tables, row)
    elif operation == _SET_EXTENSIONS:
        _set_extensions(tables, row, command)
    elif operation == _SET_KEYS:
        tables.connections[row]["receive_session"] = command["a"]
        tables.connections[row]["send_session"] = command["b"]
    elif operation == _SET_ADDRESS:
        _set_address(tables, row, command)
    else:
        _close_connection(tables, row)


@kernel
def _apply_to_media(tables: Tables, operation: int, row: int, command: Any) -> None:
    if operation == _OPEN_TRACK:
        _open_track(tables, row, command["a"])
    elif operation == _CLOSE_TRACK:
        tables.tracks[row]["active"] = 0
    elif operation == _OPEN_ENCODING:
        _open_encoding(tables, row, command)
    elif operation == _CLOSE_ENCODING:
        _close_encoding(tables, row)
    elif operation == _OPEN_SUBSCRIPTION:
        _open_subscription(tables, row, command)
    elif operation == _CLOSE_SUBSCRIPTION:
        _close_subscription(tables, row)
    elif operation == _SET_PAUSED:
        tables.subscriptions[row]["paused"] = command["a"]
        tables.subscriptions[row]["source"] = -1  # the numbering goes on where it stopped
    elif operation == _SET_TAP:
        tables.tracks[row]["tapped"] = command["a"]
    elif operation == _SET_RELAY:
        _set_relay(tables, row, command["a"], command["b"], command["c"])


@kernel
def apply_commands(tables: Tables, index: NDArray[np.int64], commands: NDArray[Any]) -> bool:
    """Apply all waiting commands; True when the plane shall stop."""
    waiting = readable(index)
    for _ in range(waiting):
        command = commands[index[READ] % len(commands)]
        operation = command["operation"]
        if operation == _STOP:
            release(index, 1)
            return True
        if operation <= _CLOSE_CONNECTION:
            _apply_to_connection(tables, operation, i64(command["row"]), command)
        else:
            _apply_to_media(tables, operation, i64(command["row"]), command)
        release(index, 1)
    return False
