"""Search what courts publish. The stand-in's entries are made up, and say so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from court.accounts.attempts import spend_attempt
from court.accounts.login import MaybeMe, TheCourt
from court.accounts.schemas import Page
from court.adapters.adapters import mask_identity
from court.hearings.api import Limit, Offset

router = APIRouter(prefix="/api", tags=["registers"])

Words = Annotated[str, Query(min_length=1, max_length=100)]
SEARCHES_AN_HOUR = 300


class JudgmentOut(BaseModel):
    """A published judgment."""

    number: str
    title: str
    court: str
    date: str
    summary: str
    source: str


class DefaulterOut(BaseModel):
    """An entry of the list of defaulters; the number is masked."""

    name: str
    identity_number: str
    case_number: str
    court: str
    published: str
    source: str


@router.get("/judgments")
async def search_judgments(
    court: TheCourt, me: MaybeMe, q: Words, offset: Offset = 0, limit: Limit = 20
) -> Page[JudgmentOut]:
    """Search published judgments; everybody may."""
    await spend_attempt(court, f"search:{'anyone' if me is None else me.id}", SEARCHES_AN_HOUR, 3600)
    source = court.adapters.judgments
    found = [each for each in source.entries if any(q.lower() in text.lower() for text in each.values())]
    items = [JudgmentOut(**each, source=source.source) for each in found[offset : offset + limit]]
    return Page(items=items, total=len(found))


@router.get("/defaulters")
async def search_defaulters(
    court: TheCourt, me: MaybeMe, q: Words, offset: Offset = 0, limit: Limit = 20
) -> Page[DefaulterOut]:
    """Search the list of defaulters by name or case number; identity numbers are masked, and cannot be searched."""
    await spend_attempt(court, f"search:{'anyone' if me is None else me.id}", SEARCHES_AN_HOUR, 3600)
    source = court.adapters.defaulters
    found = [each for each in source.entries if q in each["name"] or q in each["case_number"]]
    items = [
        DefaulterOut(**{**each, "identity_number": mask_identity(each["identity_number"])}, source=source.source)
        for each in found[offset : offset + limit]
    ]
    return Page(items=items, total=len(found))
