"""How file descriptors are divided."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sfu.node.descriptors import plan_descriptors


def test_with_plenty_everything_that_is_set_can_be_had() -> None:
    plan = plan_descriptors(1 << 20, connections=8192, shards=4, recordings=16, folders=2)
    assert plan.http == 8192
    assert not plan.is_low
    assert plan.reserved >= 16 * 2 * 33
    assert plan.wanted == plan.reserved + plan.http


def test_http_is_left_what_media_and_records_do_not_need() -> None:
    plan = plan_descriptors(1024, connections=8192, shards=1, recordings=16, folders=1)
    assert plan.is_low
    assert plan.http + plan.reserved == 1024
    assert plan.reserved == plan_descriptors(1 << 20, connections=1, shards=1, recordings=16, folders=1).reserved


@pytest.mark.parametrize(("limit", "given"), [(1 << 20, 4096), (20_000, 1660), (1024, 79), (64, 0)])
def test_what_comes_by_tls_or_carries_media_has_a_quarter_of_what_is_left(limit: int, given: int) -> None:
    plan = plan_descriptors(limit, connections=8192, shards=1, recordings=0, folders=0, tcp=4096)
    assert plan.tcp == given
    assert plan.http + plan.reserved <= limit
    assert plan.wanted == 64 + 8 + 3 * 4096 + 8192


@pytest.mark.parametrize("limit", [64, 256, 1024])
def test_http_is_left_a_quarter_where_there_are_too_few(limit: int) -> None:
    plan = plan_descriptors(limit, connections=8192, shards=1, recordings=1024, folders=4)
    assert (plan.http, plan.reserved) == (limit // 4, limit - limit // 4)


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    program = """
import resource
from sfu.node.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["300", "300", "300"]
