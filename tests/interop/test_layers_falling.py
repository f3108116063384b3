"""A viewer's path falls to a fraction: the picture goes on within a second, and no more is sent than it carries."""

from __future__ import annotations

import pytest

from bench.netem.config import LinkConfig
from bench.netem.proxy import ThreadedProxy
from tests.interop.answerer import host_address
from tests.interop.conftest import OpenPage
from tests.interop.layered import WIDTH, Stage, longest_gap_ms, simulcast
from tests.interop.node_process import NodeProcess, new_room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(360),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]

ONE_WAY_S = 0.02
WIDE = LinkConfig(delay_s=ONE_WAY_S, rate_bps=3_000_000.0, queue_s=0.3, bucket_bytes=5_000)
"""What `tc qdisc add ... tbf rate 3mbit burst 5kb latency 300ms` makes of a path."""
NARROW_BPS = 400_000.0
RATES = {"q": 150_000, "h": 500_000, "f": 1_700_000}
GAP_MS = 1_000.0
MOST_OVERFLOW = 0.02
"""What is sent beyond the path's rate overflows its queue. Which sizes fit is the browser's encoder's to say."""


@pytest.mark.parametrize("attempt", range(4))
async def test_the_picture_goes_on_and_fits(open_page: OpenPage, node: NodeProcess, attempt: int) -> None:
    stage = Stage(node, new_room())
    encodings = [each | {"maxBitrate": RATES[each["rid"]]} for each in simulcast()]
    up = LinkConfig(delay_s=ONE_WAY_S)
    with ThreadedProxy(host=host_address(), up=up, down=WIDE, seed=attempt) as path:
        publisher = await stage.publish(await open_page("chromium"), "VP8", encodings)
        assert publisher is not None
        await publisher.sends(list(RATES))
        viewer = await stage.watch(await open_page("chromium"), rewrite=path.rewrite)
        await viewer.first_of_width(WIDTH)
        await viewer.look(8.0)
        path.change(down={"rate_bps": NARROW_BPS})
        falling = await viewer.look(4.0)
        before = path.counts().down
        fallen = await viewer.look(16.0)
        after = path.counts().down
    assert longest_gap_ms([*falling, *fallen]) <= GAP_MS
    assert fallen
    sent, overflowed = after.sent - before.sent, after.overflowed - before.overflowed
    assert overflowed <= MOST_OVERFLOW * sent
