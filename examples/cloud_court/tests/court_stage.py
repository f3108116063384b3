"""A court for tests: time and chance are the test's own, the media are noted, everybody has a client."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from court.accounts.models import Account
from court.app import build_court, create_app
from court.config import CourtConfig
from court.court import Court
from court.hearings.presence import note_happening
from court.media.bridge import BegunRecord, Happening, MadeRecord, NoMedia, RecordState, Seat, Ticket

START = datetime.datetime(2026, 3, 2, 1, 0, tzinfo=datetime.UTC)
PASSWORD = "correct horse"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def make_identity(number: int) -> str:
    """An identity number with a right check digit."""
    body = f"1101051980010{number:04d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


class Clock:
    """Goes a millisecond with each look, and as far as it is told."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime.datetime:
        self.time += datetime.timedelta(milliseconds=1)
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += datetime.timedelta(seconds=seconds)


class Chance:
    """Bytes that look random and are the same in each run."""

    def __init__(self, seed: str = "") -> None:
        self.count = 0
        self.seed = seed

    def __call__(self, length: int) -> bytes:
        made = b""
        while len(made) < length:
            self.count += 1
            made += hashlib.sha256(f"{self.seed}{self.count}".encode()).digest()
        return made[:length]


@dataclass
class NotedMedia(NoMedia):
    """Notes what it is told, and has a recorder that can be made to fail."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    seats: dict[str, Seat] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    ground: str = ""
    broken: bool = False
    at: float = 0.0
    record: MadeRecord | None = None

    def issue(self, room: str, seat: Seat, url: str) -> Ticket:
        self.seats[seat.identity] = seat
        return Ticket(url, f"token:{seat.identity}", room)

    async def change(self, room: str, seat: Seat) -> None:
        self.calls.append(("change", room, seat.identity, seat.publishes))

    async def remove(self, room: str, identity: str) -> None:
        self.calls.append(("remove", room, identity))

    async def keep_apart(self, room: str, one: str, other: str) -> None:
        self.calls.append(("apart", room, one, other))

    async def close(self, room: str) -> None:
        self.calls.append(("close", room))

    def set_private(self, room: str) -> None:
        self.calls.append(("private", room))

    def start_recording(
        self, room: str, subject: str | None, metadata: Mapping[str, Any], follows: str | None = None
    ) -> BegunRecord:
        if self.broken:
            raise OSError("no disk")
        id = hashlib.md5(f"{room}{len(self.calls)}".encode()).hexdigest()
        self.running[room] = id
        self.calls.append(("record", room, subject))
        made = self.record or MadeRecord(f"/records/{room}", "")
        return BegunRecord(id, (made.folder,))

    def mark(self, room: str, name: str, subject: str, data: Mapping[str, Any]) -> None:
        self.calls.append(("mark", room, name, subject, dict(data)))

    def phase(self, room: str, name: str, subject: str | None) -> None:
        self.calls.append(("phase", room, name, subject))

    def pause(self, room: str, ground: str, authoriser: str, subject: str | None) -> None:
        self.ground = ground
        self.calls.append(("pause", room, ground, subject))

    def resume(self, room: str, authoriser: str, subject: str) -> None:
        self.ground = ""
        self.calls.append(("resume", room, subject))

    async def stop_recording(self, room: str, id: str, subject: str | None) -> tuple[MadeRecord, ...]:
        self.calls.append(("stop", room, subject))
        made = self.record or MadeRecord(f"/records/{room}", "ab" * 32)
        if self.running.get(room) == id:
            self.ended.add(self.running.pop(room))
        return (made,) if id in self.ended and not self.broken else ()

    def recording(self, room: str) -> RecordState | None:
        id = self.running.get(room)
        return None if id is None else RecordState(id, "paused" if self.ground else "recording", self.ground, (), 1)

    def position(self, room: str) -> float | None:
        return self.at if room in self.running else None

    def watch(self, listener: Callable[[Happening], None]) -> None:
        """Tests tell what happens by `Stage.happen`."""

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class User:
    """Somebody's browser: it keeps the cookie and sends the header."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://court.test")
        self.id = ""
        self.name = ""
        self.identity_number = ""

    def take(self, me: dict[str, Any]) -> None:
        self.http.headers["X-CSRF"] = me["csrf"]
        self.id, self.name = me["account"]["id"], me["account"]["name"]

    def elsewhere(self, app: FastAPI) -> User:
        """The same browser at another process."""
        made = User(app)
        made.http.cookies, made.http.headers = self.http.cookies, self.http.headers
        return made

    async def ask(self, method: str, path: str, expect: int, **arguments: Any) -> Any:
        answer = await self.http.request(method, f"/api{path}", **arguments)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers.get("content-type", "").endswith("json") and answer.content else answer

    async def get(self, path: str, expect: int = 200, **params: Any) -> Any:
        return await self.ask("GET", path, expect, params=params)

    async def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return await self.ask("POST", path, expect, json=body)

    async def refused(self, path: str, body: Any = None, method: str = "POST") -> str:
        """The code of a refusal."""
        answer = await self.http.request(method, f"/api{path}", json=body if method != "GET" else None)
        assert answer.status_code >= 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return str(answer.json()["code"])

    async def act(self, hearing: str, act: str, expect: int = 200, **fields: Any) -> Any:
        return await self.post(f"/hearings/{hearing}/acts", {"act": act, **fields}, expect)


