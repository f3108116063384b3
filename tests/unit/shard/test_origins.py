"""Where clients are that come by something of ours, and which of them come by TCP."""

from __future__ import annotations

from sfu.shard.origins import Origins

LEG, CLIENT, OTHER = ("127.0.0.1", 40000), ("192.0.2.9", 50000), ("192.0.2.10", 50000)


def test_a_client_is_found_by_its_leg_until_it_is_gone() -> None:
    origins = Origins()
    assert (origins.find(OTHER), origins.is_tcp(OTHER), origins.is_tcp(None)) == (OTHER, False, False)
    origins.set(LEG, CLIENT, tcp=True)
    assert (origins.find(LEG), origins.is_tcp(LEG)) == (CLIENT, True)
    origins.set(LEG, CLIENT, tcp=False)
    assert (origins.find(LEG), origins.is_tcp(LEG)) == (CLIENT, False)
    origins.set(LEG, CLIENT, tcp=True)
    origins.set(LEG, None, tcp=True)
    assert (origins.find(LEG), origins.is_tcp(LEG)) == (LEG, False)
