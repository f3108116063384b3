"""What else comes on the HTTP port: TLS, ICE-TCP and TURN."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from sfu import ConfigError, Server
from sfu.node.config.settings import Settings
from sfu.node.http.connections import HttpConnections
from sfu.signaling import OwnTurn
from sfu.tcp.mux import LEGS, TcpLimits, TcpMux, Ways, name_media_host
from sfu.tcp.tls import Certificate, CertificateError
from sfu.tcp.turn import TurnOptions

REALM = "sfu"


@dataclass(frozen=True, slots=True)
class TcpPort:
    """The HTTP port as media see it."""

    port: int
    certificate: Certificate | None
    open: bool
    """Whether clients can reach it at the addresses that they are told."""
    turn: OwnTurn | None


def load_certificate(settings: Settings) -> Certificate | None:
    """The certificate that is set, if one is; raises sfu.ConfigError."""
    if not (settings.tls_cert or settings.tls_key):
        return None
    for key, there in (("tls_cert", settings.tls_cert), ("tls_key", settings.tls_key)):
        if not there:
            raise ConfigError(key, "is needed: a certificate and its key come together")
    try:
        return Certificate(Path(settings.tls_cert), Path(settings.tls_key))
    except CertificateError as error:
        raise ConfigError("tls_cert", str(error)) from error


def count_wanted(settings: Settings) -> int:
    """How many connections at once may come by TLS or carry media, as descriptors are planned."""
    return TcpLimits().connections if settings.tcp or settings.tls_cert else 0


def describe_port(server: Server, settings: Settings, certificate: Certificate | None, port: int) -> TcpPort:
    """What a server that runs can tell its clients of the port on which its HTTP is served."""
    host = ipaddress.ip_address(settings.host)
    reached = settings.tcp and (host.is_unspecified or str(host) in server.announced)
    turn = OwnTurn(port, secrets.token_urlsafe(32), tls=certificate is not None) if reached else None
    return TcpPort(port, certificate, reached, turn)


def build_mux(server: Server, port: TcpPort, connections: HttpConnections, most: int) -> TcpMux | None:
    """What tells the kinds of connections apart; None where there is HTTP alone. `most`: of TLS and media at once."""
    if port.turn is None and port.certificate is None:
        return None
    turn = None
    if port.turn is not None:
        peers = {str(ipaddress.ip_address(each)): server.udp_ports for each in server.announced}
        turn = TurnOptions(REALM, port.turn.secret.encode(), peers, LEGS)
    find_port = server.find_udp_port if port.open else _find_nobody
    ways = Ways(
        find_port=find_port,
        set_origin=server.set_origin,
        media_host=name_media_host(server.config.host),
        left=connections.leave,
    )
    return TcpMux(ways, turn=turn, certificate=port.certificate, limits=TcpLimits(connections=max(most, 1)))


def _find_nobody(check: bytes) -> None:
    """Media do not come by TCP here."""
