"""Docstrings of attributes, which Python does not keep: read from the source of their class."""

from __future__ import annotations

import ast
import inspect
import textwrap


def read_attribute_docstrings(owner: type) -> dict[str, str]:
    """What stands below the attributes of a class, by name; each as one paragraph per paragraph."""
    [node] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = unwrap(text)
    return found


def unwrap(text: str) -> str:
    """A docstring with its lines joined, paragraph by paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def row(*cells: str) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def table(*head: str) -> list[str]:
    """The head of a Markdown table."""
    return [row(*head), row(*("---" for _ in head))]
