"""What systemd is told (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger("sfu.node")


def is_notified() -> bool:
    """Whether something listens, as for a unit of `Type=notify`."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(state: str) -> None:
    """Tell it, as `READY=1`; nothing happens where nobody listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError as error:
            _log.warning("the service manager was not told", extra={"state": state, "reason": error.strerror})
