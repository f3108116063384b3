"""The address of a directory: one Redis, over TLS or not, or what Sentinels name as the first of several."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from sfu.errors import ConfigError

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_PORTS = {"redis": 6379, "rediss": 6379, "redis+sentinel": 26379, "rediss+sentinel": 26379, "unix": 0}
_OPTIONS = ("prefix", "ca", "cert", "key", "sentinel_username", "sentinel_password")
FORMS = (
    "redis://[user:password@]host[:port][/database], rediss:// for TLS, unix:///path, or "
    "redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database]; with ?prefix=NAME, and for TLS "
    "ca=, cert= and key= with files"
)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """What such an address says. It is shown without its passwords."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    path: str = ""
    """Of a unix socket."""
    service: str = ""
    """As the Sentinels name it; empty: no Sentinels."""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def tls(self) -> bool:
        """Whether what is said is encrypted."""
        return self.scheme.startswith("rediss")

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.scheme}://{self.path or hosts}{f'/{self.service}' if self.service else ''}"

    def build_tls(self) -> dict[str, object]:
        """Return what redis-py is told for TLS; without a `ca`, whom the system trusts is trusted."""
        if not self.tls:
            return {}
        files = {"ssl_ca_certs": "ca", "ssl_certfile": "cert", "ssl_keyfile": "key"}
        named = {key: self.options[name] for key, name in files.items() if name in self.options}
        return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True,
                "ssl_min_version": ssl.TLSVersion.TLSv1_2, **named}  # fmt: skip


def parse_redis_url(url: str) -> RedisUrl:
    """Read it.

    Raises:
        ConfigError: it is none; the message does not repeat its password.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigError("cluster_url", f"{error}; it has one of the forms {FORMS}") from None


def _parse(url: str) -> RedisUrl:
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _SCHEMES:
        raise ValueError(f"the scheme {scheme[:20]!r} is not known")
    parts = urlsplit(f"x://{rest}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - set(_OPTIONS):
        raise ValueError(f"the option {min(unknown)!r} is not known")
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    username, secret = unquote(user) or None, unquote(password) if at and colon else None
    steps = [unquote(step) for step in parts.path.split("/")[1:] if step]
    if scheme == "unix":
        if not steps:
            raise ValueError("a unix socket needs its path")
        return RedisUrl(scheme, (), "/" + "/".join(steps), options=options, username=username, password=secret)
    sentinels = scheme.endswith("+sentinel")
    service = steps.pop(0) if sentinels and steps else ""
    if sentinels and not service:
        raise ValueError("the service that Sentinels watch is missing")
    if len(steps) > 1 or (steps and not steps[0].isdecimal()):
        raise ValueError("the database is no number")
    database = int(steps[0]) if steps else 0
    places = tuple(_parse_host(host, _PORTS[scheme]) for host in hosts.split(","))
    if len(places) > 1 and not sentinels:
        raise ValueError("several hosts are for redis+sentinel:// alone")
    return RedisUrl(scheme, places, "", service, database, options=options, username=username, password=secret)


def _parse_host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or port
