"""The end of a transport whose peer is another node: an endpoint that sends checks, too, since the peer sends none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfu.transport.dialer import Dialer
from sfu.transport.endpoint import Endpoint
from sfu.transport.endpoint_events import Transmit
from sfu.transport.ice import Address, IceCredentials
from sfu.transport.stun import is_response


class DialingEndpoint(Endpoint):
    """An `Endpoint` for which an ICE-lite peer is reached by `dial`; until then it is like any other.

    An answer to a check of ours counts as a check of the peer's: handshake, consent and addresses follow from it. The
    owner has a socket of the endpoint's own, since a node's answers do not say whose they are (RFC 8489 section 14.3).
    """

    _dialer: Dialer | None = None

    def dial(
        self, candidates: Sequence[Address], remote: IceCredentials, random: Callable[[int], bytes], now: float
    ) -> None:
        """Begin to check `candidates`, where the peer's description says to be, with `remote`, its credentials.

        Call it once, besides `set_remote`, at the time `now`. `random(n)` returns n unpredictable octets. A peer with
        other credentials takes a new endpoint: nodes do not restart ICE.

        Raises:
            ValueError: there are no candidates, or credentials that ICE does not allow.
            RuntimeError: it was called before.
        """
        if self._dialer is not None:
            raise RuntimeError("the endpoint dials already; a peer with another description takes a new one")
        self._dialer = Dialer(self.credentials.ufrag, remote, candidates, random, self.drops, now)
        self._send_check(now)

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        """Process a datagram as `Endpoint` does, and answers to our checks."""
        if self._dialer is None or self._closed or not is_response(data):
            super().handle_datagram(data, address, now, local)
        elif self._dialer.handle_response(data, address, now):
            self._ice.note_answer(address, now, local, nominated=address == self._dialer.selected)
            self._send_check(now)
            self._after_check(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`, checks included; harmless when nothing is."""
        super().handle_timeout(now)
        self._send_check(now)

    def poll_timeout(self) -> float | None:
        """When to call `handle_timeout`, in absolute seconds; None when closed."""
        deadline = super().poll_timeout()
        return deadline if self._dialer is None or deadline is None else min(deadline, self._dialer.due)

    def _send_check(self, now: float) -> None:
        if self._dialer is None or self._closed:
            return
        check = self._dialer.poll_check(now)
        if check is not None:
            self._transmit(Transmit(*check, self._ice.local))
