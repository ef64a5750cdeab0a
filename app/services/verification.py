"""Verifies the stored ledger: checks every rule over all rows, in one snapshot, while transfers go on."""

from __future__ import annotations

import logging
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
from app.db.model_verification_sql import MODELS_SINCE
from app.db.statement_verification_sql import STATEMENTS_SINCE
from app.db.verification_check import Check
from app.db.verification_sql import ARCHIVES_SINCE, BY_INDEX, CHECKS, HAS_ARCHIVES, RECORD, REVISION, limited
from app.services.model_verification import findings as model_findings
from app.services.receipts.verification import LOG_SINCE
from app.services.receipts.verification import findings as log_findings
from app.services.statements.verification import findings as file_findings
from app.settings import Settings

logger = logging.getLogger(__name__)

MAX_FINDINGS = 20
"""Most findings of each kind that are listed. One more sentence has the number of the rest."""

_PREFIXES: dict[str, ids.Prefix] = {
    "wallet_id": "wal",
    "transaction_id": "txn",
    "entry_id": "ent",
    "original_id": "txn",
    "hold_id": "hld",
    "quote_id": "fxq",
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
    # The service turns sequential scans off. Reading every row needs them.
    "enable_seqscan": "on",
    # A damaged index may miss rows, so no check reads through one.
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    # Whole tables are joined. Without statistics, as of a partitioned table, the planner would compare each row with each.
    "enable_nestloop": "off",
    "plan_cache_mode": "auto",
}


_RECORD_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Recorded:
    """The findings of one verification, and why its result could not be recorded; None if it was."""

    findings: list[str]
    not_recorded: str | None


class NotRecorded(Exception):
    """The result of a verification could not be written."""


async def verify(settings: Settings) -> list[str]:
    """Return each fault of the stored ledger as a sentence. Empty if there is none.

    Takes no lock that a transfer would wait for. Raises asyncpg or OS errors if the database cannot be read.
    """
    async with _unlimited(settings) as connection:
        sentences, _ = await _find(connection)
    return sentences


async def verify_and_record(settings: Settings) -> Recorded:
    """Verify, and record the result for /metrics. Returns the findings even if recording fails, for example on a standby."""
    started = monotonic()
    async with _unlimited(settings) as connection:
        sentences, count = await _find(connection)
        duration_ms = round((monotonic() - started) * 1000)
        try:
            await connection.execute(RECORD, system_clock(), duration_ms, count, timeout=_RECORD_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return Recorded(sentences, str(error) or type(error).__name__)
    return Recorded(sentences, None)


async def verify_on_schedule(settings: Settings) -> bool:
    """Verify and record, as a duty of the worker. The findings are in the log; the record makes the alert."""
    verified = await verify_and_record(settings)
    for finding in verified.findings:
        logger.error("verification: %s", finding)
    if verified.not_recorded is not None:
        raise NotRecorded(verified.not_recorded)
    return False


@asynccontextmanager
async def _unlimited(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection without timeouts: a large ledger takes long to read."""
    connection = await connect(settings, **_UNLIMITED)
    try:
        yield connection
    finally:
        await connection.close()


async def _find(connection: asyncpg.Connection) -> tuple[list[str], int]:
    """Return the sentences and the number of findings, which may be more than the sentences."""
    async with transaction(connection, isolation="repeatable_read", readonly=True):
        # A migration that a finding has stopped leaves the database at an older revision, and this command finds out why.
        # An emptied database has none; its missing tables are then reported as before.
        revision = int(await connection.fetchval(REVISION) or 1)
        checks = [check for check in CHECKS if check.since <= revision <= (check.until or revision)]
        has_archives = revision >= ARCHIVES_SINCE and await connection.fetchval(HAS_ARCHIVES)
        found = [await _findings(connection, check, has_archives=has_archives) for check in checks]
        await connection.execute(BY_INDEX)
        if revision >= LOG_SINCE:
            found.append(_counted(await log_findings(connection, has_archives=revision >= ARCHIVES_SINCE), "the log"))
        if revision >= STATEMENTS_SINCE:
            found.append(_counted(await file_findings(connection), "files of statements"))
        if revision >= MODELS_SINCE:
            found.append(_shortened(*await model_findings(connection, MAX_FINDINGS), "words of searches"))
    # Outside the snapshot: amcheck refuses a snapshot that is older than an index.
    damaged = await damaged_indexes(connection)
    return [sentence for sentences, _ in found for sentence in sentences] + damaged, sum(n for _, n in found) + len(damaged)


async def _findings(connection: asyncpg.Connection, check: Check, *, has_archives: bool) -> tuple[list[str], int]:
    rows = await connection.fetch(limited(check, MAX_FINDINGS, has_archives=has_archives))
    findings = [check.sentence.format_map(_readable(row.items())) for row in rows]
    in_all: int = rows[0]["in_all"] if rows else 0
    if in_all > len(rows):
        findings.append(f"And {in_all - len(rows)} more like the one before.")
    return findings, in_all


def _counted(sentences: list[str], what: str) -> tuple[list[str], int]:
    return _shortened(sentences, len(sentences), what)


def _shortened(sentences: list[str], count: int, what: str) -> tuple[list[str], int]:
    """At most MAX_FINDINGS sentences, and the number of all. `sentences` are the first of `count`."""
    if count <= MAX_FINDINGS:
        return sentences, count
    return [*sentences[:MAX_FINDINGS], f"And {count - MAX_FINDINGS} more about {what}."], count


def _readable(columns: Iterable[tuple[str, Any]]) -> Mapping[str, str]:
    return {name: ids.encode(_PREFIXES[name], value) if isinstance(value, UUID) else str(value) for name, value in columns}
