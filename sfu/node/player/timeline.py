"""A record as the page takes it: JSON, times in milliseconds since the record's start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sfu.recording.reader import Moment, Record, RecordSource, Span

_MAX_TEXT = 500


def describe_record(record: Record) -> dict[str, Any]:
    """Return all that the page shows except the media."""
    return {
        "record": {
            "id": record.id,
            "room": record.room,
            "folder": record.path.resolve().name,
            "start": record.start.isoformat(),
            "closed": record.closed,
            "head": record.head,
            "key": record.key_id,
            "metadata": _plain(record.metadata),
        },
        "duration": _ms(record.duration_us),
        "sources": [_describe_source(source) for source in record.sources],
        "pauses": [
            {
                **_span(pause),
                "ground": pause.ground,
                "authoriser": pause.authoriser,
                "note": pause.note,
                "subject": pause.subject,
            }
            for pause in record.pauses
        ],
        "marks": [{"at": _ms(mark.at_us), "name": mark.name, "data": _plain(mark.data)} for mark in record.marks],
        "phases": _moments(record.phases),
        "speakers": _moments(record.speakers),
        "orders": [
            {"at": _ms(each.at_us), "what": each.what, "peer": each.peer, "kind": each.kind, "subject": each.subject}
            for each in record.orders
        ],
    }


def _describe_source(source: RecordSource) -> dict[str, Any]:
    return {
        "number": source.number,
        "file": source.file.name,
        "kind": source.kind,
        "codec": source.codec,
        "peer": source.peer,
        "label": source.label,
        "name": _text(source.metadata.get("name")) or source.peer,
        "role": _text(source.metadata.get("role")),
        "spans": [_span(span) for span in source.spans],
        "gaps": [{**_span(gap), "cause": gap.cause} for gap in source.gaps],
        "lost": source.lost_packets,
        "encryption": _text(source.encryption),
    }


def _moments(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    return [{"at": _ms(moment.at_us), "names": list(moment.names)} for moment in moments]


def _span(span: Span) -> dict[str, float]:
    return {"begin": _ms(span.begin_us), "end": _ms(span.end_us)}


def _plain(values: Mapping[str, Any]) -> list[list[str]]:
    """Return pairs of texts, since the page shows words, and what an application noted may be of any form."""
    return [[_text(key), _text(value)] for key, value in values.items()][:50]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:_MAX_TEXT]


def _ms(time_us: int) -> float:
    return time_us / 1000
