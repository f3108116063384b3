"""Materials: handed in by upload, with a receipt that carries the hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from court.cases.models import Material, Progress
from court.court import Work

if TYPE_CHECKING:
    from court.exhibits.models import Upload


def hand_in(work: Work, case_id: str, upload: Upload, role: str) -> None:
    """A material is complete: write its receipt. `role`: of who has uploaded it, in this case."""
    court = work.court
    receipt = f"{work.now:%Y%m%d}-{court.draw('0123456789', 8)}"
    work.db.add(
        Material(
            id=court.new_id(),
            case_id=case_id,
            account_id=upload.account_id,
            title=upload.name,
            name=upload.name,
            sha256=upload.sha256,
            size=upload.size,
            receipt=receipt,
            received=work.now,
        )
    )
    text = f"收到材料：{upload.name}"
    work.db.add(Progress(id=court.new_id(), case_id=case_id, at=work.now, kind="material", text=text))
    facts = {"receipt": receipt, "sha256": upload.sha256, "role": role}
    work.audit("case", "material", upload.account_id, case=case_id, **facts)
