from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from livekit.protocol.ingress import (
    CreateIngressRequest,
    IngressInfo,
    IngressInput,
    IngressState,
    IngressVideoOptions,
    UpdateIngressRequest,
)

from sfu.errors import InvalidNameError, LimitError
from sfu.signaling import AuthorizationError, Grants
from sfu.signaling.livekit.ingress import ingresses as module
from sfu.signaling.livekit.ingress.ingresses import IngressAuthorizer, IngressError, Ingresses
from sfu.signaling.livekit.ingress.store import IngressStore, IngressStoreError

NOW = 1_800_000_000.0
Status = IngressState.Status


class Desk:
    """The ingresses of a file, and what was told of them."""

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[str, IngressInfo]] = []
        self.store = IngressStore(path)
        numbers = itertools.count(1)
        self.ingresses = Ingresses(
            self.store,
            "https://sfu.example/",
            clock=lambda: NOW,
            name=lambda prefix: f"{prefix}{next(numbers):012}",
            on_change=lambda event, info: self.told.append((event, info)),
        )

    async def create(self, **fields: Any) -> IngressInfo:
        basics = {"input_type": IngressInput.WHIP_INPUT, "room_name": "lobby", "participant_identity": "camera"}
        return await self.ingresses.create(CreateIngressRequest(**(basics | fields)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "ingresses")


async def test_a_stream_key_publishes_as_its_participant_and_does_nothing_else(desk: Desk) -> None:
    info = await desk.create(name="obs", participant_name="Camera 1", participant_metadata="m")
    assert info.url == "https://sfu.example/rooms/lobby/whip"
    assert (info.name, info.participant_name, info.participant_metadata) == ("obs", "Camera 1", "m")
    assert info.reusable and info.enabled and not info.enable_transcoding and info.bypass_transcoding
    assert info.state.status == Status.ENDPOINT_INACTIVE
    assert desk.ingresses.authorize(info.stream_key) == Grants(room="lobby", peer="camera", publish=True)
    for wrong in ("", "sk_", info.stream_key[:-1], info.ingress_id, info.stream_key.upper()):
        assert desk.ingresses.authorize(wrong) is None


async def test_who_publishes_by_it_does_so_for_whose_key_made_it_also_after_a_restart(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ingresses")
    request = CreateIngressRequest(input_type=IngressInput.WHIP_INPUT, room_name="lobby", participant_identity="camera")
    info = await desk.ingresses.create(request, "acme")
    await desk.ingresses.update(UpdateIngressRequest(ingress_id=info.ingress_id, room_name="attic"))
    other = await desk.create()
    desk.ingresses.close()
    again = Desk(tmp_path / "ingresses").ingresses
    found = [again.authorize(each.stream_key) for each in (info, other)]
    assert [None if grants is None else grants.tenant for grants in found] == ["acme", ""]
    await again.delete(info.ingress_id)
    again.close()


async def test_ingresses_of_an_earlier_version_are_nobody_s(tmp_path: Path) -> None:
    path = tmp_path / "ingresses"
    desk = Desk(path)
    info = await desk.create()
    desk.ingresses.close()
    database = sqlite3.connect(path)
    database.execute("DROP TABLE tenants")
    database.close()
    again = Desk(path).ingresses
    grants = again.authorize(info.stream_key)
    assert grants is not None
    assert grants.tenant == ""
    again.close()


async def test_keys_differ_and_one_that_is_disabled_or_deleted_is_good_for_nothing(desk: Desk) -> None:
    first, second = await desk.create(), await desk.create(participant_identity="other")
    assert first.stream_key != second.stream_key
    off = UpdateIngressRequest(ingress_id=first.ingress_id, enabled=False)
    assert not (await desk.ingresses.update(off)).enabled
    assert desk.ingresses.authorize(first.stream_key) is None
    await desk.ingresses.update(UpdateIngressRequest(ingress_id=first.ingress_id, enabled=True))
    assert desk.ingresses.authorize(first.stream_key) is not None
    await desk.ingresses.delete(first.ingress_id)
    assert desk.ingresses.authorize(first.stream_key) is None
    assert desk.ingresses.authorize(second.stream_key) is not None
    born_off = await desk.create(enabled=False)
    assert desk.ingresses.authorize(born_off.stream_key) is None


async def test_an_update_changes_what_it_says_and_the_url_follows_the_room(desk: Desk) -> None:
    info = await desk.create(name="obs", participant_name="Camera 1")
    change = UpdateIngressRequest(ingress_id=info.ingress_id, room_name="attic", video=IngressVideoOptions(name="v"))
    changed = await desk.ingresses.update(change)
    assert (changed.name, changed.participant_name, changed.video.name) == ("obs", "Camera 1", "v")
    assert changed.url == "https://sfu.example/rooms/attic/whip"
    assert desk.ingresses.authorize(info.stream_key) == Grants(room="attic", peer="camera", publish=True)
    assert desk.ingresses.of_participant("lobby", "camera") is None


async def test_ingresses_outlive_the_process(desk: Desk, tmp_path: Path) -> None:
    first, second = await desk.create(), await desk.create(participant_identity="other")
    desk.ingresses.note_started("lobby", "RM_1", "other")
    await desk.ingresses.update(UpdateIngressRequest(ingress_id=second.ingress_id, name="new"))
    await desk.ingresses.delete(first.ingress_id)
    desk.ingresses.close()
    again = Desk(tmp_path / "ingresses").ingresses
    (kept,) = again.find()
    assert (kept.ingress_id, kept.name, kept.stream_key) == (second.ingress_id, "new", second.stream_key)
    assert kept.state.status == Status.ENDPOINT_INACTIVE
    assert again.authorize(second.stream_key) is not None


async def test_its_state_follows_its_participant_and_no_webhook_tells_the_key(desk: Desk) -> None:
    info = await desk.create()
    desk.ingresses.note_started("lobby", "RM_1", "nobody")
    desk.ingresses.note_ended("lobby", "camera")
    assert desk.told == []
    desk.ingresses.note_started("lobby", "RM_1", "camera")
    desk.ingresses.note_started("lobby", "RM_1", "camera")
    (now,) = desk.ingresses.find()
    assert (now.state.status, now.state.room_id) == (Status.ENDPOINT_PUBLISHING, "RM_1")
    changed = await desk.ingresses.update(UpdateIngressRequest(ingress_id=info.ingress_id, name="new"))
    assert changed.state.status == Status.ENDPOINT_PUBLISHING
    desk.ingresses.note_ended("lobby", "camera")
    assert [(event, told.stream_key) for event, told in desk.told] == [("ingress_started", ""), ("ingress_ended", "")]
    assert desk.told[1][1].state.ended_at == int(NOW * 1e9)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"input_type": IngressInput.RTMP_INPUT}, 501, "RTMP_INPUT is not supported"),
        ({"input_type": IngressInput.URL_INPUT, "url": "http://x"}, 501, "URL_INPUT is not supported"),
        ({"enable_transcoding": True}, 501, "not transcoded"),
        ({"participant_metadata": "m" * 64_001}, 400, "participant_metadata is longer"),
    ],
)
async def test_what_is_not_here_is_refused(desk: Desk, fields: dict[str, Any], status: int, said: str) -> None:
    with pytest.raises(IngressError, match=said) as refused:
        await desk.create(**fields)
    assert refused.value.status == status
    assert list(desk.ingresses.find()) == []


