"""What stands in the directory, as values; what came from there is read tolerantly, or refused with one error."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass

from sfu.cluster.timing import PROTOCOL
from sfu.errors import ArgumentError, SfuError

_EPOCH = re.compile(r"[0-9]{1,16}")
_NODE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_RECORD_BYTES = 8192
"""Of one record; a longer one is refused, by who writes it and by who reads it."""

MAX_ROOM_BYTES = 1024


class RecordError(SfuError):
    """What stands in the directory cannot be read: it is damaged, or another program has written it."""


def check_node_id(node: str) -> str:
    """Return it.

    Raises:
        ArgumentError: it is none.
    """
    if not _NODE_ID.fullmatch(node):
        raise ArgumentError(f"a node's id is 1 to 64 letters, digits, dots, dashes or underscores, not {node[:80]!r}")
    return node


def check_room(room: str) -> str:
    """Return its name.

    Raises:
        ArgumentError: the directory takes none like that.
    """
    try:
        size = len(room.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= MAX_ROOM_BYTES:
        raise ArgumentError(
            f"a room of a cluster has a name of 1 to {MAX_ROOM_BYTES} bytes of UTF-8, not {room[:80]!r}"
        )
    return room


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """What a node tells of itself; its load, which changes all the time, stands elsewhere."""

    id: str
    epoch: int = 0
    """Which of the processes that had this id one after the other; 0: the directory has not said yet."""
    region: str = ""
    draining: bool = False
    link_url: str = ""
    """Where other nodes reach it."""
    client_url: str = ""
    """Where clients are sent to."""
    fingerprint: str = ""
    """Of the certificate of its links (RFC 8122 section 5)."""
    version: str = ""
    protocol: int = PROTOCOL

    def encode(self) -> str:
        """Return it as the directory keeps it, without id and epoch, which stand beside it.

        Raises:
            ArgumentError: it is too long.
        """
        fields = dataclasses.asdict(self)
        del fields["id"], fields["epoch"]
        text = json.dumps(fields, separators=(",", ":"))
        if len(text) > MAX_RECORD_BYTES:
            raise ArgumentError(f"the record of node {self.id} has {len(text)} bytes; {MAX_RECORD_BYTES} are allowed")
        return text


def read_node(node: str, text: str) -> NodeRecord:
    """Read "epoch json"; what it has that we do not know is ignored, what it lacks has its default.

    Raises:
        RecordError: it is no such thing.
    """
    epoch, _, body = text.partition(" ")
    if len(text) > MAX_RECORD_BYTES + 24 or not _EPOCH.fullmatch(epoch) or not _NODE_ID.fullmatch(node):
        raise RecordError(f"the record of node {node[:80]!r} is none")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the record of node {node} is no JSON") from error
    if not isinstance(fields, dict):
        raise RecordError(f"the record of node {node} is no object")
    kept: dict[str, object] = {}
    for field in dataclasses.fields(NodeRecord):
        if field.name in fields and field.name not in ("id", "epoch"):
            if type(fields[field.name]) is not type(field.default):
                raise RecordError(f"{field.name} in the record of node {node} is of another type")
            kept[field.name] = fields[field.name]
    return NodeRecord(id=node, epoch=int(epoch), **kept)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """Which node is a room's home."""

    name: str
    node: str
    epoch: int
    token: int
    """The fencing token: a later home's is higher, and what is written for the room carries it."""
    since_ms: int = 0
    """When, by the store's calendar; for people only."""
    alive: bool = True
    """Whether that node's lease was valid when this was read."""


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """Something of a room at one node: a Track that crosses nodes, or a recording. It counts as long as that node's
    lease, under that epoch.
    """

    kind: str
    """`track` or `recording`."""
    id: str
    node: str
    epoch: int
    text: str
    """What its writer says of it, as JSON: a Track's kind and publisher; a recording's state, and what it follows."""

    @property
    def field(self) -> str:
        """Its key within the room."""
        return f"{self.kind}/{self.id}"


def read_entry(field: str, text: str) -> RoomEntry:
    """Read "node epoch json".

    Raises:
        RecordError: it is no such thing.
    """
    kind, _, name = field.partition("/")
    parts = text.split(" ", 2)
    fits = len(field) <= MAX_RECORD_BYTES and len(text) <= MAX_RECORD_BYTES + 100
    if not fits or len(parts) != 3 or not name or not _EPOCH.fullmatch(parts[1]):
        raise RecordError(f"the entry {field[:80]!r} of a room cannot be read")
    return RoomEntry(kind, name, parts[0], int(parts[1]), parts[2])
