"""A record that could not be continued, beside a mirror that could: it takes nothing, and says why."""

from __future__ import annotations

from pathlib import Path

from sfu.recording.recorder import Recorder
from sfu.recording.watch import Progress


class LostRecorder(Recorder):
    """Stands where the recorder of that record would: it has failed before it began."""

    def __init__(self, path: Path, reason: str) -> None:
        """`reason`: why the record is not continued."""
        self.path = path
        self.progress = Progress(failure=reason)
        self.closed = None
        self.suspended = None
        self.wanting_key_frames = []

    @property
    def running(self) -> bool:
        """It never did; so it takes no order, either."""
        return False
