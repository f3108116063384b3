"""The ingresses of a node: WHIP clients that come with a stream key instead of a token."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from copy import deepcopy
from urllib.parse import quote

from livekit.protocol.ingress import CreateIngressRequest, IngressInfo, IngressInput, IngressState, UpdateIngressRequest

from sfu.errors import LimitError, RemoteError
from sfu.signaling.http.authorization import AuthorizationError, Authorizer, Grants
from sfu.signaling.http.names import parse_peer_name, parse_room_name
from sfu.signaling.livekit.ingress.store import IngressStore

MAX_INGRESSES = 10_000
_MAX_TEXT = 64_000
_PREFIX = "sk_"
"""Of stream keys, so that a token is not looked for among them."""
Status = IngressState.Status


class IngressError(RemoteError):
    """An ingress cannot be made, changed or found."""

    title = "Ingress refused"

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Ingresses:
    """`authorize` lets a stream key publish as the participant that its ingress names, and do nothing else."""

    def __init__(
        self,
        store: IngressStore,
        base_url: str,
        *,
        clock: Callable[[], float],
        name: Callable[[str], str],
        on_change: Callable[[str, IngressInfo], None] = lambda event, info: None,
    ) -> None:
        """`base_url`: where WHIP clients reach this server. `clock`: seconds since the Unix epoch. `name(prefix)` makes
        an id. `on_change` hears `ingress_started` and `ingress_ended`. Raises IngressStoreError.
        """
        self._store = store
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._name = name
        self._tell = on_change
        self._writing = asyncio.Lock()
        self._by_id: dict[str, IngressInfo] = {}
        self._tenants: dict[str, str] = {}  # by id: the API keys that made them
        self._by_key: dict[str, IngressInfo] = {}
        self._by_participant: dict[tuple[str, str], IngressInfo] = {}
        for info, tenant in store.load():
            info.state.CopyFrom(IngressState())  # nobody of an earlier process publishes any more
            self._enter(info, tenant)

    def authorize(self, key: str) -> Grants | None:
        """What a stream key allows; None: there is no such key, or its ingress is disabled."""
        info = self._by_key.get(key) if key.startswith(_PREFIX) else None
        if info is None or (info.HasField("enabled") and not info.enabled):
            return None
        tenant = self._tenants[info.ingress_id]
        return Grants(room=info.room_name, peer=info.participant_identity, publish=True, tenant=tenant)

    async def create(self, request: CreateIngressRequest, tenant: str = "") -> IngressInfo:
        """Make one, with a stream key of its own; who publishes by it does so for the `tenant`.

        Raises:
            IngressError, InvalidNameError, LimitError
        """
        if request.input_type != IngressInput.WHIP_INPUT:
            kind = IngressInput.Name(request.input_type)
            raise IngressError(f"{kind} is not supported: this server takes WHIP_INPUT.", 501)
        if request.enable_transcoding:
            raise IngressError("Media are not transcoded here: leave enable_transcoding out.", 501)
        if len(self._by_id) >= MAX_INGRESSES:
            raise LimitError("ingresses", f"this server has its {MAX_INGRESSES} ingresses")
        info = IngressInfo(
            ingress_id=self._name("IN_"),
            stream_key=self._name(_PREFIX) + self._name(""),
            input_type=request.input_type,
            enable_transcoding=False,
            bypass_transcoding=True,
            reusable=True,
            state=IngressState(),
            enabled=request.enabled if request.HasField("enabled") else True,
        )
        async with self._writing:
            self._apply(info, request)
            await self._write(lambda: self._store.put(info, tenant))
            self._enter(info, tenant)
        return deepcopy(info)

    async def update(self, request: UpdateIngressRequest) -> IngressInfo:
        """Change one, as far as something is said; who publishes by it goes on as it was."""
        if request.enable_transcoding:
            raise IngressError("Media are not transcoded here: leave enable_transcoding out.", 501)
        async with self._writing:
            known = self._get(request.ingress_id)
            changed, tenant = deepcopy(known), self._tenants[known.ingress_id]
            self._apply(changed, request)
            if request.HasField("enabled"):
                changed.enabled = request.enabled
            await self._write(lambda: self._store.put(changed, tenant))
            if _place(changed) != _place(known):
                self.note_ended(*_place(known))  # what its participant does is of no ingress any more
            changed.state.CopyFrom(known.state)  # it may have come or left meanwhile
            self._remove(known)
            self._enter(changed, tenant)
        return deepcopy(changed)

    async def delete(self, id: str) -> IngressInfo:
        """Forget one: its key is good for nothing from now on. Who publishes by it is the caller's to put out."""
        async with self._writing:
            info = self._get(id)
            await self._write(lambda: self._store.delete(id))
            self._remove(info)
        return deepcopy(info)

    def _enter(self, info: IngressInfo, tenant: str) -> None:
        self._tenants[info.ingress_id] = tenant
        self._by_id[info.ingress_id] = self._by_key[info.stream_key] = info
        self._by_participant[_place(info)] = info

    def _remove(self, info: IngressInfo) -> None:
        del self._tenants[info.ingress_id], self._by_id[info.ingress_id], self._by_key[info.stream_key]
        del self._by_participant[_place(info)]

    def find(self, room: str = "", id: str = "") -> Iterator[IngressInfo]:
        """Those of a room, or the one of an id; else all."""
        for info in self._by_id.values():
            if room in ("", info.room_name) and id in ("", info.ingress_id):
                yield deepcopy(info)

    def of_participant(self, room: str, identity: str) -> IngressInfo | None:
        """The ingress by which somebody publishes, or would."""
        return self._by_participant.get((room, identity))

    def note_started(self, room: str, room_id: str, identity: str) -> None:
        """Its participant has come."""
        info = self.of_participant(room, identity)
        if info is not None and info.state.status != Status.ENDPOINT_PUBLISHING:
            now = self._now_ns()
            state = IngressState(status=Status.ENDPOINT_PUBLISHING, room_id=room_id, started_at=now, updated_at=now)
            info.state.CopyFrom(state)
            self._tell("ingress_started", _without_key(info))

    def note_ended(self, room: str, identity: str) -> None:
        """Its participant has left."""
        info = self.of_participant(room, identity)
        if info is not None and info.state.status == Status.ENDPOINT_PUBLISHING:
            info.state.status = Status.ENDPOINT_INACTIVE
            info.state.ended_at = info.state.updated_at = self._now_ns()
            self._tell("ingress_ended", _without_key(info))

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def _apply(self, info: IngressInfo, request: CreateIngressRequest | UpdateIngressRequest) -> None:
        room, identity = request.room_name or info.room_name, request.participant_identity or info.participant_identity
        info.room_name, info.participant_identity = parse_room_name(room), parse_peer_name(identity)
        for field in ("name", "participant_name", "participant_metadata"):
            text = getattr(request, field)
            if len(text) > _MAX_TEXT:
                raise IngressError(f"{field} is longer than {_MAX_TEXT} characters.")
            if text:
                setattr(info, field, text)
        for field in ("audio", "video"):
            if request.HasField(field):
                getattr(info, field).CopyFrom(getattr(request, field))
        other = self.of_participant(info.room_name, info.participant_identity)
        if other is not None and other.ingress_id != info.ingress_id:
            raise IngressError(f"{info.participant_identity!r} has another ingress in that room.", 409)
        info.url = f"{self._base_url}/rooms/{quote(info.room_name)}/whip"

    def _get(self, id: str) -> IngressInfo:
        if id not in self._by_id:
            raise _unknown(id)
        return self._by_id[id]

    async def _write(self, call: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(call)
        except sqlite3.Error as error:
            raise IngressError("It could not be stored now; the disk may be full.", 503) from error

    def _now_ns(self) -> int:
        return int(self._clock() * 1e9)


class IngressAuthorizer:
    """Takes stream keys beside the tokens of another authorizer."""

    def __init__(self, tokens: Authorizer, ingresses: Ingresses) -> None:
        self._tokens = tokens
        self._ingresses = ingresses

    def authorize(self, token: str) -> Grants:
        """See `Authorizer.authorize`."""
        return self._ingresses.authorize(token) or self._tokens.authorize(token)

    def is_valid(self, token: str) -> bool:
        """Whether the token, or stream key, is good for anything."""
        try:
            self.authorize(token)
        except AuthorizationError:
            return False
        return True


def _place(info: IngressInfo) -> tuple[str, str]:
    """The room and the participant that an ingress is for."""
    return info.room_name, info.participant_identity


def _without_key(info: IngressInfo) -> IngressInfo:
    copied = deepcopy(info)
    copied.stream_key = ""
    return copied


def _unknown(id: str) -> IngressError:
    return IngressError(f"There is no ingress {id[:80]!r}.", 404)