@dataclass
class Stage:
    """A court, and how its people come in."""

    court: Court
    app: FastAPI
    media: NotedMedia
    clock: Clock
    people: int = 0
    users: list[User] = field(default_factory=list)

    @classmethod
    def open(cls, url: str, folder: Path, **settings: Any) -> Stage:
        clock, media = Clock(), NotedMedia()
        config = CourtConfig(folder=folder, database_url=url, base_url="http://court.test", **settings)
        court = build_court(config, media=media, clock=clock, random=Chance())
        court.passwords = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        web = folder / "web"
        web.mkdir()
        (web / "index.html").write_text("the pages")
        return cls(court, create_app(court, web=web), media, clock)

    async def close(self) -> None:
        for user in self.users:
            await user.http.aclose()
        await self.court.database.close()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[FastAPI]:
        """Another process of the same court, over the same database and folder."""
        court = build_court(self.court.config, media=self.media, clock=self.clock, random=Chance("beside"))
        yield create_app(court, web=self.court.config.folder / "web")
        await court.database.close()

    def user(self) -> User:
        self.users.append(User(self.app))
        return self.users[-1]

    def draw_phone(self) -> tuple[str, str]:
        self.people += 1
        return f"138000{self.people:05d}", make_identity(self.people)

    async def staff(self, office: str, name: str = "") -> User:
        """Somebody of the court, as its administration made him, logged in."""
        phone, identity = self.draw_phone()
        async with self.court.database.write() as db:
            db.add(
                Account(
                    id=self.court.new_id(),
                    phone=phone,
                    name=name or office,
                    identity_number=identity,
                    password_hash=self.court.passwords.hash(PASSWORD),
                    office=office,
                    created=self.clock(),
                )
            )
        user = self.user()
        user.take(await user.post("/login", {"phone": phone, "password": PASSWORD}))
        user.identity_number = identity
        return user

    async def person(self, name: str, phone: str = "", identity: str = "", office: str = "person") -> User:
        """Somebody who registers by himself."""
        drawn = self.draw_phone()
        phone, identity = phone or drawn[0], identity or drawn[1]
        user = self.user()
        await user.post("/register/code", {"phone": phone}, 202)
        body = {
            "phone": phone,
            "code": await self.read_code(phone),
            "password": PASSWORD,
            "name": name,
            "identity_number": identity,
            "office": office,
        }
        user.take(await user.post("/register", body, 201))
        user.identity_number = identity
        return user

    async def read_sms(self, phone: str) -> list[dict[str, Any]]:
        """What a phone shows, the newest first."""
        found = await self.user().get("/standins/sms", phone=phone)
        assert isinstance(found, list)
        return found

    async def read_code(self, phone: str) -> str:
        found = re.search(r"验证码 (\d{6})", (await self.read_sms(phone))[0]["text"])
        assert found is not None
        return found[1]

    async def happen(self, kind: str, room: str, identity: str = "", detail: str = "") -> None:
        """The media tell something."""
        await note_happening(self.court, Happening(kind, room, identity, detail))


