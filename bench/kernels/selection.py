"""What selection, the packet history and congestion control add to forwarding: `python -m bench.kernels.selection`.

The same frame of nine packets goes to 100 subscribers through `forward_batch` (rewriting, libsrtp, `sendmmsg` to a
socket on loopback) in four ways: opaque, so that nothing is selected; as VP8, selected and renumbered; with each packet
kept for retransmission besides; and with congestion control besides that. Rounds take turns, figures are medians of the
thread's CPU time.
"""

from __future__ import annotations

import socket
import statistics
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.kernels.frame import FRAME_PACKETS, SUBSCRIBERS, Frame, make_frame
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.fanout import forward_batch

ROUNDS = 600
"""Frames of each way."""
_WARM_UP = 20
_WAYS = ("opaque", "selected", "selected and kept", "kept and controlled")


def _make(way: str, sink: socket.socket) -> Frame:
    frame = make_frame(sink)
    if way in _WAYS[2:]:
        frame.keep()
    if way == _WAYS[3]:
        frame.control()
    return frame


def _forward(frame: Frame, way: str, sender: socket.socket, now_us: int) -> float:
    """Forward the next frame; microseconds of CPU a packet."""
    frame.advance()
    frame.parse(described=way != _WAYS[0])
    for row in range(FRAME_PACKETS):
        frame.buffers.packets[row]["arrival_us"] = now_us
    frame.batch()
    start = time.thread_time_ns()
    forward_batch(frame.tables, frame.buffers, sender.fileno(), now_us)
    return (time.thread_time_ns() - start) / 1000 / (FRAME_PACKETS * SUBSCRIBERS)


def measure(rounds: int, console: Console) -> dict[str, float]:
    """The median of each way, microseconds a packet."""
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sink.bind(("127.0.0.1", 0))
        sender.bind(("127.0.0.1", 0))
        frames = {way: _make(way, sink) for way in _WAYS}
        for number in track(range(-_WARM_UP, rounds), "Forwarding", console=console):
            for way in _WAYS:
                cost = _forward(frames[way], way, sender, (number + _WARM_UP + 1) * 33_000)
                if number >= 0:
                    found[way].append(cost)
        for way, frame in frames.items():
            sent = frame.tables.counters[Counter.SENT_PACKETS]
            expected = (rounds + _WARM_UP) * FRAME_PACKETS * SUBSCRIBERS
            assert sent == expected, f"{way}: {sent} of {expected} packets were sent"
    return {way: statistics.median(costs) for way, costs in found.items()}


def main(rounds: Annotated[int, typer.Option(min=10, help="Frames of each way.")] = ROUNDS) -> None:
    """Compare forwarding with and without selection and history."""
    console = Console()
    costs = measure(rounds, console)
    table = Table(title=f"Forwarding {FRAME_PACKETS} packets to {SUBSCRIBERS} subscribers", title_justify="left")
    for name in ("way", "CPU us a packet", "ratio"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for way, cost in costs.items():
        table.add_row(way, f"{cost:.3f}", f"{cost / costs[_WAYS[0]]:.3f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
