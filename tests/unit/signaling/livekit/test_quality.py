"""How often a participant's connections are looked at to judge them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from livekit.protocol.models import ConnectionQuality

from sfu.signaling.livekit.participant import State
from sfu.signaling.livekit.quality import measure


class _Connection:
    """Has one track, which loses 5 %, and counts how often it is asked for its tracks."""

    def __init__(self) -> None:
        self.asked = 0
        self.subscriptions: tuple[object, ...] = ()
        self.bandwidth = SimpleNamespace(round_trip_time_s=0.0)

    @property
    def tracks(self) -> list[Any]:
        self.asked += 1
        stats = SimpleNamespace(encodings=[SimpleNamespace(fraction_lost=0.05)])
        return [SimpleNamespace(stats=lambda: stats)]


@pytest.mark.parametrize("single", [True, False])
def test_each_connection_is_looked_at_once_also_where_one_serves_both_directions(single: bool) -> None:
    publisher = _Connection()
    subscriber = publisher if single else _Connection()
    transports = SimpleNamespace(publisher=publisher, subscriber=subscriber)
    client: Any = SimpleNamespace(state=State.ACTIVE, transports=transports, connected=True)
    assert measure(client) == ConnectionQuality.GOOD
    assert (publisher.asked, subscriber.asked) == (1, 1)
