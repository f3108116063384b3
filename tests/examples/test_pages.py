"""What stands on the pages is true as far as a program can tell: code parses, commands are there, links lead."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
import textwrap
import tomllib
from pathlib import Path

import click
import pytest
import typer
import yaml

import sfu
from bench.bwe.cli import run_bwe
from sfu.node.cli import app
from sfu.node.commands.bench import bwe
from sfu.node.config.settings import Settings
from tests.examples.pages import BLOCKS, PAGES, ROOT, Block
from tests.interop.stable.client import SOURCES as CLIENTS
from tests.reference.http import DOCUMENT

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)|!\[[^]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:~/sfu/bin/)?sfu (?P<rest>.*?)(?:\s+#.*)?$")
INCLUDE = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)
KINDS = {"", "bash", "ini", "python", "sh", "text", "toml"}
"""`ini` and `text` are not parsed: a unit of systemd, configurations of others, what a program prints."""


def blocks_of(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in languages], ids=str)


def test_each_block_is_of_a_kind_that_is_looked_at() -> None:
    assert {block.language for block in BLOCKS} == KINDS
    assert all(page.read_text(encoding="utf-8").count("\n```") % 2 == 0 for page in PAGES)


@blocks_of("python")
def test_python_parses(block: Block) -> None:
    text = INCLUDE.sub(lambda found: (ROOT / found[1]).read_text(encoding="utf-8"), block.text)
    ast.parse(
        f"async def page():\n{textwrap.indent(text, '    ')}" if "async with" in text or "await" in text else text
    )


def test_the_package_s_own_example_parses() -> None:
    assert sfu.__doc__ is not None
    [example] = re.findall(r"```python\n(.*?)```", sfu.__doc__, re.DOTALL)
    [function] = ast.parse(f"async def page():\n{textwrap.indent(example, '    ')}").body
    assert isinstance(function, ast.AsyncFunctionDef)
    assert isinstance(function.body[0], ast.AsyncWith)
    assert len(function.body[0].body) == 2


@blocks_of("sh", "bash")
def test_shell_parses(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@blocks_of("toml")
def test_configurations_are_ones(block: Block) -> None:
    Settings.model_validate(tomllib.loads(block.text) | {"dev": False})


COMMANDS = [
    pytest.param(found["rest"], id=f"{block}-{number}")
    for block in BLOCKS
    if block.language in ("", "sh", "bash")
    for number, line in enumerate(block.text.splitlines())
    if (found := COMMAND.match(line))
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_know_their_options(command: str) -> None:
    """As far as it goes without doing it."""
    group = typer.main.get_command(app)
    name, *arguments = shlex.split(command)
    with click.Context(group) as outer:
        found = group.get_command(outer, name)  # type: ignore[attr-defined]
        assert found is not None, f"there is no sfu {name}"
        found.make_context(name, arguments, parent=outer)


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) >= 8


def test_the_bench_s_command_takes_what_the_bench_takes() -> None:
    def names(function: object) -> set[str]:
        return {name.removesuffix("_path") for name in inspect.signature(function).parameters}  # type: ignore[arg-type]

    assert names(bwe) == names(run_bwe)


def test_ffmpeg_is_told_what_the_tests_tell_it() -> None:
    """The page's command has the options of `tests/interop/stable/ffmpeg`, and no others."""
    [block] = [each for each in BLOCKS if each.text.startswith("ffmpeg ")]
    _ffmpeg, *said = shlex.split(block.text.replace("$TOKEN", "TOKEN").replace("\\\n", " "))
    names = ast.parse((CLIENTS / "ffmpeg" / "client.py").read_text(encoding="utf-8")).body
    constants = {node.targets[0].id: node.value for node in names if isinstance(node, ast.Assign)}
    told = [word for name in ("VIDEO", "AUDIO", "H264", "RATE", "OPUS") for word in ast.literal_eval(constants[name])]
    assert said[: len(told)] == told
    assert said[len(told) :][:4] == ["-f", "whip", "-authorization", "TOKEN"]


def test_gstreamer_is_told_what_the_tests_tell_it() -> None:
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "guide" / "publishing.md").read_text(encoding="utf-8"))
    source = re.sub(r'"\s*f?"', "", (CLIENTS / "gstreamer" / "client.py").read_text(encoding="utf-8"))
    parts = re.findall(r"(?:videotestsrc|audiotestsrc|vp8enc|webrtcbin|rtpvp8pay) [a-z0-9=/, !-]+", page)
    assert parts
    for part in parts:
        words = part.strip(" !").removesuffix(" application")
        assert words.split(" ! application")[0].strip() in source, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link, picture in LINK.findall(text):
        target = (link or picture).partition("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_there_are_links_to_follow() -> None:
    assert sum(len(LINK.findall(page.read_text(encoding="utf-8"))) for page in PAGES) > 50


def test_paths_on_the_pages_are_resources() -> None:
    """What a page calls `/rooms/...` with a method is in the description of the resources."""
    described = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    known = [re.sub(r"\{\w+\}", "[^/]+", path) for path in described]
    named = [
        (page, method, path)
        for page in PAGES
        for method, path in re.findall(r"`(GET|POST|DELETE|PATCH) (/[^\s`?]*)", page.read_text(encoding="utf-8"))
        if not path.endswith(".html")
    ]
    assert len(named) > 5
    for page, method, path in named:
        matching = [name for name, pattern in zip(described, known, strict=True) if re.fullmatch(pattern, path)]
        assert any(method.lower() in described[name] for name in matching), f"{page}: {method} {path}"
