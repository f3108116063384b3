from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from typer.testing import CliRunner

import sfu
from sfu.node.cli import app
from sfu.node.commands.warm import CompileBar


@pytest.mark.parametrize(("shares", "told"), [((0.0, 0.5), 2), ((), 0)], ids=["first", "later"])
def test_it_compiles_and_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...], told: int
) -> None:
    def compile_kernels(progress: Callable[[float], None]) -> None:
        for share in shares:
            progress(share)

    monkeypatch.setattr(sfu, "compile_kernels", compile_kernels, raising=False)
    result = CliRunner().invoke(app, ["warm"])
    assert (result.exit_code, result.stdout) == (0, "The forwarding plane is compiled.\n")
    assert len(result.stderr.splitlines()) == told


def test_a_terminal_shows_a_bar() -> None:
    shown = io.StringIO()
    bar = CompileBar(Console(file=shown, force_terminal=True, width=100))
    for share in (0.1, 0.5):
        bar.show(share)
    bar.end(2.0)
    assert "50%" in shown.getvalue()
    assert "compiled in 2 s" in shown.getvalue()