@pytest.mark.parametrize("fields", [{"room_name": ""}, {"room_name": "a/b"}, {"participant_identity": ""}])
async def test_room_and_participant_have_names_that_whip_takes(desk: Desk, fields: dict[str, str]) -> None:
    with pytest.raises(InvalidNameError):
        await desk.create(**fields)


async def test_a_participant_has_one_ingress_in_a_room(desk: Desk) -> None:
    first = await desk.create()
    with pytest.raises(IngressError, match="another ingress") as refused:
        await desk.create()
    assert refused.value.status == 409
    second = await desk.create(room_name="attic")
    with pytest.raises(IngressError, match="another ingress"):
        await desk.ingresses.update(UpdateIngressRequest(ingress_id=second.ingress_id, room_name="lobby"))
    assert {info.ingress_id for info in desk.ingresses.find("lobby")} == {first.ingress_id}


async def test_what_is_not_there_is_not_found_and_there_is_a_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (desk.ingresses.update(UpdateIngressRequest(ingress_id="IN_x")), desk.ingresses.delete("IN_x")):
        with pytest.raises(IngressError) as refused:
            await call
        assert refused.value.status == 404
    monkeypatch.setattr(module, "MAX_INGRESSES", 1)
    await desk.create()
    with pytest.raises(LimitError):
        await desk.create(participant_identity="other")


