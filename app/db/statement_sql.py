"""Statements: their numbers, periods and lists. What makes their files is in `statement_file_sql.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import ids
from app.db import locks, models
from app.db.archive_sql import has_archived
from app.db.entry_sql import numbered_entries
from app.db.lists import Window
from app.db.pool import driver_of
from app.db.statement_models import AccountStatement as StatementRow
from app.db.statement_models import StatementFile as FileRow
from app.db.statements import Reader, Statement, among, id_parameter, number_parameter, parameter
from app.records import AccountStatement, Entry, StatementFile, StatementFormat, StatementStatus

STATEMENT_COLUMNS = tuple(getattr(StatementRow, name) for name in AccountStatement._fields)
_FILE_COLUMNS = tuple(getattr(FileRow, name) for name in StatementFile._fields)
_LOCK = 0x50435354
"""The first half of the advisory lock under which a user's statements in preparation are counted."""
_HIGHEST = 2**63 - 1


_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
# A binary search: a wallet's entries never go back in time. Only ids of the time between are looked at, so an entry that is not
# found was posted at the moment or later.
_LAST_BEFORE = """
WITH RECURSIVE search (low, high) AS (
    SELECT $3::bigint, $4::bigint
    UNION ALL
    SELECT CASE WHEN probe.is_before THEN middle.sequence ELSE s.low END,
           CASE WHEN probe.is_before THEN s.high ELSE middle.sequence - 1 END
    FROM search s
    CROSS JOIN LATERAL (SELECT s.low + (s.high - s.low + 1) / 2 AS sequence) middle
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM ledger_entries WHERE wallet_id = $1 AND sequence = middle.sequence AND created_at < $2
          AND transaction_id >= $5 AND transaction_id < $6) AS is_before) probe
    WHERE s.low < s.high
)
SELECT low FROM search WHERE low = high
"""


class Place(NamedTuple):
    """Where a wallet is: its last sequence, and the time before which nothing can be posted to it any more."""

    sequence: int
    posted_at: datetime


def statement_of(row: Any) -> AccountStatement:
    """`row` must begin with the fields of AccountStatement in their order."""
    found = AccountStatement._make(row[: len(AccountStatement._fields)])
    return found._replace(
        status=StatementStatus(found.status),
        credits=None if found.credits is None else int(found.credits),
        debits=None if found.debits is None else int(found.debits),
    )


def _file_of(row: Any) -> StatementFile:
    found = StatementFile._make(row)
    return found._replace(format=StatementFormat(found.format))


async def lock_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Wait until no other transaction creates a statement for this user. The lock is for this transaction."""
    await locks.lock_user(connection, _LOCK, user_id)


async def count_preparing(connection: AsyncConnection, user_id: UUID) -> int:
    """Returns how many of the statements that a user asked for are not finished."""
    query = select(func.count()).where(StatementRow.initiator_id == user_id, StatementRow.status == StatementStatus.PREPARING)
    found: int = (await connection.execute(query)).scalar_one()
    return found


async def lock_wallet(connection: AsyncConnection, wallet_id: UUID) -> Place:
    """Lock a wallet, of a user or of the system, as transfers do. Waits for it up to the statement timeout."""
    await locks.wait_in_turn(connection)
    wallet = models.Wallet
    query = select(wallet.sequence, wallet.posted_at).where(wallet.id == wallet_id).with_for_update(key_share=True)
    return Place(*(await connection.execute(query)).one())


async def newest_statement(connection: AsyncConnection, wallet_id: UUID) -> AccountStatement | None:
    """Returns the wallet's statement with the highest number, or None."""
    query = select(*STATEMENT_COLUMNS).where(StatementRow.wallet_id == wallet_id)
    row = (await connection.execute(query.order_by(StatementRow.number.desc()).limit(1))).one_or_none()
    return None if row is None else statement_of(row)


async def last_entry_before(
    connection: AsyncConnection, wallet_id: UUID, since: datetime, moment: datetime, *, lowest: int, highest: int
) -> int:
    """Returns the greatest sequence from `lowest` to `highest` whose entry was posted before the moment, else `lowest`.

    The entries after `lowest` are not older than `since`. An archived entry counts as posted before.
    """
    driver = await driver_of(connection)
    if await has_archived(driver, wallet_id):
        found: int = await connection.scalar(select(func.last_entry_before(wallet_id, moment, lowest, highest))) or 0
        return found
    return await driver.fetchval(_LAST_BEFORE, wallet_id, moment, lowest, highest, *ids_between(since, moment)) or 0


