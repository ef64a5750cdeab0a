"""Making the files of a statement: what the worker does, one statement at a time, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app import ids
from app.clock import Clock, rfc3339
from app.db import archive_sql, reads, statement_file_sql, statement_sql
from app.db.pool import Database, driver_connection
from app.db.statement_file_sql import Lease, Sums
from app.errors import Archived
from app.money import Currency, format_minor
from app.records import AccountStatement, EntryPurpose, StatementFile, TransactionType
from app.services.reading import SYSTEM_NAME
from app.services.statements.files import FileWriter, Part, writers
from app.services.statements.model import Heading, Line

LEASE_SECONDS = 60.0
"""How long a worker that has died keeps others from its statement. Each part that is written renews it."""
CHUNK = 2_000
"""Entries in memory at once."""
_SUMMED_AT_ONCE = 20_000
MOST_ATTEMPTS = 10
"""Attempts that may end without a result, such as by a worker that is killed, before a statement is FAILED."""
_NAMES = 5_000
_ALL_IDS = (ids.LOWEST, ids.HIGHEST)
_PURPOSES = {purpose.value: purpose for purpose in EntryPurpose}
_TYPES = {type_.value: type_ for type_ in TransactionType}


class Contradiction(Exception):
    """The entries are not those that the statement covers. The message is for its owner."""


async def take(database: Database) -> Lease | None:
    """Take the next statement to make. None if there is none."""
    async with driver_connection(database) as connection:
        return await statement_file_sql.take(connection, uuid4(), LEASE_SECONDS)


async def make(database: Database, currencies: Mapping[str, Currency], lease: Lease, clock: Clock) -> bool:
    """Make all files of a statement. Returns whether it is READY; otherwise it is FAILED.

    Raises LeaseLost, and Archived if entries were archived meanwhile: then it is made once they are restored.
    """
    if lease.attempts > MOST_ATTEMPTS:
        await _fail(database, lease, f"It could not be made in {MOST_ATTEMPTS} attempts.", clock())
        return False
    try:
        await _make(database, currencies, lease, clock)
    except Contradiction as problem:
        statement = lease.statement
        first, last = statement.first_sequence, statement.last_sequence
        if await archive_sql.has_archived(database, statement.wallet_id, first, last):
            raise Archived from problem
        await _fail(database, lease, str(problem), clock())
        return False
    return True


async def _fail(database: Database, lease: Lease, problem: str, now: datetime) -> None:
    async with driver_connection(database) as connection:
        await statement_file_sql.fail(connection, lease, problem, now)


async def release(database: Database, lease: Lease) -> None:
    """Give a statement back, for another attempt."""
    async with driver_connection(database) as connection:
        await statement_file_sql.release(connection, lease)


async def _make(database: Database, currencies: Mapping[str, Currency], lease: Lease, clock: Clock) -> None:
    statement = lease.statement
    sums = await _sums(database, lease)
    if statement.opening + sums.credits - sums.debits != statement.closing or sums.entries != statement.entry_count:
        raise Contradiction("The entries of the period are not here, or do not sum up to its balances.")
    heading = await _heading(database, currencies, statement, sums)
    files = writers(statement.id, heading)
    await _write(database, lease, await _each(files, lambda one: one.begin()))
    async for lines in _chunks(database, statement, heading.exponent):
        await _write(database, lease, await _each(files, lambda one, lines=lines: one.add(lines)))
    await _write(database, lease, await _each(files, lambda one: one.end()))
    found = [one.file() for one in files]
    await _finish(database, lease, sums, found, clock())


async def _each(files: Iterable[FileWriter], step: Any) -> list[Part]:
    """Encode in a thread: the worker's other work goes on meanwhile."""
    return await asyncio.to_thread(lambda: [part for one in files for part in step(one)])


async def _write(database: Database, lease: Lease, parts: Sequence[Part]) -> None:
    async with driver_connection(database) as connection:
        await statement_file_sql.write_parts(connection, lease, parts, LEASE_SECONDS)


async def _finish(database: Database, lease: Lease, sums: Sums, files: Sequence[StatementFile], now: datetime) -> None:
    async with driver_connection(database) as connection:
        await statement_file_sql.finish(connection, lease, sums, files, now)


