"""Is the ledger whole? Every rule is checked over everything that is stored, in one snapshot, while transfers go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app import ids
from app.db.engine import connect
from app.db.verification_sql import CHECKS, Check, limited
from app.settings import Settings

if TYPE_CHECKING:
    import asyncpg

MAX_FINDINGS = 20
"""Of each kind; how many more there are is told in one sentence."""

_PREFIXES: dict[str, ids.Prefix] = {"wallet_id": "wal", "transaction_id": "txn", "initiator_id": "usr", "owner_id": "usr"}
_UNLIMITED = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # The service itself does without; reading everything is what sequential scans are for.
    "enable_seqscan": "on",
}


async def verify(settings: Settings) -> list[str]:
    """What is wrong with the stored ledger, in one sentence each; empty where it is whole.

    Takes no lock that a transfer would wait for. Raises asyncpg or OS errors where the database cannot be read.
    """
    connection = await connect(settings, **_UNLIMITED)
    try:
        # There since PostgreSQL 17.
        await connection.execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [finding for check in CHECKS for finding in await _findings(connection, check)]
    finally:
        await connection.close()


async def _findings(connection: asyncpg.Connection, check: Check) -> list[str]:
    rows = await connection.fetch(limited(check, MAX_FINDINGS))
    findings = [check.sentence.format_map(_readable(row.items())) for row in rows]
    if rows and rows[0]["in_all"] > len(rows):
        findings.append(f"And {rows[0]['in_all'] - len(rows)} more like the one before.")
    return findings


def _readable(columns: Iterable[tuple[str, Any]]) -> Mapping[str, str]:
    return {name: ids.encode(_PREFIXES[name], value) if isinstance(value, UUID) else str(value) for name, value in columns}
