"""Alembic's entry: runs the revisions on the connection that `app.db.migrate` opened."""

from __future__ import annotations

from alembic import context

from app.db.tables import METADATA


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit("Run migrations with `paycore migrate`: it knows the database and its settings.")
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
