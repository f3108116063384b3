"""Metrics of what comes by TLS, and of media by TCP."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.tcp.mux import Carries, TcpMux
from sfu.tcp.tls import CertificateFault

_NAMES = {Carries.UNKNOWN: "unknown", Carries.HTTP: "http", Carries.ICE: "ice", Carries.TURN: "turn"}


class TcpCollector(Collector):
    """Reads the mux's connections at each scrape; shows zeros where there is none."""

    def __init__(self, mux: TcpMux | None = None) -> None:
        self._mux = mux

    def collect(self) -> Iterator[Metric]:
        """Return all metric families (prometheus-client calls this at each scrape)."""
        mux = self._mux
        text = "Open connections by TLS, and those of media by TCP or by TURN over UDP, by what they carry."
        loads = GaugeMetricFamily("sfu_tcp_connections", text, labels=["carries"])
        for carries, name in _NAMES.items():
            loads.add_metric([name], 0 if mux is None else mux.count(carries))
        yield loads
        text = "Such connections that were refused or have ended, by reason."
        ended = CounterMetricFamily("sfu_tcp_ended_connections", text, labels=["reason"])
        for reason, count in [] if mux is None else sorted(mux.ended.items()):
            ended.add_metric([reason], count)
        yield ended
        counters = {} if mux is None else mux.counters()
        passed = CounterMetricFamily(
            "sfu_tcp_packets", "Packets of media by TCP, and by TURN over UDP.", labels=["direction"]
        )
        for direction in ("in", "out"):
            passed.add_metric([direction], counters.get(f"packets_{direction}", 0))
        yield passed
        text = "Packets of media by TCP, and by TURN over UDP, that were left out, by reason."
        dropped = CounterMetricFamily("sfu_tcp_dropped_packets", text, labels=["reason"])
        for name, count in sorted(counters.items()):
            if name.startswith("drop_"):
                dropped.add_metric([name.removeprefix("drop_")], count)
        yield dropped
        busy = CounterMetricFamily(
            "sfu_tcp_cpu_seconds", "Processor time of the thread that serves TLS, and media by TCP."
        )
        if mux is not None and mux.cpu_s is not None:
            busy.add_metric([], mux.cpu_s)
        yield busy
        text = "Until when the certificate that is served is good, in seconds since 1970."
        expires = GaugeMetricFamily("sfu_certificate_expires_seconds", text)
        if mux is not None and mux.certificate is not None:
            expires.add_metric([], mux.certificate.expires)
        yield expires
        text = "What is wrong with the certificate: 1, or 0."
        faults = GaugeMetricFamily("sfu_certificate_fault", text, labels=["fault"])
        if mux is not None and mux.certificate is not None:
            found = mux.certificate.faults
            for each in CertificateFault:
                faults.add_metric([each.value], each in found)
        yield faults
