"""The lowest versions of other packages that pyproject.toml takes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def requirements() -> Iterator[Requirement]:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = asked["project"]
    lists = [asked["build-system"]["requires"], project["dependencies"], *project["optional-dependencies"].values()]
    for text in (text for texts in lists for text in texts):
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            yield requirement


def lower_bounds() -> dict[str, Version]:
    """By name; where several are given, the highest, since extras come on top."""
    bounds: dict[str, Version] = {}
    for requirement in requirements():
        (bound,) = (Version(each.version) for each in requirement.specifier if each.operator == ">=")
        name = canonicalize_name(requirement.name)
        bounds[name] = max(bound, bounds.get(name, bound))
    return bounds