async def _sums(database: Database, lease: Lease) -> Sums:
    """The sums of a statement's entries, in steps that each take little time, with the lease renewed."""
    statement = lease.statement
    total = Sums(0, 0, 0, 0, None)
    for after, last in _ranges(statement, _SUMMED_AT_ONCE):
        between = _ids_between(statement, total.newest)
        found = await statement_file_sql.sums(database, statement.wallet_id, after, last, between)
        if found.entries != last - after:
            found = await statement_file_sql.sums(database, statement.wallet_id, after, last, _ALL_IDS)
        total = total.plus(found)
        await _write(database, lease, ())
    return total


async def _chunks(database: Database, statement: AccountStatement, exponent: int) -> AsyncIterator[list[Line]]:
    newest: datetime | None = None
    names: dict[UUID, str] = {}
    for after, last in _ranges(statement, CHUNK):
        between = _ids_between(statement, newest)
        rows = await statement_file_sql.lines(database, statement.wallet_id, after, last, between)
        if len(rows) != last - after:
            rows = await statement_file_sql.lines(database, statement.wallet_id, after, last, _ALL_IDS)
        if len(rows) != last - after:
            raise Contradiction("Entries of the period are not here any more.")
        await _add_names(database, names, {row["other_id"] for row in rows} - {None})
        newest = rows[-1]["created_at"]
        yield [_line(row, names, exponent) for row in rows]


def _ranges(statement: AccountStatement, size: int) -> Iterable[tuple[int, int]]:
    """The statement's sequences in steps: after which, and up to which."""
    before = statement.first_sequence - 1
    for after in range(before, statement.last_sequence, size):
        yield after, min(after + size, statement.last_sequence)


def _ids_between(statement: AccountStatement, newest: datetime | None) -> tuple[UUID, UUID]:
    """The ids that the transactions of the next entries have, as far as times tell: so only some partitions are read.

    Entries are at least as new as those before them. If some are missed all the same, the caller reads without a bound.
    """
    return statement_sql.ids_between(newest or statement.from_at, statement.to_at)


async def _add_names(database: Database, names: dict[UUID, str], wallet_ids: set[UUID]) -> None:
    """Look up the names that are not known yet. Keeps a bounded number."""
    missing = wallet_ids - names.keys()
    if not missing:
        return
    if len(names) + len(missing) > _NAMES:
        names.clear()
        missing = wallet_ids
    for wallet_id, name, _ in await reads.parties_by_wallet(database, missing):
        names[wallet_id] = name or SYSTEM_NAME


async def _heading(database: Database, currencies: Mapping[str, Currency], statement: AccountStatement, sums: Sums) -> Heading:
    (wallet,) = await reads.wallets_by_id(database, [statement.wallet_id], None)
    ((_, holder, currency),) = await reads.parties_by_wallet(database, [statement.wallet_id])
    return Heading(
        statement_id=ids.encode("stm", statement.id),
        number=statement.number,
        wallet_id=ids.encode("wal", wallet.id),
        wallet_name=wallet.name,
        holder=holder or SYSTEM_NAME,
        currency=currency,
        exponent=currencies[currency].exponent,
        from_at=statement.from_at,
        to_at=statement.to_at,
        created_at=statement.created_at,
        first_sequence=statement.first_sequence,
        last_sequence=statement.last_sequence,
        opening=statement.opening,
        closing=statement.closing,
        credits=sums.credits,
        debits=sums.debits,
        credit_count=sums.credit_count,
    )


def _line(row: Any, names: Mapping[UUID, str], exponent: int) -> Line:
    other, reverses = row["other_id"], row["reverses_id"]
    return Line(
        sequence=row["sequence"],
        posted_at=row["created_at"],
        amount=row["amount"],
        balance_after=row["balance_after"],
        posted_text=rfc3339(row["created_at"]),
        amount_text=format_minor(row["amount"], exponent),
        balance_text=format_minor(row["balance_after"], exponent),
        purpose=_PURPOSES[row["purpose"]],
        type=_TYPES[row["type"]],
        transaction_id=ids.encode("txn", row["transaction_id"]),
        counterparty=None if other is None else names.get(other),
        counterparty_wallet_id=None if other is None else ids.encode("wal", other),
        description=row["description"],
        reference=row["reference"],
        reverses_id=None if reverses is None else ids.encode("txn", reverses),
    )
