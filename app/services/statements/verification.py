"""Verifies the stored files of statements: each still has the bytes of its hash."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import asyncpg

from app import ids
from app.db import statement_file_sql
from app.db.statement_verification_sql import FILES
from app.records import StatementFormat

_AT_ONCE = 500
"""Files whose hashes are read at once. More than one statement has."""


async def findings(connection: asyncpg.Connection) -> list[str]:
    """Return a sentence for each file that is not what its hash says. Reads all of them, part by part."""
    found: list[str] = []
    after = ids.LOWEST
    while True:
        rows = await connection.fetch(FILES, after, _AT_ONCE)
        # The last statement may go on beyond the limit.
        whole = rows if len(rows) < _AT_ONCE else [row for row in rows if row["statement_id"] != rows[-1]["statement_id"]]
        for row in whole:
            if not await _is_intact(connection, row):
                wallet = ids.encode("wal", row["wallet_id"])
                found.append(f"The {row['format']} file of statement {row['number']} of wallet {wallet} has other bytes.")
        if len(rows) < _AT_ONCE:
            return found
        after = whole[-1]["statement_id"]


async def _is_intact(connection: asyncpg.Connection, row: Any) -> bool:
    digest, size = hashlib.sha256(), 0
    for number in range(1, row["parts"] + 1):
        try:
            compressed = await statement_file_sql.part(connection, row["statement_id"], StatementFormat(row["format"]), number)
            content = zlib.decompress(compressed)
        except (zlib.error, ValueError):
            # The part is damaged, or it is not there.
            return False
        digest.update(content)
        size += len(content)
    return bool(digest.digest() == row["sha256"] and size == row["size"])
