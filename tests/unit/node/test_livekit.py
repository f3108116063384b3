"""The node's settings of the LiveKit protocol: what does not fit stops the start, and says which setting it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

import sfu
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.livekit.server_api import build_server_api
from sfu.node.records.store import open_record_store
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.server_api import ServerApi

SECRET = "s" * 40


def load(**values: Any) -> Settings:
    return load_settings({"livekit_keys": {"one": SECRET, "two": SECRET}, "keys": {"k": SECRET}} | values, None)


def build(settings: Settings) -> ServerApi:
    livekit = LiveKit(sfu.Server(sfu.Config()), settings.livekit_secrets(), settings.build_livekit())
    return build_server_api(livekit, settings, open_record_store(settings), "http://127.0.0.1:1")


def test_without_settings_there_are_calls_and_no_webhooks_or_egress() -> None:
    api = build(load())
    assert api.webhooks is None and api.egresses is None


async def test_webhooks_wait_in_the_nodes_folder(tmp_path: Path) -> None:
    api = build(load(livekit_dir=str(tmp_path), livekit_webhook_urls="http://one/, https://two/x"))
    assert api.webhooks is not None
    await api.close()
    assert {path.name for path in tmp_path.iterdir()} >= {"webhooks.sqlite", "ingresses.sqlite"}


def test_egress_stands_on_records(tmp_path: Path) -> None:
    for name in ("records", "files"):
        (tmp_path / name).mkdir()
    folders = {"record_dir": str(tmp_path / "records"), "livekit_egress_dir": str(tmp_path / "files")}
    assert build(load(dev=True, keys={}, **folders)).egresses is not None


@pytest.mark.parametrize(
    ("values", "key", "said"),
    [
        ({"livekit_webhook_urls": "http://one/"}, "livekit_webhook_urls", "set livekit_dir, too"),
        (
            {"livekit_dir": "{folder}", "livekit_webhook_urls": "ftp://one/?s3cret"},
            "livekit_webhook_urls",
            "no HTTP URL",
        ),
        ({"livekit_dir": "{folder}", "livekit_webhook_urls": "http:///x"}, "livekit_webhook_urls", "no HTTP URL"),
        (
            {"livekit_dir": "{folder}", "livekit_webhook_urls": "http://one/", "livekit_webhook_key": "three"},
            "livekit_webhook_key",
            "none of livekit_keys",
        ),
        ({"livekit_dir": "{folder}/nowhere"}, "livekit_dir", "nothing can be written"),
        ({"livekit_egress_dir": "{folder}"}, "livekit_egress_dir", "set record_dir, too"),
        (
            {"dev": True, "keys": {}, "record_dir": "{folder}/r", "livekit_egress_dir": "{folder}/r/files"},
            "livekit_egress_dir",
            "must not stand among the records",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_setting(
    tmp_path: Path, values: dict[str, Any], key: str, said: str
) -> None:
    (tmp_path / "r" / "files").mkdir(parents=True)
    filled = {
        name: value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
        for name, value in values.items()
    }
    with pytest.raises(sfu.ConfigError, match=said) as refused:
        build(load(**filled))
    assert refused.value.key == key
    assert "s3cret" not in str(refused.value)


def test_without_keys_the_protocol_is_not_spoken() -> None:
    app = create_node_app(sfu.Server(sfu.Config()), load(livekit_keys={}))
    assert app.state.livekit is None and app.state.livekit_api is None


async def test_a_token_s_signature_is_checked_once_for_the_listener_and_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims = {"iss": "two", "sub": "alice", "exp": time.time() + 60, "video": {"roomJoin": True, "room": "lobby"}}
    token, checked, read = jwt.encode(claims, SECRET), [], []
    decode, decode_complete = jwt.decode, jwt.decode_complete
    monkeypatch.setattr(jwt, "decode", lambda *given, **more: checked.append(given) or decode(*given, **more))
    monkeypatch.setattr(jwt, "decode_complete", lambda *g, **more: read.append(g) or decode_complete(*g, **more))
    async with sfu.Server(sfu.Config()) as server:
        app = create_node_app(server, load())
        assert app.state.is_valid(token)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
            assert (await http.get("/rtc/validate", params={"access_token": token})).text == "success"
        await app.state.signaling.close()
    assert (len(checked), len(read)) == (1, 1), "read without its signature for keys of two kinds"
