"""Tables of consultations."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import ID_LENGTH, Base


class Consultation(Base):
    """A private room. Nothing that is said in it is kept."""

    __tablename__ = "consultations"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    hearing_id: Mapped[str] = mapped_column(ForeignKey("hearings.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """private, or judges."""
    host_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    locked: Mapped[bool]
    created: Mapped[datetime.datetime]
    ended: Mapped[datetime.datetime | None]

    @property
    def room(self) -> str:
        """Its room on the media server."""
        return f"c-{self.id}"


class ConsultationMember(Base):
    """Somebody who was asked in: invited > accepted, declined or no_answer; accepted > left."""

    __tablename__ = "consultation_members"

    consultation_id: Mapped[str] = mapped_column(ForeignKey("consultations.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    invited: Mapped[datetime.datetime]
