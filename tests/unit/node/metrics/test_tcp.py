from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sfu.node.metrics.tcp import TcpCollector
from sfu.tcp.tls import CertificateFault


def read(mux: Any) -> dict[str, float]:
    families = TcpCollector(mux).collect()
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


@pytest.mark.parametrize(
    ("certificate", "cpu_s", "told"),
    [
        (
            SimpleNamespace(expires=5e9, faults=()),
            1.5,
            {"sfu_tcp_cpu_seconds_total": 1.5, "sfu_certificate_expires_seconds": 5e9},
        ),
        (None, 0.5, {"sfu_tcp_cpu_seconds_total": 0.5}),
        (None, None, {}),
    ],
    ids=["all", "without TLS", "stopped"],
)
def test_the_thread_and_the_certificate_are_told_where_there_are_some(
    certificate: object, cpu_s: float | None, told: dict[str, float]
) -> None:
    mux = SimpleNamespace(count=lambda carries: 0, ended={}, counters=dict, cpu_s=cpu_s, certificate=certificate)
    assert read(cast(Any, mux)) == told


def test_what_is_wrong_with_the_certificate_is_told_by_name() -> None:
    certificate = SimpleNamespace(expires=5e9, faults={CertificateFault.FILES})
    mux = SimpleNamespace(count=lambda carries: 0, ended={}, counters=dict, cpu_s=None, certificate=certificate)
    samples = [each for family in TcpCollector(cast(Any, mux)).collect() for each in family.samples]
    told = {each.labels["fault"]: each.value for each in samples if each.name == "sfu_certificate_fault"}
    assert told == {"expired": 0, "not_yet_good": 0, "files": 1}


def test_without_a_mux_there_is_neither() -> None:
    assert read(None) == {}
