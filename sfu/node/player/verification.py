"""Verifies the record while it is watched: hashing takes long, so the page asks for the progress."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sfu.recording.errors import RecordError
from sfu.recording.signing import PublicKey
from sfu.recording.verify import verify_record

_STATES = {
    "intact": "intact",
    "altered": "altered",
    "not_closed": "open",
    "other_key": "other-key",
    "unpinned": "unpinned",
    "recovered": "recovered",
}


class Verification:
    """The verification of one record, which runs once, in a thread, from the first question on."""

    def __init__(self, path: Path, key: PublicKey | None) -> None:
        """`key` must have signed the record; None: it is not known whose key did."""
        self._path = path
        self._key = key
        self._task: asyncio.Task[None] | None = None
        self._done = 0
        self._total = 0
        self._ending = False
        self._found: dict[str, Any] = {"state": "unverified", "problem": ""}

    def poll(self) -> dict[str, Any]:
        """Return what is known so far.

        `state` is `checking`, `intact`, `altered`, `open` (no end yet), `other-key`, `unpinned` (anybody may have
        signed), `recovered` (its recorder signed a part) or `unverified`.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        if not self._task.done():
            share = self._done / self._total if self._total else 0.0
            return {"state": "checking", "problem": "", "share": round(min(share, 1.0), 3)}
        return self._found

    async def close(self) -> None:
        """Let the thread end; what it has not found by then stays unknown."""
        self._ending = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        self._found = await asyncio.to_thread(self._verify)

    def _verify(self) -> dict[str, Any]:
        try:
            verdict = verify_record(self._path, self._key, progress=self._note)
        except RecordError as error:
            return {"state": "unverified", "problem": str(error)}
        except _EndedError:
            return {"state": "unverified", "problem": "it was ended"}
        found = verdict.as_dict()
        return {
            "state": _STATES.get(str(found["outcome"]), "unverified"),
            "problem": found["problem"],
            "file": found["file"],
            "line": found["line"],
            "key": found["key_id"],
            "timestamps": len(found["timestamps"]),
        }

    def _note(self, done: int, total: int) -> None:
        """Note the verifier's progress, in its thread."""
        self._done, self._total = done, total
        if self._ending:
            raise _EndedError


class _EndedError(Exception):
    """Raised in the verifier's thread when the player ends."""
