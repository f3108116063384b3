"""Alembic enters here, with the connection that `Database.migrate` gives it."""

from alembic import context

from court.database.base import Base
from court.database.tables import TABLES

assert TABLES

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
