"""A record's folder, on a real disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER, media_file
from sfu.recording.store import Store


def test_what_is_appended_is_there_in_order_and_accounted_for(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    file = media_file(1, "audio")
    assert [store.append_media(file, part) for part in (b"one", b"two")] == [0, 3]
    store.sync_media([file])
    store.append_ledger(b"a line\n")
    store.write_file("public-key.pem", b"key")
    facts = {fact.path: (fact.bytes, fact.sha256) for fact in store.facts()}
    store.close()
    for name, data in ((file, b"onetwo"), (LEDGER, b"a line\n"), ("public-key.pem", b"key")):
        assert (tmp_path / "record" / name).read_bytes() == data
        assert facts[name] == (len(data), hashlib.sha256(data).hexdigest())


def test_what_is_made_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        store = Store.create(tmp_path / "record")
        store.append_media(media_file(1, "audio"), b"one")
        store.write_file("timestamps/0001.tsr", b"a response")
        store.close()
    finally:
        os.umask(umask)
    made = [tmp_path / "record", *(tmp_path / "record").rglob("*")]
    assert len(made) == 6
    assert all(each.stat().st_mode & 0o027 == 0 for each in made)


def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(RecordError, match="a folder of its own"):
        Store.create(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["precious"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "record").write_text("x")
    with pytest.raises(RecordError, match="record"):
        Store.create(tmp_path / "record")


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        store._files[media_file(1, "audio")] = full  # as if the disk had filled up under an open file
        with pytest.raises(RecordError, match=r"001-audio\.mkv: cannot be written: No space left"):
            store.append_media(media_file(1, "audio"), b"x")
    finally:
        store.close()


def test_the_ledger_is_locked_while_the_record_is_written(tmp_path: Path) -> None:
    from sfu.recording.lock import lock_for_reading

    store = Store.create(tmp_path / "record")
    reader = os.open(tmp_path / "record" / LEDGER, os.O_RDONLY)
    try:
        assert not lock_for_reading(reader)
        store.close()
        assert lock_for_reading(reader)
    finally:
        os.close(reader)
