"""Judgements over facts: what is well is ok, what hurts is told with what to change."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from sfu.node.descriptors import plan_descriptors
from sfu.node.doctor import checks
from sfu.node.doctor.checks import ClockFacts, DiskFacts, KernelFacts, PortFacts
from sfu.node.doctor.diagnosis import Diagnosis
from sfu.tcp.chain import Chain

PLACE = "TCP 127.0.0.1:443"
GIB = 1 << 30
PLENTY = plan_descriptors(1 << 20, connections=8192, shards=1, recordings=16, folders=1)
FEW = plan_descriptors(1024, connections=8192, shards=1, recordings=16, folders=1)


def chain(begins: float, expires: float, *names: str) -> Chain:
    return Chain(begins, expires, names, cast(Any, None), alone=False)


OURS = chain(0, 1, "meet.example.org")
WELL = {
    "a free port": checks.check_port(PortFacts("port", PLACE, None)),
    "a running node's port": checks.check_port(PortFacts("port", PLACE, errno.EADDRINUSE, ours=True)),
    "a clock": checks.check_clock(ClockFacts(True, 0.02)),
    "a clock like another": checks.check_drift(-1.4, "there"),
    "buffers": checks.check_buffers(100, {"net.core.rmem_max": 100, "net.core.wmem_max": 200}),
    "buffers that nobody tells of": checks.check_buffers(100, {}),
    "offload": checks.check_offload(True, True),
    "congestion control": checks.check_congestion_control("bbr", True),
    "a certificate": checks.check_certificate(chain(0, 40 * 86400.0), 86400.0),
    "a certificate with its issuer": checks.check_issuer(""),
    "a certificate's name": checks.check_names(OURS, "meet.example.org"),
    "descriptors": checks.check_descriptors(PLENTY),
    "cores": checks.check_cores(3, 4),
    "a disk": checks.check_disk("/records", DiskFacts(100 * GIB, 2e8, 0.01), GIB),
    "a disk without a least": checks.check_disk("/livekit", DiskFacts(GIB, 2e8, 0.01), 0),
    "mirrors": checks.check_mirrors({"/a": 1, "/b": 2}),
    "a public address": checks.check_announced(["8.8.8.8"], ["8.8.8.8", "10.0.0.1"]),
    "an address elsewhere": checks.check_announced(["8.8.8.8"], ["10.0.0.1"]),
    "an address that is seen": checks.check_seen_address("8.8.8.8", ["8.8.8.8"], "stun:3478"),
    "a compiled plane": checks.check_kernels(KernelFacts("/cache", True, False, True)),
    "libraries": checks.check_versions({"numba": "1", "numpy": "2"}),
}
POOR = {
    "a clock without a source": (checks.check_clock(ClockFacts(False, 16.0)), "timedatectl set-ntp true"),
    "a clock that is not told": (checks.check_clock(None), "--time-from"),
    "a clock far from its source": (checks.check_clock(ClockFacts(True, 0.9)), "chronyc"),
    "a clock behind another": (checks.check_drift(-5, "there"), "set the clock"),
    "small buffers": (
        checks.check_buffers(300, {"net.core.rmem_max": 200, "net.core.wmem_max": 300}),
        "sysctl -w net.core.rmem_max=300",
    ),
    "no offload": (checks.check_offload(False, False), "Linux 5.0"),
    "no congestion control": (checks.check_congestion_control("bbr", False), "modprobe tcp_bbr"),
    "no GRO": (checks.check_offload(True, False), "Linux 5.0"),
    "a certificate that ends": (checks.check_certificate(chain(0, 10 * 86400.0), 86400.0), "renew it"),
    "a certificate alone": (checks.check_issuer("CN=R3"), "fullchain.pem"),
    "a certificate of another": (checks.check_names(OURS, "sfu.example.org"), "livekit_url"),
    "few descriptors": (checks.check_descriptors(FEW), f"LimitNOFILE={FEW.wanted}"),
    "few cores": (checks.check_cores(4, 4), "shards to 3"),
    "one core": (checks.check_cores(1, 1), "shards to 1"),
    "a slow disk": (checks.check_disk("/r", DiskFacts(100 * GIB, 1e6, 0.1), GIB), "faster disk"),
    "a disk that stops now and then": (checks.check_disk("/r", DiskFacts(100 * GIB, 1e8, 0.9), GIB), "faster disk"),
    "a disk that fills": (checks.check_disk("/r", DiskFacts(2 * GIB, 1e8, 0.01), GIB), "make room soon"),
    "mirrors on one disk": (checks.check_mirrors({"/a": 1, "/b": 1}), "another disk"),
    "loopback": (checks.check_announced(["127.0.0.1"], ["127.0.0.1"]), "udp_host"),
    "a private address": (checks.check_announced(["10.0.0.1"], ["10.0.0.1"]), "public address"),
    "another address outside": (checks.check_seen_address("8.8.8.8", ["9.9.9.9"], "stun:3478"), "announce to 8.8.8.8"),
    "a plane to compile": (checks.check_kernels(KernelFacts("/cache", False, True, True)), "sfu warm"),
    "a cache that is read only": (checks.check_kernels(KernelFacts("/cache", False, False, True)), "SFU_KERNEL_CACHE"),
    "no cache": (checks.check_kernels(KernelFacts("", False, False, True)), "SFU_KERNEL_CACHE"),
    "an unknown compiler": (checks.check_kernels(KernelFacts("/cache", True, True, False)), "numba"),
}
BAD = {
    "a taken port": (checks.check_port(PortFacts("udp_port", PLACE, errno.EADDRINUSE)), "another udp_port"),
    "a port for root": (checks.check_port(PortFacts("port", PLACE, errno.EACCES)), "CAP_NET_BIND_SERVICE"),
    "an address that is gone": (checks.check_port(PortFacts("port", PLACE, errno.EADDRNOTAVAIL)), "host of port"),
    "a port out of reach": (checks.check_port(PortFacts("port", PLACE, errno.ENETDOWN)), "system's log"),
    "a clock that is wrong": (checks.check_drift(90, "there"), "set the clock"),
    "a certificate that has ended": (checks.check_certificate(chain(0, 86400.0), 10 * 86400.0), "renew it"),
    "a certificate of tomorrow": (checks.check_certificate(chain(86400.0, 9 * 86400.0), 0.0), "clock"),
    "no certificate": (checks.check_certificate("tls_cert: there is none", 0.0), "tls_cert and tls_key"),
    "a full disk": (checks.check_disk("/r", DiskFacts(GIB // 2, 1e8, 0.01), GIB), "make room"),
    "no disk": (checks.check_disk("/r", "/r: No such file or directory", GIB), "mount it"),
    "a missing library": (checks.check_versions({"numba": None, "numpy": "2"}), "pip install"),
}


@pytest.mark.parametrize("found", WELL.values(), ids=WELL)
def test_what_is_well_is_ok(found: Diagnosis) -> None:
    assert found.level == "ok"


@pytest.mark.parametrize(("found", "advice"), POOR.values(), ids=POOR)
def test_what_could_be_better_is_warned_of_with_what_to_change(found: Diagnosis, advice: str) -> None:
    assert found.level == "warn"
    assert advice in found.advice


@pytest.mark.parametrize(("found", "advice"), BAD.values(), ids=BAD)
def test_what_stops_a_node_fails_with_what_to_change(found: Diagnosis, advice: str) -> None:
    assert found.level == "fail"
    assert advice in found.advice


def name_kind(found: Diagnosis) -> str:
    return "port" if "port" in found.what else found.what.partition(" /")[0]


def test_each_check_is_tried_with_good_and_bad_facts() -> None:
    judged = [name for name in vars(checks) if name.startswith("check_")]
    good = {name_kind(found) for found in WELL.values()}
    assert good == {name_kind(found) for found, _ in (POOR | BAD).values()}
    assert len(good) == len(judged)
