"""`sfu verify` and `sfu recover`: what people do with records on a disk. Neither needs a server."""

from __future__ import annotations

import datetime
import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from sfu.recording.errors import RecordError
from sfu.recording.findings import tell_place, tell_time
from sfu.recording.folder import printable

if TYPE_CHECKING:
    from sfu.recording.compare import Comparison
    from sfu.recording.examine import Progress as Report
    from sfu.recording.verify import Verdict

_out = Console(highlight=False, soft_wrap=True, markup=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

Record = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the record.", show_default=False)]


def verify(
    record: Record,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (PEM) that must have signed, got another way than the record."),
    ] = None,
    tsa_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificates (PEM) of the time stamping authorities that you believe."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The node's journal: knows which records were closed, and how.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its mirror: the record of the same id with which to compare it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Say whether a record is complete, unchanged and signed. Reads the record only; needs no server and no network.

    Exit codes:

    0  intact: closed, complete, unchanged, and signed by the key given with --key;

    1  altered: something was changed, added, removed or moved; the first such file, line or fragment is named;

    2  the folder is not a record, a file cannot be read, or the command was wrong;

    3  not closed: all that is there is in order, but the record has no end;

    4  in order, but signed by another key than the one given with --key;

    5  in order, but no --key was given: whoever made the record may have made the key that stands in it, too;

    6  recovered: in order, but closed by a recovery. The recorder itself signed it up to the line that is named;

    7  it differs from its mirror, given with --against. If they tell the same, it is the worse of both codes.
    """
    from sfu.recording.compare import compare_records
    from sfu.recording.journal import Journal
    from sfu.recording.signing import load_public_key
    from sfu.recording.timestamps import load_roots
    from sfu.recording.verify import verify_record

    known = Journal(journal) if journal is not None else None
    mirror = comparison = None
    try:
        public_key = load_public_key(key) if key is not None else None
        roots = load_roots(tsa_ca) if tsa_ca is not None else None
        with _reporting("verifying") as report:
            verdict = verify_record(record, public_key, report, roots, known)
            if against is not None:
                mirror = verify_record(against, public_key, report, roots, known)
                comparison = compare_records(record, against, verdict, mirror)
    except RecordError as error:
        raise _fail(error, json) from error
    if mirror is None or comparison is None:
        if json:
            typer.echo(jsonlib.dumps(verdict.as_dict(), indent=2))
        else:
            _tell(verdict, roots is not None)
        raise typer.Exit(int(verdict.outcome))
    if json:
        both = {"record": verdict.as_dict(), "against": mirror.as_dict()}
        typer.echo(jsonlib.dumps(comparison.as_dict() | both, indent=2))
    else:
        for path, each in ((record, verdict), (against, mirror)):
            _out.print(f"{path}:")
            _tell(each, roots is not None)
        _tell_comparison(comparison)
    raise typer.Exit(int(comparison.outcome))


def recover(
    record: Record,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key (PEM) that the record was begun with.")
    ] = None,
    signer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Socket of `sfu sign`, which has that key, instead of --key.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The node's journal of closed records; else RECORDS-journal.jsonl beside their folder is asked.",
        ),
    ] = None,
) -> None:
    """Close a record whose server was killed: keep what was signed, set the rest apart, say what is missing.

    Deletes nothing; may be run again when it was itself interrupted. A record that the journal knows as closed is not
    recovered. Exit codes: 0 recovered; 2 the record is closed, still being written, altered, not signed at all, or
    begun with another key: nothing was changed.
    """
    from sfu.recording.journal import Journal, find_journal_beside
    from sfu.recording.recover import recover_record
    from sfu.recording.remote_signer import RemoteSigner
    from sfu.recording.signing import load_signing_key

    if (key is None) is (signer is None):
        raise _fail(ValueError("the record is signed: give --key or --signer, one of the two"))
    beside = find_journal_beside(record.resolve().parent)
    place = journal if journal is not None else beside if beside.is_file() else None
    try:
        with _reporting("recovering") as report:
            now = datetime.datetime.now(datetime.UTC)
            signs = load_signing_key(key) if key is not None else RemoteSigner.connect(signer or "")
            done = recover_record(record, signs, now, report, Journal(place) if place is not None else None)
    except RecordError as error:
        raise _fail(error) from error
    if done.restored:
        _out.print(f"restored: record {done.record} is as it was when it was closed; its manifest was written again")
        return
    _out.print(f"recovered: record {done.record}")
    _out.print(f"  signed up to line {done.signed_lines} of {done.lines}, at {tell_time(done.last_us)}")
    for each in done.unattested:
        _out.print(
            f"  {each.path}: {each.bytes} bytes that nobody had signed; they are kept, and nobody vouches for them"
        )
    for file, begin_us in done.gaps:
        _out.print(f"  {file}: a gap is declared from {tell_time(begin_us)} on")
    if place is None:
        _out.print("  no journal was asked whether this record had been closed: give --journal where there is one")


@contextmanager
def _reporting(what: str) -> Iterator[Report]:
    """Show a bar on the terminal (standard error), which is gone when the work is done."""
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _fail(error: Exception, json: bool = False) -> typer.Exit:
    if json:
        typer.echo(jsonlib.dumps({"outcome": "unreadable", "exit_code": 2, "problem": str(error)}, indent=2))
    else:
        _err.print(f"error: {printable(str(error))}", style="bold red")
    return typer.Exit(2)


def _tell_comparison(comparison: Comparison) -> None:
    if comparison.outcome.name == "DIFFERS":
        _out.print("DIFFERS", style="bold magenta")
    elif not comparison.differences:
        _out.print("AGREE", style="bold green")
    for each in comparison.differences:
        _out.print(f"  {each}")
    _out.print(f"  alike     {comparison.agreeing_lines} acts and events, {comparison.agreeing_frames} frames of media")


def _tell(verdict: Verdict, stamps_checked: bool) -> None:
    words = {
        0: "INTACT",
        1: "ALTERED",
        3: "NOT CLOSED",
        4: "SIGNED BY ANOTHER KEY",
        5: "CONSISTENT, SIGNER UNKNOWN",
        6: "RECOVERED",
    }
    colours = {0: "bold green", 5: "bold yellow", 6: "bold cyan"}
    _out.print(words[int(verdict.outcome)], style=colours.get(int(verdict.outcome), "bold red"))
    if verdict.problem:
        place = tell_place(verdict.file, verdict.line)
        _out.print(f"  {place}: {verdict.problem}" if place else f"  {verdict.problem}")
    if not verdict.record:
        return
    _out.print(f"  record    {verdict.record}, room {printable(verdict.room)!r}")
    ended = f"stopped {verdict.stopped_utc} ({printable(verdict.stop_cause)})" if verdict.stopped_utc else "no end"
    _out.print(f"  time      began {verdict.began_utc}, {ended}")
    counts = verdict.counts
    facts = ", ".join(f"{counts.get(each, 0)} {each}s" for each in ("source", "fragment", "gap"))
    _out.print(f"  content   {facts}; {verdict.lines} lines examined, {verdict.signed_lines} of them signed")
    if counts.get("continue"):
        _out.print(f"  restarts  {counts['continue']}: another process continued the record, and declared the gap")
    for file, encryption in verdict.encrypted.items():
        _out.print(
            f"  encrypted {file}: holds ciphertext ({printable(encryption)}), encrypted from end to end by its "
            "publisher; only who has that key can see or hear it"
        )
    if verdict.attested_lines is not None:
        _out.print(
            f"  recovered signed by its recorder up to line {verdict.attested_lines}; the rest by who recovered it"
        )
    for apart in verdict.unattested:
        _out.print(f"  unattested {apart.path}, {apart.bytes} bytes: found by the recovery, vouched for by nobody")
    _out.print(f"  key       {verdict.key_id}")
    if not verdict.pinned and verdict.outcome.name != "UNPINNED":  # whose problem says so already
        _out.print("            not pinned: the key came with the record. Give --key to know who signed.")
    if verdict.journaled is not None:
        said = "knows that this record was closed as it is" if verdict.journaled else "does not know this record"
        _out.print(f"  journal   {said}")
    for stamp in verdict.timestamps:
        time = f"existed at {stamp.time:%Y-%m-%d %H:%M:%S} UTC" if stamp.time else "not checked; give --tsa-ca"
        _out.print(f"  timestamp {stamp.file} (line {stamp.line}): {time}")
    if stamps_checked and not verdict.timestamps:
        _out.print("  timestamp none in this record")
