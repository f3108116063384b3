"""Load and quotas of a node that is a process, with real sockets, by each protocol."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from livekit import api
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.offers import make_offer

SEND, RECEIVE = make_offer(("audio", "sendonly")), make_offer(("audio", "recvonly"))
KEY, SECRET = "acme", "a-secret-that-is-long-enough-for-HS256"
PATIENCE_S = 60.0


def describe(client: httpx.Client, path: str, body: str) -> tuple[int, str | None, str | None]:
    """The status of an answer, the reason in its problem, and when to try again."""
    answer = client.post(path, content=body, headers={"Content-Type": "application/sdp"})
    reason = None if answer.status_code == 201 else answer.json().get("reason")
    return answer.status_code, reason, answer.headers.get("retry-after")


def make_url(url: str, identity: str, path: str = "/rtc") -> str:
    grants = api.VideoGrants(room_join=True, room="lobby")
    token = api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(grants).to_jwt()
    return f"{url}{path}?access_token={token}&protocol=16"


@pytest.mark.timeout(START_TIMEOUT)
def test_whip_whep_and_livekit_clients_are_refused_at_their_tenant_s_quota(tmp_path: Path) -> None:
    file, config = tmp_path / "quotas.sqlite", tmp_path / "sfu.toml"
    config.write_text(f'quota_file = "{file}"\n[livekit_keys]\n{KEY} = "{SECRET}"\n[quotas."*"]\npeers = 1\n', "utf-8")
    with node("--config", str(config)) as (process, url, token):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
            assert describe(client, "/rooms/lobby/whip?peer=alice", SEND)[0] == 201
            assert describe(client, "/rooms/lobby/whip?peer=bob", SEND) == (429, "quota_peers", "30")
            assert describe(client, "/rooms/lobby/whep?peer=bob", RECEIVE) == (429, "quota_peers", "30")
            socket_url = url.replace("http", "ws")
            with connect(make_url(socket_url, "carol")) as carol:  # another key's, who has her own
                assert carol.recv(timeout=20)
                with pytest.raises(InvalidStatus) as refused, connect(make_url(socket_url, "dora")):
                    pass
                assert refused.value.response.status_code == 429
                assert refused.value.response.headers["retry-after"] == "30"
                validated = httpx.get(make_url(url, "dora", "/rtc/validate"), timeout=20)
                assert (validated.status_code, validated.headers["retry-after"]) == (429, "30")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    with sqlite3.connect(file) as kept:
        seconds = dict(kept.execute("SELECT tenant, seconds FROM used").fetchall())
    kept.close()
    assert seconds.keys() == {"dev", KEY}
    assert all(0 < each < START_TIMEOUT for each in seconds.values())


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # the looks must not be what keeps it busy


@pytest.mark.timeout(START_TIMEOUT)
def test_a_busy_event_loop_lets_nobody_new_in_until_it_is_idle_again(tmp_path: Path) -> None:
    config = tmp_path / "sfu.toml"
    config.write_text(f'max_control_load = 0.05\n[livekit_keys]\n{KEY} = "{SECRET}"\n', "utf-8")
    with node("--config", str(config), "--log-level", "warning") as (_, url, token):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20) as client:

            def enter(peer: str) -> tuple[int, str | None, str | None]:
                return describe(client, f"/rooms/lobby/whip?peer={peer}", SEND)

            def is_refused() -> bool:
                """Ask as a client that asks before it comes, which leaves nothing behind."""
                return httpx.get(make_url(url, "carol", "/rtc/validate"), timeout=20).status_code == 503

            until(lambda: enter("alice")[0] == 201)  # the start has loaded it, too
            busy_since = time.monotonic()
            while not is_refused():
                assert time.monotonic() < busy_since + PATIENCE_S
                for _ in range(50):
                    client.get("/rooms/lobby")
            assert enter("bob") == (503, "control_load", "10")
            assert enter("alice")[0] == 201  # she is in
            until(lambda: not is_refused())
            assert enter("bob")[0] == 201
