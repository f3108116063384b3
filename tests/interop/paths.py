"""A browser's way to the node and back, with a delay."""

from __future__ import annotations

from bench.netem.config import LinkConfig
from bench.netem.proxy import ThreadedProxy
from tests.interop.answerer import host_address


def delayed(one_way_s: float, *, seed: int = 1) -> ThreadedProxy:
    """A path that delays each direction, on an address that Firefox takes too; it loses nothing yet."""
    link = LinkConfig(delay_s=one_way_s)
    return ThreadedProxy(host=host_address(), up=link, down=link, seed=seed)
