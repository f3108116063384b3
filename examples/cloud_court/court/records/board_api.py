"""The officer's board: all hearings of the day, who is there, network health as a curve, alerts ticked off by name."""

from __future__ import annotations

import collections
import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Me, Staff, TheCourt
from court.accounts.models import Account
from court.accounts.schemas import Asked, Told
from court.court import Court
from court.errors import Refusal, not_found
from court.hearings.models import Hearing, Person
from court.hearings.schemas import HearingOut, RecordingOut, StaffPersonOut
from court.hearings.standing import find_standing, list_persons
from court.records.alerts import raise_alert, tell_staff
from court.records.models import Alert

router = APIRouter(prefix="/api", tags=["board"])

MAX_SAMPLES = 60
MAX_CURVES = 5_000


class HealthAsked(Asked):
    """How a client's network fares, or that its devices are blocked."""

    rtt_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    loss: Annotated[float, Field(ge=0, le=1)] = 0
    up_kbps: Annotated[float, Field(ge=0, le=1e7)] = 0
    down_kbps: Annotated[float, Field(ge=0, le=1e7)] = 0
    blocked: bool = False


class Sample(BaseModel):
    """One point of a curve."""

    at: datetime.datetime
    rtt_ms: float
    loss: float
    up_kbps: float
    down_kbps: float


class AlertOut(Told):
    """An alert, open or ticked off."""

    id: str
    hearing_id: str
    person_id: str | None
    kind: str
    detail: str
    at: datetime.datetime
    acknowledged: datetime.datetime | None
    acknowledged_by: str | None
    acknowledged_name: str = ""


class BoardPerson(StaffPersonOut):
    """Somebody, and where he is now."""

    where: Literal["room", "ready", "online", "away", "dismissed"] = "away"
    """In the room; has his page open, with or without having made the declaration; nowhere; put out."""


class BoardHearing(BaseModel):
    """A hearing with everybody in it."""

    hearing: HearingOut
    people: list[BoardPerson]
    health: dict[str, list[Sample]]
    recording: RecordingOut | None
    alerts: list[AlertOut]


_curves: collections.OrderedDict[tuple[int, str], collections.deque[Sample]] = collections.OrderedDict()


def note_sample(court: Court, person: str, asked: HealthAsked) -> None:
    """Keep the newest points of a person's curve, in memory alone."""
    key = (id(court), person)
    curve = _curves.setdefault(key, collections.deque(maxlen=MAX_SAMPLES))
    _curves.move_to_end(key)
    if len(_curves) > MAX_CURVES:
        _curves.popitem(last=False)
    curve.append(Sample(at=court.now(), **asked.model_dump(exclude={"blocked"})))


@router.post("/hearings/{hearing_id}/health", status_code=204)
async def tell_health(court: TheCourt, me: Me, hearing_id: str, asked: HealthAsked) -> None:
    """A client tells how its network fares, every few seconds."""
    async with court.database.read() as db:
        person = (await find_standing(db, me, hearing_id)).require_person()
    note_sample(court, person.id, asked)
    if asked.blocked:
        async with court.work() as work:
            await raise_alert(work, hearing_id, "media_blocked", person.name, person.id)


@router.get("/board")
async def get_board(court: TheCourt, me: Staff) -> list[BoardHearing]:
    """All hearings of the day; a judge sees his own."""
    now = court.now()
    day = datetime.timedelta(hours=24)
    query = select(Hearing).where(Hearing.start > now - day, Hearing.start < now + day)
    if me.account.office == "judge":
        query = query.where(Hearing.id.in_(select(Person.hearing_id).where(Person.account_id == me.id)))
    async with court.database.read() as db:
        told = []
        for hearing in list(await db.scalars(query.order_by(Hearing.start, Hearing.id).limit(200))):
            persons = await list_persons(db, hearing.id)
            alerts = await db.scalars(select(Alert).where(Alert.hearing_id == hearing.id).order_by(Alert.at, Alert.id))
            state = court.media.recording(hearing.room)
            curves = {each.id: list(_curves.get((id(court), each.id), ())) for each in persons}
            told.append(
                BoardHearing(
                    hearing=HearingOut.model_validate(hearing),
                    people=[_tell_person(court, each) for each in persons],
                    health={key: curve for key, curve in curves.items() if curve},
                    recording=None
                    if state is None
                    else RecordingOut(state=state.state, ground=state.ground, alarms=list(state.alarms)),
                    alerts=[await _tell_alert(db, each) for each in list(alerts)],
                )
            )
        return told


def _tell_person(court: Court, person: Person) -> BoardPerson:
    told = BoardPerson.model_validate(person)
    if person.dismissed:
        told.where = "dismissed"
    elif person.present:
        told.where = "room"
    elif person.account_id is not None and court.hub.count(person.account_id):
        told.where = "online" if person.declared is None else "ready"
    return told


async def _tell_alert(db: AsyncSession, alert: Alert) -> AlertOut:
    told = AlertOut.model_validate(alert)
    if alert.acknowledged_by is not None:
        told.acknowledged_name = (await db.get_one(Account, alert.acknowledged_by)).name
    return told


@router.post("/board/alerts/{alert_id}/acknowledge")
async def acknowledge(court: TheCourt, me: Staff, alert_id: str) -> AlertOut:
    """Tick an alert off; who did stands beside it."""
    async with court.work() as work:
        alert = await work.db.get(Alert, alert_id)
        if alert is None:
            raise not_found()
        await find_standing(work.db, me, alert.hearing_id)
        if alert.acknowledged is not None:
            raise Refusal("act.impossible", act="acknowledge", state="acknowledged")
        alert.acknowledged, alert.acknowledged_by = work.now, me.id
        work.audit("alert", "acknowledge", me.id, hearing=alert.hearing_id, alert=alert_id, of=alert.kind)
        await tell_staff(work, "alert", alert_id, "acknowledged", alert.hearing_id)
        return await _tell_alert(work.db, alert)
