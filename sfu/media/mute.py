"""Whether a Track's publisher has stopped it for now, and who has said so."""

from __future__ import annotations


class Mute:
    """Begins with an RTCP BYE and ends with the next packet, or begins and ends by word (`Room.set_track_muted`)."""

    def __init__(self) -> None:
        self.stated = False
        """Whether it was said by word: then nothing is forwarded, whatever the client still sends."""
        self._stopped = False
        self._packets = 0

    def __bool__(self) -> bool:
        return self.stated or self._stopped

    def handle_goodbye(self, packets: int) -> bool:
        """Take a BYE that came after `packets` packets; return whether that mutes."""
        before = bool(self)
        self._stopped, self._packets = True, packets
        return not before

    def note_packets(self, packets: int) -> bool:
        """Take the count of packets so far; return whether that ends a mute."""
        if not self._stopped or packets == self._packets:
            return False
        self._stopped = False
        return not self.stated

    def state(self, muted: bool) -> bool:
        """Take what is said by word, which counts more than a BYE before; return whether that changes anything."""
        before = bool(self)
        self.stated = muted
        if not muted:
            self._stopped = False
        return bool(self) is not before
