"""The app as a whole: its contract, its news over a socket, the demonstration."""

from __future__ import annotations

import re
from pathlib import Path

from court.app import build_court, create_app
from court.config import CourtConfig
from court.demo.seed import NUMBER, PASSWORD, PEOPLE, STAFF
from court.errors import CODES
from court_stage import Stage
from starlette.testclient import TestClient

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


def test_a_page_is_told_over_its_socket_what_changes_and_others_are_not_let_in(tmp_path: Path) -> None:
    import asyncio

    from court.demo.seed import seed

    court = build_court(CourtConfig(folder=tmp_path))
    told = asyncio.run(seed(court))
    assert any(PASSWORD in line for line in told)
    app = create_app(court, web=tmp_path / "none")
    with TestClient(app, base_url="http://court.test") as client:
        login = client.post("/api/login", json={"phone": PEOPLE[0][2], "password": PASSWORD}).json()
        (case,) = client.get("/api/cases").json()["items"]
        assert case["number"] == NUMBER
        with client.websocket_connect("/api/live", headers={"host": "court.test"}) as socket:
            assert socket.receive_json()["what"] == "ready"
            headers = {"X-CSRF": login["csrf"]}
            client.post(f"/api/cases/{case['id']}/messages", json={"text": "您好"}, headers=headers)
            assert socket.receive_json()["topic"] == "messages"
        for role in (*STAFF, *PEOPLE):
            assert client.post("/api/login", json={"phone": role[2], "password": PASSWORD}).status_code == 200, role
