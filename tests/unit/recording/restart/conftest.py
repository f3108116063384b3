"""What two processes of one machine share."""

from __future__ import annotations

import pytest

from tests.unit.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
