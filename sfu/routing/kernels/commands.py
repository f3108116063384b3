"""Commands: the only way in which the control side changes the plane's tables."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.estimate import set_limit, set_loss_bound
from sfu.routing.kernels.connection_commands import (
    close_connection,
    drop_address,
    open_connection,
    set_address,
    set_control,
    set_extensions,
    set_ufrags,
    take_address,
)
from sfu.routing.kernels.instant import monotonic_us
from sfu.routing.kernels.media_commands import (
    close_encoding,
    close_subscription,
    open_encoding,
    open_subscription,
    open_track,
    set_paused,
    set_relay,
    set_repair,
    set_target,
)
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.parameters import tell_set
from sfu.routing.kernels.rings import READ, readable, release
from sfu.routing.kernels.subscribing import move_subscription
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage


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
    SET_TARGET = 15
    SET_REPAIR = 16
    SET_SHIFT = 17
    MOVE_SUBSCRIPTION = 18
    SET_REPEAT_INTERVAL = 19
    SET_RESENDING = 20
    TELL_SET = 21
    SET_CONTROL = 22
    SET_LIMIT = 23
    SET_LOSS_BOUND = 24
    TAKE_ADDRESS = 25
    DROP_ADDRESS = 26
    SET_UFRAGS = 27


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
_SET_TARGET = int(Operation.SET_TARGET)
_SET_REPAIR = int(Operation.SET_REPAIR)
_SET_SHIFT = int(Operation.SET_SHIFT)
_MOVE_SUBSCRIPTION = int(Operation.MOVE_SUBSCRIPTION)
_SET_REPEAT_INTERVAL = int(Operation.SET_REPEAT_INTERVAL)
_SET_RESENDING = int(Operation.SET_RESENDING)
_TELL_SET = int(Operation.TELL_SET)
_SET_CONTROL = int(Operation.SET_CONTROL)
_SET_LIMIT = int(Operation.SET_LIMIT)
_TAKE_ADDRESS = int(Operation.TAKE_ADDRESS)
_DROP_ADDRESS = int(Operation.DROP_ADDRESS)
_SET_UFRAGS = int(Operation.SET_UFRAGS)


@stage
def _apply_to_connection(tables: Tables, operation: int, row: int, command: Any) -> None:
    if operation == _OPEN_CONNECTION:
        open_connection(tables, row)
    elif operation == _SET_EXTENSIONS:
        set_extensions(tables, row, command)
    elif operation == _SET_KEYS:
        tables.connections[row]["receive_session"] = command["a"]
        tables.connections[row]["send_session"] = command["b"]
    elif operation == _SET_ADDRESS:
        set_address(tables, row, command)
    elif operation == _TAKE_ADDRESS:
        take_address(tables, row, command)
    elif operation == _DROP_ADDRESS:
        drop_address(tables, row, i64(command["a"]))
    elif operation == _SET_UFRAGS:
        set_ufrags(tables, row, command)
    else:
        close_connection(tables, row)


@stage
def _apply_to_control(tables: Tables, operation: int, row: int, command: Any, now_us: int) -> None:
    if operation == _SET_CONTROL:
        set_control(tables, row, command, now_us)
    elif operation == _SET_LIMIT:
        set_limit(tables.estimators[row], float(command["a"]), now_us)
    elif tables.connections[row]["controlled"] == 2:
        set_loss_bound(tables.estimators[row], float(command["a"]), now_us)


@stage
def _apply_to_subscription(tables: Tables, operation: int, row: int, command: Any) -> None:
    if operation == _OPEN_SUBSCRIPTION:
        open_subscription(tables, row, command)
    elif operation == _CLOSE_SUBSCRIPTION:
        close_subscription(tables, row)
    elif operation == _SET_PAUSED:
        set_paused(tables, row, command["a"])
    elif operation == _SET_TARGET:
        set_target(tables, row, command)
    elif operation in (_SET_REPAIR, _SET_RESENDING):
        set_repair(tables, row, command, operation == _SET_RESENDING)
    elif operation == _SET_REPEAT_INTERVAL:
        tables.subscriptions[row]["repeat_interval_ms"] = command["a"]
    elif operation == _MOVE_SUBSCRIPTION:
        move_subscription(tables, row, i64(command["a"]))


@stage
def _apply_to_media(tables: Tables, operation: int, row: int, command: Any) -> None:
    if operation == _OPEN_TRACK:
        open_track(tables, row, command["a"])
    elif operation == _CLOSE_TRACK:
        tables.tracks[row]["active"] = 0
    elif operation == _OPEN_ENCODING:
        open_encoding(tables, row, command)
    elif operation == _CLOSE_ENCODING:
        close_encoding(tables, row)
    elif operation == _SET_TAP:
        tables.tracks[row]["tapped"] = command["a"]
    elif operation == _SET_RELAY:
        set_relay(tables, row, command["a"], command["b"], command["c"])
    elif operation == _TELL_SET:
        tell_set(tables, row, command)
    elif operation == _SET_SHIFT:
        tables.encodings[row]["shift"] = command["a"]
        tables.encodings[row]["aligned"] = 1
    else:
        _apply_to_subscription(tables, operation, row, command)


@kernel
def apply_commands(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    commands: NDArray[Any],
) -> bool:
    """Apply all waiting commands, between two batches; True when the plane shall stop."""
    waiting = readable(index)
    for _ in range(waiting):
        command = commands[index[READ] % len(commands)]
        operation = command["operation"]
        if operation == _STOP:
            release(index, 1)
            return True
        row = i64(command["row"])
        if operation <= _CLOSE_CONNECTION or operation in (_TAKE_ADDRESS, _DROP_ADDRESS, _SET_UFRAGS):
            _apply_to_connection(tables, operation, row, command)
        elif operation >= _SET_CONTROL:
            _apply_to_control(tables, operation, row, command, monotonic_us(buffers))
        else:
            _apply_to_media(tables, operation, row, command)
        release(index, 1)
    return False
