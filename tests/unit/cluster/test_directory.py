"""What every directory does: one in memory, one in a real Redis."""

from __future__ import annotations

import dataclasses

import pytest

from sfu.cluster.directory import Directory
from sfu.cluster.node_requests import Leave, Loads, Look, Renew, Sweep
from sfu.cluster.records import MAX_RECORD_BYTES, NodeRecord
from sfu.cluster.room_requests import Move, Put, Release
from sfu.errors import ArgumentError
from tests.unit.cluster.asking import FAR, Node, read, register
from tests.unit.cluster.conftest import Bench


@pytest.fixture
def directory(bench: Bench) -> Directory:
    return bench.directory


async def test_nodes_get_epochs_that_rise_and_see_each_other(directory: Directory) -> None:
    first = await register(directory, "a", region="eu", link_url="https://a:1")
    second = await register(directory, "b")
    assert second.epoch > first.epoch
    seen = await directory.ask(Look(0, ""))
    assert seen.complete and seen.gone == () and seen.unreadable == 0
    assert {(node.id, node.epoch, node.region) for node in seen.nodes} == {
        ("a", first.epoch, "eu"),
        ("b", second.epoch, ""),
    }
    later = await register(directory, "c")
    news = await directory.ask(Look(seen.version, seen.incarnation))
    assert not news.complete and [(node.id, node.epoch) for node in news.nodes] == [("c", later.epoch)]
    assert (await directory.ask(Look(news.version, news.incarnation))).nodes == ()


async def test_who_does_not_know_this_life_of_the_store_reads_all(bench: Bench) -> None:
    await register(bench.directory, "a")
    seen = await bench.directory.ask(Look(0, ""))
    bench.flush()
    again = await bench.directory.ask(Look(seen.version, seen.incarnation))
    assert again.complete and again.incarnation != seen.incarnation and again.nodes == ()


async def test_an_id_is_one_process_s_as_long_as_its_lease(bench: Bench) -> None:
    first = await register(bench.directory, "a")
    held = await bench.directory.ask(Renew("a", 0, 0.0, None))
    assert held.outcome == "held" and held.epoch == first.epoch and 0 < held.soonest_ms <= 30_000
    bench.end_lease("a")
    second = await register(bench.directory, "a")
    assert second.epoch > first.epoch
    assert (await first.renew()).outcome == "superseded"
    assert (await second.renew()).outcome == "renewed"
    bench.end_lease("a")
    assert (await first.renew()).outcome == "superseded", "its record says who came later"


async def test_an_older_process_in_a_store_that_lags_gives_way(bench: Bench) -> None:
    first = await register(bench.directory, "a")
    bench.end_lease("a")
    second = await register(bench.directory, "a")
    bench.flush()
    assert (await first.renew()).outcome == "renewed", "the store has lost who came later"
    assert (await second.renew()).revived
    assert (await first.renew()).outcome == "superseded"


async def test_a_lease_that_had_run_out_is_told(bench: Bench) -> None:
    node = await register(bench.directory, "a")
    assert not (await node.renew()).revived
    bench.end_lease("a")
    assert (await node.renew()).revived
    assert not (await node.renew()).revived


async def test_a_neighbour_whose_lease_is_over_is_gone_for_all(bench: Bench) -> None:
    a = await register(bench.directory, "a")
    b = await register(bench.directory, "b")
    seen = await bench.directory.ask(Look(0, ""))
    assert 0 < (await a.renew("b")).soonest_ms <= 30_000
    bench.end_lease("b")
    assert (await a.renew("b")).soonest_ms == -1
    news = await bench.directory.ask(Look(seen.version, seen.incarnation))
    assert news.gone == ("b",) and news.nodes == ()
    back = await b.renew()
    assert back.revived and not back.known, "it must tell its record again"
    assert (await b.renew(record=NodeRecord(id="b"))).known


async def test_who_leaves_is_gone_and_his_rooms_are_free_at_once(directory: Directory) -> None:
    a, b = await register(directory, "a"), await register(directory, "b")
    await a.claim("r")
    assert (await b.claim("r")).outcome == "held"
    assert not await directory.ask(Leave("a", a.epoch - 1))
    assert await directory.ask(Leave("a", a.epoch))
    assert not await directory.ask(Leave("a", a.epoch))
    assert (await b.claim("r")).outcome == "claimed"
    assert [node.id for node in (await directory.ask(Look(0, ""))).nodes] == ["b"]


async def test_loads_are_told_for_those_who_are_asked_for(directory: Directory) -> None:
    a = await register(directory, "a")
    await directory.ask(Renew("a", a.epoch, 0.25, None))
    await register(directory, "b")
    assert await directory.ask(Loads(("a", "b", "nobody"))) == {"a": 0.25, "b": 0.5}


