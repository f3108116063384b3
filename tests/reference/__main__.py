"""Writes the pages."""

from __future__ import annotations

from tests.reference.pages import FILES, PAGES, REFERENCE

for path, build in {**{REFERENCE / name: build for name, build in PAGES.items()}, **FILES}.items():
    path.write_text(build(), encoding="utf-8")
