"""Writes the schema that the migrations make, as SQL: `python -m tests.migrations.dump > migrations/schema.sql`."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app.db import migrate, revisions
from app.demo.embedded import start_servers
from app.demo.embedded.places import find_postgres
from app.settings import load_settings

MAJOR_VERSION = 18
"""The version of pg_dump of the committed file: each version formats a schema differently."""
SCHEMA = revisions.SCRIPTS / "schema.sql"

_HEADER = "-- The schema that the migrations make. Written by `make generate`; changed by a new migration.\n"
# What differs from run to run, and from one minor version to the next.
_FLEETING = re.compile(r"^(\\(un)?restrict .*|-- Dumped (from|by) .*)\n", re.MULTILINE)
# The first partition ends when the month after the migration begins.
_BOUND = re.compile(r"TO \('[0-9a-f]{8}-[0-9a-f]{4}-0000-0000-000000000000'\)")


def pg_dump() -> Path | None:
    """The path of pg_dump in the right version, or None."""
    program = find_postgres().directory / "pg_dump"
    if not program.exists():
        return None
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return program if re.search(rf" {MAJOR_VERSION}\.", version) else None


def dump_schema(program: Path, url: str) -> str:
    """The schema of a migrated database as SQL, with its privileges, without its owner."""
    command = [str(program), "--schema-only", "--no-owner", "--exclude-table=ledger_entries_2*", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lasting = _BOUND.sub("TO ('…')", _FLEETING.sub("", dumped))
    return f"{_HEADER}{lasting.rstrip()}\n"


def main() -> int:
    """Migrate a new database and print its schema."""
    program = pg_dump()
    if program is None:
        sys.stderr.write(f"There is no pg_dump of PostgreSQL {MAJOR_VERSION} here.\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="paycore-dump-") as home, start_servers(Path(home), durable=False) as servers:
        settings = load_settings(
            database_url=servers.database_url, redis_url=servers.redis_url, home=Path(home), database_role="paycore_app"
        )
        asyncio.run(migrate.upgrade(settings))
        sys.stdout.write(dump_schema(program, servers.database_url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
