"""`sfu doctor`: what on this machine would hurt a node."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from sfu.node.doctor.diagnosis import Diagnosis

_COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    config: Annotated[
        Path | None,
        # envvar as config.sources.CONFIG_VARIABLE, which takes long to import
        typer.Option("--config", metavar="FILE", envvar="SFU_CONFIG", help="TOML file with settings, as for serve."),
    ] = None,
    dev: Annotated[bool, typer.Option("--dev", help="As for a node that is started with --dev.")] = False,
    stun: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="STUN server to ask how others see this machine.")
    ] = "",
    time_from: Annotated[str, typer.Option(metavar="URL", help="Web server to compare the clock with.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at ports, addresses, buffers, clock, certificate, disks, limits and caches, and say what to change.

    Run it as the node's user. It changes nothing, and asks nobody unless --stun or --time-from names a server. Each
    line is ok, warn or fail, what was seen, and what to change. A node may run meanwhile. Exit codes:

    0  nothing fails, though something may be warned of;

    1  a node would not start here, or not do as it is set.
    """
    found = list(_diagnose(config, dev=dev, stun=stun, time_from=time_from))
    worst = next((level for level in ("fail", "warn") if any(each.level == level for each in found)), "ok")
    if json:
        import dataclasses

        typer.echo(jsonlib.dumps({"worst": worst, "checks": [dataclasses.asdict(each) for each in found]}, indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for each in found:
            advice = f"; {each.advice}" if each.advice else ""
            line = escape(f"{each.what}: {each.seen}{advice}")
            console.print(f"[{_COLORS[each.level]}]{each.level:<4}[/] {line}")
    raise typer.Exit(1 if worst == "fail" else 0)


def _diagnose(config: Path | None, *, dev: bool, stun: str, time_from: str) -> list[Diagnosis]:
    from sfu.node.config.sources import SettingsError, find_unknown_variables, load_settings
    from sfu.node.doctor.diagnosis import Diagnosis
    from sfu.node.doctor.rounds import examine

    found = [
        Diagnosis("environment", "warn", f"{name} is no setting", "correct its name, or unset it")
        for name in find_unknown_variables(os.environ)
    ]
    try:
        settings = load_settings({"dev": True if dev else None}, config)
    except SettingsError as error:
        advice = "correct it; nothing else was looked at"
        return [*found, *(Diagnosis("configuration", "fail", str(each), advice) for each in error.problems)]
    found.append(Diagnosis("configuration", "ok", f"{config or 'defaults and environment'} can be used"))
    return [*found, *examine(settings, stun=stun, time_from=time_from)]
