"""Seals months of entries, moves them into files, and puts them back, while transfers run.

Each step leaves the database in a state that the next run recognises: it looks at what is there, not at what it did. Nothing is
dropped before its file was read back from the disk and compared with the seal.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import asyncpg

from app.clock import monotonic
from app.db import archive_sql, log_sql, projection_sql
from app.db.archive_sql import Attachment, Month, Seal
from app.db.connection import transaction
from app.db.engine import open_connection
from app.errors import ConfigurationError
from app.services import archive_files
from app.services.archive_files import DamagedArchive, Writer
from app.settings import Settings

logger = logging.getLogger(__name__)

Say = Callable[[str], None]


def month_of(text: str) -> datetime:
    """The first moment of a month such as 2025-01, in UTC. Raises ConfigurationError."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ConfigurationError(f"A month has the form 2025-01, not {text}.") from None
    return datetime(first.year, first.month, 1, tzinfo=UTC)


async def archive(settings: Settings, before: datetime, directory: Path, reason: str, say: Say) -> int:
    """Archive all months that end before a moment, oldest first. Returns their number. Run as the owner of the tables.

    Raises ConfigurationError if a month is not ready, or another run goes on.
    """
    archive_files.make_directory(directory)
    count = 0
    async with _alone(settings) as connection:
        for month in await archive_sql.due(connection, before):
            seal = await _sealed(connection, month, say)
            await _exported(connection, seal, directory, say)
            await _moved_out(connection, seal, directory, reason)
            say(f"{month.name}: archived, {seal.entries} entries")
            count += 1
    return count


async def _sealed(connection: asyncpg.Connection, month: Month, say: Say) -> Seal:
    """The seal of a month, made now unless there is one."""
    known = await _seal_of(connection, month)
    if known is not None:
        return known
    await _refuse_unready(connection, month)
    await archive_sql.close_for_inserts(connection, month)
    hashed = sha256()

    async def take(data: bytes) -> None:
        hashed.update(data)

    with _logged("sealed", month.name) as facts:
        async with transaction(connection, isolation="repeatable_read"):
            entries = facts["entries"] = await archive_sql.copy_out(connection, month.name, take)
            await archive_sql.seal(connection, month, hashed.digest(), entries)
    say(f"{month.name}: sealed")
    made = await _seal_of(connection, month)
    assert made is not None
    return made


async def _seal_of(connection: asyncpg.Connection, month: Month) -> Seal | None:
    return next((seal for seal in await archive_sql.seals(connection) if seal.partition == month.name), None)


async def _refuse_unready(connection: asyncpg.Connection, month: Month) -> None:
    """Raises ConfigurationError while a transaction of the month has no position, or is not in the log or the models."""
    waiting = await archive_sql.unsequenced(connection, month)
    if waiting:
        raise ConfigurationError(f"{waiting} transactions of {month.name} have no position yet: a relay must run first.")
    needed, leaves = await archive_sql.last_leaf(connection, month), await log_sql.size(connection)
    checkpoint = await log_sql.last_checkpoint(connection)
    signed = leaves if checkpoint is None else min(leaves, checkpoint.size)
    if leaves and signed < needed:
        raise ConfigurationError(f"The log has {signed} of {needed} leaves up to {month.name}: a relay must seal them first.")
    needed, projected = await archive_sql.last_position(connection, month), (await projection_sql.state(connection)).position
    if projected < needed:
        raise ConfigurationError(
            f"The read models are at position {projected} of {needed} up to {month.name}: a worker must project them first."
        )


async def _exported(connection: asyncpg.Connection, seal: Seal, directory: Path, say: Say) -> None:
    """The file of a month, written now unless a whole one is there."""
    try:
        written = archive_files.check(directory, seal)
    except DamagedArchive:
        if not await connection.fetchval("SELECT to_regclass(quote_ident($1)) IS NOT NULL", seal.partition):
            raise
        with _logged("exported", seal.partition) as facts:
            writer = Writer(directory, seal.partition)
            await archive_sql.copy_out(connection, seal.partition, writer.take)
            archive_files.manifest_of(directory, seal.partition).unlink(missing_ok=True)
            writer.finish()
            # Read back: what is compared with the seal is what the disk has.
            written = archive_files.check(directory, seal)
            facts |= {"entries": seal.entries, "bytes": written.size}
        say(f"{seal.partition}: exported to {written.path}, {written.size} bytes")
    archive_files.write_manifest(directory, seal, written)
    async with transaction(connection):
        uri = written.path.resolve().as_uri()
        await archive_sql.record_archive(connection, seal.partition, uri, written.sha256, written.size)


