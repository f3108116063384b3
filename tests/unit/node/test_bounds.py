"""A node at its limit, and tenants at theirs, as clients and operators see it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from livekit import api
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import sfu
from sfu.node.admission.load import Readings
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import SettingsError, load_settings
from sfu.node.records.store import open_record_store
from sfu.node.tokens import issue_token
from tests.unit.offers import make_offer

SECRETS = {name: f"the-secret-of-{name}-that-is-long-enough" for name in ("acme", "bank")}
SEND = make_offer(("audio", "sendonly"))
SDP = {"Content-Type": "application/sdp"}


def load(**flags: Any) -> Settings:
    keys = ",".join(f"{name}:{secret}" for name, secret in SECRETS.items())
    return load_settings({"keys": keys, "livekit_keys": keys, "metrics_token": "m" * 20, **flags}, None)


class Node:
    """The app of a node, and clients of it."""

    def __init__(self, server: sfu.Server, app: Starlette, http: httpx.AsyncClient) -> None:
        self.server = server
        self.app = app
        self.http = http
        self.opened = time.time()
        """When all tokens are issued: who has the same rights has the same token, and so is the same person."""

    async def post(self, path: str, tenant: str = "acme", body: str = SEND, **rights: bool) -> httpx.Response:
        token = issue_token(
            tenant, SECRETS[tenant], room="*", now=self.opened, ttl=60, publish=True, subscribe=True, **rights
        )
        return await self.http.post(path, content=body, headers=SDP | {"Authorization": f"Bearer {token}"})

    async def validate(self, identity: str, room: str = "lobby", tenant: str = "acme") -> httpx.Response:
        grants = api.VideoGrants(room_join=True, room=room)
        token = api.AccessToken(tenant, SECRETS[tenant]).with_identity(identity).with_grants(grants).to_jwt()
        return await self.http.get("/rtc/validate", params={"access_token": token})

    async def scrape(self) -> dict[tuple[str, ...], float]:
        text = (await self.http.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"})).text
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def overload(self, *, free: int = 1 << 40) -> None:
        """As if all threads had been busy for half a minute."""
        for second in range(30):
            reading = Readings(float(second), (float(second),), float(second), free_bytes={0: free})
            self.app.state.bounds.load.update(reading)


@asynccontextmanager
async def run(settings: Settings) -> AsyncIterator[Node]:
    async with sfu.Server(settings.build_config()) as server:
        app = create_node_app(server, settings, open_record_store(settings))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
            yield Node(server, app, http)
        await app.state.signaling.close()
        await app.state.livekit.close()
        await app.state.livekit_api.close()
        await app.state.bounds.close()


@pytest.fixture
def records(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "records").mkdir()
    key = tmp_path / "key.pem"
    sfu.load_or_create_signing_key(key)
    return {"record_dir": str(tmp_path / "records"), "record_key": str(key)}


async def test_a_node_at_its_limit_refuses_who_is_new_and_keeps_who_is_in() -> None:
    async with run(load()) as node:
        first = await node.post("/rooms/lobby/whip?peer=alice")
        gone = await node.post("/rooms/lobby/whip?peer=bob")
        token = gone.request.headers["Authorization"]
        await node.http.delete(gone.headers["location"], headers={"Authorization": token})
        node.overload()
        refused = await node.post("/rooms/lobby/whip?peer=carol")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert refused.json()["reason"] == "plane_load"
        assert (await node.post("/rooms/lobby/whip?peer=alice")).status_code == 201
        assert (await node.post("/rooms/lobby/whip?peer=bob")).status_code == 201  # he was there a moment ago
        answer = await node.validate("dora")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert first.status_code == 201
        found = await node.scrape()
        assert found["sfu_load", "plane_load"] > 0.9
        assert found["sfu_load_bound", "plane_load"] == 0.9
        assert found["sfu_refused_demands_total", "plane_load"] == 2
        assert found["sfu_refused_demands_total", "control_load"] == 0


async def test_load_can_be_let_be() -> None:
    off = {f"max_{name}_load": 1.0 for name in ("plane", "control", "memory", "descriptor")}
    async with run(load(**off)) as node:
        node.overload()
        assert (await node.post("/rooms/lobby/whip")).status_code == 201


async def test_no_recording_begins_on_a_disk_that_is_short(records: dict[str, str]) -> None:
    async with run(load(**records)) as node:
        node.app.state.bounds.load.update(Readings(0.0, free_bytes={0: 1000}))
        refused = await node.post("/rooms/lobby/recording", body="", record=True)
        assert (refused.status_code, refused.json()["reason"]) == (503, "disk_space")
        node.app.state.bounds.load.update(Readings(0.0, free_bytes={0: 1 << 40}))
        assert (await node.post("/rooms/lobby/recording", body="", record=True)).status_code == 201


async def test_a_tenant_has_its_quota_by_either_protocol_and_others_have_theirs(records: dict[str, str]) -> None:
    quotas = '{"acme": {"rooms": 2, "peers": 2, "recordings": 1}, "*": {"peers": 5}}'
    async with run(load(quotas=quotas, **records)) as node:
        assert (await node.post("/rooms/one/whip?peer=alice")).status_code == 201
        assert (await node.post("/rooms/two/whip?peer=alice")).status_code == 201
        refused = await node.post("/rooms/one/whip?peer=bob")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        problem = refused.json()
        assert (problem["reason"], problem["limit"], problem["used"]) == ("quota_peers", 2, 2)
        assert (await node.post("/rooms/three/whip?peer=bob")).json()["reason"] == "quota_rooms"
        assert (await node.validate("bob", "one")).status_code == 429
        assert (await node.validate("bob", "one", "bank")).status_code == 200
        assert (await node.post("/rooms/one/whip?peer=bob", "bank")).status_code == 201
        assert (await node.post("/rooms/one/recording", body="", record=True)).status_code == 201
        again = await node.post("/rooms/two/recording", body="", record=True)
        assert (again.status_code, again.json()["reason"]) == (429, "quota_recordings")
        operator = issue_token("acme", SECRETS["acme"], room="*", now=time.time(), ttl=60, admin=True)
        listed = await node.http.get("/admin/tenants", headers={"Authorization": f"Bearer {operator}"})
        acme, bank = listed.json()["tenants"]
        assert (acme["tenant"], bank["tenant"]) == ("acme", "bank")
        assert {"name": "peers", "used": 2, "limit": 2} in acme["quotas"]
        assert {"name": "rooms", "used": 0, "limit": None} in bank["quotas"]
        found = await node.scrape()
        used = {key[1:]: value for key, value in found.items() if key[0] == "sfu_quota_used"}
        assert used["peers", "acme"] == used["rooms", "acme"] == 2
        assert (used["recordings", "acme"], used["rooms", "bank"], used["peers", "bank"]) == (1, 0, 1)
        assert found["sfu_quota_limit", "peers", "bank"] == 5
        assert ("sfu_quota_limit", "rooms", "bank") not in found
        assert {tenant for _, tenant in used} == set(SECRETS)


def test_quotas_are_for_keys_that_there_are(tmp_path: Path) -> None:
    for quotas, message in (
        ('{"acne": {"peers": 2}}', "'acne' is the id of no key"),
        ('{"acme": {"seats": 2}}', "quotas.acme.seats"),
        ('{"acme": {"peers": -1}}', "greater than or equal to 0"),
        ("acme:2", "is not a JSON object"),
    ):
        with pytest.raises(SettingsError, match=message):
            load(quotas=quotas)
    file = tmp_path / "sfu.toml"
    file.write_text(f'[keys]\nacme = "{SECRETS["acme"]}"\n[quotas.acme]\npeers = 2\n[quotas."*"]\nrooms = 1\n')
    table = load_settings({}, file).build_quotas()
    assert (table["acme"].peers, table["acme"].rooms, table["*"].rooms) == (2, None, 1)


async def test_minutes_without_a_file_are_said_to_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quotas = '{"acme": {"minutes_per_month": 100}}'
    async with run(load(quotas=quotas, quota_file=str(tmp_path / "quotas.sqlite"))):
        assert "begin anew" not in caplog.text
    async with run(load(quotas=quotas)):
        assert "minutes of tenants begin anew" in caplog.text
