"""Datagrams find their connection, and a connection that is gone is not found."""

from __future__ import annotations

from sfu.shard.demux import Directory


def test_ufrags_lead_to_their_member_until_replaced() -> None:
    directory: Directory[str] = Directory()
    directory.set_ufrags("alice", ["old"])
    directory.set_ufrags("alice", ["old", "new"])
    assert directory.find_ufrag("old") == directory.find_ufrag("new") == "alice"
    directory.set_ufrags("alice", ["new"])
    assert directory.find_ufrag("old") is None


HERE, THERE = ("192.0.2.1", 5000), ("192.0.2.2", 5000)


def test_the_newest_claim_to_an_address_wins_and_survives_the_older_members_end() -> None:
    directory: Directory[str] = Directory()
    assert directory.set_addresses("alice", [HERE, THERE]) == []
    assert directory.set_addresses("bob", [HERE]) == [("alice", HERE)]
    assert directory.find_address(HERE) == "bob"
    assert directory.find_address(THERE) == "alice"
    assert directory.set_addresses("alice", [THERE]) == []
    assert directory.find_address(HERE) == "bob"
    directory.remove("alice")
    assert directory.find_address(HERE) == "bob"
    assert directory.find_address(THERE) is None
    directory.remove("bob")
    assert directory.find_address(HERE) is None


def test_a_lost_address_can_be_claimed_back() -> None:
    directory: Directory[str] = Directory()
    directory.set_addresses("alice", [HERE])
    directory.set_addresses("bob", [HERE, THERE])
    assert directory.set_addresses("alice", [HERE]) == [("bob", HERE)]
    assert directory.find_address(HERE) == "alice"
    assert directory.find_address(THERE) == "bob"


def test_addresses_that_a_member_has_left_lead_nowhere() -> None:
    directory: Directory[str] = Directory()
    for port in range(1000, 1010):
        directory.set_addresses("alice", [("192.0.2.1", port), ("192.0.2.1", port + 1)])
    found = [port for port in range(1000, 2000) if directory.find_address(("192.0.2.1", port))]
    assert found == [1009, 1010]


def test_removal_forgets_everything() -> None:
    directory: Directory[str] = Directory()
    directory.set_ufrags("alice", ["u"])
    directory.set_addresses("alice", [("::1", 1)])
    directory.remove("alice")
    directory.remove("alice")
    assert directory.find_ufrag("u") is None
    assert directory.find_address(("::1", 1)) is None
    assert len(directory) == 0
