"""The RTP streams of one section: simulcast by RID (RFC 8853) or by SSRC group, and their repair streams."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import NegotiationError
from .sdp import Attributes, parse_number
from .types import IncomingEncoding, is_cname

__all__ = ["MAX_ENCODINGS", "order_rids", "read_streams"]

MAX_ENCODINGS = 4
"""Of one Track; more are not taken."""

_LADDERS = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("lo", "mid", "hi"),
    ("lo", "md", "hi"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
)
"""What applications call their encodings, the lowest first."""
_SIZES = ("max-width", "max-height", "max-fs", "max-br")


def order_rids(rids: Sequence[str], attributes: Attributes) -> tuple[IncomingEncoding, ...]:
    """The encodings that RIDs name, the lowest first.

    By the restrictions of the `a=rid` lines (RFC 8851 section 5) where all have the same, else by well-known names or
    numbers, else as they are listed: browsers list them in the application's order, by custom the lowest first.
    """
    limits = _read_limits(rids, attributes)
    for size in _SIZES:
        values = [limits[rid].get(size) for rid in rids]
        if rids and None not in values and len(set(values)) == len(values):
            return tuple(IncomingEncoding(rid) for rid in sorted(rids, key=lambda rid: limits[rid][size]))
    for ladder in _LADDERS:
        if set(rids) <= set(ladder):
            return tuple(IncomingEncoding(rid) for rid in sorted(rids, key=ladder.index))
    digits = [rid[-1:].isdecimal() and (rid.isdecimal() or len(rid) == 2) for rid in rids]
    if rids and all(digits) and len({rid.rstrip("0123456789") for rid in rids}) == 1:
        prefix = len(rids[0].rstrip("0123456789"))
        return tuple(IncomingEncoding(rid) for rid in sorted(rids, key=lambda rid: int(rid[prefix:])))
    return tuple(IncomingEncoding(rid) for rid in rids)


def _read_limits(rids: Sequence[str], attributes: Attributes) -> dict[str, dict[str, int]]:
    limits: dict[str, dict[str, int]] = {rid: {} for rid in rids}
    for value in attributes.all("rid"):
        words = value.split()
        if len(words) < 3 or words[0] not in limits:
            continue
        for restriction in words[2].split(";"):
            name, _, text = restriction.partition("=")
            number = parse_number(text, 0xFFFFFFFF)
            if name in _SIZES and number:
                limits[words[0]][name] = number
    return limits


def read_streams(attributes: Attributes, mid: str) -> tuple[tuple[IncomingEncoding, ...], str]:
    """The streams that `a=ssrc` lines declare (RFC 5576), the lowest first, and their CNAME; one at least.

    `SIM` groups list the encodings of a simulcast, `FID` groups a stream and the one that repairs it. Raises
    `NegotiationError` for what is no SSRC, and for groups that name what is not declared.
    """
    cnames: dict[int, str] = {}
    for value in attributes.all("ssrc"):
        text, _, attribute = value.partition(" ")
        ssrc = parse_number(text, 0xFFFFFFFF)
        if not ssrc:
            raise NegotiationError(f"a=ssrc:{text[:20]} is no SSRC", mid=mid)
        name, _, cname = attribute.partition(":")
        if name == "cname" and not is_cname(cname):
            raise NegotiationError("a cname must be 1 to 255 visible ASCII characters", mid=mid)
        cnames[ssrc] = cname if name == "cname" else cnames.get(ssrc, "")
    repairs: dict[int, int] = {}
    simulcast: tuple[int, ...] = ()
    for value in attributes.all("ssrc-group"):
        semantics, *words = value.split() or [""]
        if semantics not in ("FID", "SIM") or not words:
            continue
        members = tuple(parse_number(word, 0xFFFFFFFF) or 0 for word in words)
        if not set(members) <= cnames.keys() or len(set(members)) != len(members):
            raise NegotiationError(f"a=ssrc-group:{semantics} names an undeclared SSRC, or one twice", mid=mid)
        if semantics == "SIM":
            simulcast = simulcast or members[:MAX_ENCODINGS]
        elif len(members) == 2:
            repairs.setdefault(members[0], members[1])
    first = next(iter(repairs), next(iter(cnames), None))
    if not simulcast:
        if first is None:
            return (IncomingEncoding(),), ""
        return (IncomingEncoding("", first, repairs.get(first)),), cnames[first]
    return tuple(IncomingEncoding("", ssrc, repairs.get(ssrc)) for ssrc in simulcast), cnames[simulcast[0]]
