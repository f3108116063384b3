"""The glossary is kept: what it names in capitals is a class of ours, and no class has a name that it avoids."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| term |", "| --- |"))
]
CLASSES = {
    node.name
    for path in (ROOT / "sfu").rglob("*.py")
    if "livekit" not in path.parts  # that protocol has words of its own
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
}


def test_every_term_is_explained_once() -> None:
    terms = [term for term, _, _ in ROWS]
    assert len(terms) > 40
    assert len(set(terms)) == len(terms)
    assert all(meaning for _, meaning, _ in ROWS)


def test_what_stands_in_capitals_is_a_class() -> None:
    named = {word for term, _, _ in ROWS for word in re.findall(r"\b[A-Z][a-z]+\b", term)}
    assert {"Room", "Peer", "Track", "Encoding", "Layer", "Subscription"} <= named
    assert named <= CLASSES


def test_no_class_has_a_name_that_is_avoided() -> None:
    avoided = {
        "".join(part.capitalize() for part in word.split())
        for _, _, words in ROWS
        for word in re.sub(r"\(.*?\)", "", words).split(",")
    } - {""}
    allowed = {term.strip().capitalize() for row in ROWS for term in re.split("[/,]", row[0])}
    assert (avoided - allowed) & CLASSES == set()
