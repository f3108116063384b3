"""One peer's end of a transport: ICE-lite in front of DTLS 1.2, sans-IO.

The owner passes each datagram, and the time, and then empties `poll_transmit`, `poll_event` and `poll_data` and asks
`poll_timeout` when to call again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from sfu.transport.dtls import DtlsAssociation, DtlsState, is_client_hello
from sfu.transport.endpoint_events import (
    AddressesChanged,
    Closed,
    CloseReason,
    Connected,
    EndpointEvent,
    RoutineChanged,
    Transmit,
)
from sfu.transport.ice import Address, IceCredentials, IceLite, RoutineChecks
from sfu.transport.identity import Fingerprint, Identity
from sfu.transport.srtp import SrtpProfile
from sfu.transport.transactions import Memory

REVIEW_INTERVAL = 0.5
"""Seconds between two checks of whether a peer with several addresses has moved to another one."""

STALL_GRACE = 6.0
"""Seconds after a stall of ours during which no peer is given up: browsers send a check every 2.5 s."""

MAX_QUEUED_DATAGRAMS = 256
"""Most datagrams that wait for `poll_transmit`; an owner that empties the queue each time never gets there."""


class Endpoint:
    """The transport of one connection.

    Args:
        identity: the server's certificate.
        credentials: the local ICE credentials, as told to the peer.
        profiles: SRTP profiles to agree on, best first.
        consent_timeout: seconds without an authentic check or packet after which the peer counts as gone.
        handshake_timeout: seconds from `now` until there must be keys.
        now: the time in seconds, of a clock that never goes back.
        find_origin, transactions: see `IceLite`.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        credentials: IceCredentials,
        profiles: Sequence[SrtpProfile],
        consent_timeout: float,
        handshake_timeout: float,
        now: float,
        find_origin: Callable[[Address], Address] = lambda address: address,
        transactions: Memory | None = None,
    ) -> None:
        self.drops: Counter[str] = Counter()
        """What was dropped, by reason."""
        self._ice = IceLite(credentials, self.drops, find_origin, transactions)
        self._context = identity.context(profiles)
        self._dtls = DtlsAssociation(self._context)
        self._role_known = False
        self._start_due = False
        self._hello_heard = False
        self._consent_timeout = consent_timeout
        self._handshake_deadline = now + handshake_timeout
        self._fingerprints: list[Fingerprint] | None = None
        self._connected = False
        self._closed = False
        self._reported: tuple[tuple[Address, ...], Address | None, bytes] = ((), None, b"")
        self._routine: RoutineChecks | None = None  # which the owner knows to be routine
        self._review_at: float | None = None
        self._transmits: deque[Transmit] = deque()
        self._events: deque[EndpointEvent] = deque()
        self.takes_data = False
        """Whether application data are wanted; they are dropped else."""
        self._data: deque[bytes] = deque()

    @property
    def credentials(self) -> IceCredentials:
        """The current local ICE credentials."""
        return self._ice.credentials

    @property
    def closed(self) -> bool:
        """Whether the endpoint is finished, by itself or by `close`."""
        return self._closed

    def local_ufrags(self) -> list[str]:
        """The fragments that checks may name: the current one, and the old one while a restart is pending."""
        return self._ice.local_ufrags()

    def set_remote(
        self, *, ufrag: str, pwd: str, fingerprints: Sequence[tuple[str, str]], dtls_client: bool = False
    ) -> None:
        """Set what the peer's SDP says: ICE credentials and its certificate's (algorithm, value) fingerprints.

        `dtls_client`: the peer waits for us to begin the handshake (`a=setup:passive`), which we do at the first
        address that a check verifies.

        May come after the first datagrams, when we made the offer; `Connected` waits for it. May come again,
        after an ICE restart. A lite agent sends no checks, so it has no use for `pwd`. A certificate other
        than the one connected with, or another DTLS role, closes the endpoint: there is no second association
        (RFC 8842 section 4).
        """
        del pwd
        parsed = [Fingerprint.parse(algorithm, value) for algorithm, value in fingerprints]
        self._fingerprints = [fingerprint for fingerprint in parsed if fingerprint is not None]
        self._ice.set_remote(ufrag)
        if self._closed:
            return
        self._take_role(dtls_client)
        if self._dtls.state is DtlsState.ESTABLISHED and not self._closed:
            self._verify_peer()

    def restart_ice(self, credentials: IceCredentials) -> None:
        """Set new local credentials; the old ones stay valid until a check uses the new ones (RFC 8445 section 9)."""
        self._ice.restart(credentials)

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        """Process a STUN or DTLS datagram (RFC 7983) from `address` that came to our address `local`, from which the
        answer is to leave; what is invalid is dropped and counted.
        """
        if self._closed:
            self.drops["closed"] += 1
        elif not data:
            self.drops["empty"] += 1
        elif data[0] < 4:
            response = self._ice.handle_datagram(data, address, now, local)
            if response is not None:
                self._transmit(Transmit(response, address, local))
                self._after_check(now)
        elif 20 <= data[0] < 64:
            self._handle_dtls(data, address, now, local)
        else:
            self.drops["not_stun_or_dtls"] += 1

    def note_media(self, address: Address, when: float) -> None:
        """Note that authentic SRTP or SRTCP last came from `address` at the time `when`.

        Media are a sign of life, as a check is. The owner calls this before `handle_timeout`, not for each packet.
        """
        self._ice.note_media(address, when)

    def note_check(self, address: Address, when: float) -> None:
        """Note that a routine check last came from `address` at the time `when`, which the owner has answered.

        The owner calls this before `handle_timeout`, `forget_address`, and the `handle_datagram` of a check.
        """
        self._ice.note_check(address, when)

    def handle_stall(self, now: float) -> None:
        """Give the peer `STALL_GRACE` seconds from `now` to be heard again, since we stood still and may have lost what
        it sent meanwhile.
        """
        if self._ice.consented is not None:
            self._ice.consented = max(self._ice.consented, now + STALL_GRACE - self._consent_timeout)
        self._handshake_deadline = max(self._handshake_deadline, now + STALL_GRACE)

    def forget_address(self, address: Address) -> None:
        """Forget `address`: another peer has proved to be there, so nothing more of this one comes from it."""
        if not self._closed:
            self._ice.forget(address)
            self._report_addresses()

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        if self._closed:
            return
        consented = self._ice.consented
        if consented is not None and now >= consented + self._consent_timeout:
            self._finish(CloseReason.CONSENT_LOST)
        elif not self._connected and now >= self._handshake_deadline:
            self._finish(CloseReason.HANDSHAKE_TIMEOUT, self._missing())
        else:
            if self._review_at is not None and now >= self._review_at:
                self._review_at = None
                self._ice.follow()
                self._report_addresses()
                self._plan_review(now)
            self._start_due = False
            if self._may_begin(now):
                self._dtls.start(now)
            self._dtls.handle_timeout(now)
            self._after_dtls(now)

    def poll_timeout(self) -> float | None:
        """When to call `handle_timeout`, in absolute seconds; None when closed."""
        if self._closed:
            return None
        deadlines = [] if self._connected else [self._handshake_deadline]
        if self._ice.consented is not None:
            deadlines.append(self._ice.consented + self._consent_timeout)
            if self._start_due:
                deadlines.append(self._ice.consented)
        if self._review_at is not None:
            deadlines.append(self._review_at)
        retransmit = self._dtls.poll_timeout()
        if retransmit is not None:
            deadlines.append(retransmit)
        return min(deadlines)

    def poll_transmit(self) -> Transmit | None:
        """Return the next datagram to send, or None."""
        return self._transmits.popleft() if self._transmits else None

    def send_data(self, data: bytes) -> None:
        """Send application data in a DTLS record."""
        self._dtls.send(data)
        self._send_dtls()

    def poll_data(self) -> bytes | None:
        """What has come in the next record of application data, or None."""
        return self._data.popleft() if self._data else None

    def poll_event(self) -> EndpointEvent | None:
        """Return the next event, or None."""
        if self._events:
            return self._events.popleft()
        routine = None if self._closed else self._ice.routine
        if routine == self._routine:
            return None
        self._routine = routine
        return RoutineChanged(routine)

    def close(self, now: float) -> None:
        """Close from our side, with close_notify to the peer if it is connected; no event follows."""
        if self._closed:
            return
        self._dtls.close()
        self._send_dtls()
        self._closed = True

    def _take_role(self, client: bool) -> None:
        """Take the DTLS role that signalling leaves to us, once (RFC 8842 section 5)."""
        if self._role_known:
            if client is not self._dtls.client:
                self._finish(
                    CloseReason.HANDSHAKE_FAILED,
                    "the peer's new description changes the DTLS roles; that takes a new connection",
                )
            return
        self._role_known = True
        if not client:
            return
        if self._dtls.state is DtlsState.ESTABLISHED:
            self._finish(
                CloseReason.HANDSHAKE_FAILED,
                "the peer's SDP says a=setup:passive, but it has been the DTLS client already",
            )
            return
        self._dtls = DtlsAssociation(self._context, client=True)
        # The peer's check may have come before its SDP; then the handshake is due already.
        self._start_due = self._ice.consented is not None

    def _after_check(self, now: float) -> None:
        """Tell which addresses the peer has proved to be at, and begin the handshake if that is ours to do."""
        self._report_addresses()
        self._plan_review(now)
        if self._may_begin(now):
            self._dtls.start(now)
            self._after_dtls(now)

    def _may_begin(self, now: float) -> bool:
        """Whether we are to begin the handshake and have an address that has asked for it."""
        selected = self._ice.selected
        return (
            self._dtls.client
            and not self._dtls.begun
            and selected is not None
            and self._ice.is_verified(selected, now - self._consent_timeout)
        )

    def _handle_dtls(self, data: bytes, address: Address, now: float, local: bytes) -> None:
        # Answering an address that never showed the ICE password would amplify what others send in its name. After
        # the handshake answers are few and small, and some peers send no checks any more.
        since = float("-inf") if self._connected else now - self._consent_timeout
        if not self._ice.is_verified(address, since):
            self.drops["dtls_unverified_address"] += 1
            return
        if is_client_hello(data):
            self._hello_heard = True
            if self._dtls.client:
                # Anybody can write one, so it ends nothing; a peer that means it will never answer ours.
                self.drops["dtls_role_conflict"] += 1
                return
        if not self._connected:
            self._ice.prefer(address, local)
            self._report_addresses()
        if self._may_begin(now):
            self._dtls.start(now)
        self._dtls.handle_datagram(data, now)
        self._after_dtls(now)

    def _after_dtls(self, now: float) -> None:
        """Send DTLS's output, and act on the state that it has reached."""
        self._send_dtls()
        if self._dtls.received:
            self._take_records()
        state = self._dtls.state
        if state is DtlsState.ESTABLISHED:
            if not self._connected and self._fingerprints is not None:
                self._verify_peer()
        elif state is DtlsState.CLOSED:
            self._finish(CloseReason.REMOTE_CLOSE)
        elif state is DtlsState.FAILED:
            # After the handshake an error is a fatal alert of the peer's.
            reason = CloseReason.REMOTE_CLOSE if self._connected else CloseReason.HANDSHAKE_FAILED
            self._finish(reason, self._dtls.error)

    def _take_records(self) -> None:
        """Application data count once the peer is known to be who signalling said (RFC 5763 section 5)."""
        records, self._dtls.received = self._dtls.received, []
        if not self.takes_data or not self._connected or len(self._data) + len(records) > MAX_QUEUED_DATAGRAMS:
            self.drops["dtls_application_data"] += len(records)
        else:
            self._data.extend(records)

    def _verify_peer(self) -> None:
        """Check the peer's certificate against SDP before any media flow (RFC 5763 section 5)."""
        if not self._dtls.peer_matches(self._fingerprints or ()):
            self._finish(
                CloseReason.FINGERPRINT_MISMATCH,
                "the peer's certificate has none of the sha-256, sha-384 or sha-512 fingerprints in its SDP",
            )
        elif not self._connected:
            keys = self._dtls.export_keys()
            if keys is None:
                self._finish(CloseReason.HANDSHAKE_FAILED, "the peer supports none of our SRTP profiles")
            else:
                self._connected = self._ice.settled = True
                self._events.append(Connected(keys))

    def _missing(self) -> str:
        """Say what the peer still owed when the time for the handshake was over."""
        if self._ice.consented is None:
            return "no authentic connectivity check came from the peer"
        if self._dtls.state is DtlsState.ESTABLISHED:
            return "the peer's SDP answer never came"
        if self._dtls.client and self._hello_heard:
            return "the peer began a DTLS handshake, although its SDP says a=setup:passive"
        return "the peer did not complete the DTLS handshake"

    def _send_dtls(self) -> None:
        selected = self._ice.selected
        for datagram in self._dtls.take_output():
            if selected is not None:
                self._transmit(Transmit(datagram, selected, self._ice.local))

    def _transmit(self, transmit: Transmit) -> None:
        if len(self._transmits) >= MAX_QUEUED_DATAGRAMS:
            self.drops["transmit_queue_full"] += 1
        else:
            self._transmits.append(transmit)

    def _plan_review(self, now: float) -> None:
        if self._review_at is None and self._connected and len(self._ice.addresses) > 1:
            self._review_at = now + REVIEW_INTERVAL

    def _report_addresses(self) -> None:
        known = (self._ice.addresses, self._ice.selected, self._ice.local)
        if known == self._reported:
            return
        self._reported = known
        # Only the newest matter, so that waiting events stay few.
        if self._events and isinstance(self._events[-1], AddressesChanged):
            self._events.pop()
        self._events.append(AddressesChanged(*known))

    def _finish(self, reason: CloseReason, detail: str = "") -> None:
        """Close by ourselves, with close_notify to a peer that is connected, unless its consent was lost."""
        if self._dtls.state is DtlsState.ESTABLISHED and reason is not CloseReason.CONSENT_LOST:
            self._dtls.close()
            self._send_dtls()
        self._closed = True
        self._events.append(Closed(reason, detail))
