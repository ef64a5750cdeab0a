"""migrations/schema.sql is the migrated schema, so that reviews show a change of it."""

from __future__ import annotations

import pytest

from tests.migrations.dump import MAJOR_VERSION, SCHEMA, dump_schema, pg_dump
from tests.servers import fetch_value


def test_the_committed_schema_is_the_migrated_one(database: str) -> None:
    major_version = fetch_value(database, "SELECT current_setting('server_version_num')::int / 10000")
    if major_version != MAJOR_VERSION:
        pytest.skip(f"schema.sql is of PostgreSQL {MAJOR_VERSION}; this server is {major_version}")
    program = pg_dump()
    if program is None:
        pytest.skip(f"needs pg_dump of PostgreSQL {MAJOR_VERSION}")
    assert dump_schema(program, database) == SCHEMA.read_text(encoding="utf-8"), "run `make generate`"
