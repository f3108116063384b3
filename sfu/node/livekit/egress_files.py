"""Makes the files of egresses: films in a process of their own, at low priority; a single track as it was recorded."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from sfu.node.records.exit_codes import EXIT_INCOMPLETE
from sfu.recording.errors import RecordError
from sfu.recording.folder import FILE_MODE
from sfu.recording.reader import read_record
from sfu.signaling.livekit.egress.egresses import FilmError, MadeFile
from sfu.signaling.livekit.egress.orders import Film

_COMPOSE = "from sfu.node.cli import main; main()"
_NICE = 10
_MOST_SAID = 300


class EgressFiles:
    """The `FileMaker` of a node."""

    async def compose(self, record: Path, output: Path, film: Film) -> MadeFile:
        """See `FileMaker.compose`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _COMPOSE, "compose", str(record), "--output", str(output),
            "--size", f"{film.width}x{film.height}", "--fps", str(film.fps),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        try:
            _, said = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode not in (0, EXIT_INCOMPLETE):
            raise FilmError(_without_paths(said.decode(errors="replace"), record, output))
        told = await asyncio.to_thread(_read_link, output)
        return MadeFile(told["duration_us"] / 1e6, told["bytes"], "; ".join(told["problems"]))

    async def extract(self, record: Path, output: Path) -> MadeFile:
        """See `FileMaker.extract`."""
        return await asyncio.to_thread(_extract, record, output)


def _read_link(output: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(output.with_name(f"{output.name}.json").read_text())
    return told


def _extract(record: Path, output: Path) -> MadeFile:
    try:
        found = [source for source in read_record(record).sources if source.spans]
        if len(found) != 1:
            raise FilmError("nothing was recorded in it" if not found else "it has several sources")
        (source,) = found
        part = output.with_name(f"{output.name}.part")
        shutil.copyfile(source.file, part)
        part.chmod(FILE_MODE)
        part.rename(output)
    except (RecordError, OSError) as error:
        raise FilmError(_without_paths(str(error), record, output)) from error
    begin, end = source.spans[0].begin_us, source.spans[-1].end_us
    cipher = f"it is encrypted from end to end ({source.encryption}), as it was published" if source.encryption else ""
    return MadeFile((end - begin) / 1e6, output.stat().st_size, cipher)


def _without_paths(said: str, record: Path, output: Path) -> str:
    """What a program has said, for who may ask over HTTP: paths of this machine are not his business."""
    told = said.replace(str(output), output.name).replace(f"{record}", record.name)
    return " ".join(told.split())[:_MOST_SAID]
