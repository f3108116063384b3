"""The data channels of one participant, on whichever of its connections they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sfu import Connection, DataChannel

RELIABLE, LOSSY, DATA_TRACK = LABELS = ("_reliable", "_lossy", "_data_track")
"""What the protocol's data channels are called."""


@dataclass(eq=False)
class _Line:
    """What is known of one label."""

    take: Callable[[bytes], None] = lambda message: None
    changed: Callable[[DataChannel | None], None] = lambda channel: None
    outgoing: DataChannel | None = None
    incoming: list[DataChannel] = field(default_factory=list)
    held: bool = False
    lost: bool = False
    """Whether it had a channel, for one direction or both, and now has none."""


class Channels:
    """For each label: what the client sends, and the channel by which it is sent something once that is open."""

    def __init__(self) -> None:
        self._lines = {label: _Line() for label in LABELS}

    def connect(
        self,
        label: str,
        take: Callable[[bytes], None],
        changed: Callable[[DataChannel | None], None] = lambda channel: None,
    ) -> None:
        """Give what comes by a label to `take`, and the open channel for what goes to the client, or that there is
        none any more, to `changed`.
        """
        line = self._lines[label]
        line.take, line.changed = take, changed
        if line.outgoing is not None:
            changed(line.outgoing)

    def disconnect(self, label: str) -> None:
        """Give what comes by a label to nobody."""
        line = self._lines[label]
        line.take, line.changed = _Line.take, _Line.changed

    def get(self, label: str) -> DataChannel | None:
        """The open channel by which the client is sent something; None: there is none."""
        return self._lines[label].outgoing

    def has_lost(self, label: str) -> bool:
        """Whether a channel of a label has closed, and no other came."""
        return self._lines[label].lost

    def hold(self, label: str) -> None:
        """Take nothing more by a label for now: what comes waits, so that the client's window closes. Idempotent."""
        line = self._lines[label]
        line.held = True
        for channel in line.incoming:
            channel.on_message = None

    def release(self, label: str) -> None:
        """Take again what comes; what has waited comes at once, unless it is held again in between."""
        line = self._lines[label]
        line.held = False
        for channel in tuple(line.incoming):
            if not line.held:
                channel.on_message = self._taker(line)

    # for the transports

    def follow(self, connection: Connection, *, answers: bool) -> None:
        """Take the channels that the client opens on a connection. `answers`: it is sent something by them, too."""

        def handle(channel: DataChannel) -> None:
            line = self._lines.get(channel.label)
            if line is None:
                return
            line.incoming.append(channel)
            line.lost = False
            channel.on_close = lambda: self._close(line, channel)
            if answers:
                self._use(line, channel)
            if not line.held:
                channel.on_message = self._taker(line)

        connection.data.on_channel = handle

    def open(self, connection: Connection) -> None:
        """Open one of each label on a connection; each is used once the client has it."""
        for label in LABELS:
            reliable = label == RELIABLE
            channel = connection.data.open(label, ordered=reliable, max_retransmits=None if reliable else 0)
            self._prepare(self._lines[label], channel)

    def _prepare(self, line: _Line, channel: DataChannel) -> None:
        channel.on_open = lambda: self._use(line, channel)
        channel.on_close = lambda: self._close(line, channel)

    def _taker(self, line: _Line) -> Callable[[bytes | str], None]:
        def take(message: bytes | str) -> None:
            line.take(message if isinstance(message, bytes) else message.encode())

        return take

    def _use(self, line: _Line, channel: DataChannel) -> None:
        line.outgoing = channel
        line.lost = False
        line.changed(channel)

    def _close(self, line: _Line, channel: DataChannel) -> None:
        if channel in line.incoming:
            line.incoming.remove(channel)
            line.lost = line.lost or not line.incoming
        if line.outgoing is channel:
            line.outgoing = None
            line.lost = True
            line.changed(None)
