"""Whether a recorder really records: alarms that begin and end, sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SILENCE_S = 3.0
"""Nothing has been written for so long though something should come: with a look each second, told within 5 s."""

WRITE_FAILED = "write_failed"
DISK_NEARLY_FULL = "disk_nearly_full"
NOTHING_WRITTEN = "nothing_written"
BEHIND = "behind"
NOT_SIGNED = "not_signed"
NOT_CLOSED = "not_closed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recorder has come."""

    written_bytes: int = 0
    """Bytes of media that are surely on disk."""
    free_bytes: int | None = None
    """Bytes that the disk has left; None if not known yet."""
    missed_packets: int = 0
    """Packets that were not written because the recorder was too far behind."""
    failure: str | None = None
    """Why it has stopped recording."""
    faults: Sequence[str] = ()
    """Why files of single sources cannot be written at present."""
    unsigned: str | None = None
    """Why the last lines are not signed yet."""
    unclosed: str | None = None
    """Why a record that was to be closed is not, and what to do."""


class Watch:
    """Decides about alarms; call `update` once a second."""

    def __init__(self, least_free_bytes: int, now: float) -> None:
        self.alarms: dict[str, str] = {}
        """Those that hold now, with what there is to say of them."""
        self._least_free_bytes = least_free_bytes
        self._written_bytes = 0
        self._moved = now
        self._expected = False
        self._missed_packets = 0
        self._missed: float | None = None

    def update(self, progress: Progress, *, expected: bool, now: float) -> tuple[dict[str, str], list[str]]:
        """Return the alarms that begin, with details, and those that end.

        `expected`: media should come, since a Track is recorded that is neither muted nor paused, of a publisher who is
        connected. What was not at the last look has begun since then, and the time counts from now.
        """
        if progress.written_bytes != self._written_bytes or not (expected and self._expected):
            self._written_bytes, self._moved = progress.written_bytes, now
        self._expected = expected
        if progress.missed_packets != self._missed_packets:
            self._missed_packets, self._missed = progress.missed_packets, now
        found: dict[str, str] = {}
        if progress.unclosed is not None:
            found[NOT_CLOSED] = progress.unclosed
        elif progress.failure is not None:
            found[WRITE_FAILED] = progress.failure
        elif progress.faults:
            more = f" (and {len(progress.faults) - 1} more)" if len(progress.faults) > 1 else ""
            found[WRITE_FAILED] = progress.faults[0] + more
        elif now - self._moved >= SILENCE_S:
            found[NOTHING_WRITTEN] = f"no media was written for {now - self._moved:.0f} s"
        if progress.free_bytes is not None and progress.free_bytes < self._least_free_bytes:
            found[DISK_NEARLY_FULL] = f"{progress.free_bytes >> 20} MiB are left on the disk"
        if self._missed is not None and now - self._missed < SILENCE_S:
            found[BEHIND] = f"{progress.missed_packets} packets could not be taken"
        if progress.unsigned is not None:
            found[NOT_SIGNED] = progress.unsigned
        begun = {what: detail for what, detail in found.items() if what not in self.alarms}
        ended = [what for what in self.alarms if what not in found]
        self.alarms = found
        return begun, ended
