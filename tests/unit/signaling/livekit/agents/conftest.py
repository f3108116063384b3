"""What these tests start from."""

from __future__ import annotations

import pytest

from tests.unit.signaling.livekit.agents.hall import Hall


@pytest.fixture
def hall() -> Hall:
    return Hall()
