"""A browser that relays all that it sends, by TURN over UDP on the media port (`turn_udp`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.browsers import Chromium
from tests.interop.livekit.ways import WAY, open_court
from tests.interop.namespaces import NODE4

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(400),
    pytest.mark.skipif(not Chromium.installed(), reason="Chromium is not installed"),
]


BY_UDP_ALONE = """(() => {
  const only = (settings) => ({ ...settings, iceServers: (settings.iceServers ?? []).flatMap((server) => {
    const urls = [server.urls].flat().filter((url) => url.includes("transport=udp"));
    return urls.length ? [{ ...server, urls }] : [];
  }) });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(settings = {}) { super(only(settings)); }
    setConfiguration(settings) { super.setConfiguration(only(settings)); }
  };
})()"""
"""Who has another TURN server besides, by TCP, may stay with it: which one Chromium tries first is chance."""


@pytest.mark.parametrize("by_link", [False, True])
async def test_who_relays_all_sees_and_is_seen(tmp_path: Path, by_link: bool) -> None:
    """`by_link`: finds the node, and so its TURN server, at an address from which the system would not answer."""
    async with open_court(tmp_path, SFU_TURN_UDP="true") as court:
        host = court.town.links[court.seats["udp"].namespace] if by_link else ""
        async with court.enter("udp", BY_UDP_ALONE, host=host, policy="relay") as relayed, court.enter("v6") as other:
            for page, whom in ((relayed, "v6"), (other, "udp")):
                await page.until(f"flows('{whom}', 'camera')")
                await page.until(f"flows('{whom}', 'microphone')")
            assert await relayed.page.evaluate(WAY) == f"relay udp udp {NODE4}"