async def test_what_the_disk_does_not_take_was_not_made(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(info: IngressInfo, tenant: str) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(desk.store, "put", fail)
    with pytest.raises(IngressError) as refused:
        await desk.create()
    assert refused.value.status == 503
    assert list(desk.ingresses.find()) == []


async def test_what_the_disk_does_not_delete_is_still_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    info = await desk.create()

    def fail(id: str) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "delete", fail)
        with pytest.raises(IngressError) as refused:
            await desk.ingresses.delete(info.ingress_id)
    assert refused.value.status == 503
    assert desk.ingresses.authorize(info.stream_key) is not None, "as it will be after the next start"
    await desk.ingresses.delete(info.ingress_id)
    assert desk.ingresses.authorize(info.stream_key) is None


async def test_who_comes_while_an_ingress_is_changed_is_not_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = await desk.create()
    put = desk.store.put

    def come_meanwhile(changed: IngressInfo, tenant: str) -> None:
        desk.ingresses.note_started("lobby", "RM_1", "camera")
        put(changed, tenant)

    monkeypatch.setattr(desk.store, "put", come_meanwhile)
    await desk.ingresses.update(UpdateIngressRequest(ingress_id=info.ingress_id, name="other"))
    desk.ingresses.note_ended("lobby", "camera")
    assert [event for event, _ in desk.told] == ["ingress_started", "ingress_ended"]


async def test_an_ingress_that_gets_another_participant_has_ended_for_the_former(desk: Desk) -> None:
    info = await desk.create()
    desk.ingresses.note_started("lobby", "RM_1", "camera")
    changed = await desk.ingresses.update(
        UpdateIngressRequest(ingress_id=info.ingress_id, participant_identity="another")
    )
    assert changed.state.status == Status.ENDPOINT_INACTIVE
    desk.ingresses.note_ended("lobby", "camera")
    desk.ingresses.note_started("lobby", "RM_1", "another")
    assert [event for event, _ in desk.told] == ["ingress_started", "ingress_ended", "ingress_started"]


async def test_tokens_are_taken_beside_stream_keys(desk: Desk) -> None:
    class Tokens:
        def authorize(self, token: str) -> Grants:
            if token != "good":
                raise AuthorizationError("no")
            return Grants(room="lobby", subscribe=True)

    info = await desk.create()
    authorizer = IngressAuthorizer(Tokens(), desk.ingresses)
    assert authorizer.authorize("good").subscribe
    assert authorizer.authorize(info.stream_key).publish
    assert authorizer.is_valid("good") and authorizer.is_valid(info.stream_key)
    assert not authorizer.is_valid("bad")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"something else" * 100)
    with pytest.raises(IngressStoreError, match="name a file of this node's own"):
        IngressStore(tmp_path / "file")
    store = IngressStore(tmp_path / "ok")
    store._db.execute("INSERT INTO ingresses VALUES ('x', ?)", (b"\xff\xff",))
    with pytest.raises(IngressStoreError, match="damaged"):
        store.load()
    store._db.execute("DROP TABLE ingresses")
    with pytest.raises(IngressStoreError, match="damaged"):
        store.load()


def test_a_file_serves_one_process(tmp_path: Path) -> None:
    store = IngressStore(tmp_path / "ingresses")
    with pytest.raises(IngressStoreError, match=r"locked.*of this node's own"):
        IngressStore(tmp_path / "ingresses")
    store.close()
    IngressStore(tmp_path / "ingresses").close()
