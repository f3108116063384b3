"""Datagrams find their connection, and a connection that is gone is not found."""

from __future__ import annotations

from sfu.directory import MAX_ADDRESSES, Directory


def test_ufrags_lead_to_their_member_until_replaced() -> None:
    directory: Directory[str] = Directory()
    directory.set_ufrags("alice", ["old"])
    directory.set_ufrags("alice", ["old", "new"])
    assert directory.find_ufrag("old") == directory.find_ufrag("new") == "alice"
    directory.set_ufrags("alice", ["new"])
    assert directory.find_ufrag("old") is None


def test_the_newest_claim_to_an_address_wins_and_survives_the_older_members_end() -> None:
    directory: Directory[str] = Directory()
    directory.add_address("alice", ("192.0.2.1", 5000))
    directory.add_address("bob", ("192.0.2.1", 5000))
    assert directory.find_address(("192.0.2.1", 5000)) == "bob"
    directory.remove("alice")
    assert directory.find_address(("192.0.2.1", 5000)) == "bob"
    directory.remove("bob")
    assert directory.find_address(("192.0.2.1", 5000)) is None


def test_a_roaming_member_keeps_a_bounded_number_of_addresses() -> None:
    directory: Directory[str] = Directory()
    for port in range(1000, 1000 + 3 * MAX_ADDRESSES):
        directory.add_address("alice", ("192.0.2.1", port))
    found = [port for port in range(1000, 2000) if directory.find_address(("192.0.2.1", port))]
    assert found == list(range(1000 + 2 * MAX_ADDRESSES, 1000 + 3 * MAX_ADDRESSES))


def test_removal_forgets_everything() -> None:
    directory: Directory[str] = Directory()
    directory.set_ufrags("alice", ["u"])
    directory.add_address("alice", ("::1", 1))
    directory.remove("alice")
    directory.remove("alice")
    assert directory.find_ufrag("u") is None
    assert directory.find_address(("::1", 1)) is None
    assert len(directory) == 0
