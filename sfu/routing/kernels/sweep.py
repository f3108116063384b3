"""The reports that are due by time alone: looked at ten times a second, for all connections."""

from __future__ import annotations

from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.publisher_reports import send_publisher_reports
from sfu.routing.kernels.send import flush
from sfu.routing.kernels.sender_reports import send_first_reports
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import stage


@stage
def sweep_reports(tables: Tables, buffers: Buffers, socket: int, now_us: int) -> None:
    """Send what is due."""
    for connection in range(len(tables.connections)):
        if tables.connections[connection]["active"] == 1:
            send_first_reports(tables, buffers, connection, socket, now_us)
            send_publisher_reports(tables, buffers, connection, socket, now_us)
    flush(buffers, tables, socket)
