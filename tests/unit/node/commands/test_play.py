"""`sfu play` as a person starts and ends it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from sfu.node.cli import app
from tests.recorded.media import Take
from tests.recorded.record import Source, build_record


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("play") / "record"
    build_record(path, [Source("ann", "audio", [Take(0, 2_000)])], [], 2_000)
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["play", *arguments])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_a_folder_that_is_no_record_is_told(tmp_path: Path) -> None:
    code, output, error = run(str(tmp_path))
    assert (code, output) == (2, "")
    assert f"is {tmp_path} the folder of a record?" in error


def test_a_key_that_is_none_is_told(record: Path, tmp_path: Path) -> None:
    code, output, error = run(str(record), "--key", str(tmp_path / "none.pem"))
    assert (code, output) == (2, "")
    assert "none.pem: the key cannot be read" in error


def test_a_port_in_use_is_told(record: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output, error = run(str(record), "--port", str(taken.getsockname()[1]))
    assert (code, output) == (2, "")
    assert "set another --port" in error


async def test_it_prints_its_address_and_ends_with_an_interrupt(record: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("sfu"), "play", record),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            lines = [(await process.stdout.readline()).decode() for _ in range(2)]
            address = lines[1].strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
            async with httpx.AsyncClient() as http:
                assert (await http.get(address)).status_code == 200
                assert (await http.get(f"{address}media/1")).status_code == 200
                assert (await http.get(address[:-5] + "/")).status_code == 404
            assert len(list(tmp_path.iterdir())) == 1
            process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, errors) == (0, b"")
    assert not list(tmp_path.iterdir())
