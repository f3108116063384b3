"""Commands: the only way in which the control side changes the plane's tables. What each says: command_records.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.estimate import set_limit, set_loss_bound
from sfu.routing.kernels import address_records, check_records
from sfu.routing.kernels import command_records as records
from sfu.routing.kernels.classify import set_clock_offset
from sfu.routing.kernels.command_records import OPERATION_OF
from sfu.routing.kernels.connection_commands import (
    claim_address,
    close_connection,
    drop_address,
    open_connection,
    set_address,
    set_control,
    set_data,
    set_extensions,
    set_keys,
    set_ufrags,
)
from sfu.routing.kernels.consent import answer_checks, leave_checks, note_check
from sfu.routing.kernels.instant import monotonic_us
from sfu.routing.kernels.media_commands import (
    close_encoding,
    close_track,
    open_encoding,
    open_track,
    set_relay,
    set_tap,
)
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.parameters import tell_set
from sfu.routing.kernels.rings import READ, readable, release
from sfu.routing.kernels.send import flush
from sfu.routing.kernels.sender_reports import forget_report, pass_report
from sfu.routing.kernels.subscribing import move_subscription
from sfu.routing.kernels.subscription_commands import (
    close_subscription,
    open_subscription,
    set_paused,
    set_repair,
    set_resending,
    set_target,
)
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, kernel, stage

_STOP = OPERATION_OF[records.Stop]
_OPEN_CONNECTION = OPERATION_OF[records.OpenConnection]
_SET_EXTENSIONS = OPERATION_OF[records.SetExtensions]
_SET_DATA = OPERATION_OF[records.SetData]
_SET_KEYS = OPERATION_OF[records.SetKeys]
_SET_ADDRESS = OPERATION_OF[address_records.SetAddress]
_CLAIM_ADDRESS = OPERATION_OF[address_records.ClaimAddress]
_DROP_ADDRESS = OPERATION_OF[address_records.DropAddress]
_SET_UFRAGS = OPERATION_OF[records.SetUfrags]
_ANSWER_CHECKS = OPERATION_OF[check_records.AnswerChecks]
_LEAVE_CHECKS = OPERATION_OF[check_records.LeaveChecks]
_NOTE_CHECK = OPERATION_OF[check_records.NoteCheck]
_SET_CONTROL = OPERATION_OF[records.SetControl]
_SET_LIMIT = OPERATION_OF[records.SetLimit]
_SET_LOSS_BOUND = OPERATION_OF[records.SetLossBound]
_CLOSE_CONNECTION = OPERATION_OF[records.CloseConnection]
_OPEN_TRACK = OPERATION_OF[records.OpenTrack]
_SET_TAP = OPERATION_OF[records.SetTap]
_SET_RELAY = OPERATION_OF[records.SetRelay]
_TELL_SET = OPERATION_OF[records.TellSet]
_PASS_REPORT = OPERATION_OF[records.PassReport]
_FORGET_REPORT = OPERATION_OF[records.ForgetReport]
_CLOSE_TRACK = OPERATION_OF[records.CloseTrack]
_OPEN_ENCODING = OPERATION_OF[records.OpenEncoding]
_SET_CLOCK_OFFSET = OPERATION_OF[records.SetClockOffset]
_CLOSE_ENCODING = OPERATION_OF[records.CloseEncoding]
_OPEN_SUBSCRIPTION = OPERATION_OF[records.OpenSubscription]
_MOVE_SUBSCRIPTION = OPERATION_OF[records.MoveSubscription]
_SET_PAUSED = OPERATION_OF[records.SetPaused]
_SET_TARGET = OPERATION_OF[records.SetTarget]
_SET_REPAIR = OPERATION_OF[records.SetRepair]
_SET_RESENDING = OPERATION_OF[records.SetResending]
_CLOSE_SUBSCRIPTION = OPERATION_OF[records.CloseSubscription]


@stage
def _apply_to_connection(tables: Tables, buffers: Buffers, operation: int, row: int, command: Any, socket: int) -> None:
    if operation == _OPEN_CONNECTION:
        open_connection(tables, row, command["OpenConnection"])
    elif operation == _SET_EXTENSIONS:
        set_extensions(tables, row, command["SetExtensions"])
    elif operation == _SET_DATA:
        set_data(tables, row, command["SetData"])
    elif operation == _SET_KEYS:
        set_keys(tables, row, command["SetKeys"])
    elif operation == _SET_ADDRESS:
        set_address(tables, row, command["SetAddress"])
    elif operation == _CLAIM_ADDRESS:
        claim_address(tables, row, command["ClaimAddress"])
    elif operation == _DROP_ADDRESS:
        drop_address(tables, row, i64(command["DropAddress"]["place"]))
    elif operation == _SET_UFRAGS:
        set_ufrags(tables, row, command["SetUfrags"])
    elif operation == _ANSWER_CHECKS:
        answer_checks(tables, buffers, row, command["AnswerChecks"])
    elif operation == _LEAVE_CHECKS:
        leave_checks(tables, row)
    elif operation == _NOTE_CHECK:
        note_check(tables, row, i64(command["NoteCheck"]["transaction"]))
    elif operation == _CLOSE_CONNECTION:
        flush(buffers, tables, socket)  # its address is read when what is for it leaves
        close_connection(tables, row)


@stage
def _apply_to_control(tables: Tables, operation: int, row: int, command: Any, now_us: int) -> None:
    if operation == _SET_CONTROL:
        set_control(tables, row, command["SetControl"], now_us)
    elif operation == _SET_LIMIT:
        set_limit(tables.estimators[row], float(command["SetLimit"]["rate_bps"]), now_us)
    elif tables.connections[row]["controlled"] == 2:
        set_loss_bound(tables.estimators[row], float(command["SetLossBound"]["rate_bps"]), now_us)


@stage
def _apply_to_subscription(
    tables: Tables, buffers: Buffers, operation: int, row: int, command: Any, socket: int
) -> None:
    if operation == _OPEN_SUBSCRIPTION:
        open_subscription(tables, row, command["OpenSubscription"])
    elif operation == _CLOSE_SUBSCRIPTION:
        close_subscription(tables, buffers, row, command["CloseSubscription"]["goodbye"] == 1, socket)
    elif operation == _SET_PAUSED:
        set_paused(tables, row, i64(command["SetPaused"]["paused"]))
    elif operation == _SET_TARGET:
        set_target(tables, row, command["SetTarget"])
    elif operation == _SET_REPAIR:
        set_repair(tables, row, command["SetRepair"])
    elif operation == _SET_RESENDING:
        set_resending(tables, row, command["SetResending"])
    elif operation == _MOVE_SUBSCRIPTION:
        move_subscription(tables, row, i64(command["MoveSubscription"]["track"]))


@stage
def _apply_to_media(tables: Tables, buffers: Buffers, operation: int, row: int, command: Any, socket: int) -> None:
    if operation == _OPEN_TRACK:
        open_track(tables, row, i64(command["OpenTrack"]["generation"]))
    elif operation == _CLOSE_TRACK:
        close_track(tables, row)
    elif operation == _OPEN_ENCODING:
        open_encoding(tables, row, command["OpenEncoding"])
    elif operation == _CLOSE_ENCODING:
        close_encoding(tables, row)
    elif operation == _SET_TAP:
        set_tap(tables, row, i64(command["SetTap"]["encodings"]))
    elif operation == _SET_RELAY:
        set_relay(tables, row, command["SetRelay"])
    elif operation == _TELL_SET:
        tell_set(tables, row, command["TellSet"])
    elif operation == _PASS_REPORT:
        pass_report(tables, buffers, row, command["PassReport"], socket, monotonic_us(buffers))
    elif operation == _FORGET_REPORT:
        forget_report(tables, row, i64(command["ForgetReport"]["index"]))
    elif operation == _SET_CLOCK_OFFSET:
        set_clock_offset(tables, row, i64(command["SetClockOffset"]["clock_offset"]))
    else:
        _apply_to_subscription(tables, buffers, operation, row, command, socket)


@kernel
def apply_commands(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    commands: NDArray[Any],
    socket: int,
) -> bool:
    """Apply all waiting commands, between two batches, and send what they bring; return True for the plane to stop."""
    waiting = readable(index)
    for _ in range(waiting):
        command = commands[index[READ] % len(commands)]
        operation = command["operation"]
        if operation == _STOP:
            release(index, 1)
            flush(buffers, tables, socket)
            return True
        row = i64(command["row"])
        if operation == _SET_CONTROL or operation == _SET_LIMIT or operation == _SET_LOSS_BOUND:
            _apply_to_control(tables, operation, row, command, monotonic_us(buffers))
        elif operation <= _CLOSE_CONNECTION:
            _apply_to_connection(tables, buffers, operation, row, command, socket)
        else:
            _apply_to_media(tables, buffers, operation, row, command, socket)
        release(index, 1)
    flush(buffers, tables, socket)
    return False
