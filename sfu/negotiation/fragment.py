"""SDP fragments for trickle ICE over HTTP (RFC 8840 section 9, RFC 9725 section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .bundle import check_ice_credentials
from .errors import NegotiationError, SdpError
from .mids import is_made_up
from .sdp import Attributes, SdpLimits, parse_lines
from .sections import DEFAULT_PROTOCOL, transport_attributes
from .types import LocalTransport, RemoteTransport

__all__ = ["SdpFragment", "build_sdp_fragment", "parse_sdp_fragment"]

_LIMITS = SdpLimits(size=32 * 1024, lines=512)
"""Limits with room for the candidates of a few sections; a caller that knows how many there may be passes its own."""


@dataclass(frozen=True)
class SdpFragment:
    """What a client trickles: its credentials (None if left out), candidate attribute values, and whether
    there will be no more of them.
    """

    ufrag: str | None = None
    pwd: str | None = None
    candidates: list[str] = field(default_factory=list)
    end_of_candidates: bool = False


def parse_sdp_fragment(text: str, limits: SdpLimits = _LIMITS) -> SdpFragment:
    """Parse the body of an `application/trickle-ice-sdpfrag` (RFC 8840 section 9).

    With BUNDLE there is one transport, so candidates of all sections are one list. Lines of other kinds (clients write
    whole sections) are ignored. Raises `NegotiationError` for a text without any line of SDP, one over the limits, or
    one whose credentials differ between sections or lack one of the two.
    """
    ufrags: set[str] = set()
    pwds: set[str] = set()
    candidates: list[str] = []
    end = False
    lines = parse_lines(text, limits)
    if not lines and text.strip():
        raise SdpError("an SDP fragment is made of a=<attribute> and m= lines, and may be empty", line=1)
    for line in lines:
        if line.letter != "a":
            continue
        name, _, value = map(str.strip, line.value.partition(":"))
        if name == "ice-ufrag":
            ufrags.add(value)
        elif name == "ice-pwd":
            pwds.add(value)
        elif name == "candidate":
            candidates.append(value)
        elif name == "end-of-candidates":
            end = True
    if len(ufrags) > 1 or len(pwds) > 1:
        raise NegotiationError("the fragment's sections have different ICE credentials; all share one transport")
    if len(ufrags) != len(pwds):
        raise NegotiationError("the fragment has one of a=ice-ufrag and a=ice-pwd; it takes both or none")
    return SdpFragment(next(iter(ufrags), None), next(iter(pwds), None), candidates, end)


def apply_fragment(remote: RemoteTransport | None, fragment: SdpFragment) -> tuple[RemoteTransport, bool]:
    """Return the client's transport with a fragment's credentials, and whether these are new: an ICE restart."""
    if remote is None:
        raise NegotiationError("there is no session yet to which a fragment could belong")
    if fragment.ufrag is None or fragment.pwd is None:
        return remote, False
    check_ice_credentials(fragment.ufrag, fragment.pwd)
    changed = (fragment.ufrag, fragment.pwd) != (remote.ufrag, remote.pwd)
    return replace(remote, ufrag=fragment.ufrag, pwd=fragment.pwd), changed


def build_sdp_fragment(local: LocalTransport, *, mids: Sequence[str] = ("0",), kind: str = "audio") -> str:
    """Build our answer to an ICE restart by fragment (RFC 9725 section 4.3.3): new credentials, all candidates.

    `mids` are those of the BUNDLE group, and `kind` is the first one's media. Mids that we have made up are not
    written.
    """
    mids = [mid for mid in mids if not is_made_up(mid)]
    attributes = Attributes()
    attributes.add("ice-lite")
    if mids:
        attributes.add("group", " ".join(["BUNDLE", *mids]))
    head = [f"a={name}:{value}" if value else f"a={name}" for name, value in attributes]
    section = Attributes()
    if mids:
        section.add("mid", mids[0])
    transport_attributes(section, local, with_candidates=True)
    # Format 0 stands for nothing: the grammar wants one, and the section only says which transport is meant.
    body = [f"a={name}:{value}" if value else f"a={name}" for name, value in section]
    return "\r\n".join([*head, f"m={kind} 9 {DEFAULT_PROTOCOL} 0", *body, ""])
