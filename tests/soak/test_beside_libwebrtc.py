"""Through the same link a node's gallery is as full and as swift as libwebrtc's own picture."""

from __future__ import annotations

import os
import statistics
import sys

import pytest

from bench.netem.schedule import Schedule
from tests.interop.browsers import Chromium
from tests.interop.node_process import NodeProcess
from tests.soak.beside import Course, Figures, run_node, run_straight

ROUNDS = int(os.environ.get("BESIDE_ROUNDS", "1"))
LEAST_UTILISATION = 0.95
MOST_DELAY = 1.2
"""Both as parts of libwebrtc's."""
SHORT_S = 0.02
"""A delay below this is as good as none: a multiple of one that is tiny says nothing."""

COURSES = [
    Course("steady", 60.0, Schedule(((0.0, 1.5e6),))),
    Course("drop to a half and back", 70.0, Schedule(((0.0, 1.5e6), (25.0, 0.75e6), (45.0, 1.5e6)))),
]


def row(name: str, figures: Figures) -> str:
    """A line of the table."""
    return (
        f"{name:40} utilisation {figures.utilisation:.3f}  queue p95 {1000 * figures.delay_p95_s:4.0f} ms"
        f"  mean {1000 * figures.delay_mean_s:4.0f} ms  overflow {100 * figures.overflow:.1f} %"
    )


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name.replace(" ", "-"))
async def test_no_worse_than_libwebrtc(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    if not Chromium.installed():
        pytest.skip("chromium is not installed: as root, `make test` installs it from Debian")
    straight: list[Figures] = []
    ours: list[Figures] = []
    async with NodeProcess() as node, Chromium() as browser:
        for _ in range(ROUNDS):
            for who, runs, run in (("libwebrtc", straight, run_straight), ("ours", ours, run_node)):
                runs.append(await run(browser, node, course))
                with capsys.disabled():
                    sys.stdout.write("\n" + row(f"{course.name}, {who}", runs[-1]))
    series = "\n".join(
        f"{who}: {one.series}" for who, runs in (("libwebrtc", straight), ("ours", ours)) for one in runs
    )
    used, theirs = (statistics.median(one.utilisation for one in runs) for runs in (ours, straight))
    waited, their_wait = (statistics.median(one.delay_p95_s for one in runs) for runs in (ours, straight))
    assert used >= LEAST_UTILISATION * theirs, series
    assert waited <= max(MOST_DELAY * their_wait, SHORT_S), series
