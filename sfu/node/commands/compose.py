"""`sfu compose`: a film of a hearing, from its record."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sfu.node.records.exit_codes import EXIT_INCOMPLETE, EXIT_NO_FILM
from sfu.recording.errors import RecordError

_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_err = Console(stderr=True)


def compose(
    record: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the record.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The film: an MP4 file.")],
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the picture, in pixels.")] = "1280x720",
    fps: Annotated[str, typer.Option(metavar="N", help="Pictures a second, as 25 or 30000/1001.")] = "25",
    tz: Annotated[str, typer.Option(metavar="ZONE", help="Time zone of the clock, as Europe/Berlin.")] = "UTC",
    font: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Font file (.ttf, .otf, .ttc) to draw names with; may be repeated."),
    ] = None,
    keep_pauses: Annotated[
        bool, typer.Option("--keep-pauses", help="Show a pause's card as long as the pause was, not for 3 s.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a film that is there already.")] = False,
) -> None:
    """Make a film of a record: all who spoke, the clock, pauses and gaps as cards, a chapter for each mark.

    Beside the film stands FILE.json, which says by hashes which record it was made from.

    Exit codes:

    0  the film is whole;

    1  it was made, but media of the record are missing or damaged: they are named, and the film shows a card instead;

    2  no film was made, and the reason is said.
    """
    try:
        from sfu.recording.compose.film import compose_film
        from sfu.recording.compose.options import ComposeOptions
    except ImportError as error:
        raise _fail(f"{error.name} is not installed; this does it: pip install 'sfu-media[compose]'") from error
    try:
        width, height = _parse_size(size)
        options = ComposeOptions(
            width=width,
            height=height,
            fps=_parse_fps(fps),
            zone=_parse_zone(tz),
            fonts=tuple(font or ()),
            keep_pauses=keep_pauses,
            overwrite=overwrite,
        )
    except ValueError as error:
        raise _fail(str(error)) from error
    try:
        with _build_progress() as progress:
            task = progress.add_task("composing", total=None, speed="")
            seconds = float(1 / options.fps)

            def report(done: int, total: int) -> None:
                elapsed = progress.tasks[task].elapsed or 0.0
                speed = f"{done * seconds / elapsed:.1f} x real time" if elapsed > 1 else ""
                progress.update(task, completed=done, total=total, speed=speed)

            film = compose_film(record, output, options, report)
    except RecordError as error:
        raise _fail(str(error)) from error
    except KeyboardInterrupt:
        _err.print("interrupted: no film was made", highlight=False)
        raise typer.Exit(130) from None
    for warning in film.warnings:
        _say("yellow", "warning", warning)
    for problem in film.problems:
        _say("red", "missing", problem)
    typer.echo(f"{film.path}: {datetime.timedelta(seconds=film.duration_us // 1_000_000)}, linked by {film.link}")
    if film.problems:
        raise typer.Exit(EXIT_INCOMPLETE)


def _build_progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
    )


def _fail(message: str) -> typer.Exit:
    _say("bold red", "error", message)
    return typer.Exit(EXIT_NO_FILM)


def _say(style: str, word: str, message: str) -> None:
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
    _err.print(f"[{style}]{word}:[/] {escape(safe)}", soft_wrap=True, highlight=False)


def _parse_size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"--size {text!r}: write width and height like 1280x720")
    return int(match[1]), int(match[2])


def _parse_fps(text: str) -> Fraction:
    try:
        return Fraction(text).limit_denominator(1001)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"--fps {text!r}: write a number like 25 or 30000/1001") from error


def _parse_zone(text: str) -> datetime.tzinfo:
    if text == "UTC":
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"--tz {text!r}: there is no such time zone; write one like Europe/Berlin") from error
