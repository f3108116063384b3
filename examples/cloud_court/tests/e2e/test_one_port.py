"""Feature 1: a whole hearing of scenario 1 in which one party has TCP 443 and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from build_web import DIST
from court_process import CourtProcess
from person import Person
from sfu.recording import Outcome, load_public_key, verify_record
from tests.interop.browsers import Chromium
from tests.interop.namespaces import NODE4, Town, possible
from tests.unit.tcp.certificates import make_certificate
from whole_hearing import begin, hand_in_an_exhibit, hear, seals, sign

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Chromium.installed(), reason="Chromium is not installed"),
]

PORT = 443
HERE, AFAR = ("judge", "clerk", "defendant"), "plaintiff"
WAYS = """(async () => {
  const ways = []
  for (const each of peers) {
    const stats = await each.getStats()
    for (const pair of stats.values())
      if (pair.type === "candidate-pair" && pair.nominated && pair.bytesSent > 0) {
        const { protocol, relayProtocol } = stats.get(pair.localCandidateId)
        ways.push(relayProtocol ?? protocol)
      }
  }
  return ways
})()"""


@pytest_asyncio.fixture(loop_scope="session")
async def people(tmp_path: Path) -> AsyncIterator[dict[str, Person]]:
    """The court on port 443 of a town; the plaintiff sits behind a firewall, the others reach it by UDP."""
    if not possible():
        pytest.skip("network namespaces cannot be made here: that takes root, and iproute2")
    assert (DIST / ".digest").exists(), "the pages are not built: python examples/cloud_court/build_web.py"
    chain, key = make_certificate(tmp_path, "court.test", (NODE4,))
    async with AsyncExitStack() as stack:
        town = stack.enter_context(Town())
        settings = {"countdown": 2, "tls_cert": chain, "tls_key": key, "announce": f'["{NODE4}"]'}
        process = CourtProcess(tmp_path / "court", prefix=town.command(town.node), base=f"https://{NODE4}", **settings)
        court = await stack.enter_async_context(process)
        found: dict[str, Person] = {}
        for house, roles in (
            (town.house("near"), HERE),
            (town.house_behind_firewall("far", PORT), (AFAR,)),
        ):
            browser = Chromium()
            executable = shutil.which(Chromium.executable)
            assert executable is not None
            browser.executable = town.wrap(house, executable)
            browser.flags = ("--ignore-certificate-errors",)
            browser.fake_device = "fps=5,device-count=1"
            await stack.enter_async_context(browser)
            for role in roles:
                found[role] = Person(court, role, await browser.open(ignore_https_errors=True))
        yield found


async def dismiss(judge: Person, hearing: str, role: str) -> None:
    """Who does not come need not sign."""
    _, persons = await judge.api("GET", f"api/hearings/{hearing}/people")
    (absent,) = (each["id"] for each in persons if each["role"] == role)
    status, _ = await judge.api("POST", f"api/hearings/{hearing}/people/{absent}/acts", {"act": "dismiss"})
    assert status == 200


async def test_scenario_01_a_party_who_has_tcp_443_and_nothing_else_has_the_whole_hearing(
    people: dict[str, Person], tmp_path: Path
) -> None:
    judge, clerk, defendant = (people[role] for role in HERE)
    plaintiff = people[AFAR]
    for each in (judge, clerk, plaintiff, defendant):
        await each.stands_ready()
    hearing = (await judge.hearing())["id"]
    await dismiss(judge, hearing, "lawyer")
    await hand_in_an_exhibit(plaintiff, hearing)
    await plaintiff.lists_connections()
    await defendant.lists_connections()
    await begin(judge, clerk, plaintiff, defendant, hearing)
    ways = [await each.page.evaluate(WAYS) for each in (plaintiff, defendant)]
    assert ways[0] and set(ways[0]) <= {"tcp", "tls"}, ways
    assert ways[1] and set(ways[1]) == {"udp"}, ways
    await hear(judge, clerk, plaintiff, defendant)
    await sign(judge, plaintiff, defendant, hearing)
    await judge.goes_to_record(hearing)
    await seals(judge)
    folder = tmp_path / "court"
    (record,) = (folder / "records").iterdir()
    assert verify_record(record, load_public_key(folder / "record-public.pem")).outcome is Outcome.INTACT
    (cookie,) = await plaintiff.page.driven.context.cookies()  # type: ignore[attr-defined]
    assert cookie["secure"] and cookie["httpOnly"], cookie
