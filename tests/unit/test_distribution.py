"""What the distribution is called, in the project file, in the code and on the pages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sfu.version import DISTRIBUTION, read_version
from tests.examples.pages import PAGES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALLS = re.compile(r"\b(?:pip3?|uv|pipx|poetry) (?:install|add|run)\b[^\n`#]*")
BY_NAME = re.compile(r"(?<![\w./-])sfu(?:-media)?(?:\[[^]]*\])?(?=['\"\s`,;)]|$)")
"""A distribution on an index; a path or a wheel is none."""


def test_the_code_looks_for_the_distribution_that_the_project_file_names() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", read_version())


def test_extras_that_are_made_of_others_name_this_distribution() -> None:
    wanted = [text for texts in PROJECT["optional-dependencies"].values() for text in texts if "[" in text]
    own = [text for text in wanted if text.startswith("sfu")]
    assert own
    assert all(text.startswith(f"{DISTRIBUTION}[") for text in own)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_installs_by_name_what_is_not_published(page: Path) -> None:
    """On package indexes `sfu` is somebody else's, and ours is not there yet: pages install a clone or a wheel."""
    found = [line for line in INSTALLS.findall(page.read_text(encoding="utf-8")) if BY_NAME.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("line", "by_name"),
    [
        ("pip install sfu", True),
        ("pip install 'sfu[node]'", True),
        ("pip install --upgrade sfu-media", True),
        ('uv add "sfu-media[node]"', True),
        ("pip install '.[node]'", False),
        ("pip install 'dist/sfu_media-0.1.0-py3-none-any.whl[node]'", False),
        ("pip install -e ~/src/sfu", False),
    ],
)
def test_what_an_install_by_name_looks_like(line: str, by_name: bool) -> None:
    [command] = INSTALLS.findall(line)
    assert (BY_NAME.search(command) is not None) is by_name
