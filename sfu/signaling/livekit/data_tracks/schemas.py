"""What clients say of the frames of a data track, made safe to be passed on to everybody."""

from __future__ import annotations

from copy import deepcopy

from livekit.protocol.models import DataTrackFrameEncoding, DataTrackSchemaEncoding, DataTrackSchemaId

from sfu.signaling.livekit.errors import RequestError

MAX_NAME_BYTES = 256
"""Of the name of a data track, or of a schema."""
MAX_ENCODING_BYTES = 32
"""Of the name of an encoding that is not one of the known ones."""


def clean_encoding(encoding: DataTrackFrameEncoding) -> DataTrackFrameEncoding:
    """How frames are encoded, without what is not known of it; raises RequestError."""
    _check_encoding(encoding)
    cleaned = deepcopy(encoding)
    cleaned.DiscardUnknownFields()
    return cleaned


def clean_schema(schema: DataTrackSchemaId) -> DataTrackSchemaId:
    """What frames are described by, without what is not known of it; raises RequestError."""
    if not 0 < len(schema.name.encode()) <= MAX_NAME_BYTES:
        raise RequestError("INVALID_REQUEST", f"A schema has a name of at most {MAX_NAME_BYTES} bytes.")
    _check_encoding(schema.encoding)
    cleaned = deepcopy(schema)
    cleaned.DiscardUnknownFields()
    return cleaned


def _check_encoding(encoding: DataTrackFrameEncoding | DataTrackSchemaEncoding) -> None:
    if encoding.WhichOneof("value") == "custom" and not 0 < len(encoding.custom.encode()) <= MAX_ENCODING_BYTES:
        raise RequestError("INVALID_REQUEST", f"An encoding has a name of at most {MAX_ENCODING_BYTES} bytes.")
