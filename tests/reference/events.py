"""Every event: in Python, of a room over HTTP, and of a viewer's session over HTTP."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from sfu import events
from sfu.signaling.http.headers import VIEWER_EVENTS
from sfu.signaling.streams.streams import translate_event
from tests.reference.docstrings import read_attribute_docstrings, row, table, unwrap

VIEWER_TEXTS = {
    "active": "Media is coming that this session receives; `{}`.",
    "inactive": "Nothing comes any more; `{}`. A stream never begins with it.",
    "layers": "What can be chosen of each video, by the index of its media section: `active` and `inactive` encodings, "
    "`layers` with their bit rates, the best first, and `current`, which this viewer gets.",
    "viewercount": 'How many watch the same, as `{"viewercount": 3}`.',
}
_HEAD = """\
# Events

<!-- made by python -m tests.reference -->

Events tell what has happened in rooms. In Python they are values, read from [`Room.events`](python.md)
or [`Server.events`](python.md); over HTTP they are server-sent events.

## In Python

All are in `sfu.events`, are frozen dataclasses, and have `room`, the room's name (empty where the server's
own stream ends). They hold names and ids, not objects, so an event can outlive what it tells of. A reader
that is too slow gets `EventsLost`, and its stream ends.

```python
async for event in server.events():
    match event:
        case sfu.events.PeerJoined(room=room, peer=peer):
            print(f"{peer} came into {room}")
```
"""
_ROOM = """\
## Of a room, over HTTP

`GET /rooms/{room}/events` begins with the event `snapshot`, whose data are the JSON of `GET /rooms/{room}`,
and goes on with those below. A `snapshot` comes again when a slow reader's queue ran over. Each event says
what *is*, so to apply one twice does no harm.
"""
_VIEWER = """\
## Of a viewer's session, over HTTP

The streams below `/rooms/{room}/sessions/{session}/sse` tell states, not occurrences: a client that comes
back is told all of them anew (draft-ietf-wish-whep, Server Sent Events).
"""
_SAMPLES: dict[str, Any] = {
    "str": "…",
    "str | None": "…",
    "int": 60,
    "float": 60.0,
    "tuple[str, ...]": ("…",),
    "ConnectionState": events.ConnectionState.CONNECTED,
}


def find_events() -> list[type[events.Event]]:
    """All classes of events, in the order of their module."""
    return [found for found in vars(events).values() if isinstance(found, type) and issubclass(found, events.Event)]


def translate(kind: type[events.Event]) -> tuple[str, str] | None:
    """What a room's event stream makes of an event: its name and the JSON of its data, with `…` for what varies."""
    told = translate_event(kind(**{field.name: _SAMPLES[field.type] for field in dataclasses.fields(kind)}))
    if told is None:
        return None
    name, data = told.decode().rstrip().split("\n")
    return name.removeprefix("event: "), json.dumps(json.loads(data.removeprefix("data: ")), ensure_ascii=False)


def build_events() -> str:
    """The page."""
    lines = [_HEAD, *table("event", "means", "fields beside `room`")]
    for kind in find_events():
        if kind is not events.Event:
            lines.append(row(f"`{kind.__name__}`", unwrap(kind.__doc__ or ""), _describe_fields(kind)))
    lines += ["", _ROOM, *table("event", "data", "in Python")]
    for kind in find_events():
        told = translate(kind)
        if told is not None:
            lines.append(row(f"`{told[0]}`", f"`{told[1]}`", f"`{kind.__name__}`"))
    lines += ["", _VIEWER, *table("event", "data")]
    lines += [row(f"`{name}`", VIEWER_TEXTS[name]) for name in VIEWER_EVENTS]
    return "\n".join(lines) + "\n"


def _describe_fields(kind: type[events.Event]) -> str:
    texts = read_attribute_docstrings(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.name != "room"]
    return "; ".join(f"`{name}`: {texts[name].removesuffix('.')}" if name in texts else f"`{name}`" for name in names)
