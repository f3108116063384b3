"""Connectivity checks of ours: the controlling agent towards an ICE-lite peer, sans-IO (RFC 8445, RFC 7675).

Clients check us, since they are full agents. Another node is as lite as we are, and two lite agents would wait for each
other for ever (RFC 8445 section 6.1.1): of two nodes the one that dials is the full one. It has one socket and knows
the peer's candidates from signalling, so a pair is nothing but a candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfu.transport.ice import MAX_ADDRESSES, Address, IceCredentials
from sfu.transport.stun import StunError, build_binding_request, parse_binding_response

PACE = 0.05
"""Seconds between two checks until one that nominates was answered (RFC 8445 section 14.2, Ta)."""

CONSENT_INTERVAL = 5.0
"""Seconds between two checks from then on, give or take a fifth at random (RFC 7675 section 5.1)."""

NOMINATION_TRIES = 20
"""Checks that nominate a candidate, unanswered, after which the other candidates are tried again."""

MAX_PENDING = 64
"""Checks without an answer that are remembered; while there is no path these are those of 3.2 s, longer than a round
trip takes."""

# A peer-reflexive candidate of component 1 with the highest local preference (RFC 8445 section 5.1.2.1).
_PRIORITY = (110 << 24) | (65535 << 8) | 255


@dataclass(frozen=True, slots=True)
class _Pending:
    """A check that was not answered yet."""

    address: Address
    nominates: bool


class Dialer:
    """Checks a lite peer's candidates, nominates the first that answers, and asks for its consent from then on.

    Args:
        ufrag: our fragment, as the peer knows it from signalling.
        remote: the peer's fragment and password.
        candidates: where it says to be, best first; those beyond `MAX_ADDRESSES` are left aside.
        random: `random(n)` returns n unpredictable octets, such as `os.urandom`.
        drops: counts, by reason, what is dropped; shared with the owner.
        now: when the first check is due, in seconds of a clock that never goes back.

    Raises:
        ValueError: there are no candidates, or a fragment or the password is none that ICE allows.
    """

    def __init__(
        self,
        ufrag: str,
        remote: IceCredentials,
        candidates: Sequence[Address],
        random: Callable[[int], bytes],
        drops: Counter[str],
        now: float,
    ) -> None:
        if not candidates:
            raise ValueError("the peer told no candidate, so there is nowhere to send checks to")
        if not remote.pwd.isascii() or not f"{remote.ufrag}{ufrag}".isascii():
            raise ValueError("ICE credentials are of ASCII letters, digits, + and / (RFC 8839 section 5.4)")
        self.selected: Address | None = None
        """The candidate whose nomination was answered; None before."""
        self.due = now
        """When the next check is due."""
        self._username = f"{remote.ufrag}:{ufrag}"
        self._key = remote.pwd.encode("ascii")
        self._candidates = list(dict.fromkeys(candidates))[:MAX_ADDRESSES]
        self._random = random
        self._drops = drops
        self._tie_breaker = random(8)
        self._turn = 0
        # RFC 8445 section 8.1.1: one pair is nominated, and with a single candidate it is known which.
        self._nominee: Address | None = self._candidates[0] if len(self._candidates) == 1 else None
        self._tries = 0
        self._pending: dict[bytes, _Pending] = {}

    def poll_check(self, now: float) -> tuple[bytes, Address] | None:
        """Return the check that is due, and where to send it; None: none is."""
        if now < self.due:
            return None
        if self.selected is not None:
            check = _Pending(self.selected, nominates=True)
            self.due = now + self._choose_interval()
        else:
            check = self._choose()
            self.due = now + PACE
        transaction_id = self._random(12)
        self._pending[transaction_id] = check
        if len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        data = build_binding_request(
            transaction_id,
            self._username,
            self._key,
            priority=_PRIORITY,
            tie_breaker=self._tie_breaker,
            use_candidate=check.nominates,
        )
        return data, check.address

    def handle_response(self, data: bytes, address: Address, now: float) -> bool:
        """Whether a datagram from `address` proves that the peer is there and consents; what does not is counted."""
        try:
            response = parse_binding_response(data)
        except StunError as error:
            self._drops[str(error)] += 1
            return False
        check = self._pending.get(response.transaction_id)
        if check is None:
            self._drops["ice_unexpected_response"] += 1
            return False
        # RFC 8489 section 9.1.4: it is as if it had not come, so that a forged one does not spoil the check.
        if not response.is_authentic(self._key):
            self._drops["ice_wrong_password"] += 1
            return False
        # RFC 8445 section 7.2.5.2.1
        if address != check.address:
            self._drops["ice_asymmetric_response"] += 1
            return False
        del self._pending[response.transaction_id]
        if response.error:
            self._drops["ice_check_refused"] += 1
            return False
        if self.selected is None:
            self._take_answer(check, now)
        return True

    def _choose(self) -> _Pending:
        """Whom to check while nobody is selected: the nominee, or each candidate in turn."""
        if self._nominee is not None and (self._tries < NOMINATION_TRIES or len(self._candidates) == 1):
            self._tries += 1
            return _Pending(self._nominee, nominates=True)
        self._nominee = None
        address = self._candidates[self._turn % len(self._candidates)]
        self._turn += 1
        return _Pending(address, nominates=False)

    def _take_answer(self, check: _Pending, now: float) -> None:
        if check.nominates:
            self.selected = check.address
            self.due = now + self._choose_interval()
        elif self._nominee is None:
            self._nominee = check.address
            self._tries = 0
            self.due = now

    def _choose_interval(self) -> float:
        return CONSENT_INTERVAL * (0.8 + 0.4 * self._random(1)[0] / 255)
