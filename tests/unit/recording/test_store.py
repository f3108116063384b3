"""A record's folder, on a real disk."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER, media_file
from sfu.recording.store import MOST_OPEN, Store
from tests.unit.recording.limits import largest_file, list_descriptors, no_more_descriptors


def fail(descriptor: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


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


def test_a_file_that_can_grow_no_more_is_named_and_stays_as_it_was(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    file, other = media_file(1, "audio"), media_file(2, "audio")
    store.append_media(file, b"one")
    assert store.sync_media([file]) == {}
    with largest_file(5):
        with pytest.raises(RecordError, match=r"001-audio\.mkv: cannot be written: File too large"):
            store.append_media(file, b"two...")
        assert store.append_media(other, b"x") == 0
    assert store.append_media(file, b"three") == 3
    assert store.sync_media([file, other]) == {}
    store.repair_media()
    facts = {fact.path: fact.bytes for fact in store.facts()}
    store.close()
    assert (tmp_path / "record" / file).read_bytes() == b"onethree"
    assert (facts[file], facts[other]) == (8, 1)


def test_what_is_half_written_at_the_end_is_taken_off(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    file = media_file(1, "audio")
    store.append_media(file, b"one")
    with largest_file(5), pytest.raises(RecordError):
        store.append_media(file, b"two...")
    store.repair_media()
    store.close()
    assert (tmp_path / "record" / file).read_bytes() == b"one"


def test_without_a_descriptor_a_new_file_waits_and_the_open_ones_are_written(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    file, new = media_file(1, "audio"), media_file(2, "audio")
    store.append_media(file, b"one")
    with no_more_descriptors():
        assert store.append_media(file, b"two") == 3
        with pytest.raises(RecordError, match=r"002-audio\.mkv: cannot be written: Too many open files"):
            store.append_media(new, b"one")
        with pytest.raises(RecordError, match="Too many open files"):
            store.try_media(new)
        assert store.sync_media([file]) == {}
    assert store.append_media(new, b"one") == 0
    store.close()
    assert (tmp_path / "record" / new).read_bytes() == b"one"


def test_what_did_not_come_to_disk_is_no_part_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.create(tmp_path / "record")
    file = media_file(1, "audio")
    store.append_media(file, b"one")
    store.sync_media([file])
    store.append_media(file, b"two")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)  # a disk that breaks cannot be had
        (error,) = store.sync_media([file]).values()
        assert "cannot be brought to disk: Input/output error" in str(error)
    assert store.append_media(file, b"three") == 3
    store.sync_media([file])
    (fact,) = [fact for fact in store.facts() if fact.path == file]
    store.close()
    assert (tmp_path / "record" / file).read_bytes() == b"onethree"
    assert fact.sha256 == hashlib.sha256(b"onethree").hexdigest()


def test_of_hundreds_of_media_files_few_are_open(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    files = [media_file(number, "audio") for number in range(1, 200)]
    for _ in range(2):
        for file in files:
            store.append_media(file, b"one")
            store.sync_media([file])
    held = [os.readlink(f"/proc/self/fd/{each}") for each in list_descriptors()]
    assert sum("/media/" in each for each in held) == MOST_OPEN
    store.close()
    assert all((tmp_path / "record" / file).read_bytes() == b"oneone" for file in files)


@pytest.mark.parametrize("way", ["link", "file", "nothing"])
def test_another_file_in_the_place_of_a_closed_one_is_not_written(tmp_path: Path, way: str) -> None:
    store = Store.create(tmp_path / "record")
    file = media_file(1, "audio")
    store.append_media(file, b"one")
    store.sync_media([file])
    for number in range(2, MOST_OPEN + 2):
        store.append_media(media_file(number, "audio"), b"one")
        store.sync_media([media_file(number, "audio")])
    place, victim = tmp_path / "record" / file, tmp_path / "victim"
    victim.write_bytes(b"")
    place.rename(tmp_path / "moved")
    if way == "link":
        place.symlink_to(victim)
    elif way == "file":
        place.write_bytes(b"one")
    with pytest.raises(RecordError, match=r"001-audio\.mkv: cannot be written"):
        store.append_media(file, b"two")
    store.close()
    assert victim.read_bytes() == b""


def test_of_a_ledger_that_can_grow_no_more_only_whole_lines_stay(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "record")
    store.append_ledger(b"a line\n")
    with largest_file(10), pytest.raises(RecordError, match=r"ledger\.jsonl: cannot be written: File too large"):
        store.append_ledger(b"another line\n")
    store.close()
    assert (tmp_path / "record" / LEDGER).read_bytes() == b"a line\n"


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
