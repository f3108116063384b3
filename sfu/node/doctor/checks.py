"""Judgements over facts, each a function of what was found: no check looks at the machine itself."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.node.descriptors import DescriptorPlan
from sfu.node.doctor.diagnosis import Diagnosis, Level
from sfu.tcp.chain import Chain

LATE_CLOCK_S = 0.5
"""Most by which the clock may be wrong: records say when somebody spoke."""
WRONG_CLOCK_S = 30.0
"""By so much tokens are refused that are good, or taken that have expired."""
SOON_S = 14 * 86400.0
"""So long before its end a certificate should have been renewed: certbot does it 30 days before."""
SLOW_SYNC_S = 0.5
"""A recorder brings each source to disk about once a second."""
SLOW_DISK_BPS = 5_000_000
"""Bytes a second: a hearing of ten with high video, and as much again for what else comes."""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """Whether a port could be bound."""

    setting: str
    place: str
    """As `TCP 127.0.0.1:8080`."""
    error: int | None
    """The system's error number; None: it could be bound."""
    ours: bool = False
    """Whether a running node answers there."""


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What the kernel knows of its clock (adjtimex(2))."""

    synchronised: bool
    most_error_s: float
    """By how much it may be wrong at most."""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What a trial on a folder's disk has shown."""

    free_bytes: int
    write_bps: float
    """Bytes a second, each part waited for until it was on disk."""
    slowest_s: float
    """The longest wait for one part."""


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """The cache of the compiled plane."""

    folder: str
    """Empty: there is none."""
    compiled: bool
    writable: bool
    known_compiler: bool


def check_port(facts: PortFacts) -> Diagnosis:
    """A port is free, or a running node has it."""
    what = facts.setting
    if facts.error is None:
        return Diagnosis(what, "ok", f"{facts.place} is free")
    if facts.error == errno.EADDRINUSE and facts.ours:
        return Diagnosis(what, "ok", f"{facts.place} is held by a running node")
    reason, advice = {
        errno.EADDRINUSE: ("is taken by another program", f"end it (ss -tulpn), or set another {facts.setting}"),
        errno.EACCES: (
            "is not allowed to this user",
            "run the doctor as the node's user; ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities=)",
        ),
        errno.EADDRNOTAVAIL: ("is no address of this machine", f"set the host of {facts.setting} to one that it has"),
    }.get(facts.error, (f"cannot be bound: {errno.errorcode.get(facts.error, facts.error)}", "see the system's log"))
    return Diagnosis(what, "fail", f"{facts.place} {reason}", advice)


def check_clock(facts: ClockFacts | None) -> Diagnosis:
    """The clock follows the time of the world."""
    advice = "let chrony or systemd-timesyncd set it: timedatectl set-ntp true"
    if facts is None:
        return Diagnosis("clock", "warn", "the system does not tell whether it is synchronised", "compare: --time-from")
    if not facts.synchronised:
        return Diagnosis("clock", "warn", "it is not synchronised, so records and tokens may be off", advice)
    seen = f"synchronised, wrong by at most {facts.most_error_s * 1000:.0f} ms"
    if facts.most_error_s > LATE_CLOCK_S:
        return Diagnosis("clock", "warn", seen, "its source is far or has gone: see chronyc tracking")
    return Diagnosis("clock", "ok", seen)


def check_drift(drift_s: float, source: str) -> Diagnosis:
    """The clock agrees with that of a web server, which tells whole seconds."""
    seen = f"{abs(drift_s):.0f} s {'ahead of' if drift_s > 0 else 'behind'} {source}"
    if abs(drift_s) <= 2.0:
        return Diagnosis("clock against another", "ok", f"agrees with {source} to the second")
    level: Level = "fail" if abs(drift_s) > WRONG_CLOCK_S else "warn"
    return Diagnosis("clock against another", level, seen, "set the clock: timedatectl set-ntp true")


