"""A Peer's Tracks count over all its connections, but for those that are about to be replaced."""

from __future__ import annotations

import pytest

from sfu.errors import LimitError
from sfu.session.track_quota import TrackQuota


def test_tracks_count_over_all_connections_as_they_come_and_go() -> None:
    quota = TrackQuota(3)
    first: list[str] = []
    quota.add("a", first)
    quota.add("b", ["video"])
    quota.check(2)
    first += ["audio", "video"]
    with pytest.raises(LimitError, match="3 Tracks and 1 more; a Peer may publish 3") as caught:
        quota.check(1)
    assert caught.value.key == "max_tracks_per_peer"
    quota.discard("b")
    quota.check(1)


def test_what_is_replaced_does_not_count() -> None:
    quota = TrackQuota(1)
    quota.add("a", ["video"])
    quota.replaced = frozenset({"a"})
    quota.check(1)
    quota.replaced = frozenset()
    with pytest.raises(LimitError):
        quota.check(1)
