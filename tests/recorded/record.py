"""A whole record of media that were made: the ledger, a key, the files, and the manifest at its end."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfu.recording.folder import LEDGER, MEDIA, PUBLIC_KEY
from sfu.recording.ledger import Ledger
from sfu.recording.manifest import build_manifest, digest_file, write_manifest
from sfu.recording.signing import SigningKey
from tests.recorded.media import Take, build_pictures, build_tones, read_cluster_time, split_fragments

BEGAN = datetime.datetime(2026, 3, 4, 9, 0, tzinfo=datetime.UTC)


@dataclass
class Source:
    """One speaker's microphone, camera or screen."""

    peer: str
    kind: str
    takes: Sequence[Take]
    codec: str = ""
    colour: tuple[int, int, int] = (90, 90, 90)
    hertz: float = 440.0
    label: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    gaps: Sequence[tuple[int, int, str]] = ()
    """From, to (milliseconds), cause."""
    encryption: str = ""

    def build(self) -> bytes:
        """Its file."""
        if self.kind == "audio":
            return build_tones(self.hertz, self.takes)
        return build_pictures(self.colour, self.takes, codec=self.codec or "vp9")


Event = tuple[int, str, dict[str, Any]]
"""Milliseconds, type of line, its fields."""


def build_record(path: Path, sources: Sequence[Source], events: Sequence[Event], duration_ms: int) -> None:
    """Write a closed record; `sfu verify` finds it intact."""
    (path / "media").mkdir(parents=True)
    key = SigningKey.generate()
    ledger = Ledger(hashlib.md5(str(path).encode()).hexdigest(), key)
    lines = [ledger.start("Hearing 12/2026", BEGAN, "sfu tests", {"court": "Regional Court", "file": "12 O 34/26"})]
    found: list[Event] = list(events)
    for number, source in enumerate(sources, 1):
        found += _write_source(path, number, source)
    # What a fragment tells of is over when its line is written; the line that introduces a source comes first.
    for at_ms, kind, fields in sorted(found, key=lambda each: (each[1] != "source", each[0])):
        lines.append(ledger.append(kind, 0 if kind == "source" else at_ms * 1000, **fields))
    kinds = Counter(kind for _, kind, _ in found)
    counts = {"fragments": kinds["fragment"], "gaps": kinds["gap"]}
    ended = BEGAN + datetime.timedelta(milliseconds=duration_ms)
    lines.append(
        ledger.append("stop", duration_ms * 1000, cause="stopped", utc=_tell(ended), **counts),
    )
    lines.append(ledger.sign_head(duration_ms * 1000, ended))
    (path / PUBLIC_KEY).write_bytes(key.public.pem)
    (path / LEDGER).write_bytes(b"".join(lines))
    files = [PUBLIC_KEY, LEDGER, *(f"{MEDIA}/{file.name}" for file in (path / MEDIA).iterdir())]
    kinds += Counter(("start", "stop", "head"))
    facts = [digest_file(path, file) for file in files]
    write_manifest(path, build_manifest(ledger.record, key.key_id, ledger.n, ledger.prev, dict(kinds), facts), key)


def _write_source(path: Path, number: int, source: Source) -> list[Event]:
    file = f"media/{number:03}-{source.kind}.mkv"
    data = source.build()
    (path / file).write_bytes(data)
    about = {
        "source": number, "file": file, "kind": source.kind,
        "codec": "opus" if source.kind == "audio" else source.codec or "vp9",
        "clock_rate": 48000 if source.kind == "audio" else 90000,
        "peer": source.peer, "label": source.label, "metadata": source.metadata,
    }  # fmt: skip
    if source.encryption:
        about["encryption"] = source.encryption
    events: list[Event] = [(source.takes[0].begin_ms, "source", about)]
    offset, index = 0, 0
    fragments = split_fragments(data)
    begins = [read_cluster_time(fragment) for fragment in fragments]
    for fragment, begin, following in zip(fragments, begins, [*begins[1:], source.takes[-1].end_ms], strict=True):
        end = min(following, max(take.end_ms for take in source.takes if take.begin_ms + 20 < following))
        fields = {
            "source": number, "index": index, "offset": offset, "bytes": len(fragment),
            "sha256": hashlib.sha256(fragment).hexdigest(), "begin_us": begin * 1000, "end_us": end * 1000,
        }  # fmt: skip
        events.append((end, "fragment", fields))
        offset, index = offset + len(fragment), index + 1
    for begin, end, cause in source.gaps:
        events.append((end, "gap", {"source": number, "cause": cause, "begin_us": begin * 1000, "end_us": end * 1000}))
    return events


def _tell(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
