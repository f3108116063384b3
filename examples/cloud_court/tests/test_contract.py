"""The API against its OpenAPI description, by schemathesis: no request makes an error of the server's own."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import httpx
import pytest
import uvicorn

from court.demo.people import PASSWORD, STAFF
from court.demo.seed import seed
from court_stage import Stage

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.breadth
@pytest.mark.timeout(900)  # three thousand requests
async def test_no_request_breaks_the_server_and_each_answer_is_as_described(tmp_path: Path) -> None:
    stage = Stage.open("", tmp_path)
    await seed(stage.court)
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    http = uvicorn.Server(uvicorn.Config(stage.app, log_level="warning", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        login = await client.post("/api/login", json={"phone": STAFF[1][2], "password": PASSWORD})
        headers = {"Cookie": f"court_session={client.cookies['court_session']}", "X-CSRF": login.json()["csrf"]}
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    program = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(program), "run", f"{base}/api/openapi.json", "-n", "3", "--seed", "1", "--checks", CHECKS, *given,
        "--exclude-path", "/api/logout", "--phases", "coverage,fuzzing", "--no-color", "--request-timeout", "30",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    told, _ = await process.communicate()
    http.should_exit = True
    await serving
    await stage.close()
    assert process.returncode == 0, told.decode()[-6000:]
