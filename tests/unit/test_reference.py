"""The reference says what the code does: nothing is missing from it, and nothing in it is made up."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from typer.testing import CliRunner

import sfu
from sfu.node.app import create_node_app
from sfu.node.cli import app as command_line
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.tokens import DEV_KEY_ID, issue_token
from sfu.signaling import RecordStore
from sfu.signaling.http.headers import VIEWER_EVENTS
from sfu.signaling.streams.streams import _TRANSLATIONS
from tests.examples.pages import PAGES as HUMAN_PAGES
from tests.reference.commands import list_commands
from tests.reference.drops import DROPS
from tests.reference.events import VIEWER_TEXTS, find_events, translate
from tests.reference.http import find_schema, load_document, resolve
from tests.reference.metrics import collect_families, find_drop_reasons
from tests.reference.pages import FILES, PAGES, REFERENCE
from tests.reference.settings import describe_settings
from tests.unit.offers import make_offer

SDP = {"Content-Type": "application/sdp"}
SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = make_offer(("audio", "recvonly"), ("video", "recvonly"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes_of_it(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run: python -m tests.reference"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_what_the_code_makes_of_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path](), "run: python -m tests.reference"


def test_each_setting_says_what_it_is() -> None:
    assert {key for key, text in describe_settings().items() if not text} == set()


def test_each_command_and_option_says_what_it_is() -> None:
    commands = dict(list_commands())
    assert len(commands) > 9
    assert [name for name, command in commands.items() if not command.help] == []
    silent = [(name, param.name) for name, command in commands.items() for param in command.params if not param.help]
    assert silent == []


@pytest.mark.parametrize("name", dict(list_commands()))
def test_the_page_of_commands_has_what_help_shows_and_no_more(name: str) -> None:
    shown = CliRunner().invoke(
        command_line, [*name.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    )
    assert shown.exit_code == 0
    described = PAGES["commands.md"]().split(f"## sfu {name}\n")[1].split("\n## ")[0]
    offered = set(re.findall(r"^\W*(--[a-z-]+)", shown.output, re.MULTILINE)) - {"--help"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", described, re.MULTILINE)) == offered


def test_each_metric_says_what_it_is() -> None:
    families = list(collect_families())
    assert len({family.name for family in families}) == len(families) > 40
    assert [family.name for family in families if not family.documentation] == []
    assert [family.name for family in families if "The server's counter" in family.documentation] == []


@pytest.mark.parametrize("page", HUMAN_PAGES, ids=lambda page: page.name)
def test_metrics_that_a_page_names_are_there(page: Path) -> None:
    families = list(collect_families())
    known = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    named = set(re.findall(r"`(sfu_[a-z_]+)`", page.read_text(encoding="utf-8")))
    assert named <= known


def test_each_reason_of_a_drop_says_what_it_is() -> None:
    assert set(DROPS) == find_drop_reasons()


def test_each_event_says_what_it_is() -> None:
    kinds = find_events()
    assert all(kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}(") for kind in kinds)
    assert {kind for kind in kinds if translate(kind) is not None} == set(_TRANSLATIONS)
    assert set(VIEWER_TEXTS) == set(VIEWER_EVENTS)


def test_each_public_name_stands_in_the_reference() -> None:
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    missing = {name for name in sfu.__all__ if f"::: sfu.{name}\n" not in text}
    assert missing == set()
    signaling = {name for name in sfu.signaling.__all__ if f"::: sfu.signaling.{name}\n" not in text}
    assert signaling == set()


def test_each_member_that_the_reference_lists_is_there() -> None:
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"^::: sfu\.(\w+)\n    options:\n(?:      merge.*\n)?      members: \[([^]]*)\]", text, re.MULTILINE
    )
    assert len(listed) > 10
    for name, members in listed:
        owner = getattr(sfu, name)
        source = (
            "".join(inspect.getsource(each) for each in inspect.getmro(owner)[:-1]) if inspect.isclass(owner) else ""
        )
        for member in re.split(r",\s*", members):
            assert hasattr(owner, member) or re.search(rf"\bself\.{member}(?::[^=\n]+)? = ", source), f"{name}.{member}"


def test_the_description_of_the_resources_is_openapi() -> None:
    validate(load_document())


@pytest.fixture
def settings() -> Settings:
    return load_settings({"dev": True}, None)


@pytest.fixture
async def app(settings: Settings, tmp_path: Path) -> AsyncIterator[Starlette]:
    async with sfu.Server(settings.build_config()) as server:
        app = create_node_app(server, settings, RecordStore(tmp_path, sfu.SigningKey.generate()))
        yield app
        await app.state.signaling.close()


def find_resources(routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    """Path and method of each; files of the page, and second spellings of a path, are left out."""
    found = set()
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == ""  # the page
            continue
        assert isinstance(route, Route)
        if not route.path.endswith("/"):
            path = route.path.replace(":path}", "}")
            found |= {(path, method) for method in route.endpoint._handlers if method != "HEAD"}
    return found


async def test_each_resource_is_described_and_no_other(app: Starlette) -> None:
    paths = load_document()["paths"]
    described = {(path, method.upper()) for path, item in paths.items() for method in item if method != "parameters"}
    assert described == find_resources(app.routes)


@pytest.fixture
async def http(app: Starlette, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    secret = settings.secrets()[DEV_KEY_ID]
    rights = {"publish": True, "subscribe": True, "record": True, "admin": True}
    token = issue_token(DEV_KEY_ID, secret, room="lobby", now=time.time(), ttl=60, **rights)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as http:
        yield http


async def test_answers_are_what_is_described(
    http: httpx.AsyncClient, app: Starlette, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()

    async def ask(method: str, path: str, template: str = "", status: int = 200, **more: object) -> httpx.Response:
        response = await http.request(method, path, **more)
        assert response.status_code == status, response.text
        if response.content and status != 204:
            kind = response.headers["Content-Type"].partition(";")[0]
            schema = find_schema(status, template or path.partition("?")[0], method, kind)
            if kind.endswith("json"):
                OAS31Validator(schema).validate(response.json())
                seen.add((method, template or path.partition("?")[0], status))
        return response

    def about(what: str) -> str:
        return f"/rooms/{{room}}{what}"

    await ask("GET", "/healthz")
    await ask("GET", "/metrics")
    await ask("GET", "/rooms/lobby", about(""))
    await ask("GET", "/rooms/attic", about(""), 403)
    await ask("POST", "/rooms/lobby/whip", about("/whip"), 415)
    await ask("POST", "/rooms/lobby/whep", about("/whep"), 409, content=RECEIVE, headers=SDP)
    await ask("POST", "/rooms/lobby/whip?peer=alice", about("/whip"), 201, content=SEND, headers=SDP)
    session = (
        await ask("POST", "/rooms/lobby/whep?peer=bob", about("/whep"), 201, content=RECEIVE, headers=SDP)
    ).headers["Location"]
    layer = about("/sessions/{session}/layer")
    await ask("POST", f"{session}/layer", layer, json={"spatialLayerId": 0, "paused": True})
    await ask("POST", f"{session}/layer", layer, 404, json={"encodingId": "x"})
    await ask("POST", f"{session}/layer", layer, 422, json={"maxWidth": 9})
    stream = await ask("POST", f"{session}/sse", about("/sessions/{session}/sse"), 201, json=["layers"])
    await ask("DELETE", stream.headers["Location"], about("/sessions/{session}/sse/{stream}"))
    await ask("GET", session, about("/sessions/{session}"), 204)
    recording = about("/recording")
    await ask("GET", "/rooms/lobby/recording", recording, 404)
    await ask("POST", "/rooms/lobby/recording", recording, 201, json={"metadata": {"case": "7"}})
    await ask("GET", "/rooms/lobby/recording", recording)
    await ask("POST", "/rooms/lobby/recording", recording, 409)
    await ask("POST", "/rooms/lobby/recording/marks", f"{recording}/marks", 204, json={"name": "a", "data": {"n": 1}})
    await ask("POST", "/rooms/lobby/recording/phase", f"{recording}/phase", 204, json={"name": "evidence"})
    await ask("POST", "/rooms/lobby/recording/resume", f"{recording}/resume", 409, json={"authoriser": "judge"})
    pause = {"ground": "recess", "authoriser": "judge", "note": ""}
    await ask("POST", "/rooms/lobby/recording/pause", f"{recording}/pause", 204, json=pause)
    room = (await ask("GET", "/rooms/lobby", about(""))).json()
    await ask("POST", "/rooms/lobby/recording/resume", f"{recording}/resume", 204, json={"authoriser": "judge"})
    await ask("DELETE", "/rooms/lobby/recording", recording)
    await ask("GET", "/rooms/lobby/home", about("/home"))
    await ask("GET", "/rooms/lobby/stats", about("/stats"))
    await ask("GET", "/rooms/lobby/stats?peer=bob", about("/stats"))
    track = room["peers"][0]["tracks"][0]["id"]
    await ask("POST", f"/rooms/lobby/tracks/{track}/block", about("/tracks/{track}/block"), 204)
    await ask("POST", f"/rooms/lobby/tracks/{track}/unblock", about("/tracks/{track}/unblock"), 204)
    await ask("DELETE", "/rooms/lobby/peers/alice", about("/peers/{peer}"), 204)
    await ask("DELETE", session, about("/sessions/{session}"))
    await ask("DELETE", "/rooms/lobby?keep_out=0", about(""), 204)
    await ask("GET", "/admin/drain", status=403)
    secret = settings.secrets()[DEV_KEY_ID]
    token = issue_token(DEV_KEY_ID, secret, room="*", now=time.time(), ttl=60, admin=True)
    operator = {"headers": {"Authorization": f"Bearer {token}"}}
    await ask("GET", "/admin/restart", **operator)
    await ask("POST", "/admin/restart", **operator, status=409)  # it is no process of its own
    monkeypatch.setattr(app.state.restart, "begin", lambda: None)
    await ask("POST", "/admin/restart", **operator, status=202)
    await ask("GET", "/readyz")
    await ask("GET", "/admin/drain", **operator)
    await ask("POST", "/admin/drain", **operator, json={"seconds": 60})
    await ask("GET", "/readyz", status=503)
    await ask("DELETE", "/admin/drain", **operator)
    await ask("GET", "/admin/tenants", status=403)
    await ask("GET", "/admin/tenants", **operator)
    assert list_json_answers() <= seen


def list_json_answers() -> set[tuple[str, str, int]]:
    """All good answers that have JSON."""
    document = load_document()
    return {
        (method.upper(), path, int(status))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
        for status, response in operation["responses"].items()
        if status.startswith("2") and "application/json" in resolve(document, response).get("content", {})
    }
