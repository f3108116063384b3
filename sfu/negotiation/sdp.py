"""Session descriptions as text (RFC 8866): parse under hard limits, and build.

This module knows the shape only. What attributes mean is the business of `remote.py` (reading) and
`sections.py` (writing).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import SdpError

__all__ = [
    "Attributes",
    "MediaDescription",
    "SdpLimits",
    "SessionDescription",
    "build_sdp",
    "parse_number",
    "parse_sdp",
]

# Control characters other than the line end have no place in SDP (RFC 8866 section 9: byte-string, non-ws-
# string).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")


@dataclass(frozen=True)
class SdpLimits:
    """Bounds of a description: its size in UTF-8 octets, its lines, and its media sections."""

    size: int = 64 * 1024
    lines: int = 4096
    media: int = 256

    @classmethod
    def for_media(cls, media: int) -> SdpLimits:
        """Return limits under which a browser can offer `media` sections (a full video section takes about 5 kB)."""
        media_or_one = max(1, media)
        return cls(max(cls.size, 6 * 1024 * media_or_one), max(cls.lines, 256 * media_or_one), media)


class Line(NamedTuple):
    """One line of a description; `number` counts from 1."""

    number: int
    letter: str
    value: str


class Attributes:
    """The `a=` lines of one level, in order, with look-up by name. A property attribute has the value ""."""

    __slots__ = ("_by_name", "_items")

    def __init__(self) -> None:
        self._items: list[tuple[str, str]] = []
        self._by_name: dict[str, list[str]] = {}

    def add(self, name: str, value: str = "") -> None:
        """Append one attribute."""
        self._items.append((name, value))
        values = self._by_name.get(name)
        if values is None:
            self._by_name[name] = [value]
        else:
            values.append(value)

    def first(self, name: str) -> str | None:
        """Return the value of the first attribute of this name, or None."""
        values = self._by_name.get(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Return the values of all attributes of this name, in order. Do not change the list."""
        return self._by_name.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Attributes) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Attributes({self._items!r})"


@dataclass
class MediaDescription:
    """One `m=` line (RFC 8866 section 5.14) and what belongs to it; `connection` is the value of its `c=` line."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    attributes: Attributes = field(default_factory=Attributes)

    @property
    def open(self) -> bool:
        """Whether the section is neither refused nor stopped (RFC 9143 section 6: `bundle-only` goes with port 0)."""
        return self.port != 0 or "bundle-only" in self.attributes


@dataclass
class SessionDescription:
    """A session description: `origin` is the value of the `o=` line, empty without one."""

    origin: str
    attributes: Attributes = field(default_factory=Attributes)
    media: list[MediaDescription] = field(default_factory=list)


def parse_number(text: str, maximum: int) -> int | None:
    """Parse a decimal number of 0 to `maximum`; None for anything else. Unlike `int`, takes ASCII digits only."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    number = int(text)
    return number if number <= maximum else None


def parse_lines(text: str, limits: SdpLimits) -> list[Line]:
    """Return the `<letter>=<value>` lines of a description or fragment, spaces at their ends removed.

    They may end in CR LF (RFC 8866 section 5), LF, CR, or CR CR LF. Lines of another form are ignored, and so are empty
    lines and a byte order mark. Raises `SdpError` for a text over the limits and for control characters.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.size:
        raise SdpError(f"the description has {size} octets; at most {limits.size} are accepted")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    bad = _CONTROL.search(text)
    if bad is not None:
        raise SdpError(f"character U+{ord(bad.group()):04X} is not allowed", line=text.count("\n", 0, bad.start()) + 1)
    lines = text.split("\n", limits.lines + 1)
    if len(lines) > limits.lines + 1:
        raise SdpError(f"the description has more than {limits.lines} lines")
    found = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip(" \t")
        if stripped[1:2] == "=" and stripped[0].isascii() and stripped[0].isalpha():
            found.append(Line(number, stripped[0], stripped[2:].lstrip(" \t")))
    return found


def parse_sdp(text: str, limits: SdpLimits | None = None) -> SessionDescription:
    """Parse a session description.

    Raises `SdpError`, and nothing else, for any text that is not one. It must begin with `v=0`, and its `m=` lines must
    be well-formed, since each must be answered. Everything else may be missing or in any order, and what is malformed
    or unknown is ignored: RFC 8866 section 5 would refuse the whole description, and then nothing would be seen or
    heard.
    """
    limits = limits or SdpLimits()
    lines = parse_lines(text, limits)
    if not lines or (lines[0].letter, lines[0].value) != ("v", "0"):
        raise SdpError("a session description starts with v=0", line=lines[0].number if lines else 1)
    session = SessionDescription(origin="")
    media: MediaDescription | None = None
    attributes = session.attributes
    names: dict[str, bool] = {}  # those already checked: a description repeats a few dozen names
    for line in lines[1:]:
        letter, value = line.letter, line.value
        if letter == "a":
            name, _, rest = value.partition(":")
            if name not in names:
                names[name] = _TOKEN.fullmatch(name) is not None
            if names[name]:
                attributes.add(name, rest.lstrip(" \t"))
        elif letter == "m":
            if len(session.media) >= limits.media:
                raise SdpError(f"at most {limits.media} media sections are accepted", line=line.number)
            media = _parse_media(value, line.number)
            session.media.append(media)
            attributes = media.attributes
        elif letter == "c" and media is not None:
            media.connection = value
        elif letter == "o" and media is None:
            session.origin = value
    return session


def _parse_media(value: str, number: int) -> MediaDescription:
    fields = value.split()
    if len(fields) < 4 or not all(_TOKEN.fullmatch(part) for part in (fields[0], *fields[3:])):
        raise SdpError("m= needs a kind, a port, a protocol and formats", line=number)
    port = parse_number(fields[1].partition("/")[0], 65535)
    if port is None:
        raise SdpError(f"{fields[1][:20]!r} is no port; 0 to 65535 are accepted", line=number)
    if not all(_TOKEN.fullmatch(part) for part in fields[2].split("/")):
        raise SdpError(f"{fields[2][:40]!r} is no transport protocol", line=number)
    return MediaDescription(fields[0], port, fields[2], tuple(fields[3:]))


def build_sdp(session: SessionDescription) -> str:
    """Return the text of a description, with lines that end in CR LF.

    Raises `ValueError` (our own fault) if a value holds a line end: nothing that came from outside may ever
    add a line of its own.
    """
    lines = ["v=0", f"o={session.origin}", "s=-", "t=0 0"]
    lines += [f"a={name}:{value}" if value else f"a={name}" for name, value in session.attributes]
    for media in session.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        if media.connection is not None:
            lines.append(f"c={media.connection}")
        lines += [f"a={name}:{value}" if value else f"a={name}" for name, value in media.attributes]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a value to be written into SDP holds a line end")
    return text + "\r\n"
