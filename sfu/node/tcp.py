"""What else comes on the HTTP port: TLS, ICE-TCP and TURN; and TURN on the media ports."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sfu import ConfigError, Server
from sfu.node.http.connections import HttpConnections
from sfu.signaling import OwnTurn
from sfu.tcp.mux import LEGS, TcpMux
from sfu.tcp.tls import Certificate, CertificateError
from sfu.tcp.turn import TurnOptions
from sfu.tcp.ways import TcpLimits, Ways, name_media_host

REALM = "sfu"


class PortSettings(Protocol):
    """What is set of it."""

    @property
    def host(self) -> str:
        """The address that is listened on."""
        ...

    @property
    def tcp(self) -> bool:
        """Whether media come by TCP, too."""
        ...

    @property
    def turn_udp(self) -> bool:
        """Whether TURN comes by UDP, on the media ports."""
        ...

    @property
    def tls_cert(self) -> str:
        """The file of the certificate's chain; empty: no TLS."""
        ...

    @property
    def tls_key(self) -> str:
        """The file of its key."""
        ...


@dataclass(frozen=True, slots=True)
class TcpPort:
    """The HTTP port as media see it."""

    port: int
    certificate: Certificate | None
    open: bool
    """Whether clients can reach it at the addresses that they are told."""
    turn: OwnTurn | None


def load_certificate(settings: PortSettings) -> Certificate | None:
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


def count_wanted(settings: PortSettings) -> int:
    """How many connections at once may come by TLS or carry media, as descriptors are planned."""
    return TcpLimits().connections if settings.tcp or settings.tls_cert else 0


def describe_port(
    server: Server, settings: PortSettings, certificate: Certificate | None, port: int, turn_secret: str = ""
) -> TcpPort:
    """What a server that runs can tell its clients of the port on which its HTTP is served. `turn_secret`: of the
    process before, whose credentials stay good; empty: there was none.
    """
    host = ipaddress.ip_address(settings.host)
    reached = settings.tcp and (host.is_unspecified or str(host) in server.announced)
    turn = None
    if reached:
        by_udp = server.udp_ports[0] if settings.turn_udp else None
        secret = turn_secret or secrets.token_urlsafe(32)
        turn = OwnTurn(port, secret, tls=certificate is not None, udp_port=by_udp)
    return TcpPort(port, certificate, reached, turn)


def build_mux(server: Server, port: TcpPort, connections: HttpConnections, most: int) -> TcpMux | None:
    """What tells the kinds of connections apart; None where there is HTTP alone. `most`: of TLS and media at once.

    Raises sfu.LocalError where TURN by UDP is to be served and cannot.
    """
    if port.turn is None and port.certificate is None:
        return None
    turn = None
    if port.turn is not None:
        peers = {str(ipaddress.ip_address(each)): server.udp_ports for each in server.announced}
        turn = TurnOptions(REALM, port.turn.secret.encode(), peers, LEGS)
    find_port = server.find_udp_port if port.open else _find_nobody
    ways = Ways(
        find_port=find_port,
        set_origin=lambda address, origin, tcp: server.set_origin(address, origin, tcp=tcp),
        media_host=name_media_host(server.config.host),
        enter=lambda host: connections.has_room() and connections.enter(host),
        left=connections.leave,
    )
    limits = TcpLimits(connections=max(most, 1))
    twins = server.open_turn_sockets() if port.turn is not None and port.turn.udp_port is not None else ()
    return TcpMux(ways, turn=turn, certificate=port.certificate, limits=limits, twins=twins)


def _find_nobody(check: bytes) -> None:
    """Media do not come by TCP here."""