async def test_a_node_of_another_protocol_is_refused_as_long_as_there_are_others(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(directory, "a")
    monkeypatch.setattr("sfu.cluster.node_requests.PROTOCOL", 7)
    refused = await directory.ask(Renew("b", 0, 0.0, NodeRecord(id="b")))
    assert refused.outcome == "protocol" and refused.epoch == 1
    assert [node.id for node in (await directory.ask(Look(0, ""))).nodes] == ["a"]


async def test_one_of_two_claims_wins_and_the_other_is_told_whose_it_is(directory: Directory) -> None:
    a, b = await register(directory, "a"), await register(directory, "b")
    won, lost = await a.claim("r"), await b.claim("r")
    assert won.outcome == "claimed" and lost.outcome == "held" and won.home == lost.home
    home = (await read(directory, "r")).home
    assert home is not None and home.alive and (home.node, home.epoch) == ("a", a.epoch)
    assert (await read(directory, "other")).home is None


async def test_what_was_released_late_does_not_take_a_later_claim_away(directory: Directory) -> None:
    a = await register(directory, "a")
    first = await a.claim_token("r")
    second = await a.claim_token("r")
    assert second > first, "who does not know the token of his claim gets another"
    assert await directory.ask(Release("a", a.epoch, (("r", first),))) == 0
    assert await directory.ask(Release("a", a.epoch, (("r", second), ("none", 3)))) == 1
    assert (await read(directory, "r")).home is None


async def test_nobody_releases_or_moves_what_another_holds(directory: Directory) -> None:
    a, b = await register(directory, "a"), await register(directory, "b")
    token = await a.claim_token("r")
    assert await directory.ask(Release("b", b.epoch, (("r", token),))) == 0
    assert not await directory.ask(Move("b", b.epoch, "r", token, "b", b.epoch))
    assert not await directory.ask(Move("a", a.epoch, "r", token, "nobody", 3))
    assert await directory.ask(Move("a", a.epoch, "r", token, "b", b.epoch))
    assert not await directory.ask(Move("a", a.epoch, "r", token, "b", b.epoch))
    assert (await a.claim("r", token)).outcome == "held"
    home = (await read(directory, "r")).home
    assert home is not None and home.node == "b" and home.token > token
    assert (await b.claim("r", home.token)).outcome == "claimed"


async def test_a_claim_that_comes_too_late_or_without_a_lease_is_refused(bench: Bench) -> None:
    a = await register(bench.directory, "a")
    assert (await a.claim("r", latest=1)).outcome == "late"
    assert (await a.claim("r", latest=0)).outcome == "free"
    bench.end_lease("a")
    assert (await a.claim("r")).outcome == "unleased"
    assert (await read(bench.directory, "r")).home is None


async def test_the_rooms_of_a_node_whose_lease_is_over_can_be_claimed(bench: Bench) -> None:
    a, b = await register(bench.directory, "a"), await register(bench.directory, "b")
    token = await a.claim_token("r")
    bench.end_lease("a")
    home = (await read(bench.directory, "r")).home
    assert home is not None and not home.alive
    assert await b.claim_token("r") > token
    assert (await a.renew()).revived
    assert (await a.claim("r", token)).outcome == "held"


async def test_what_nobody_took_meanwhile_is_still_ours(bench: Bench) -> None:
    a = await register(bench.directory, "a")
    token = await a.claim_token("r")
    bench.end_lease("a")
    await a.renew()
    claimed = await a.claim("r", token, latest=0)
    assert claimed.outcome == "claimed" and claimed.home is not None and claimed.home.token == token


async def test_a_claim_for_another_life_of_the_store_is_refused(bench: Bench) -> None:
    a = await register(bench.directory, "a")
    before = a.incarnation
    bench.flush()
    await a.renew()
    renewed, a.incarnation = a.incarnation, before
    assert (await a.claim("r")).outcome == "reborn"
    a.incarnation = renewed
    assert (await a.claim("r")).outcome == "claimed"


async def test_after_a_flush_who_still_holds_says_so_and_goes_on(bench: Bench) -> None:
    a, b = await register(bench.directory, "a"), await register(bench.directory, "b")
    token = await a.claim_token("r")
    bench.flush()
    await a.renew()
    await b.renew()
    kept = await a.claim("r", token, holding=True, latest=0)
    assert kept.outcome == "claimed" and kept.home is not None and kept.home.token == token
    assert (await b.claim("r")).outcome == "held"
    assert await b.claim_token("other") > token, "no number is given twice"


async def test_numbers_are_not_given_twice_though_the_store_loses_all_again_and_again(bench: Bench) -> None:
    """However quickly: all of this is over within a second."""
    epochs = []
    for _ in range(5):
        node = await register(bench.directory, "a")
        epochs += [node.epoch, await node.claim_token("r")]
        bench.flush()
    assert epochs == sorted(set(epochs))


async def flush_after_a_home_was_lost(bench: Bench) -> tuple[Node, int, Node, int]:
    """Two nodes with their tokens of `r`: the second took it over from the first, which alone has said so anew."""
    a, b = await register(bench.directory, "a"), await register(bench.directory, "b")
    old = await a.claim_token("r")
    bench.end_lease("a")
    new = await b.claim_token("r")
    bench.flush()
    await a.renew()
    await b.renew()
    assert (await a.claim("r", old, latest=0)).outcome == "kept"
    return a, old, b, new


async def test_after_a_flush_the_higher_token_wins_until_somebody_claims(bench: Bench) -> None:
    a, old, b, new = await flush_after_a_home_was_lost(bench)
    kept = await b.claim("r", new, latest=0)
    assert kept.outcome == "kept" and kept.home is not None and kept.home.node == "b"
    assert (await a.claim("r", old, latest=0)).outcome == "held"
    assert (await a.claim("r", old)).outcome == "held", "b is alive, and its token is the later one"
    assert (await b.claim("r", new)).outcome == "claimed"


async def test_what_is_kept_for_a_stale_node_goes_to_who_has_the_later_token(bench: Bench) -> None:
    a, old, b, new = await flush_after_a_home_was_lost(bench)
    assert (await b.claim("r", new, latest=FAR)).outcome == "claimed"
    assert (await a.claim("r", old, holding=True)).outcome == "held"


async def test_entries_of_a_room_carry_its_token_and_are_their_writer_s(bench: Bench) -> None:
    directory = bench.directory
    a, b = await register(directory, "a"), await register(directory, "b")
    token = await a.claim_token("r")
    assert await directory.ask(Put("b", b.epoch, "r", token, "track/T 1", '{"kind":"video"}')) == "done"
    assert await directory.ask(Put("a", a.epoch, "r", token, "track/T 1", "{}")) == "held"
    assert await directory.ask(Put("a", a.epoch, "r", token - 1, "track/T2", "{}")) == "stale"
    assert await directory.ask(Put("a", a.epoch, "none", token, "track/T2", "{}")) == "stale"
    assert await directory.ask(Put("a", a.epoch + 1, "r", token, "track/T2", "{}")) == "unleased"
    assert await directory.ask(Put("a", a.epoch, "r", token, "recording/R", "{}")) == "done"
    found = await read(directory, "r", with_entries=True)
    assert {(one.kind, one.id, one.node, one.text) for one in found.entries} == {
        ("track", "T 1", "b", '{"kind":"video"}'),
        ("recording", "R", "a", "{}"),
    }
    bench.end_lease("b")
    assert await directory.ask(Put("a", a.epoch, "r", token, "track/T 1", "")) == "done"
    assert [one.id for one in (await read(directory, "r", with_entries=True)).entries] == ["R"]


async def test_a_room_that_is_over_leaves_what_living_nodes_wrote(bench: Bench) -> None:
    directory = bench.directory
    a, b, c = [await register(directory, name) for name in "abc"]
    token = await a.claim_token("r")
    for node in (a, b, c):
        assert await directory.ask(Put(node.id, node.epoch, "r", token, f"track/{node.id}", "{}")) == "done"
    bench.end_lease("c")
    assert await directory.ask(Release("a", a.epoch, (("r", token),))) == 1
    assert [one.id for one in (await read(directory, "r", with_entries=True)).entries] == ["b"]


async def test_rooms_of_nodes_that_are_gone_are_forgotten_after_a_while(bench: Bench) -> None:
    directory = bench.directory
    a, b = await register(directory, "a"), await register(directory, "b")
    for room in range(50):
        token = await a.claim_token(f"old {room}")
        await directory.ask(Put("a", a.epoch, f"old {room}", token, "track/T", "{}"))
    await b.claim("new")
    bench.end_lease("a")
    assert await sweep(directory, grace_ms=100_000) == 0
    assert (await read(directory, "old 1")).home is not None
    assert await sweep(directory, grace_ms=0) == 50
    found = await read(directory, "old 1", with_entries=True)
    assert found.home is None and found.entries == ()
    assert (home := (await read(directory, "new")).home) is not None and home.alive


async def sweep(directory: Directory, grace_ms: int) -> int:
    return sum([await directory.ask(Sweep(grace_ms)) for _ in range(8)])


async def test_no_record_is_longer_than_is_allowed(directory: Directory) -> None:
    node = await register(directory, "a")
    huge = NodeRecord(id="a", region="x" * MAX_RECORD_BYTES)
    with pytest.raises(ArgumentError, match="record of node a"):
        await directory.ask(Renew("a", node.epoch, 0.0, huge))
    with pytest.raises(ArgumentError, match="entry 'track/T'"):
        await directory.ask(Put("a", node.epoch, "r", 1, "track/T", "é" * MAX_RECORD_BYTES))


async def test_what_a_record_says_comes_back_as_it_was(directory: Directory) -> None:
    record = NodeRecord(id="a", region="é", draining=True, link_url="l", client_url="c", fingerprint="f", version="9")
    renewed = await directory.ask(Renew("a", 0, 0.0, record))
    seen = await directory.ask(Look(0, ""))
    assert seen.nodes == (dataclasses.replace(record, epoch=renewed.epoch),)
