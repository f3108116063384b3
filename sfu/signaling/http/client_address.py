"""Which addresses count as one client: one IPv4 address, or one IPv6 network of 64 bits."""

from __future__ import annotations

import functools
import ipaddress

_IPV6_PREFIX = 64
"""Length of the prefix that a customer gets at least (RFC 6177), within which addresses cost nothing."""


@functools.lru_cache(maxsize=4096)
def group_address(host: str) -> str:
    """Return the name under which `host` is counted: a text that is no IP address is its own name.

    An IPv4 address written as IPv6 (RFC 4291 section 2.5.5.2) counts as the IPv4 address that it is.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)