def check_buffers(wanted: int, allowed: Mapping[str, int]) -> Diagnosis:
    """Media sockets may have buffers as large as they ask for. `allowed`: most bytes by name of the sysctl."""
    small = {name: most for name, most in allowed.items() if most < wanted}
    if not small:
        return Diagnosis("socket buffers", "ok", f"{wanted} bytes may be had")
    seen = ", ".join(f"{name} is {most}" for name, most in small.items())
    settings = " ".join(f"{name}={wanted}" for name in small)
    return Diagnosis("socket buffers", "warn", f"{seen}: bursts are lost sooner", f"sysctl -w {settings}")


def check_offload(sends: bool, receives: bool) -> Diagnosis:
    """The system takes and gives several packets at once (UDP GSO and GRO), as tried on loopback."""
    if sends and receives:
        return Diagnosis("UDP GSO and GRO", "ok", "work on loopback")
    lacking = " and ".join(name for name, there in (("GSO", sends), ("GRO", receives)) if not there)
    advice = "use Linux 5.0 or newer, without a sandbox that emulates the network"
    return Diagnosis("UDP GSO and GRO", "warn", f"no {lacking}: each packet costs up to three times as much", advice)


def check_congestion_control(name: str, there: bool) -> Diagnosis:
    """Media by TCP may use a congestion control that does not take each loss for a sign that the path is full."""
    if there:
        return Diagnosis("TCP for media", "ok", f"uses {name}")
    advice = f"modprobe tcp_{name}, and add {name} to the sysctl net.ipv4.tcp_allowed_congestion_control"
    return Diagnosis("TCP for media", "warn", f"no {name}: who has TCP alone sees less on paths that lose", advice)


def check_certificate(found: Chain | str, now: float) -> Diagnosis:
    """The certificate can be served, and for some time yet. `found` is an error's text where it cannot."""
    if isinstance(found, str):
        return Diagnosis("certificate", "fail", found, "mend tls_cert and tls_key: the node would not start")
    left = found.expires - now
    if left <= 0:
        advice = "renew it: no browser takes it, nor TURN by TLS"
        return Diagnosis("certificate", "fail", f"expired {-left / 86400:.0f} days ago", advice)
    fault = found.find_time_fault(now)
    if fault:
        advice = "set this host's clock (timedatectl set-ntp true), or wait with it: no browser takes it yet"
        return Diagnosis("certificate", "fail", fault, advice)
    seen = f"good for {left / 86400:.0f} days"
    if left < SOON_S:
        return Diagnosis("certificate", "warn", seen, "renew it: what should have done so (certbot.timer) has not")
    return Diagnosis("certificate", "ok", seen)


def check_issuer(missing: str) -> Diagnosis:
    """Clients can follow the certificate to an authority. `missing`: by whom it is signed, where it stands alone."""
    if not missing:
        return Diagnosis("certificate's issuer", "ok", "in the file, or known to this system")
    advice = "serve the full chain (certbot's fullchain.pem), unless all clients know this authority"
    return Diagnosis("certificate's issuer", "warn", f"{missing} is neither in the file nor known here", advice)


def check_names(found: Chain, host: str) -> Diagnosis:
    """The certificate is for the host by which clients are told to come."""
    what = "certificate's names"
    if found.covers(host):
        return Diagnosis(what, "ok", f"{host} is one of them")
    advice = "take one for that name, or change livekit_url; behind a proxy this does not matter"
    return Diagnosis(what, "warn", f"{', '.join(found.names) or 'none'}; not {host} of livekit_url", advice)


def check_descriptors(plan: DescriptorPlan) -> Diagnosis:
    """The limit of open files is enough for what is set."""
    seen = f"{plan.limit} here, {plan.wanted} wanted, {plan.reserved} of them for media and records"
    if plan.is_low:
        return Diagnosis("descriptors", "warn", seen, f"LimitNOFILE={plan.wanted} or more, or set less")
    return Diagnosis("descriptors", "ok", seen)


def check_cores(shards: int, cores: int) -> Diagnosis:
    """Each shard has a core, and Python one more."""
    seen = f"{cores} cores for {shards} shard{'s' if shards > 1 else ''} and the event loop"
    if shards + 1 > cores:
        return Diagnosis("cores", "warn", seen, f"set shards to {max(1, cores - 1)}, or give it more cores")
    return Diagnosis("cores", "ok", seen)


