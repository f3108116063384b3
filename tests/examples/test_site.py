"""The documentation builds without a warning, and what it shows comes from itself alone."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(360)

ROOT = Path(__file__).parents[2]
BUILD_S = 300
"""Three seconds of work; what else a machine does at that time is not known."""
LOADS = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)|<link\b[^>]*\bhref=\"([^\"]*)\"[^>]*>")
INCLUDE = re.compile(r'^--8<-- "(.*)"$', re.MULTILINE)
TAG = re.compile(r"<[^>]+>")
FETCHES = re.compile(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]*)|@import\s+['\"]?([^;'\"]*)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "sfu").symlink_to(ROOT / "sfu")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [program, "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_S
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "griffe" not in said, said  # a docstring that cannot be read
    return folder / "site"


def test_each_page_of_the_docs_is_built_and_named(site: Path) -> None:
    named = re.findall(r": ([\w/-]+)\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    there = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")}
    assert set(named) == there
    assert all((site / ("" if name == "index" else name) / "index.html").is_file() for name in named)


def test_programs_stand_on_the_pages_that_include_them(site: Path) -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")}
    included = [(page, ROOT / found[1]) for page, text in pages.items() for found in INCLUDE.finditer(text)]
    assert {program.name for _, program in included} >= {"plain.py", "fastapi_app.py", "audio_bridge.py", "chat.py"}
    for page, program in included:
        built = site / page.relative_to(ROOT / "docs").with_suffix("") / "index.html"
        text = html.unescape(TAG.sub("", built.read_text(encoding="utf-8")))
        assert program.read_text(encoding="utf-8").splitlines()[-1] in text, f"{page}: {program}"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages, styles = [*site.rglob("*.html")], [*site.rglob("*.css")]
    assert pages and styles
    for page in pages:
        loaded = [*LOADS.finditer(page.read_text(encoding="utf-8"))]
        assert loaded, page
        for found in loaded:
            address = found[1] or found[2] or ""
            assert not re.match(r"(?:https?:)?//", address) or 'rel="canonical"' in found[0], f"{page}: {found[0]}"
    for style in styles:
        assert FETCHES.findall(style.read_text(encoding="utf-8")) == [], style


def test_the_public_names_are_explained(site: Path) -> None:
    page = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    for name in ("sfu.Server.start", "sfu.Room.join", "sfu.Subscription.set_ceiling", "sfu.Recording.stop"):
        assert f'id="{name}"' in page, name
