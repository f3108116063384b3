"""ICE-lite: we answer the peer's connectivity checks and never send any (RFC 8445 section 2.5).

The peer is the full agent, therefore controlling. Its checks prove that it holds the password that we gave it
in signalling, tell which of its addresses reach us, choose among them, and are its consent (RFC 7675): while
they come, it wants our packets. So are its media, which are as authentic, and which some agents send without any
further check.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sfu.transport.stun import BindingRequest, StunError, build_error, build_success, parse_binding_request
from sfu.transport.transactions import Memory, Transactions

Address = tuple[str, int]
"""Textual IP (IPv4 dotted, IPv6 compressed) and UDP port."""

MAX_ADDRESSES = 8
"""Verified addresses that are remembered of one peer; the one quiet for longest makes room for the next."""

FOLLOW_MEDIA = 1.0
"""An address that sends media is selected once it was heard this many seconds after the selected one was."""

FOLLOW_CHECKS = 8.0
"""The same, in seconds, where only checks come from the other address. A check can be captured and sent again from
elsewhere, so a peer that is still there must not be taken for one that has left: its reports come at most 7.5 s apart
(RFC 3550 section 6.2)."""

FOLLOW_NOMINATION = 3.0
"""The same, in seconds, for an address that the peer has nominated, once media flow: a nomination, too, may be an old
one that somebody else sends again. Browsers send a check every 2.5 s."""

_LIVE = 5.0
"""Seconds after its last media during which an address is not forgotten while another one can be."""

_NEVER = float("-inf")


@dataclass(frozen=True)
class IceCredentials:
    """The fragment and the password that we give to a peer (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str = field(repr=False)

    @classmethod
    def generate(cls, random: Callable[[int], bytes]) -> IceCredentials:
        """Return new credentials from `random(n)`, which returns n unpredictable octets, such as `os.urandom`.

        48 bits of fragment and 144 of password; RFC 8445 section 5.3 asks for 24 and 128. The
        alphabet of Base64 is that section's `ice-char`.
        """
        ufrag = base64.b64encode(random(6)).decode("ascii")
        return cls(ufrag, base64.b64encode(random(18)).decode("ascii"))


@dataclass(frozen=True)
class RoutineChecks:
    """Which checks only say that the peer is there: whoever knows this may answer them without asking us, and tells by
    `note_check` when the last one came. They are new ones from a verified address, without anything but a success
    response to be said to them.
    """

    credentials: IceCredentials
    """Ours, which they name and are signed by."""
    remote_ufrag: str
    """The peer's, which they name."""
    nominated: bool
    """Whether they may nominate the selected address. One that nominates another is no routine check."""


class _Generation:
    """One pair of credentials in use, ready to be compared with those in checks."""

    __slots__ = ("credentials", "key", "nominated", "ufrag", "used")

    def __init__(self, credentials: IceCredentials) -> None:
        self.credentials = credentials
        self.ufrag = credentials.ufrag.encode("ascii")
        self.key = credentials.pwd.encode("ascii")
        self.used = False
        self.nominated = False  # the peer has nominated an address under them


class _Path:
    """When checks and media came from one verified address; never is long ago. And to which of ours checks came."""

    __slots__ = ("checked", "local", "media", "nominated")

    def __init__(self, local: bytes) -> None:
        self.local = local
        self.checked = _NEVER
        self.media = _NEVER
        self.nominated = _NEVER

    @property
    def heard(self) -> float:
        """When anything authentic came last."""
        return max(self.checked, self.media)


class IceLite:
    """The lite agent of one connection with one component.

    Args:
        credentials: the local ones.
        drops: counts, by reason, what is dropped; shared with the owner.
        find_origin: where a peer is that sends from an address. It is another one where a relay of ours stands between.
        transactions: remembers checks; the one that others ask, too, who answer routine checks.
    """

    def __init__(
        self,
        credentials: IceCredentials,
        drops: Counter[str],
        find_origin: Callable[[Address], Address] = lambda address: address,
        transactions: Memory | None = None,
    ) -> None:
        self.selected: Address | None = None
        """Where to send: the first verified address until the peer nominates, then that until it has moved."""
        self.consented: float | None = None
        """When the last authentic check or packet came, in seconds: the peer's consent. None before the first check."""
        self._drops = drops
        self._find_origin = find_origin
        self._current = _Generation(credentials)
        self._previous: _Generation | None = None
        self._remote_ufrags: tuple[bytes, ...] = ()
        self._remote_ufrag = ""
        self.settled = False
        """Set once media flow: from then on a nomination alone moves nothing, see `follow`."""
        self._nominated = False
        self._nominee: Address | None = None  # waits for `follow`
        self._transactions = transactions or Transactions()
        self._verified: dict[Address, _Path] = {}

    @property
    def credentials(self) -> IceCredentials:
        """The current local credentials."""
        return self._current.credentials

    def local_ufrags(self) -> list[str]:
        """The fragments that checks may name: the current one, and the old one while a restart is pending."""
        generations = [self._current] if self._previous is None else [self._current, self._previous]
        return [generation.credentials.ufrag for generation in generations]

    def set_remote(self, ufrag: str) -> None:
        """Set the peer's fragment, from signalling; from now on checks must name it.

        While the peer restarts ICE the former fragment is accepted too, since checks with either are under way.
        """
        newest = ufrag.encode("utf-8", "replace")
        self._remote_ufrag = ufrag
        if not self._remote_ufrags or self._remote_ufrags[0] != newest:
            self._remote_ufrags = (newest, *self._remote_ufrags[:1])

    def restart(self, credentials: IceCredentials) -> None:
        """Replace the local credentials; the old ones stay valid until the new ones are used (RFC 8445 section 9)."""
        # Of several restarts in a row only the newest is pending; the peer still uses what it used last.
        if self._current.used or self._previous is None:
            self._previous = self._current
        self._current = _Generation(credentials)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Return the addresses at which the peer has proved to be."""
        return tuple(self._verified)

    @property
    def local(self) -> bytes:
        """Our address from which to send to the selected one: that to which its nomination came, or while there is none
        what the peer was seen to use, or its first check. RFC 8445 section 8.1.1 has pairs nominated, of an address of
        each side.
        """
        path = None if self.selected is None else self._verified.get(self.selected)
        return b"" if path is None else path.local

    def is_verified(self, address: Address, since: float) -> bool:
        """Whether `address` is remembered and an authentic check came from it at or after the time `since`."""
        path = self._verified.get(address)
        return path is not None and path.checked >= since

    def note_media(self, address: Address, when: float) -> None:
        """Note that authentic media came from `address` at the time `when`; ignored unless the address is verified."""
        path = self._verified.get(address)
        if path is not None and self.consented is not None:
            path.media = max(path.media, when)
            self.consented = max(self.consented, when)

    def note_check(self, address: Address, when: float) -> None:
        """Note that somebody else has answered a routine check from `address` at the time `when`; ignored unless the
        address is verified.
        """
        path = self._verified.get(address)
        if path is not None and self.consented is not None:
            path.checked = max(path.checked, when)
            self.consented = max(self.consented, when)

    def note_answer(self, address: Address, when: float, local: bytes, *, nominated: bool) -> None:
        """Note that the peer, lite itself, has answered a check that we sent from our address `local`: that proves its
        address and is its consent, as a check of its own would be (RFC 8445 section 7.2.5.3, RFC 7675).
        """
        path = self._verified.setdefault(address, _Path(local))
        path.checked = when
        self.consented = when
        if nominated:
            self._select(address)
        elif self.selected is None:
            self.selected = address
        self._keep_few(address, when)

    @property
    def routine(self) -> RoutineChecks | None:
        """Which checks are routine now; None: none is, since each may change something."""
        moves = self._previous is not None or len(self._remote_ufrags) != 1 or self._nominee is not None
        if not self.settled or moves or not self._current.used:
            return None
        nominated = self._nominated and self._current.nominated
        return RoutineChecks(self._current.credentials, self._remote_ufrag, nominated)

    def follow(self) -> None:
        """Select the address that the peer has moved to without saying so, if it has.

        RFC 8445 section 8.1.1 leaves the choice to the controlling agent, which tells a lite one by nominating; one
        whose network changes under it, or that uses several pairs, may not. Whoever has the keys sends from there, and
        nothing comes from where we send to.
        """
        selected = None if self.selected is None else self._verified.get(self.selected)
        if selected is None:
            return
        if self._nominee is not None and self._takes_over(self._nominee, selected):
            self._select(self._nominee)
            return
        media = max(self._verified, key=lambda address: self._verified[address].media)
        heard = max(self._verified, key=lambda address: self._verified[address].heard)
        if self._verified[media].media - selected.heard >= FOLLOW_MEDIA:
            self.selected = media
        elif self._verified[heard].heard - selected.heard >= FOLLOW_CHECKS:
            self.selected = heard

    def _takes_over(self, nominee: Address, selected: _Path) -> bool:
        """Whether to select a nominated address: media come from it, or nothing comes from the selected one."""
        path = self._verified.get(nominee)
        if path is None:
            self._nominee = None
            return False
        return path.media >= path.nominated - FOLLOW_MEDIA or path.checked - selected.heard >= FOLLOW_NOMINATION

    def _select(self, nominated: Address) -> None:
        self.selected = nominated
        self._nominated = True
        self._nominee = None

    def forget(self, address: Address) -> None:
        """Forget that the peer was at `address`, until a new check says that it is."""
        if self._verified.pop(address, None) is None or self.selected != address:
            return
        self._nominated = False
        self.selected = max(self._verified, key=lambda known: self._verified[known].heard, default=None)

    def prefer(self, address: Address, local: bytes = b"") -> None:
        """Select the verified `address`, which the peer was seen to use with `local` of ours, unless the peer has
        nominated one.
        """
        if not self._nominated:
            self.selected = address
            self._verified[address].local = local

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> bytes | None:
        """Return the response to a check that came to our address `local`, or None; a datagram that is no authentic
        check is dropped and counted.
        """
        try:
            request = parse_binding_request(data)
        except StunError as error:
            self._drops[str(error)] += 1
            return None
        generation = self._match(request)
        if generation is None:
            return None
        # RFC 8445 section 7.3.1.1; a lite agent is never controlling, so it never has to switch.
        if request.controlled:
            self._drops["ice_role_conflict"] += 1
            return build_error(request, generation.key, 487, "Role Conflict")
        if request.unknown:
            self._drops["stun_unknown_attribute"] += 1
            return build_error(request, generation.key, 420, "Unknown Attribute")
        if self._transactions.is_new(request.transaction_id):
            self._accept(request, generation, address, now, local)
        elif address not in self._verified:
            self._drops["ice_replayed_check"] += 1
            return None
        # else the peer, or somebody else, repeats itself: it is answered, and proves nothing
        return build_success(request, generation.key, *self._find_origin(address))

    def _match(self, request: BindingRequest) -> _Generation | None:
        """Return the local credentials that the request proves to know; if it knows none, drop and count it."""
        # The peer's fragment cannot contain a colon, and ours does not (RFC 8445 section 7.2.2).
        local, _, remote = request.username.partition(b":")
        if local == self._current.ufrag:
            generation = self._current
        elif self._previous is not None and local == self._previous.ufrag:
            generation = self._previous
        else:
            self._drops["ice_wrong_username"] += 1
            return None
        if self._remote_ufrags and remote not in self._remote_ufrags:
            self._drops["ice_wrong_username"] += 1
            return None
        # An answer of 401 would help only who guesses; the honest peer has the password from signalling.
        if not request.is_authentic(generation.key):
            self._drops["ice_wrong_password"] += 1
            return None
        return generation

    def _accept(
        self, request: BindingRequest, generation: _Generation, address: Address, now: float, local: bytes
    ) -> None:
        self.consented = now
        generation.used = True
        if generation is self._current and self._previous is not None:
            self._previous = None
            self._remote_ufrags = self._remote_ufrags[:1]
        path = self._verified.setdefault(address, _Path(local))
        path.checked = now
        # RFC 8445 section 8.1.1: towards a lite agent the peer nominates one pair, a later one replaces it. A
        # check with the credentials from before a restart does not take that back.
        if request.use_candidate and generation is self._current:
            path.local = local
            path.nominated = now
            if not self.settled or not generation.nominated or address == self.selected:
                self._select(address)
            else:
                self._nominee = address
                self.follow()
            generation.nominated = True
        elif self.selected is None:
            self.selected = address
        self._keep_few(address, now)

    def _keep_few(self, newest: Address, now: float) -> None:
        """Forget one address if there are too many."""
        if len(self._verified) > MAX_ADDRESSES:
            others = [known for known in self._verified if known not in (self.selected, newest)]
            paths = self._verified
            del paths[min(others, key=lambda known: (paths[known].media > now - _LIVE, paths[known].heard))]
