"""The RTP streams of one section: simulcast by RID (RFC 8853) or by SSRC group, and their repair streams."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from .sdp import Attributes, parse_number
from .types import IncomingEncoding, is_cname

__all__ = ["MAX_ENCODINGS", "order_rids", "read_rids", "read_streams"]

_RID = re.compile(r"[0-9A-Za-z_-]{1,16}")
"""The form of a RID (RFC 8852 section 3.2); a one-byte header extension can carry 16 octets."""

MAX_ENCODINGS = 4
"""Most encodings of one Track; further ones are not taken."""

_LADDERS = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("lo", "mid", "hi"),
    ("lo", "md", "hi"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
)
"""Names that applications give to their encodings, the lowest first."""
_SIZES = ("max-width", "max-height", "max-fs", "max-br")


def read_rids(attributes: Attributes) -> tuple[str, ...]:
    """Return the encodings that the client would send, in its order (RFC 8853 section 5.1), first alternatives only.

    A name that no `a=rid` line declares, or that no packet could carry, is ignored.
    """
    words = (attributes.first("simulcast") or "").split()
    pairs = dict(zip(words[0::2], words[1::2], strict=False))
    declared = {rid[0] for rid in map(str.split, attributes.all("rid")) if rid[1:2] == ["send"]}
    listed = pairs.get("send", "").removeprefix("rid=").split(";")  # "rid=": early drafts
    rids = dict.fromkeys(item.split(",")[0].lstrip("~") for item in listed)
    return tuple(rid for rid in rids if rid in declared and _RID.fullmatch(rid))[:MAX_ENCODINGS]


def order_rids(rids: Sequence[str], attributes: Attributes) -> tuple[IncomingEncoding, ...]:
    """Return the encodings that RIDs name, the lowest first.

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


def read_streams(attributes: Attributes, known: Collection[int] = ()) -> tuple[tuple[IncomingEncoding, ...], str]:
    """Return the streams that `a=ssrc` lines declare (RFC 5576), the lowest first, at least one, and their CNAME.

    `SIM` groups list the encodings of a simulcast, `FID` groups a stream and the one that repairs it. Malformed lines
    are ignored, and so are streams that another section has declared already (`known`): packets tell where they belong.
    """
    cnames: dict[int, str] = {}
    for value in attributes.all("ssrc"):
        text, _, attribute = value.partition(" ")
        ssrc = parse_number(text, 0xFFFFFFFF)
        if not ssrc or ssrc in known:
            continue
        name, _, cname = map(str.strip, attribute.partition(":"))
        usable = name == "cname" and is_cname(cname)
        cnames[ssrc] = cname if usable else cnames.get(ssrc, "")
    simulcast, repairs = _read_groups(attributes, known)
    first = next(iter(repairs), next(iter(cnames), None))
    media = simulcast or (() if first is None else (first,))
    if not media:
        return (IncomingEncoding(),), ""
    repairs = {ssrc: repair for ssrc, repair in repairs.items() if repair not in media}
    return tuple(IncomingEncoding("", ssrc, repairs.get(ssrc)) for ssrc in media), cnames.get(media[0], "")


def _read_groups(attributes: Attributes, known: Collection[int]) -> tuple[tuple[int, ...], dict[int, int]]:
    """Return the first `SIM` group, and the repair stream of each stream that a `FID` group names."""
    repairs: dict[int, int] = {}
    repairing: set[int] = set()
    simulcast: tuple[int, ...] = ()
    for value in attributes.all("ssrc-group"):
        semantics, *words = value.split() or [""]
        members = tuple(parse_number(word, 0xFFFFFFFF) or 0 for word in words)
        if not all(members) or len(set(members)) != len(members) or any(ssrc in known for ssrc in members):
            continue
        if semantics == "SIM":
            simulcast = simulcast or members[:MAX_ENCODINGS]
        elif semantics == "FID" and len(members) == 2 and members[1] not in repairing and members[0] not in repairs:
            repairs[members[0]] = members[1]
            repairing.add(members[1])
    return simulcast, repairs
