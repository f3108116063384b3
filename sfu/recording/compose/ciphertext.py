"""Sources that were encrypted from end to end: a film declares them, since what is in them would be noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sfu.recording.errors import RecordError
from sfu.recording.folder import MEDIA, printable
from sfu.recording.reader import Record, RecordSource, SourceGap

CAUSE = "encrypted"
"""The cause of the gaps that stand for such a source's media."""


def hide_ciphertext(record: Record) -> Record:
    """Return the record as who has no key sees it: where media are encrypted there is a gap.

    Raises:
        RecordError: all of it is encrypted.
    """
    sources = tuple(_hide(source) if source.encryption else source for source in record.sources)
    if any(source.spans for source in record.sources) and not any(source.spans for source in sources):
        raise RecordError(
            record.path,
            "all of its media were encrypted from end to end by who published them: a film of them can be made only by "
            "who has that key and has decrypted them",
        )
    return replace(record, sources=sources)


def list_hidden(record: Record) -> Iterator[str]:
    """Say of each encrypted source that it is not in the film."""
    for source in record.sources:
        if source.encryption:
            cipher = printable(source.encryption)
            yield f"{MEDIA}/{source.file.name}: encrypted from end to end ({cipher}); the film shows a card there"


def _hide(source: RecordSource) -> RecordSource:
    gaps = (SourceGap(span.begin_us, span.end_us, CAUSE) for span in source.spans)
    ordered = sorted((*source.gaps, *gaps), key=lambda gap: gap.begin_us)
    return replace(source, spans=(), gaps=tuple(ordered), fragments=())
