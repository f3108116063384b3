"""The dated list of dependencies and `pyproject.toml` say the same, and what is installed is as new as both ask."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.lower_bounds import ROOT, lower_bounds

ADVISORY = r"(?:CVE-\d{4}-\d+|GHSA(?:-[0-9a-z]{4}){3})"
BUILDS = "setuptools"
"""Used in an environment of its own."""


def listed() -> dict[str, tuple[Version, str]]:
    rows = re.findall(
        r"^\| ([\w-]+) \| ([\d.]+) \| (.+) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE
    )
    return {canonicalize_name(name): (Version(bound), holes) for name, bound, holes in rows}


def test_list_and_project_file_have_the_same_bounds() -> None:
    assert {name: bound for name, (bound, _) in listed().items()} == lower_bounds()


@pytest.mark.parametrize("name", sorted(listed()))
def test_no_bound_is_below_where_its_holes_were_mended(name: str) -> None:
    bound, holes = listed()[name]
    mended = [Version(version) for version in re.findall(rf"{ADVISORY} \(([\d.]+)\)", holes)]
    assert bool(mended) == bool(re.search(ADVISORY, holes)) == (not holes.startswith("none known"))
    assert all(version <= bound for version in mended)


@pytest.mark.parametrize("name", sorted(set(lower_bounds()) - {BUILDS}))
def test_what_is_installed_is_new_enough(name: str) -> None:
    try:
        installed = Version(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert installed >= lower_bounds()[name]
