"""What an egress' file is called: the client's wish, kept inside of the operator's folder."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from sfu.signaling.livekit.egress.orders import OrderError

MAX_PATH = 512
_MAX_PART = 200
_PLACE = re.compile(r"\{(\w+)\}")
_UNFIT = re.compile(r"[^\w.\- ]")


def fill_path(wish: str, values: Mapping[str, str], utc: datetime.datetime, suffix: str) -> PurePosixPath:
    """The relative path that `wish` names. `values` fill the places in it (`{room_name}`), `{time}` and `{utc}` are the
    egress' begin. What stands in values and would mean something in a path becomes `_`. Raises OrderError.

    A wish that is empty, or ends in `/`, gets a name of the room and the time; another ending than `suffix` gets that,
    too.
    """
    if len(wish) > MAX_PATH:
        raise OrderError(f"filepath is longer than {MAX_PATH} characters.")
    utc = utc.astimezone(datetime.UTC)
    known = {**values, "time": f"{utc:%Y-%m-%dT%H%M%S}", "utc": f"{utc:%Y%m%d%H%M%S}"}

    def fill(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise OrderError(f"filepath has a place {match[0][:40]!r}; there are {', '.join(sorted(known))}.")
        return _UNFIT.sub("_", known[match[1]]).strip(". ") or "_"

    if not wish or wish.endswith("/"):
        wish += "{room_name}-{time}"
    path = PurePosixPath(_PLACE.sub(fill, wish))
    if path.is_absolute() or not path.parts or any(part.startswith(".") or _UNFIT.search(part) for part in path.parts):
        raise OrderError(
            "filepath must be relative, of letters, digits, '_', '-', '.' and spaces, and no part may begin with a dot."
        )
    if path.suffix.lower() != suffix:
        path = path.with_name(path.name + suffix)
    if any(len(part.encode()) > _MAX_PART for part in path.parts):
        raise OrderError(f"A part of filepath is longer than {_MAX_PART} bytes.")
    return path


def place_file(folder: Path, path: PurePosixPath, taken: frozenset[Path]) -> Path:
    """Where the file is to stand: a name that no other file has, nor is promised to one. Makes the folders above."""
    wanted = folder / path
    if not wanted.parent.resolve().is_relative_to(folder.resolve()):
        raise OrderError("filepath leads out of the folder for egress.")  # by a link
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OrderError("filepath has a file where it needs a folder.") from error
    number, found = 1, wanted
    while found.exists() or found in taken:
        number += 1
        found = wanted.with_stem(f"{wanted.stem}-{number}")
    return found
