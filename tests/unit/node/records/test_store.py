"""Records of a node: settings, key, metrics, log."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import sfu
from sfu.events import RecordingAlarm, RecordingAlarmEnded, RecordingPaused, RecordingStarted, RecordingStopped
from sfu.node.admission.free_space import FreeSpace
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.logs.events import log_event
from sfu.node.metrics.records import RecordingEnds
from sfu.node.records.store import open_record_store
from sfu.node.tokens import DEV_KEY_ID, issue_token

SECRET = "a-secret-of-more-than-thirty-two-bytes"


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SFU_"):
            monkeypatch.delenv(name)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    sfu.load_or_create_signing_key(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def serious(**flags: Any) -> Settings:
    """Settings outside development."""
    return load_settings({"keys": {"main": SECRET}, **flags}, None)


def refusal(settings: Settings) -> tuple[str, str]:
    with pytest.raises(sfu.ConfigError) as caught:
        open_record_store(settings)
    return caught.value.key, str(caught.value)


def test_without_a_folder_nothing_is_recorded() -> None:
    assert open_record_store(load_settings({"dev": True}, None)) is None
    assert open_record_store(serious()) is None


def test_a_shelf_is_as_the_settings_say(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, *mirrors = (folder(tmp_path / name) for name in ("main", "one", "two"))
    monkeypatch.setenv("SFU_RECORD_MIRRORS", ", ".join(map(str, mirrors)))
    monkeypatch.setenv("SFU_RECORD_LEAST_FREE_BYTES", "7")
    settings = serious(
        record_dir=str(main), record_key=str(key), record_key_frame_interval=2.5, max_recordings=3, record_fragment=0.5
    )
    store = open_record_store(settings)
    assert store is not None
    assert store.places == (main, *mirrors)
    assert store.options == sfu.RecordingOptions(least_free_bytes=7, key_frame_interval=2.5, fragment=0.5)
    assert (store.most, store.key.key_id) == (3, sfu.load_signing_key(key).key_id)
    assert all(list(place.iterdir()) == [] for place in store.places)


def test_every_option_of_recordings_can_be_set() -> None:
    names = {f"record_{name}" for name in sfu.RecordingOptions.__slots__}
    assert names <= set(Settings.model_fields)
    assert load_settings({"dev": True}, None).build_recording_options() == sfu.RecordingOptions()


def test_development_makes_a_key_beside_the_records_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings({"dev": True, "record_dir": str(tmp_path / "records")}, None)
    with caplog.at_level(logging.INFO, "sfu.node"):
        first, second = open_record_store(settings), open_record_store(settings)
    assert first is not None and second is not None
    assert first.key.key_id == second.key.key_id
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "records", "records-journal.jsonl", "records-key.pem", "records-key.pub.pem"
    ]  # fmt: skip
    assert (tmp_path / "records-key.pem").stat().st_mode & 0o777 == 0o600
    assert list(first.folder.iterdir()) == []
    made, found = caplog.records
    assert made.getMessage() == "made a key that signs records; verifiers pin its public half"
    assert found.getMessage() == "records are signed"
    for record in (made, found):
        assert vars(record)["key"] == first.key.key_id
        public = vars(record)["public_key"]
        assert public == str(tmp_path / "records-key.pub.pem")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], check=True, capture_output=True
    ).stdout
    digest = subprocess.run(["sha256sum"], input=der, check=True, capture_output=True).stdout
    assert digest.split()[0].decode() == first.key.key_id


def test_folders_that_cannot_hold_records_are_named(tmp_path: Path, key: Path) -> None:
    main = folder(tmp_path / "main")
    (tmp_path / "file").write_text("")
    for wrong in ("missing", "file"):
        path = str(tmp_path / wrong)
        name, told = refusal(serious(record_dir=path, record_key=str(key)))
        assert (name, path in told) == ("record_dir", True)
        name, told = refusal(serious(record_dir=str(main), record_mirrors=(path,), record_key=str(key)))
        assert (name, path in told) == ("record_mirrors", True)
    name, told = refusal(load_settings({"dev": True, "record_dir": str(tmp_path / "file")}, None))
    assert name == "record_dir"
    assert not (tmp_path / "missing").exists()


def test_a_folder_that_cannot_be_written_is_named(key: Path) -> None:
    name, told = refusal(serious(record_dir="/proc", record_key=str(key)))  # which refuses root, too
    assert (name, "nothing can be written in the folder '/proc'" in told) == ("record_dir", True)


@pytest.mark.parametrize("mirror", ["main", "main/within", ".", "link"])
def test_mirrors_do_not_share_a_folder(tmp_path: Path, key: Path, mirror: str) -> None:
    folder(folder(tmp_path / "main") / "within")
    (tmp_path / "link").symlink_to(tmp_path / "main")
    keys = folder(tmp_path.with_name(f"{tmp_path.name}-keys"))
    name, told = refusal(
        serious(
            record_dir=str(tmp_path / "main"),
            record_mirrors=(str(tmp_path / mirror),),
            record_key=str(key.rename(keys / "key.pem")),
        )
    )
    assert (name, "within each other" in told) == ("record_mirrors", True)


def test_the_journal_stands_beside_the_records_or_where_it_is_told_to_and_never_among_them(
    tmp_path: Path, key: Path
) -> None:
    main = folder(tmp_path / "main")
    store = open_record_store(serious(record_dir=str(main), record_key=str(key)))
    assert store is not None and store.journal is not None
    assert store.journal.path == tmp_path / "main-journal.jsonl"
    other = str(tmp_path / "other.jsonl")
    store = open_record_store(serious(record_dir=str(main), record_key=str(key), record_journal=other))
    assert store is not None and store.journal is not None and str(store.journal.path) == other
    for path, reason in ((main / "journal.jsonl", "among the records"), (tmp_path / "no/j", "cannot be written")):
        name, told = refusal(serious(record_dir=str(main), record_key=str(key), record_journal=str(path)))
        assert (name, reason in told) == ("record_journal", True), told


def test_a_key_that_is_no_use_is_named(tmp_path: Path, key: Path) -> None:
    main = folder(tmp_path / "main")
    public = tmp_path / "public.pem"
    public.write_bytes(sfu.load_signing_key(key).public.pem)
    public.chmod(0o600)
    open_to_all = tmp_path / "open.pem"
    open_to_all.write_bytes(key.read_bytes())
    open_to_all.chmod(0o644)
    among = main / "key.pem"
    sfu.load_or_create_signing_key(among)
    for path, reason in (
        (tmp_path / "missing.pem", "No such file"),
        (public, "no private key"),
        (open_to_all, "chmod 600"),
        (among, "could forge them"),
    ):
        for settings in (
            serious(record_dir=str(main), record_key=str(path)),
            load_settings({"dev": True, "record_dir": str(main), "record_key": str(path)}, None),
        ):
            name, told = refusal(settings)
            assert (name, reason in told) == ("record_key", True), told
    assert not (tmp_path / "missing.pem").exists()


@pytest.fixture
async def server() -> AsyncIterator[sfu.Server]:
    async with sfu.Server() as server:
        yield server


async def scrape(http: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    text = (await http.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


async def test_metrics_tell_of_recordings(server: sfu.Server, tmp_path: Path) -> None:
    settings = load_settings(
        {"dev": True, "record_dir": str(tmp_path / "records"), "record_least_free_bytes": 1 << 60}, None
    )
    ends = RecordingEnds()
    app = create_node_app(server, settings, open_record_store(settings), ends)
    token = issue_token(DEV_KEY_ID, settings.secrets()[DEV_KEY_ID], room="lobby", now=time.time(), ttl=60, record=True)
    headers = {"Authorization": f"Bearer {token}"}
    events = server.events()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sfu.test", headers=headers
    ) as http:
        before = await scrape(http)
        assert {label for name, label in before if name == "sfu_recordings"} == {
            "recording",
            "paused",
            "stopped",
            "failed",
        }
        assert before["sfu_recordings", "recording"] == before["sfu_recording_bytes_total", ""] == 0
        assert before["sfu_recording_free_bytes", "main"] > 0
        assert before["sfu_recording_least_free_bytes", ""] == 1 << 60
        assert (await http.post("/rooms/lobby/recording")).status_code == 201
        async for event in events:
            if isinstance(event, RecordingAlarm):  # since no disk is as large as that
                break
        running = await scrape(http)
        assert running["sfu_recordings", "recording"] == 1
        assert running["sfu_recording_alarms", "disk_nearly_full"] == 1
        assert running["sfu_recording_alarms", "write_failed"] == running["sfu_recording_missed_packets_total", ""] == 0
        order = {"ground": "Recess", "authoriser": "Judge"}
        await http.post("/rooms/lobby/recording/pause", json=order)
        assert (await scrape(http))["sfu_recordings", "paused"] == 1
        assert (await http.delete("/rooms/lobby/recording")).status_code == 200
        async for event in events:
            ends.handle_event(event)
            if isinstance(event, RecordingStopped):
                break
        after = await scrape(http)
        assert sum(value for (name, _), value in after.items() if name == "sfu_recordings") == 0
        assert after["sfu_recording_alarms", "disk_nearly_full"] == 0
        assert after["sfu_recordings_ended_total", "stopped"] == 1
        everything = (await http.get("/metrics")).text
        assert str(tmp_path) not in everything and "Recess" not in everything
    events.close()
    await app.state.signaling.close()


def test_a_disk_that_hangs_holds_up_no_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = FreeSpace((tmp_path, tmp_path / "missing"))
    assert list(space.bytes) == [0]
    before, asked, hanging = space.bytes, threading.Semaphore(0), threading.Event()

    def statvfs(path: Path) -> os.statvfs_result:
        asked.release()
        hanging.wait()
        raise OSError

    monkeypatch.setattr(os, "statvfs", statvfs)
    for _ in range(3):
        space.refresh()
    assert asked.acquire(timeout=10)
    assert space.bytes == before
    hanging.set()
    for _ in range(2):  # the second folder of that one look; nobody else has asked
        assert space._asking is not None
        space._asking.join(10)
    assert asked.acquire(blocking=False) and not asked.acquire(blocking=False)
    assert space.bytes == {}


def test_ends_are_counted_by_the_causes_that_there_are() -> None:
    ends = RecordingEnds()
    for cause in ("failed", "failed", "stopped", "x" * 50, "y"):
        ends.handle_event(RecordingStopped("lobby", "id", cause))
    assert ends.counts == {"stopped": 1, "failed": 2, "server_closed": 0, "other": 2}


def test_every_event_of_a_recording_is_a_line_and_alarms_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_event(RecordingStarted("lobby", "id", ("/records/a",)))
        log_event(RecordingPaused("lobby", "id", "Recess", "Judge"))
        log_event(RecordingAlarm("lobby", "id", "/records/a", "nothing_written", "no media was written for 3 s"))
        log_event(RecordingAlarmEnded("lobby", "id", "/records/a", "nothing_written"))
        log_event(RecordingStopped("lobby", "id", "stopped"))
        log_event(RecordingStopped("lobby", "id", "failed"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "recording started"),
        ("INFO", "recording paused"),
        ("ERROR", "recording alarm"),
        ("INFO", "recording alarm ended"),
        ("INFO", "recording stopped"),
        ("ERROR", "recording stopped"),
    ]
    assert vars(caplog.records[2])["detail"] == "no media was written for 3 s"
    assert vars(caplog.records[1])["ground"] == "Recess"