@dataclass
class Trial:
    """A case with a hearing, both sides registered."""

    stage: Stage
    judge: User
    clerk: User
    plaintiff: User
    defendant: User
    case: dict[str, Any]
    hearing: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.hearing["id"])

    @property
    def path(self) -> str:
        return f"/hearings/{self.id}"

    @property
    def room(self) -> str:
        return f"h-{self.hearing['number']}"

    async def agree(self) -> None:
        """Both sides consent, and are invited."""
        page = await self.clerk.get(f"/cases/{self.case['id']}")
        for party in page["parties"]:
            said = {"party_id": party["id"], "given": True, "person": party["name"]}
            await self.clerk.post(f"{self.path}/consents", said, 201)
        await self.clerk.post(f"{self.path}/invitations", None, 201)

    async def prepare(self, *users: User) -> None:
        """Identity and declaration of these."""
        for user in users:
            said = {"name": user.name, "identity_number": user.identity_number}
            await user.post(f"{self.path}/identity", said)
            await user.post(f"{self.path}/declaration")

    async def open(self) -> None:
        """Everybody is ready, and the judge opens."""
        await self.agree()
        await self.prepare(self.plaintiff, self.defendant)
        await self.judge.act(self.id, "open")

    async def person_of(self, user: User) -> str:
        """A user's id in the hearing."""
        me = (await user.get(self.path))["me"]
        return str(me["id"])

    async def invite(self, role: str, name: str, **fields: Any) -> User:
        """Add somebody who has an account, and bind him by his code."""
        user = await self.stage.person(name)
        phone = f"138000{self.stage.people:05d}"
        added = {"role": role, "name": name, "phone": phone, "identity_number": user.identity_number, **fields}
        await self.clerk.post(f"{self.path}/people", added, 201)
        await self.clerk.post(f"{self.path}/invitations", None, 201)
        await user.post("/claim", {"number": self.hearing["number"], "code": await self.read_personal_code(phone)})
        return user

    async def read_personal_code(self, phone: str) -> str:
        found = re.search(r"入庭码 (\w{8})", (await self.stage.read_sms(phone))[0]["text"])
        assert found is not None
        return found[1]


async def make_trial(stage: Stage, start: float = 3600) -> Trial:
    """A case, its parties with accounts of their own, and a hearing so many seconds from now."""
    judge, clerk = await stage.staff("judge", "王法官"), await stage.staff("clerk", "李书记员")
    sides = []
    for side, name in (("plaintiff", "张三"), ("defendant", "李四")):
        phone, identity = stage.draw_phone()
        sides.append({"side": side, "name": name, "phone": phone, "identity_number": identity})
    number = f"(2026)京0491民初{stage.people}号"
    body = {"number": number, "title": "张三诉李四", "cause": "合同纠纷", "judge_id": judge.id, "parties": sides}
    case = await clerk.post("/cases", body, 201)
    users = [await stage.person(each["name"], each["phone"], each["identity_number"]) for each in sides]
    when = (stage.clock() + datetime.timedelta(seconds=start)).isoformat()
    hearing = await clerk.post("/hearings", {"case_id": case["id"], "title": "第一次开庭", "start": when}, 201)
    return Trial(stage, judge, clerk, *users, case=case, hearing=hearing)
