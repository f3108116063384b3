"""Datagrams find their connection, and a connection that is gone is not found."""

from __future__ import annotations

from sfu.shard.demux import Demux


def test_ufrags_lead_to_their_member_until_replaced() -> None:
    demux: Demux[str] = Demux()
    demux.set_ufrags("alice", ["old"])
    demux.set_ufrags("alice", ["old", "new"])
    assert demux.find_ufrag("old") == demux.find_ufrag("new") == "alice"
    demux.set_ufrags("alice", ["new"])
    assert demux.find_ufrag("old") is None


HERE, THERE = ("192.0.2.1", 5000), ("192.0.2.2", 5000)


def test_the_newest_claim_to_an_address_wins_and_survives_the_older_members_end() -> None:
    demux: Demux[str] = Demux()
    assert demux.set_addresses("alice", [HERE, THERE]) == []
    assert demux.set_addresses("bob", [HERE]) == [("alice", HERE)]
    assert demux.find_address(HERE) == "bob"
    assert demux.find_address(THERE) == "alice"
    assert demux.set_addresses("alice", [THERE]) == []
    assert demux.find_address(HERE) == "bob"
    demux.remove("alice")
    assert demux.find_address(HERE) == "bob"
    assert demux.find_address(THERE) is None
    demux.remove("bob")
    assert demux.find_address(HERE) is None


def test_a_lost_address_can_be_claimed_back() -> None:
    demux: Demux[str] = Demux()
    demux.set_addresses("alice", [HERE])
    demux.set_addresses("bob", [HERE, THERE])
    assert demux.set_addresses("alice", [HERE]) == [("bob", HERE)]
    assert demux.find_address(HERE) == "alice"
    assert demux.find_address(THERE) == "bob"


def test_addresses_that_a_member_has_left_lead_nowhere() -> None:
    demux: Demux[str] = Demux()
    for port in range(1000, 1010):
        demux.set_addresses("alice", [("192.0.2.1", port), ("192.0.2.1", port + 1)])
    found = [port for port in range(1000, 2000) if demux.find_address(("192.0.2.1", port))]
    assert found == [1009, 1010]


def test_removal_forgets_everything() -> None:
    demux: Demux[str] = Demux()
    demux.set_ufrags("alice", ["u"])
    demux.set_addresses("alice", [("::1", 1)])
    demux.remove("alice")
    demux.remove("alice")
    assert demux.find_ufrag("u") is None
    assert demux.find_address(("::1", 1)) is None
    assert len(demux) == 0