def check_disk(place: str, facts: DiskFacts | str, least_free_bytes: int) -> Diagnosis:
    """A folder can be written, fast enough and for long enough. `facts` are an error's text where it cannot."""
    what = f"disk of {place}"
    if isinstance(facts, str):
        return Diagnosis(what, "fail", facts, "mount it, make the folder, or let the node's user write there")
    seen = (
        f"{facts.free_bytes / 1e9:.1f} GB free, {facts.write_bps / 1e6:.0f} MB/s, "
        f"a write is on disk after at most {facts.slowest_s * 1000:.0f} ms"
    )
    if facts.free_bytes < least_free_bytes:
        return Diagnosis(
            what, "fail", seen, f"make room: less than record_least_free_bytes ({least_free_bytes}) is left"
        )
    if facts.slowest_s > SLOW_SYNC_S or facts.write_bps < SLOW_DISK_BPS:
        return Diagnosis(
            what, "warn", seen, "recorders may fall behind: use a faster disk, or find what else writes there"
        )
    if facts.free_bytes < 10 * least_free_bytes:
        return Diagnosis(what, "warn", seen, "make room soon")
    return Diagnosis(what, "ok", seen)


def check_mirrors(devices: Mapping[str, int]) -> Diagnosis:
    """Records and their mirrors are on disks of their own. `devices`: the disk's number by folder."""
    if len(set(devices.values())) == len(devices):
        return Diagnosis("mirrors", "ok", f"{len(devices)} folders on as many disks")
    return Diagnosis("mirrors", "warn", "two folders of records are on one disk, and lost with it", "use another disk")


def check_announced(announced: Sequence[str], own: Sequence[str]) -> Diagnosis:
    """Clients are told addresses that they can reach, as far as this machine can tell."""
    what, listed = "announced addresses", ", ".join(announced)
    addresses = [ipaddress.ip_address(each) for each in announced]
    if all(each.is_loopback for each in addresses):
        return Diagnosis(what, "warn", f"{listed}: nobody else reaches this", "set udp_host, and announce if need be")
    foreign = [each for each in announced if each not in own]
    if foreign:
        advice = "the UDP ports must be forwarded one to one; --stun HOST:PORT asks how others see this machine"
        return Diagnosis(what, "ok", f"{', '.join(foreign)}: not of this machine, so it is behind translation", advice)
    if not any(each.is_global for each in addresses):
        advice = "set announce to the public address, unless all clients are in this network"
        return Diagnosis(what, "warn", f"{listed}: reached from within this network only", advice)
    return Diagnosis(what, "ok", f"{listed}, of this machine")


def check_seen_address(seen: str, announced: Sequence[str], server: str) -> Diagnosis:
    """What is announced is how a STUN server sees this machine."""
    if seen in announced:
        return Diagnosis("address from outside", "ok", f"{server} sees {seen}, which is announced")
    advice = f"set announce to {seen}, if UDP to it is forwarded here"
    return Diagnosis("address from outside", "warn", f"{server} sees {seen}, which is not announced", advice)


def check_kernels(facts: KernelFacts) -> Diagnosis:
    """The plane is compiled, or can be and is kept."""
    what = "compiled plane"
    if not facts.known_compiler:
        advice = "install a version of numba that this version of sfu knows: pip install --upgrade sfu-media"
        return Diagnosis(what, "warn", "this numba is not known to work with quick starts", advice)
    if facts.compiled:
        return Diagnosis(what, "ok", f"in {facts.folder}")
    if facts.writable:
        return Diagnosis(
            what, "warn", "not yet: the first start takes half a minute longer", "run sfu warm as its user"
        )
    where = facts.folder or "no folder"
    advice = "let SFU_KERNEL_CACHE name a folder that the node's user may write"
    return Diagnosis(what, "warn", f"not there and cannot be kept in {where}: each start compiles", advice)


def check_versions(found: Mapping[str, str | None]) -> Diagnosis:
    """The libraries that a node stands on are there; None: one is not."""
    missing = [name for name, version in found.items() if version is None]
    if missing:
        return Diagnosis("libraries", "fail", f"{', '.join(missing)} missing", "pip install 'sfu-media[node]'")
    return Diagnosis("libraries", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))
