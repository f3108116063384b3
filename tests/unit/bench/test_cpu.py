from __future__ import annotations

import concurrent.futures
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import cpu
from bench.session import receive_drops

_STAT = """cpu  100 0 100 1000 100 0 0 0 0 0
cpu0 60 0 50 600 40 0 0 0 0 0
cpu1 40 0 50 400 60 0 0 0 0 0
intr 1
"""


def test_idle_time_of_one_core() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    assert cpu.parse_core_idle_s(_STAT, 1) == pytest.approx(460 / ticks)
    with pytest.raises(ValueError, match="no cpu7"):
        cpu.parse_core_idle_s(_STAT, 7)


def test_use_is_the_difference_and_the_softirq_thread_counts() -> None:
    use = cpu.CpuSample(15.0, 3.0, 0.5, 9.0).since(cpu.CpuSample(10.0, 1.0, 0.25, 7.0))
    assert (use.wall_s, use.process_s, use.softirq_s, use.core_busy_s) == (5.0, 2.0, 0.25, 3.0)
    assert use.server_s == 2.25


def test_a_thread_that_ends_while_it_is_looked_at_has_no_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7" / "task" / "7").mkdir(parents=True)
    (tmp_path / "7" / "task" / "7" / "children").write_text("8 ")
    (tmp_path / "7" / "task" / "71").mkdir()  # what is listed of one that is gone
    (tmp_path / "8" / "task").mkdir(parents=True)
    monkeypatch.setattr(cpu, "_PROC", tmp_path)
    assert cpu.process_tree(7) == [7, 8]


def test_the_tree_holds_children_and_their_time() -> None:
    before = cpu.process_time_s(os.getpid())
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in cpu.process_tree(os.getpid())
        assert cpu.resident_bytes(child.pid) > 1_000_000
        child.stdin.write(b"\n")
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    assert cpu.process_time_s(os.getpid()) - before >= 0.04


def test_the_first_threads_time_is_told_apart_from_the_others() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first, whole = cpu.main_thread_time_s(os.getpid()), cpu.process_time_s(os.getpid())
        pool.submit(_compute, 0.05).result()
        others = cpu.process_time_s(os.getpid()) - whole - (cpu.main_thread_time_s(os.getpid()) - first)
        assert others >= 0.04
        before = cpu.main_thread_time_s(os.getpid())
        _compute(0.05)
        assert cpu.main_thread_time_s(os.getpid()) - before >= 0.04


def _compute(seconds: float) -> None:
    deadline = time.thread_time() + seconds
    while time.thread_time() < deadline:
        pass


_SNMP = """Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 10 2 3 40 7 1
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 0 0 0 0 5 0
"""


def test_receive_drops_are_read_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "snmp").write_text(_SNMP)
    assert receive_drops(tmp_path / "snmp") == 7


def test_what_a_full_receive_buffer_drops_is_counted() -> None:
    before = receive_drops()
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        receiver.bind(("127.0.0.1", 0))
        for _ in range(50):
            sender.sendto(bytes(1000), receiver.getsockname())
    assert receive_drops() >= before + 30
