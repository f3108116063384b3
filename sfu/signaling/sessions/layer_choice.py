"""What a viewer may choose: the JSON of the WHEP layer extension, and the ceiling that it means.

The drafts disagree on a name: the Encoding is `encodingId` up to draft-ietf-wish-whep-01 and `rid` from -02 on. Both
are taken. A choice is a ceiling: nothing above it is sent, and less where the network or the publisher gives less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfu import Layer, Track
from sfu.media.layer import WHOLE
from sfu.signaling.http.json_body import check_object, parse_json
from sfu.signaling.http.problem import Problem

_MAX_INDEX = 1 << 16
_TITLE = "Layer choice refused"


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The fields of a request; None for a choice that it leaves to us."""

    media: int | None = None
    """Index of the media section in the session description; None for the first one with video."""
    encoding: str | None = None
    spatial: int | None = None
    temporal: int | None = None
    max_spatial: int | None = None
    max_temporal: int | None = None
    paused: bool = False
    """Whether no media are wanted for now, a field of ours that the drafts do not have."""


def parse_choice(text: str) -> LayerChoice:
    """Return the choice in a request's body; an empty one, `null` and `{}` choose nothing. Raises Problem 400, or 422
    for sizes.
    """
    fields = _parse_object(text)
    if _read_number(fields, "maxWidth") is not None or _read_number(fields, "maxHeight") is not None:
        detail = "Picture sizes are not known here: leave maxWidth and maxHeight out, and choose by encodingId."
        raise Problem(422, "Sizes are not known", detail)
    encoding, rid = _read_text(fields, "encodingId"), _read_text(fields, "rid")
    if encoding is not None and rid is not None and encoding != rid:
        raise _malformed("encodingId and rid name the same thing; send one of them.")
    return LayerChoice(
        media=_read_media(fields),
        encoding=rid if encoding is None else encoding,
        spatial=_read_number(fields, "spatialLayerId"),
        temporal=_read_number(fields, "temporalLayerId"),
        max_spatial=_read_number(fields, "maxSpatialLayerId"),
        max_temporal=_read_number(fields, "maxTemporalLayerId"),
        paused=_read_flag(fields, "paused"),
    )


def name_encodings(track: Track) -> list[str]:
    """Return the names of the Encodings over HTTP: their RIDs, or their indices where the publisher gave none."""
    return [encoding.rid or str(index) for index, encoding in enumerate(track.encodings)]


def resolve_choice(choice: LayerChoice, track: Track) -> Layer:
    """Return the ceiling that `choice` means for `track`; raise Problem 404 if it names what cannot exist.

    In simulcast the Encoding is the spatial choice, and within it there is the one spatial layer 0. Layers that are
    merely not sent at the moment can be chosen: they may come.
    """
    names = name_encodings(track)
    index = None
    if choice.encoding is not None:
        if choice.encoding not in names:
            raise Problem(404, "Unknown encoding", f"The encodings of this track are {', '.join(names)}.")
        index = names.index(choice.encoding)
    temporal = _bound("temporalLayerId", choice.temporal, choice.max_temporal, WHOLE.temporal)
    if len(names) > 1:
        _bound("spatialLayerId", choice.spatial, choice.max_spatial, 0)
        return Layer(WHOLE.spatial if index is None else index, temporal)
    return Layer(_bound("spatialLayerId", choice.spatial, choice.max_spatial, WHOLE.spatial), temporal)


def _bound(name: str, chosen: int | None, most: int | None, limit: int) -> int:
    if chosen is not None and chosen > limit:
        raise Problem(404, "Unknown layer", f"There is no {name} above {limit} in this track.")
    return min(value for value in (chosen, most, limit) if value is not None)


def _parse_object(text: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    value = parse_json(text, _TITLE)
    return {} if value is None else check_object(value, _TITLE)


def _read_media(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("mediaId")
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 6:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_INDEX:
        raise _malformed("mediaId is the index of a media section in the session description, such as '0'.")
    return value


def _read_text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _malformed(f"{name} must be a string.")
    return value


def _read_number(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_INDEX:
        raise _malformed(f"{name} must be a whole number from 0 on.")
    return value


def _read_flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _malformed(f"{name} must be true or false.")


def _malformed(detail: str) -> Problem:
    return Problem(400, _TITLE, detail)
