"""Tables of filings."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Filing(Base):
    """A case that somebody wants to bring: draft > filed > accepted, rejected or sent_back, which is filed again."""

    __tablename__ = "filings"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    cause: Mapped[str] = mapped_column(String(100))
    claim: Mapped[str] = mapped_column(String(8000))
    defendant: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(1000))
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"))
    created: Mapped[datetime.datetime]
    filed: Mapped[datetime.datetime | None]
    decided: Mapped[datetime.datetime | None]