async def _moved_out(connection: asyncpg.Connection, seal: Seal, directory: Path, reason: str) -> None:
    """Detach the partition and drop it, once its file is right and no statement is made from it."""
    archive_files.check(directory, seal)
    is_attached = await archive_sql.attachment(connection, seal.partition) is Attachment.ATTACHED
    if is_attached and (count := await archive_sql.preparing(connection, seal)):
        raise ConfigurationError(f"{count} statements over {seal.partition} are PREPARING: a worker must make them first.")
    with _logged("detached", seal.partition) as logged:
        logged["entries"] = seal.entries
        await archive_sql.detach(connection, seal.partition)
        async with transaction(connection):
            await archive_sql.drop_detached(connection, seal.partition)
            facts: dict[str, object] = {"partition": seal.partition, "entries": seal.entries, "sha256": seal.sha256.hex()}
            await archive_sql.audit(connection, "ARCHIVE_ENTRIES", facts, reason)


async def restore(settings: Settings, month: datetime, directory: Path, reason: str) -> Seal:
    """Put the entries of the partition with this month back. Raises ConfigurationError, DamagedArchive."""
    async with _alone(settings) as connection:
        seal = await _seal_with(connection, month)
        if await archive_sql.attachment(connection, seal.partition) is not Attachment.DETACHED:
            raise ConfigurationError(f"The entries of {month:%Y-%m} are in the database.")
        with _logged("restored", seal.partition) as logged:
            logged["entries"] = seal.entries
            archive_files.check(directory, seal)
            async with transaction(connection):
                await archive_sql.put_back(connection, seal, archive_files.rows(directory, seal))
                facts: dict[str, object] = {"partition": seal.partition, "entries": seal.entries}
                await archive_sql.audit(connection, "RESTORE_ENTRIES", facts, reason)
        await connection.execute("ANALYZE ledger_entries")
    return seal


async def _seal_with(connection: asyncpg.Connection, month: datetime) -> Seal:
    wanted = await connection.fetchval("SELECT ledger_id_floor($1)", month)
    for seal in await archive_sql.seals(connection):
        if seal.low.int <= wanted.int < seal.high.int:
            return seal
    raise ConfigurationError(f"{month:%Y-%m} was never archived.")


async def check_files(settings: Settings, directory: Path) -> list[str]:
    """Compare the files of all archived months with their seals. Returns a sentence for each that is not right."""
    found = []
    connection = await open_connection(settings, "paycore-archive")
    try:
        for seal in await archive_sql.seals(connection):
            if await archive_sql.attachment(connection, seal.partition) is not Attachment.ATTACHED:
                try:
                    archive_files.check(directory, seal)
                except DamagedArchive as damage:
                    found.append(f"Archived month {seal.partition}: {damage}.")
    finally:
        await connection.close()
    return found


@contextmanager
def _logged(step: str, partition: str) -> Iterator[dict[str, object]]:
    """Log a line for a step that succeeds, with the facts that the block adds and the seconds that it took."""
    facts: dict[str, object] = {"step": step, "partition": partition}
    started = monotonic()
    yield facts
    logger.info("archive", extra=facts | {"seconds": round(monotonic() - started, 3)})


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner, without timeouts, which holds the locks of archiving and of rebuilds."""
    unlimited = {"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    connection = await open_connection(settings, "paycore-archive", unlimited)
    try:
        if not await archive_sql.lock(connection):
            raise ConfigurationError("Another `paycore archive` or `paycore restore` is running.")
        if not await projection_sql.lock_rebuilds(connection):
            raise ConfigurationError("A rebuild of the read models is running: it needs the entries.")
        yield connection
    finally:
        await connection.close()
