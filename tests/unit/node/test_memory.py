"""The least that the machine, its control groups and those above them allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfu.node.memory import find_memory_limit

LITTLE = 64 << 20


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.max": "max", "sys/fs/cgroup/a/memory.max": str(LITTLE)}),
        ("0::/\n", {"sys/fs/cgroup/memory.max": str(LITTLE)}),
        (
            "5:devices:/\n4:cpu,memory:/a\n0::/\n",
            {
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(LITTLE),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(1 << 62),
            },
        ),
    ],
    ids=["above", "container", "version 1"],
)
def test_the_least_limit_of_all_groups_counts(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.endswith("\n") else f"{text}\n")
    assert find_memory_limit(tmp_path) == LITTLE


def test_without_groups_the_machine_s_memory_counts(tmp_path: Path) -> None:
    text = Path("/proc/meminfo").read_text()
    assert find_memory_limit(tmp_path) == int(text.split("MemTotal:")[1].split()[0]) * 1024
