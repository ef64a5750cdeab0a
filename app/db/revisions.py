"""The database's revision, and whether this release can work with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

REVISION = "SELECT version_num FROM alembic_version"
"""The revision that the database is at."""
SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"
_IS_MIGRATED = "SELECT to_regclass('alembic_version') IS NOT NULL"


@cache
def head() -> str:
    """Returns the newest revision in the code: the names of the scripts begin with their revisions."""
    return max(script.name.partition("_")[0] for script in (SCRIPTS / "versions").glob("[0-9]*.py"))


def is_newer(revision: str | None) -> bool:
    """Whether a later release has migrated the database. This release still works with it: migrations only add."""
    return revision is not None and revision.isdecimal() and int(revision) > int(head())


def suits(revision: str | None) -> bool:
    """Whether this release can work with a database at this revision."""
    return revision == head() or is_newer(revision)


async def current(engine: AsyncEngine) -> str | None:
    """Returns the database's revision, or None if it was never migrated."""
    async with engine.connect() as connection:
        if not await connection.scalar(text(_IS_MIGRATED)):
            return None
        revision: str | None = await connection.scalar(text(REVISION))
        return revision
