"""Writes the pages."""

from __future__ import annotations

from tests.reference.pages import PAGES, REFERENCE

for name, build in PAGES.items():
    (REFERENCE / name).write_text(build(), encoding="utf-8")
