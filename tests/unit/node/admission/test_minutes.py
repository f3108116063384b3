"""Minutes outlive the process, and several processes add to one file."""

from __future__ import annotations

import asyncio
import datetime
import sqlite3
from pathlib import Path

import pytest

import sfu
from sfu.node.admission.minutes import Minutes, MinutesFile

NOW = datetime.datetime(2026, 11, 30, 23, 59, tzinfo=datetime.UTC).timestamp()


def open_minutes(path: Path, now: float = NOW) -> Minutes:
    return Minutes(MinutesFile(str(path)), now)


async def test_a_restart_does_not_reset_them(tmp_path: Path) -> None:
    path = tmp_path / "quotas.sqlite"
    minutes = open_minutes(path)
    minutes.add({"one": 90.0, "two": 30.0}, NOW)
    await minutes.save(NOW)
    minutes.add({"one": 30.0}, NOW)
    assert minutes.read("one", NOW) == 2.0
    await minutes.close(NOW)
    again = open_minutes(path)
    assert (again.read("one", NOW), again.read("two", NOW), again.read("three", NOW)) == (2.0, 0.5, 0.0)
    await again.close(NOW)


async def test_what_two_processes_add_is_added_up(tmp_path: Path) -> None:
    path = tmp_path / "quotas.sqlite"
    old, new = open_minutes(path), open_minutes(path)
    old.add({"one": 60.0}, NOW)
    new.add({"one": 120.0}, NOW)
    await old.save(NOW)
    await new.save(NOW)
    assert new.read("one", NOW) == 3.0
    await old.save(NOW)
    assert old.read("one", NOW) == 3.0
    await old.close(NOW)
    await new.close(NOW)


async def test_each_month_is_counted_by_itself_also_if_it_is_saved_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "quotas.sqlite"
    minutes = open_minutes(path)
    minutes.add({"one": 60.0}, NOW)
    minutes.add({"one": 120.0}, NOW + 60)
    assert (minutes.read("one", NOW), minutes.read("one", NOW + 60)) == (1.0, 2.0)
    await minutes.save(NOW + 60)
    await minutes.close(NOW + 60)
    november, december = open_minutes(path, NOW), open_minutes(path, NOW + 60)
    assert (november.read("one", NOW), december.read("one", NOW + 60)) == (1.0, 2.0)
    await november.close(NOW)
    await december.close(NOW + 60)


async def test_what_is_added_while_it_is_saved_is_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "quotas.sqlite"
    minutes = open_minutes(path)
    minutes.add({"one": 60.0}, NOW)
    saving = asyncio.ensure_future(minutes.save(NOW))
    await asyncio.sleep(0)  # it waits for the disk now
    minutes.add({"one": 60.0}, NOW)
    await saving
    assert minutes.read("one", NOW) == 2.0
    await minutes.close(NOW)
    again = open_minutes(path)
    assert again.read("one", NOW) == 2.0
    await again.close(NOW)


async def test_a_disk_that_takes_nothing_costs_no_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "quotas.sqlite"
    minutes = open_minutes(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    minutes.add({"one": 60.0}, NOW)
    await minutes.save(NOW)
    assert "could not be saved" in caplog.text
    assert minutes.read("one", NOW) == 1.0
    other.execute("ROLLBACK")
    other.close()
    await minutes.close(NOW)
    again = open_minutes(path)
    assert again.read("one", NOW) == 1.0
    await again.close(NOW)


def test_a_file_that_is_none_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "no").write_text("no database" * 100)
    for path in (tmp_path / "no", tmp_path / "missing" / "quotas.sqlite"):
        with pytest.raises(sfu.ConfigError, match="quota_file"):
            Minutes(MinutesFile(str(path)), NOW)
