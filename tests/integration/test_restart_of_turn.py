"""Clients that relay through a node's own port keep the credentials that they have while it is restarted in place."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import httpx
import pytest
from aioice import turn

from tests.integration.clients import client
from tests.integration.node_log import PATIENCE_S, Log, until
from tests.unit.node.process import START_TIMEOUT, node

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)
BY_UDP = "import os; os.environ.update(SFU_TURN_UDP='true', SFU_UDP_HOST='127.0.0.1')"
TOLD = re.compile(
    r'<turn:127\.0\.0\.1:(\d+)\?transport=(\w+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"'
)
Told = dict[str, tuple[int, str, str]]


async def ask(http: httpx.AsyncClient) -> Told:
    """Port, user name and credential by transport, as who begins a session is told them."""
    async with client() as alice:
        alice.send()
        made = await http.post(
            "/rooms/lobby/whip", content=await alice.offer(), headers={"Content-Type": "application/sdp"}
        )
    assert made.status_code == 201, made.text
    found = TOLD.findall(made.headers["link"])
    return {transport: (int(port), name, credential) for port, transport, name, credential in found}


async def allocate(told: Told, transport: str) -> None:
    """As a client by the one of the two; raises what it says where it is refused."""
    port, username, credential = told[transport]
    made, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=("127.0.0.1", port),
        username=username,
        password=credential,
        transport=transport,
    )
    made.close()


async def test_credentials_from_before_a_restart_are_good_after_it_by_tcp_and_by_udp() -> None:
    with node("--log-format", "json", before=BY_UDP) as (process, url, token):
        log = Log(process)
        http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)
        told = await ask(http)
        assert set(told) == {"udp", "tcp"}
        for transport in told:
            await allocate(told, transport)
        process.send_signal(signal.SIGUSR2)
        await asyncio.to_thread(until, lambda: log.find("restarted: the successor serves"))
        [successor] = {line["successor"] for line in log.find("restarting: the successor starts")}
        try:
            for transport in told:
                await allocate(told, transport)
            after = await ask(http)
            assert {each: after[each][0] for each in after} == {each: told[each][0] for each in told}
        finally:
            await http.aclose()
            os.kill(successor, signal.SIGKILL)