async def entry_at(connection: AsyncConnection, wallet_id: UUID, sequence: int, since: datetime, until: datetime) -> Entry | None:
    """Returns an entry that was posted between two moments, as far as is known. None if it is not here."""
    driver = await driver_of(connection)
    for low, high in (ids_between(since, until), (ids.LOWEST, ids.HIGHEST)):
        for entry in await numbered_entries(driver, wallet_id, range(sequence, sequence + 1), low, high):
            return entry
    return None


def ids_between(since: datetime, until: datetime) -> tuple[UUID, UUID]:
    """Bounds of the ids of the entries that were posted from one moment to another."""
    low, high = max(_EARLIEST, since) - ids.POSTED_WITHIN, min(max(_EARLIEST, until), _LATEST) + ids.POSTED_WITHIN
    return ids.id_floor(low), ids.id_floor(high)


async def is_used(connection: AsyncConnection, user_id: UUID, key: str) -> bool:
    """Whether a user has a statement with this key. The user must be locked."""
    query = select(StatementRow.id).where(StatementRow.initiator_id == user_id, StatementRow.idempotency_key == key)
    return await connection.scalar(query) is not None


async def insert_statement(connection: AsyncConnection, statement: AccountStatement, key: str) -> None:
    """Insert a statement. The user and the wallet must be locked."""
    await connection.execute(insert(StatementRow).values(**statement._asdict(), idempotency_key=key))


_BY_KEY = Statement(
    select(*STATEMENT_COLUMNS).where(
        StatementRow.initiator_id == id_parameter("initiator"),
        StatementRow.idempotency_key == parameter("key", StatementRow.idempotency_key),
    )
)
_BY_ID = Statement(select(*STATEMENT_COLUMNS).where(among(StatementRow.id, "ids")))
_BY_NUMBER = Statement(
    select(*STATEMENT_COLUMNS).where(
        StatementRow.wallet_id == id_parameter("wallet"), StatementRow.number == number_parameter("number")
    )
)
_FILES = Statement(
    select(*_FILE_COLUMNS).where(among(FileRow.statement_id, "ids")).order_by(FileRow.statement_id, FileRow.format)
)


async def statement_by_key(reader: Reader, initiator_id: UUID, key: str) -> AccountStatement | None:
    rows = await _BY_KEY.rows(reader, initiator=initiator_id, key=key)
    return statement_of(rows[0]) if rows else None


async def statements_by_id(reader: Reader, statement_ids: Collection[UUID]) -> dict[UUID, AccountStatement]:
    return {row["id"]: statement_of(row) for row in await _BY_ID.rows(reader, ids=statement_ids)}


async def statement_by_number(reader: Reader, wallet_id: UUID, number: int) -> AccountStatement | None:
    if number > _HIGHEST:
        return None
    rows = await _BY_NUMBER.rows(reader, wallet=wallet_id, number=number)
    return statement_of(rows[0]) if rows else None


async def files_of(reader: Reader, statement_ids: Collection[UUID]) -> dict[UUID, tuple[StatementFile, ...]]:
    """Returns the files of each statement, in the order of the formats. A statement that is not READY has none."""
    found: dict[UUID, list[StatementFile]] = {}
    for row in await _FILES.rows(reader, ids=statement_ids):
        found.setdefault(row["statement_id"], []).append(_file_of(row))
    return {statement_id: tuple(files) for statement_id, files in found.items()}


@cache
def _statements(*, is_backward: bool) -> Statement:
    number = StatementRow.number
    query = select(*STATEMENT_COLUMNS).where(
        StatementRow.wallet_id == id_parameter("wallet"),
        number < number_parameter("below"),
        number > number_parameter("above"),
    )
    return Statement(query.order_by(number.asc() if is_backward else number.desc()).limit(number_parameter("most")))


async def list_statements(reader: Reader, wallet_id: UUID, window: Window) -> Sequence[AccountStatement]:
    """Returns a page of a wallet's statements, newest first."""
    below = _HIGHEST if window.after is None else window.after
    above = 0 if window.before is None else window.before
    statement = _statements(is_backward=window.is_backward)
    rows = await statement.rows(reader, wallet=wallet_id, below=below, above=above, most=window.limit)
    return [statement_of(row) for row in rows]


async def list_entries(reader: Reader, statement: AccountStatement, after: int, limit: int) -> Sequence[Entry]:
    """Returns a page of a statement's entries, oldest first."""
    last = min(after + limit, statement.last_sequence)
    found: Sequence[Entry] = ()
    # They are in the statement's period. Should clocks have differed by more than is expected, all partitions are read.
    for low, high in (ids_between(statement.from_at, statement.to_at), (ids.LOWEST, ids.HIGHEST)):
        found = await numbered_entries(reader, statement.wallet_id, range(after + 1, last + 1), low, high)
        if len(found) == last - after:
            break
    return found
