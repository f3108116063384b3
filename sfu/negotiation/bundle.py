"""The media sections that share the connection's one transport (BUNDLE, RFC 9143), and that transport's attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from .errors import NegotiationError
from .sdp import Attributes, MediaDescription, SessionDescription
from .types import RemoteTransport

__all__ = ["Bundle", "check_ice_credentials"]

_ICE_UFRAG = re.compile(r"[0-9A-Za-z+/]{4,256}")
_ICE_PWD = re.compile(r"[0-9A-Za-z+/]{22,256}")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+")
_DIGEST_OCTETS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_MAX_FINGERPRINTS = 16
_IDENTITY = ("ice-ufrag", "ice-pwd", "fingerprint")
"""Attributes by which one transport is told from another."""


class Bundle:
    """The BUNDLE group that holds the first section with media, or that section alone.

    An attribute that is the same for the whole group (categories IDENTICAL and TRANSPORT of RFC 8859) may stand in any
    of the group's sections or at the session level. The tagged section's, which is the first, comes first.
    """

    def __init__(self, session: SessionDescription, mids: Sequence[str], media: Collection[str]) -> None:
        """`mids` are those of all sections, `media` the sections that could be taken."""
        by_mid = dict(zip(mids, session.media, strict=True))
        groups = _read_groups(session, by_mid)
        self.mids: tuple[str, ...] = next((group for group in groups if any(mid in media for mid in group)), ())
        """Of the group, in its order; none without a group. Those that no section has are left aside."""
        alone = next((mid for mid in mids if mid in media), None)
        members = self.mids or (() if alone is None else (alone,))
        members = tuple(sorted(members, key=lambda mid: mid not in media))
        self._session = session.attributes
        self._sections = [by_mid[mid].attributes for mid in members if by_mid[mid].open]
        self._identity = {name: _normalize(name, self._values(name)) for name in _IDENTITY}

    def has(self, name: str, attributes: Attributes) -> bool:
        """Whether an attribute is set for a section of the group, or for one with these `attributes` alone."""
        return any(name in level for level in (attributes, self._session, *self._sections))

    def holds(self, mid: str, media: MediaDescription) -> bool:
        """Whether a section shares the transport: the group names it, or no attribute tells its transport apart."""
        if mid in self.mids:
            return True
        own = {name: _normalize(name, media.attributes.all(name)) for name in _IDENTITY}
        return all(not values or values == self._identity[name] for name, values in own.items())

    def read_transport(self, *, default_setup: str) -> RemoteTransport:
        """Return the shared transport. `default_setup` is what a missing `a=setup` means; the role is not judged here.

        Raises `NegotiationError` if an attribute that protects the transport is missing or malformed.
        """
        ufrag, pwd = self._first("ice-ufrag"), self._first("ice-pwd")
        check_ice_credentials(ufrag, pwd)
        fingerprints = _read_fingerprints(self._values("fingerprint"))
        return RemoteTransport(ufrag, pwd, fingerprints, self._first("setup", default_setup).lower())

    def _values(self, name: str) -> list[str]:
        tagged, others = self._sections[:1], self._sections[1:]
        return next((level.all(name) for level in (*tagged, self._session, *others) if name in level), [])

    def _first(self, name: str, default: str = "") -> str:
        return next(iter(self._values(name)), default)


def _normalize(name: str, values: Sequence[str]) -> frozenset[str]:
    return frozenset(value.lower() if name == "fingerprint" else value for value in values)


def _read_groups(session: SessionDescription, known: Collection[str]) -> list[tuple[str, ...]]:
    """Return all BUNDLE groups; a mid counts only in the first group that names it."""
    groups = []
    seen: set[str] = set()
    for value in session.attributes.all("group"):
        semantics, *mids = value.split() or [""]
        if semantics.upper() == "BUNDLE":
            groups.append(tuple(mid for mid in dict.fromkeys(mids) if mid in known and mid not in seen))
            seen.update(mids)
    return groups


def _read_fingerprints(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the fingerprints that can be compared (RFC 8122 section 5); sha-1 and older prove nothing."""
    found = []
    for value in values:
        algorithm, _, digest = value.partition(" ")
        algorithm, digest = algorithm.lower(), digest.strip().upper()
        octets = _DIGEST_OCTETS.get(algorithm)
        if octets is not None and len(digest) == 3 * octets - 1 and _FINGERPRINT.fullmatch(digest):
            found.append((algorithm, digest))
    if not found:
        what = f"a=fingerprint:{values[0][:40]} is not enough" if values else "a=fingerprint is missing"
        raise NegotiationError(
            f"{what}; a=fingerprint with sha-256, sha-384 or sha-512 and as many octets in hexadecimal, parted by "
            "colons, is required (RFC 8122 section 5)"
        )
    return tuple(found[:_MAX_FINGERPRINTS])


def check_ice_credentials(ufrag: str, pwd: str) -> None:
    """Raise `NegotiationError` unless both credentials are as RFC 8839 section 5.4 requires."""
    if not _ICE_UFRAG.fullmatch(ufrag):
        raise NegotiationError("a=ice-ufrag must be 4 to 256 ICE characters (RFC 8839 section 5.4)")
    if not _ICE_PWD.fullmatch(pwd):
        raise NegotiationError("a=ice-pwd must be 22 to 256 ICE characters (RFC 8839 section 5.4)")
