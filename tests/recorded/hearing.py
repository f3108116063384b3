"""A short hearing: three speakers, a pause, a muted microphone, a camera that is off, a lost connection."""

from __future__ import annotations

from pathlib import Path

from tests.recorded.media import Take
from tests.recorded.record import Source, build_record

DURATION_MS = 60_000
PAUSE_MS = (24_000, 34_000)
COLOURS = {"judge": (200, 40, 40), "counsel": (40, 170, 60), "witness": (50, 80, 210)}
HERTZ = {"judge": 330.0, "counsel": 550.0, "witness": 880.0}
ABOUT = {
    "judge": {"name": "Dr. Anna Weber", "role": "Presiding judge"},
    "counsel": {"name": "Jonas Lindqvist", "role": "Counsel for the claimant"},
    "witness": {"name": "Maria Okonkwo", "role": "Witness"},
}
MARKS = {8_000: "Exhibit K 3 shown", 40_000: "Witness sworn in", 52_000: "Objection"}


def build_hearing(path: Path, *, codecs: tuple[str, str, str] = ("vp9", "vp8", "h264")) -> None:
    """Write the record; `codecs` of the pictures of judge, counsel and witness."""
    begin, end = PAUSE_MS
    gap = (begin, end, "pause")
    sources = [
        _source("judge", "audio", [Take(0, begin), Take(end, 60_000)], [gap]),
        _source("judge", "video", [Take(0, 10_000), Take(10_000, begin, (320, 180)), Take(end, 60_000)],
                [gap], codecs[0]),
        _source("counsel", "audio", [Take(0, 12_000), Take(18_000, begin), Take(end, 60_000)],
                [(12_000, 18_000, "mute"), gap]),
        _source("counsel", "video", [Take(0, begin), Take(end, 46_000), Take(50_000, 60_000)],
                [gap, (46_000, 50_000, "disconnect")], codecs[1]),
        _source("witness", "audio", [Take(36_000, 60_000)], []),
        _source("witness", "video", [Take(36_000, 54_000)], [(54_000, 60_000, "mute")], codecs[2]),
    ]  # fmt: skip
    events = [
        (0, "phase", {"name": "Opening"}),
        (35_000, "phase", {"name": "Hearing of the witness"}),
        (begin, "pause", {"ground": "Deliberation", "authoriser": "Dr. Anna Weber", "note": "Private deliberation"}),
        (end, "resume", {"authoriser": "Dr. Anna Weber"}),
        *((at, "mark", {"name": name, "data": {"page": 12} if at == 8_000 else {}}) for at, name in MARKS.items()),
        (1_000, "speakers", {"peers": ["judge"]}),
        (9_000, "speakers", {"peers": ["counsel"]}),
        (36_500, "speakers", {"peers": ["witness"]}),
        (52_000, "speakers", {"peers": ["counsel"]}),
    ]
    build_record(path, sources, events, DURATION_MS)


def _source(peer: str, kind: str, takes: list[Take], gaps: list[tuple[int, int, str]], codec: str = "") -> Source:
    return Source(
        peer, kind, takes, codec, COLOURS[peer], HERTZ[peer], "camera" if kind == "video" else "", ABOUT[peer], gaps
    )
