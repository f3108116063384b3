"""The table of the audit."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from court.database.base import Base


class AuditEvent(Base):
    """One line of a chain, as it was hashed. Rows are added, and never changed."""

    __tablename__ = "audit_events"

    chain: Mapped[str] = mapped_column(String(40), primary_key=True)
    """A hearing's id, or `court`."""
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    head: Mapped[str] = mapped_column(String(64))
    t_us: Mapped[int] = mapped_column(BigInteger)
    line: Mapped[bytes] = mapped_column(LargeBinary)
