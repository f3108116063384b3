"""Materials: handed in by upload, with a receipt that carries the hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from court.accounts.login import Login
from court.cases.models import CaseBinding, Material, Progress
from court.court import Work

if TYPE_CHECKING:
    from court.exhibits.models import Upload


async def hand_in(work: Work, me: Login, upload: Upload) -> None:
    """A material is complete: write its receipt."""
    court = work.court
    receipt = f"{work.now:%Y%m%d}-{court.draw('0123456789', 8)}"
    work.db.add(
        Material(
            id=court.new_id(),
            case_id=upload.target_id,
            account_id=me.id,
            title=upload.name,
            name=upload.name,
            sha256=upload.sha256,
            size=upload.size,
            receipt=receipt,
            received=work.now,
        )
    )
    work.db.add(
        Progress(
            id=court.new_id(), case_id=upload.target_id, at=work.now, kind="material", text=f"收到材料：{upload.name}"
        )
    )
    bound = await work.db.get(CaseBinding, (upload.target_id, me.id))
    work.audit(
        "case",
        "material",
        me.id,
        case=upload.target_id,
        receipt=receipt,
        sha256=upload.sha256,
        role=me.account.office if bound is None else bound.role,
    )
