"""How a recording is made."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingOptions:
    """Options of a recording. Times are in seconds."""

    fragment: float = 1.0
    """Length of the pieces in which media are brought to disk, at most 2."""
    repair_wait: float = 0.5
    """How long a missing packet is waited for before it is declared lost."""
    head_interval: float = 2.0
    """Time between two signatures."""
    key_frame_interval: float = 4.0
    """Time between two requests for key frames, at which a player can enter."""
    least_free_bytes: int = 1 << 30
    """Free space on the disk below which an alarm is raised."""
    timestamp_url: str = ""
    """Address of an authority that stamps heads (RFC 3161); empty: none. Needs the extra `timestamps`."""
    timestamp_interval: float = 300.0
    """Time between two stamps; the last head is stamped in any case."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: one is out of range.
        """
        for name, least, most in (
            ("fragment", 0.1, 2.0),
            ("repair_wait", 0.0, 5.0),
            ("head_interval", 0.2, 60.0),
            ("key_frame_interval", 0.5, 60.0),
            ("least_free_bytes", 0, 1 << 62),
            ("timestamp_interval", 1.0, 86400.0),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError(name, f"{getattr(self, name)!r} is not within {least} to {most}")
        if self.timestamp_url and not self.timestamp_url.startswith(("http://", "https://")):
            raise ConfigError("timestamp_url", f"{self.timestamp_url!r} does not begin with http:// or https://")
