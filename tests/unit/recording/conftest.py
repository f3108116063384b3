"""Records that the tests of `verify_record` alter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recording_samples import SampleRecord, begin_record, build_record

from .verdicts import KEY


@pytest.fixture
def record(tmp_path: Path) -> Path:
    build_record(tmp_path / "record", KEY)
    return tmp_path / "record"


@pytest.fixture
def open_record(tmp_path: Path) -> SampleRecord:
    return begin_record(tmp_path / "record", KEY)
