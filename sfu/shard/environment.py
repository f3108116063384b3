"""What all parts of one Server share; it is passed to them as an argument."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sfu.clock import Clock
from sfu.config import Config
from sfu.transport import Identity, SrtpProfile


@dataclass(frozen=True)
class Environment:
    """The configuration, clock, randomness and identity of one Server."""

    config: Config
    identity: Identity
    """The certificate and DTLS context, the same for all connections."""
    clock: Clock
    rng: random.Random
    """The source of randomness: unpredictable in service (`random.SystemRandom`), seeded in tests."""

    @property
    def profiles(self) -> tuple[SrtpProfile, ...]:
        """SRTP profiles, preferred first."""
        return tuple(SrtpProfile[name] for name in self.config.srtp_profiles)

    def new_id(self) -> str:
        """Return 64 random bits as text, for the id of a Track, connection or Subscription."""
        return self.rng.randbytes(8).hex()
