"""What a participant leaves for others to fetch, as descriptions of its data tracks; it lasts as long as he stays."""

from __future__ import annotations

from livekit.protocol.models import DataBlob, DataBlobKey

from sfu.signaling.livekit.data_tracks.schemas import clean_schema
from sfu.signaling.livekit.errors import RequestError
from sfu.signaling.livekit.options import LiveKitOptions


class Blobs:
    """Of one participant, by their keys."""

    def __init__(self, options: LiveKitOptions) -> None:
        self._options = options
        self._blobs: dict[bytes, DataBlob] = {}

    def store(self, blob: DataBlob) -> DataBlob:
        """Keep a blob, in place of that of the same key, and return it as it is kept; raises RequestError."""
        options = self._options
        kept = DataBlob(key=_clean_key(blob.key, options.max_blob_key_bytes), contents=blob.contents)
        if not kept.contents:
            raise RequestError("INVALID_REQUEST", "A data blob has contents.")
        name = _name(kept.key)
        others = {key: other for key, other in self._blobs.items() if key != name}
        size = sum(len(key) + len(other.contents) for key, other in others.items()) + len(name) + len(kept.contents)
        if len(others) >= options.max_blobs or size > options.max_blobs_bytes:
            most = f"{options.max_blobs} data blobs of {options.max_blobs_bytes} bytes together"
            raise RequestError("LIMIT_EXCEEDED", f"You may have {most}.")
        self._blobs[name] = kept
        return kept

    def find(self, key: DataBlobKey) -> DataBlob:
        """That of a key; raises RequestError."""
        found = self._blobs.get(_name(_clean_key(key, self._options.max_blob_key_bytes)))
        if found is None:
            raise RequestError("NOT_FOUND", "He has no data blob of that key.")
        return found


def _clean_key(key: DataBlobKey, most_bytes: int) -> DataBlobKey:
    """A key without what is not known of it; raises RequestError."""
    kind = key.WhichOneof("key")
    if kind == "generic" and 0 < len(key.generic.encode()) <= most_bytes:
        return DataBlobKey(generic=key.generic)
    if kind == "schema_id":
        return DataBlobKey(schema_id=clean_schema(key.schema_id))
    raise RequestError("INVALID_REQUEST", f"A data blob has a key of at most {most_bytes} bytes.")


def _name(key: DataBlobKey) -> bytes:
    return key.SerializeToString(deterministic=True)
