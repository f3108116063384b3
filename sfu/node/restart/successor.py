"""The running process's side: it starts its successor, and hands over once that is ready."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sfu.node.restart.channel import Channel, ChannelError
from sfu.node.restart.farewell import FOLLOWED
from sfu.node.restart.handover import DESCRIPTOR, VERSION, Handover

_log = logging.getLogger("sfu.node")

_READY_S = 300.0
"""A new version compiles its kernels first."""
_SERVES_S = 30.0
"""Until the successor serves, once it has everything."""
_ENDS_S = 5.0


class RestartError(Exception):
    """There is no restart now; the message says why."""


@dataclass(frozen=True, slots=True)
class RestartState:
    """How a restart stands."""

    process: int
    """The id of the process that answers."""
    restarting: bool
    failure: str
    """Why the last attempt has failed, after which this process has gone on; empty: there was none."""


class NodeRestart:
    """At most one at a time. Fails without harm until the successor has said that it is ready."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        """`command`: starts the successor; by default as this process was started."""
        self.hand_over: Callable[[], Awaitable[Handover]] | None = None
        """Ends to serve, and returns everything; None: this node cannot."""
        self.serves_good_certificate: Callable[[], bool] = lambda: False
        """Whether this process serves one that clients take at this time."""
        self.successor: subprocess.Popen[bytes] | None = None
        """The process that serves in place of this one."""
        self._command = [sys.executable, *sys.orig_argv[1:]] if command is None else list(command)
        self._failure = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> RestartState:
        """How it stands."""
        return RestartState(os.getpid(), self._task is not None, self._failure)

    def begin(self) -> None:
        """Start a successor, and hand over to it. Raises RestartError."""
        if self.hand_over is None:
            raise RestartError("this node cannot hand over")
        if self._task is not None:
            raise RestartError("a restart is under way")
        self._failure = ""
        self._task = asyncio.get_running_loop().create_task(self._run(self.hand_over), name="sfu restart")

    async def close(self) -> None:
        """Wait for a restart that hands over; give up one that does not yet, since this process stops."""
        if self._task is not None:
            if self.successor is None:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, hand_over: Callable[[], Awaitable[Handover]]) -> None:
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                variables = os.environ | {DESCRIPTOR: str(theirs.fileno()), FOLLOWED: "1"}
                process = subprocess.Popen(  # noqa: ASYNC220 - milliseconds, and in a thread it could not be given up
                    self._command, pass_fds=[theirs.fileno()], env=variables
                )
            _log.info("restarting: the successor starts", extra={"successor": process.pid})
            message, _ = await asyncio.to_thread(channel.receive, _READY_S)
            if message.get("ready") != VERSION:
                raise ChannelError(f"the successor is of another version of handing over ({message.get('ready')})")
            fault = message.get("certificate_fault")
            if fault and self.serves_good_certificate():
                raise ChannelError(f"clients would refuse the successor's certificate, and take this one's: {fault}")
        except (ChannelError, OSError) as error:
            await self._fail(f"{error}; its own words stand in the log", process, channel)
            return
        except asyncio.CancelledError:
            await self._fail("this process stops", process, channel)
            raise
        self.successor = process
        await self._hand_over(channel, hand_over)

    async def _hand_over(self, channel: Channel, hand_over: Callable[[], Awaitable[Handover]]) -> None:
        """From here on there is no way back."""
        try:
            handover = await hand_over()
            try:
                await asyncio.to_thread(channel.send, *handover.pack())
            finally:
                handover.close()
            message, _ = await asyncio.to_thread(channel.receive, _SERVES_S)
            if message.get("serving") is not True:
                raise ChannelError("the successor does not serve")
            _log.info("restarted: the successor serves", extra={"successor": self.successor and self.successor.pid})
        except Exception as error:  # noqa: BLE001 - whatever it is, this process has nothing left but to say so and end
            self._failure = str(error) or type(error).__name__
            _log.critical("the restart has failed: start the node again", exc_info=error)
            await asyncio.to_thread(_end_process, self.successor)
            self.successor = None
        finally:
            channel.close()

    @property
    def hands_over(self) -> bool:
        """Whether another process goes on with all that this one does, or is about to."""
        return self.successor is not None

    @property
    def failed(self) -> bool:
        """Whether this process has ended to serve, and no other serves in its place."""
        return bool(self._failure) and self._task is not None

    async def _fail(self, reason: str, process: subprocess.Popen[bytes] | None, channel: Channel) -> None:
        channel.close()
        await asyncio.to_thread(_end_process, process)
        self._failure = reason
        self._task = None
        _log.error("no restart: this process goes on", extra={"reason": reason})


def _end_process(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.terminate()
    try:
        process.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
