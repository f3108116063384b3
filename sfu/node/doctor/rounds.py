"""All looks and judgements, in order, for one configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import sfu
from sfu.config import SOCKET_BUFFER_BYTES
from sfu.node.config.settings import Settings
from sfu.node.descriptors import plan_descriptors, raise_limit
from sfu.node.doctor import checks, probes
from sfu.node.doctor.diagnosis import Diagnosis
from sfu.node.records.store import open_record_store
from sfu.node.tcp import count_wanted, load_certificate
from sfu.tcp.pump import MEDIA_CONTROL


def examine(settings: Settings, *, stun: str = "", time_from: str = "") -> Iterator[Diagnosis]:
    """Look at everything. `stun` and `time_from` name servers to ask; without them nothing leaves this machine."""
    yield from _examine_ports(settings)
    yield from _examine_addresses(settings, stun)
    yield checks.check_buffers(SOCKET_BUFFER_BYTES, probes.read_buffer_limits())
    yield checks.check_offload(*probes.try_offload())
    if settings.tcp:
        yield checks.check_congestion_control(MEDIA_CONTROL, probes.try_congestion_control())
    yield checks.check_cores(settings.shards, len(os.sched_getaffinity(0)))
    yield from _examine_clock(time_from)
    yield from _examine_certificate(settings)
    folders = [Path(each) for each in (settings.record_dir, *settings.record_mirrors) if each]
    plan = plan_descriptors(
        raise_limit(),
        connections=settings.max_http_connections,
        shards=settings.shards,
        recordings=settings.max_recordings if folders else 0,
        folders=len(folders),
        tcp=count_wanted(settings),
    )
    yield checks.check_descriptors(plan)
    yield from _examine_disks(settings, folders)
    yield checks.check_kernels(probes.find_kernels())
    yield checks.check_versions(probes.read_versions())


def _examine_ports(settings: Settings) -> Iterator[Diagnosis]:
    ours = bool(settings.port) and probes.is_node(settings.host, settings.port)
    if settings.port:
        yield checks.check_port(probes.try_port("port", settings.host, settings.port, udp=False, ours=ours))
    if settings.metrics_port:
        host, port = settings.metrics_host, settings.metrics_port
        node = probes.is_node(host, port)
        yield checks.check_port(probes.try_port("metrics_port", host, port, udp=False, ours=node))
    if settings.udp_port:
        host = settings.build_config().host
        for shard in range(settings.shards):
            port = settings.udp_port + shard
            yield checks.check_port(probes.try_port("udp_port", host, port, udp=True, ours=ours))


def _examine_addresses(settings: Settings, stun: str) -> Iterator[Diagnosis]:
    announced = sfu.Server(settings.build_config()).announced
    own = sfu.Server(sfu.Config(host="::")).announced
    yield checks.check_announced(announced, (*own, "127.0.0.1", "::1"))
    if stun:
        try:
            yield checks.check_seen_address(probes.ask_stun(stun), announced, stun)
        except (OSError, ValueError) as error:
            advice = "name another server, or let UDP out"
            yield Diagnosis("address from outside", "fail", f"cannot be told: {error}", advice)


def _examine_clock(time_from: str) -> Iterator[Diagnosis]:
    yield checks.check_clock(probes.read_clock())
    if time_from:
        try:
            yield checks.check_drift(probes.measure_drift(time_from), time_from)
        except (OSError, ValueError) as error:
            advice = "name another server"
            yield Diagnosis("clock against another", "fail", f"cannot be compared: {error}", advice)


def _examine_certificate(settings: Settings) -> Iterator[Diagnosis]:
    try:
        certificate = load_certificate(settings)
    except sfu.ConfigError as error:
        yield checks.check_certificate(str(error), time.time())
        return
    if certificate is None:
        return
    yield checks.check_certificate(certificate.served, time.time())
    yield checks.check_issuer(certificate.served.find_missing_issuer())
    url = urlsplit(settings.livekit_url)
    if url.scheme in ("https", "wss") and url.hostname:
        yield checks.check_names(certificate.served, url.hostname)


def _examine_disks(settings: Settings, folders: list[Path]) -> Iterator[Diagnosis]:
    for folder in folders:
        yield checks.check_disk(str(folder), probes.try_disk(folder), settings.record_least_free_bytes)
    if settings.livekit_dir:
        yield checks.check_disk(settings.livekit_dir, probes.try_disk(Path(settings.livekit_dir)), 0)
    if len(folders) > 1:
        yield checks.check_mirrors(probes.find_devices(folders))
    if folders and not settings.dev:  # in development a start makes what is missing
        try:
            open_record_store(settings)
        except sfu.ConfigError as error:
            yield Diagnosis("records", "fail", str(error), "mend this setting: the node would not start")
        else:
            yield Diagnosis("records", "ok", "folders, key and journal are as a start needs them")
