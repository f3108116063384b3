"""The film's chapters: one for each mark, and one for each phase of the hearing."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.recording.compose.edit_list import EditList
from sfu.recording.compose.tiles import clean_text
from sfu.recording.reader import Record


@dataclass(frozen=True, slots=True)
class Chapter:
    """A span of the film's frames; the end is not part of it."""

    first_frame: int
    end_frame: int
    title: str
    at_us: int
    """Time of its beginning on the record's clock."""


def build_chapters(record: Record, edits: EditList) -> tuple[Chapter, ...]:
    """Return the chapters in order, from the first frame to the last without a hole; none without marks and phases.

    What happened at one frame of the film (such as all that was marked during a pause that is cut out) is one chapter.
    """
    events = [(each.at_us, clean_text(" ".join(each.names))) for each in record.phases]
    events += [(each.at_us, clean_text(each.name)) for each in record.marks]
    titles: dict[int, tuple[int, list[str]]] = {}
    for at_us, title in sorted(events, key=lambda each: each[0]):
        _, known = titles.setdefault(edits.find_frame(at_us), (at_us, []))
        if title and title not in known:
            known.append(title)
    if not titles:
        return ()
    if 0 not in titles:
        titles[0] = 0, [clean_text(record.room) or "Begin"]
    begins = sorted(titles)
    ends = [*begins[1:], edits.frames]
    return tuple(
        Chapter(begin, end, " · ".join(titles[begin][1]) or "Mark", titles[begin][0])
        for begin, end in zip(begins, ends, strict=True)
        if end > begin
    )
