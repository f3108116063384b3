"""Every command of `sfu`, with its arguments and options, from the typer app itself."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from sfu.node.cli import app
from tests.reference.docstrings import row, table

_HEAD = """\
# Command line

<!-- made by python -m tests.reference -->

Each command stands here with what it cannot do without. `sfu COMMAND --help` says the same at the terminal. What is
wrong with a command line ends it with exit code 2 and a sentence; where a command says nothing else, exit code 0 means
that it did what it was asked for.
"""
_CODE = re.compile(r"(\d+)  (.+)", re.DOTALL)
_NAMES = {int: "whole number", float: "number", str: "text", Path: "path"}
_UNSET = {"serve": "by the [configuration](configuration.md)"}
"""What an option without a default means, where that is not just nothing."""


def list_commands() -> Iterator[tuple[str, Any]]:
    """Each command by its full name, as `bench bwe`."""
    yield from _walk("", typer.main.get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for inner in sorted(command.commands):
        yield from _walk(f"{name} {inner}".strip(), command.commands[inner])


def build_commands() -> str:
    """The page."""
    parts = [_HEAD]
    for name, command in list_commands():
        parts.append("\n".join([f"## sfu {name}", "", *_describe_command(name, command)]).rstrip() + "\n")
    return "\n".join(parts)


def _describe_command(name: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    hints = typing.get_type_hints(command.callback)
    asked = [
        f"{each.opts[0]} {each.metavar or _describe_type(hints[each.name]).upper()}"
        for each in options
        if each.required
    ]
    yield from ("```", " ".join([f"sfu {name}", *asked, *map(_name_argument, arguments)]), "```", "")
    yield from _describe_help(command.help)
    if arguments:
        yield from table("argument", "takes", "what")
        yield from (
            row(f"`{_name_argument(param)}`", _describe_type(hints[param.name]), param.help) for param in arguments
        )
        yield ""
    if options:
        yield from table("option", "takes", "default", "what")
        for param in options:
            flags = ", ".join(f"`{flag}`" for flag in (*param.opts, *param.secondary_opts))
            default = _describe_default(param, _UNSET.get(name, "none"))
            yield row(flags, _describe_type(hints[param.name]), default, param.help)


def _describe_help(text: str) -> Iterator[str]:
    """Its paragraphs; those that begin with an exit code as a list."""
    listing = False
    for paragraph in text.split("\n\n"):
        code = _CODE.fullmatch(paragraph)
        if listing and code is None:
            yield ""
        listing = code is not None
        words = " ".join((paragraph if code is None else code[2]).split())
        yield from (words, "") if code is None else (f"* `{code[1]}`: {words}",)
    if listing:
        yield ""


def _name_argument(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _describe_type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), [each for each in typing.get_args(hint) if each is not type(None)]
    if hint is bool:
        return "nothing"
    if hint in _NAMES:
        return _NAMES[hint]
    if origin in (types.UnionType, typing.Union):
        return _describe_type(arguments[0])
    if origin is list:
        return f"{_describe_type(arguments[0])}, more than once"
    raise TypeError(hint)


def _describe_default(param: Any, unset: str) -> str:
    if param.required:
        return "must be given"
    by_variable = f"`{param.envvar}`, else " if param.envvar else ""
    match param.default:
        case None | "" | () | []:
            return f"{by_variable}{unset if not by_variable else 'none'}"
        case bool():
            return "on" if param.default else "off"
    return f"{by_variable}`{param.default}`"
