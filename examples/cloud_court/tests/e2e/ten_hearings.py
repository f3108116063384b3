"""`make court-load`: hearings of five at once, all recorded, in one process of the court; then each record is read.

The people are the bench's (`bench.livekit`): they signal as livekit-client does and send simulcast video of 1 Mbit/s
and Opus, from this process, on the same cores. Told is what the court's process used, what was forwarded, and each gap.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench import cpu
from bench.client.dtls import ClientIdentity
from bench.generator.engine import Engine
from bench.links import GCM_128
from bench.livekit.door import Door
from bench.livekit.participant import Participant
from bench.livekit.room import compile_generator
from bench.livekit.sections import BEST, TRAFFIC
from court.demo.people import PASSWORD, STAFF
from court_process import CourtProcess
from court_stage import make_identity
from sfu.recording.reader import read_record

PHONES = {role: phone for role, _, phone, _ in STAFF}
ROLES = ("judge", "clerk", "plaintiff", "defendant", "third_party")
SIDES = ROLES[2:]


@dataclass(frozen=True)
class Ticket(Door):
    """What the court gave somebody: one token, whoever asks."""

    def token(self, identity: str, room: str) -> str:
        return self.secret


class User:
    """One who is logged in."""

    def __init__(self, court: CourtProcess) -> None:
        self.http = httpx.AsyncClient(base_url=court.url(), timeout=60, trust_env=False)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/api{path}", json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def log_in(self, path: str, body: dict[str, Any]) -> User:
        self.http.headers["X-CSRF"] = (await self.ask("POST", path, body))["csrf"]
        return self


@dataclass
class Held:
    """A hearing that is open, and the tickets of its five."""

    path: str
    tickets: list[Ticket]


async def hold(court: CourtProcess, judge: User, clerk: User, number: int) -> Held:
    """File a case, agree, invite, let everybody in, and open."""
    parties = [
        {
            "side": side,
            "name": f"当事人{number}{side}",
            "phone": f"1390000{number:02d}{index:02d}",
            "identity_number": make_identity(1000 + 10 * number + index),
        }
        for index, side in enumerate(SIDES)
    ]
    presiding = (await judge.ask("GET", "/me"))["account"]
    body = {
        "number": f"(2026)京0491民初{100 + number}号",
        "title": f"第{number}案",
        "cause": "合同纠纷",
        "judge_id": presiding["id"],
        "parties": parties,
    }
    case = await clerk.ask("POST", "/cases", body)
    start = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=20)).isoformat()
    hearing = await clerk.ask("POST", "/hearings", {"case_id": case["id"], "title": "开庭", "start": start})
    path = f"/hearings/{hearing['id']}"
    for party in (await clerk.ask("GET", f"/cases/{case['id']}"))["parties"]:
        said = {"party_id": party["id"], "given": True, "person": party["name"]}
        await clerk.ask("POST", f"{path}/consents", said)
    await clerk.ask("POST", f"{path}/invitations")
    users = [judge, clerk]
    for party in parties:
        sms = await clerk.ask("GET", f"/standins/sms?phone={party['phone']}")
        found = re.search(r"入庭码 (\w{8})", sms[0]["text"])
        assert found is not None, sms
        user = await User(court).log_in("/login/hearing", {"number": hearing["number"], "code": found[1]})
        users.append(user)
        said = {"name": party["name"], "identity_number": party["identity_number"]}
        await user.ask("POST", f"{path}/identity", said)
        await user.ask("POST", f"{path}/declaration")
    for staff in users[:2]:
        person = (await staff.ask("GET", path))["me"]
        number_of = next(identity for role, _, _, identity in STAFF if role == person["role"])
        await staff.ask("POST", f"{path}/identity", {"name": person["name"], "identity_number": number_of})
    await judge.ask("POST", f"{path}/acts", {"act": "open"})
    joined = [await user.ask("POST", f"{path}/join") for user in users]
    tickets = [Ticket(each["url"], each["identity"], each["token"]) for each in joined]
    for user in users[2:]:
        await user.http.aclose()
    return Held(path, tickets)


async def measure(hearings: int, seconds: float, folder: Path) -> None:
    identity = ClientIdentity.generate(GCM_128)
    compile_generator()
    async with CourtProcess(folder, countdown=1, login_attempts=1000) as court:
        judge = await User(court).log_in("/login", {"phone": PHONES["judge"], "password": PASSWORD})
        clerk = await User(court).log_in("/login", {"phone": PHONES["clerk"], "password": PASSWORD})
        held = [await hold(court, judge, clerk, number) for number in range(hearings)]
        people: list[list[Participant]] = []
        began = time.monotonic()
        for each in held:
            people.append([])
            for ticket in each.tickets:
                person = Participant(ticket.key, host="0.0.0.0", identity=identity)
                await person.join(ticket, "")
                await person.connect()
                await person.publish()
                people[-1].append(person)
        everybody = [each for room in people for each in room]
        print(
            f"{len(everybody)} people in {hearings} hearings are in after {time.monotonic() - began:.1f} s", flush=True
        )
        engine = Engine(
            [each.link for each in everybody],
            traffic=TRAFFIC,
            sample_every=50,
            receiver_gro=False,
            limit_s=seconds + 240,
        )
        await asyncio.to_thread(engine.start)
        await run(court, engine, people, seconds)
        for each in held:
            await judge.ask("POST", f"{each.path}/acts", {"act": "close"})
        await asyncio.to_thread(engine.stop)
        for person in everybody:
            await person.close()
        verdicts = []
        try:
            for each in held:
                verdicts += await judge.ask("GET", f"{each.path}/verify")
        except AssertionError:
            await asyncio.sleep(0.2)  # until its log has come
            print("".join(court.log[-60:]))
            raise
        bad = [each for each in verdicts if not each["good"]]
        print(f"verified: {len(verdicts)} parts, {len(bad)} not good {bad or ''}")
        for user in (judge, clerk):
            await user.http.aclose()
    tell_gaps(folder)


async def run(court: CourtProcess, engine: Engine, people: list[list[Participant]], seconds: float) -> None:
    """Let all send; told is what that took."""

    async def wait(lasting: float) -> None:
        end = time.monotonic() + lasting
        while time.monotonic() < end:
            engine.poll_notices()
            await asyncio.sleep(0.05)

    engine.set_sending(True)
    everybody = [each for room in people for each in room]
    waiting = asyncio.gather(*(each.wait_for_streams(2 * (len(room) - 1)) for room in people for each in room))
    while not waiting.done():
        await wait(0.1)
    await waiting
    engine.set_sending(False)
    await wait(0.5)
    for row, each in enumerate(everybody):
        engine.name_streams(row, each.streams)
    engine.set_sending(True)
    await wait(8)  # until the estimates have grown
    kinds = [plan.kind for each in everybody for plan in each.link.encodings]
    best = [row for row, kind in enumerate(kinds) if kind in ("audio", BEST)]

    def sent() -> int:
        return int(engine.sent_by_encoding()[best].sum())

    before, delivered, clock = sent(), int(engine.delivered_by_link().sum()), cpu.sample(court.pid, 0)
    await wait(seconds)
    use = cpu.sample(court.pid, 0).since(clock)
    expected = (sent() - before) * (len(people[0]) - 1)
    came = int(engine.delivered_by_link().sum()) - delivered
    print(
        f"in {use.wall_s:.1f} s: {came / use.wall_s:.0f} packets a second forwarded, {came / expected:.4f} of those "
        f"expected; the court's process used {use.process_s / use.wall_s:.2f} of a core, with "
        f"{cpu.resident_bytes(court.pid) / 2**20:.0f} MiB"
    )


def tell_gaps(folder: Path) -> None:
    """Each gap of each record."""
    written = 0
    sources = 0
    for record in sorted((folder / "records").iterdir()):
        written += sum(each.stat().st_size for each in record.rglob("*") if each.is_file())
        for source in read_record(record).sources:
            sources += 1
            for gap in source.gaps:
                print(f"gap: {record.name} {source.peer} {source.kind}: {gap}")
    print(f"{sources} sources in {len(list((folder / 'records').iterdir()))} records, {written / 2**20:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hearings", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory(prefix="court-load-") as folder:
        uvloop.run(measure(given.hearings, given.seconds, Path(folder, "court")))


if __name__ == "__main__":
    main()
