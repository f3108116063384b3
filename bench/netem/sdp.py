"""Turn a description's way aside: its candidates become a proxy's address."""

from __future__ import annotations

import re
from typing import NamedTuple

Address = tuple[str, int]

_ANY = re.compile(r"^a=candidate:.*(?:\r?\n|$)", re.MULTILINE)
_HOST = re.compile(
    r"^(a=candidate:\S+ 1 udp \d+ )(\d+\.\d+\.\d+\.\d+) (\d+)( typ host.*(?:\r?\n|$))",
    re.MULTILINE | re.IGNORECASE,
)


class Rerouted(NamedTuple):
    """A description whose only candidate is the proxy, and where the proxy is to send what comes."""

    sdp: str
    upstream: Address


def through(sdp: str, proxy: Address) -> Rerouted:
    """Replace all candidates by the first IPv4 UDP host candidate with the proxy's address in its place.

    ValueError if the description has none, as where it only trickles.
    """
    found = _HOST.search(sdp)
    if found is None:
        raise ValueError(f"the description has no IPv4 UDP host candidate to replace:\n{sdp}")
    own = f"{found[1]}{proxy[0]} {proxy[1]}{found[4]}"
    first, *rest = _ANY.split(sdp)
    return Rerouted(first + own + "".join(rest), (found[2], int(found[3])))
