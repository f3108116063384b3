"""Who appears in the film: one tile for each person, one for each screen, and when it is in the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sfu.recording.reader import Record, RecordSource, Span

SCREEN = "screen"
"""The label of shared screens."""
LINGER_US = 10_000_000
"""How long a tile stays after its last media; whoever is back by then has never left the picture."""
TOGETHER_US = 3_000_000
"""People who come within this time of each other get their tiles together: one change of the grid instead of many."""
MAX_NAME = 120
"""Longest name, in characters."""
_PERHAPS_GONE = ("disconnect", "block", "pause")
"""Causes of gaps during which nobody can tell whether the speaker is still there."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile, apart from its place in the grid."""

    peer: str
    name: str
    role: str
    screen: bool
    cameras: tuple[RecordSource, ...]
    microphones: tuple[RecordSource, ...]
    present: tuple[Span, ...]
    """The spans in which it is in the picture."""

    @property
    def initials(self) -> str:
        """One or two letters for somebody without a picture."""
        words = [word for word in self.name.split() if word[0].isalnum()]
        words = [word for word in words if not word.endswith(".")] or words  # no titles
        letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
        return "".join(letters).upper() or "?"


def build_tiles(record: Record) -> tuple[Tile, ...]:
    """Return the tiles in the order in which they first appear, which never changes."""
    groups: dict[tuple[str, str], list[RecordSource]] = {}
    for source in record.sources:
        # a microphone belongs to its person, whatever it is called; the sound of a screen has no tile
        if source.kind == "video" or source.label != SCREEN:
            label = source.label if source.kind == "video" else ""
            groups.setdefault((source.peer, label), []).append(source)
    tiles = [_build_tile(label, sources, record.duration_us) for (_, label), sources in groups.items()]
    found = sorted((tile for tile in tiles if tile.present), key=lambda tile: tile.present[0].begin_us)
    return tuple(_gather(found))


def _build_tile(label: str, sources: Sequence[RecordSource], duration_us: int) -> Tile:
    screen = label == SCREEN
    about = sources[0].metadata
    name = clean_text(about.get("name")) or clean_text(sources[0].peer) or "?"
    role = clean_text(about.get("role")) if label in ("", SCREEN) else clean_text(label)
    spans = [span for source in sources for span in source.spans]
    if not screen:  # who is muted is still there; who is disconnected may have gone for good
        spans += [Span(g.begin_us, g.end_us) for s in sources for g in s.gaps if g.cause not in _PERHAPS_GONE]
    present = _join(spans)
    if present and not screen:
        present = [Span(present[0].begin_us, min(present[-1].end_us + LINGER_US, duration_us))]
    return Tile(
        sources[0].peer,
        name,
        role,
        screen,
        tuple(source for source in sources if source.kind == "video"),
        tuple(source for source in sources if source.kind == "audio"),
        tuple(present),
    )


def _gather(tiles: Iterable[Tile]) -> Iterable[Tile]:
    """Let people who come shortly after one another appear together; they are given in the order of their coming."""
    begin_us = -TOGETHER_US - 1
    for tile in tiles:
        if tile.screen:
            yield tile
            continue
        first = tile.present[0]
        if first.begin_us - begin_us > TOGETHER_US:
            begin_us = first.begin_us
        yield replace(tile, present=(Span(begin_us, first.end_us), *tile.present[1:]))


def _join(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, with short interruptions removed."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda each: each.begin_us):
        if joined and span.begin_us - joined[-1].end_us <= LINGER_US:
            last = joined.pop()
            joined.append(Span(last.begin_us, max(last.end_us, span.end_us)))
        else:
            joined.append(span)
    return joined


def clean_text(value: object) -> str:
    """Return a name from a record in a form that can be drawn on one line; empty if it is no text."""
    if not isinstance(value, str):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in value[: 4 * MAX_NAME])
    return " ".join(printable.split())[:MAX_NAME]
