"""The base of all tables."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, MetaData, String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Of constraints, so that a migration can name them."""

ID_LENGTH = 22


class UtcTime(TypeDecorator[datetime.datetime]):
    """An aware time in UTC; SQLite forgets the zone, so it is given back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime.datetime | None:
        if value is None or value.tzinfo is not None:
            found: datetime.datetime | None = value
            return found
        restored: datetime.datetime = value.replace(tzinfo=datetime.UTC)
        return restored


class Base(DeclarativeBase):
    """Of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own form
        datetime.datetime: UtcTime,
        str: String(),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }
