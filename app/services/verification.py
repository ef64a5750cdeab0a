"""Is the ledger whole? Every rule is checked over everything that is stored, in one snapshot, while transfers go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from app import ids
from app.clock import monotonic, system_clock
from app.db.connection import transaction
from app.db.engine import connect
from app.db.index_checks import damaged_indexes
from app.db.verification_sql import CHECKS, RECORD, Check, limited
from app.settings import Settings

MAX_FINDINGS = 20
"""Of each kind; how many more there are is told in one sentence."""

_PREFIXES: dict[str, ids.Prefix] = {
    "wallet_id": "wal",
    "transaction_id": "txn",
    "initiator_id": "usr",
    "owner_id": "usr",
    "user_id": "usr",
    "first_id": "usr",
}
_UNLIMITED = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    # The service itself does without; reading everything is what sequential scans are for.
    "enable_seqscan": "on",
    # An index that is damaged does not find what is stored, so that nothing here is read by one.
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
}


_RECORD_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Recorded:
    """The findings of one verification, and why the database did not take its result down; None where it did."""

    findings: list[str]
    not_recorded: str | None


async def verify(settings: Settings) -> list[str]:
    """What is wrong with the stored ledger, in one sentence each; empty where it is whole.

    Takes no lock that a transfer would wait for. Raises asyncpg or OS errors where the database cannot be read.
    """
    async with _unlimited(settings) as connection:
        sentences, _ = await _look(connection)
    return sentences


async def verify_and_record(settings: Settings) -> Recorded:
    """`verify`, with a row of its result for /metrics. What cannot be recorded, as on a standby, is told all the same."""
    begun = monotonic()
    async with _unlimited(settings) as connection:
        sentences, count = await _look(connection)
        duration_ms = round((monotonic() - begun) * 1000)
        try:
            await connection.execute(RECORD, system_clock(), duration_ms, count, timeout=_RECORD_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return Recorded(sentences, str(error) or type(error).__name__)
    return Recorded(sentences, None)


@asynccontextmanager
async def _unlimited(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may take as long as a large ledger needs."""
    connection = await connect(settings, **_UNLIMITED)
    try:
        yield connection
    finally:
        await connection.close()


async def _look(connection: asyncpg.Connection) -> tuple[list[str], int]:
    """The sentences, and how many findings there are: more than are told, where there are many of a kind."""
    async with transaction(connection, isolation="repeatable_read", readonly=True):
        found = [await _findings(connection, check) for check in CHECKS]
    # Not in the snapshot: amcheck refuses one that is older than an index.
    damaged = await damaged_indexes(connection)
    return [sentence for sentences, _ in found for sentence in sentences] + damaged, sum(n for _, n in found) + len(damaged)


async def _findings(connection: asyncpg.Connection, check: Check) -> tuple[list[str], int]:
    rows = await connection.fetch(limited(check, MAX_FINDINGS))
    findings = [check.sentence.format_map(_readable(row.items())) for row in rows]
    in_all: int = rows[0]["in_all"] if rows else 0
    if in_all > len(rows):
        findings.append(f"And {in_all - len(rows)} more like the one before.")
    return findings, in_all


def _readable(columns: Iterable[tuple[str, Any]]) -> Mapping[str, str]:
    return {name: ids.encode(_PREFIXES[name], value) if isinstance(value, UUID) else str(value) for name, value in columns}
