"""What all parts of one Server share, handed down instead of being looked up."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sfu.clock import Clock
from sfu.config import Config
from sfu.transport import Identity, SrtpProfile


@dataclass(frozen=True)
class Environment:
    """One per Server."""

    config: Config
    identity: Identity
    """Certificate and DTLS context, the same for all connections."""
    clock: Clock
    rng: random.Random
    """Unpredictable in service (`random.SystemRandom`), seeded in tests."""

    @property
    def profiles(self) -> tuple[SrtpProfile, ...]:
        """SRTP profiles, preferred first."""
        return tuple(SrtpProfile[name] for name in self.config.srtp_profiles)

    def new_id(self) -> str:
        """64 random bits as text: the id of a Track, connection or Subscription."""
        return self.rng.randbytes(8).hex()
