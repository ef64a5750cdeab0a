"""Exchange rates and quotes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import locks, models
from app.db.fx_models import FxQuote as QuoteRow
from app.db.fx_models import FxRate as RateRow
from app.db.statements import COMPLETED, Reader, Statement, among, id_parameter, parameter
from app.records import FxQuote, FxRate

if TYPE_CHECKING:
    import asyncpg

POSITION, SPREAD, RESIDUE = "FX", "FX_SPREAD", "FX_RESIDUE"
"""The purposes of a currency's system wallets: what conversions bought and sold, what the spread earned, what rounding left."""

RATE_COLUMNS = tuple(getattr(RateRow, field.name) for field in fields(FxRate))
QUOTE_COLUMNS = tuple(getattr(QuoteRow, name) for name in FxQuote._fields)

# After the wallets' locks, so that it sees what was committed during the wait for them.
_USED = "SELECT quote_id FROM transactions WHERE quote_id = ANY($1::uuid[]) AND status = 'COMPLETED'"


_LOCK = 0x50434658
"""The first half of the advisory lock under which rates are compared and set."""

# From pair to pair along the index: a feed adds rows all day, and DISTINCT ON would read all of them.
_RATES_AT = f"""
WITH RECURSIVE pairs AS (
    (SELECT least(base, quote) AS lower, greatest(base, quote) AS upper FROM fx_rates ORDER BY 1, 2 LIMIT 1)
    UNION ALL
    SELECT following.lower, following.upper FROM pairs CROSS JOIN LATERAL (
        SELECT least(base, quote) AS lower, greatest(base, quote) AS upper FROM fx_rates
        WHERE (least(base, quote), greatest(base, quote)) > (pairs.lower, pairs.upper) ORDER BY 1, 2 LIMIT 1
    ) AS following
)
SELECT rate.* FROM pairs CROSS JOIN LATERAL (
    SELECT {", ".join(field.name for field in fields(FxRate))} FROM fx_rates
    WHERE least(base, quote) = pairs.lower AND greatest(base, quote) = pairs.upper AND valid_from <= $1
    ORDER BY valid_from DESC, number DESC LIMIT 1
) AS rate ORDER BY pairs.lower, pairs.upper
"""  # noqa: S608 - the columns of a record


class NewRate(NamedTuple):
    """A rate to insert. `valid_from` None: at once."""

    base: str
    quote: str
    rate: Decimal
    spread_basis_points: int
    source: str
    valid_from: datetime | None


async def insert_rate(connection: AsyncConnection, rate_id: UUID, new: NewRate, initiator_id: UUID | None) -> FxRate:
    """Insert and return a rate. Raises IntegrityError if its moment has passed."""
    statement = insert(RateRow).values(id=rate_id, initiator_id=initiator_id, **new._asdict())
    return _rate_of((await connection.execute(statement.returning(*RATE_COLUMNS))).one())


async def insert_rates_of_feed(connection: AsyncConnection, rates: Sequence[tuple[UUID, NewRate]]) -> None:
    """Insert rates with their ids, which no user has set."""
    rows = [{"id": rate_id, "initiator_id": None, **new._asdict()} for rate_id, new in rates]
    await connection.execute(insert(RateRow), rows)


async def lock_rates(connection: AsyncConnection) -> datetime:
    """Wait until no other transaction sets rates. Returns the database's time then; the lock is for this transaction.

    Anyone who compares with the rates in force takes it, so that none is set in between.
    """
    await locks.lock_all(connection, _LOCK)
    now = await connection.scalar(select(func.clock_timestamp()))
    assert isinstance(now, datetime)
    return now


async def rates_at(reader: Reader, moment: datetime) -> list[FxRate]:
    """Returns the rate of each two currencies that is valid at the moment: the newest, in whichever direction it was set."""
    return [_rate_of(row) for row in await reader.fetch(_RATES_AT, moment)]


async def rates_in_force(connection: AsyncConnection, moment: datetime) -> list[FxRate]:
    """As `rates_at`, in a transaction that has begun."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    return await rates_at(raw, moment)


async def insert_quote(connection: AsyncConnection, quote: FxQuote, key: str) -> bool:
    """Insert a quote. Returns False if the key was used before."""
    statement = insert_or_skip(QuoteRow).values(**quote._asdict(), idempotency_key=key)
    statement = statement.on_conflict_do_nothing(constraint="fx_quotes_idempotency_key")
    return await connection.scalar(statement.returning(QuoteRow.id)) is not None


_QUOTE_BY_KEY = Statement(
    select(*QUOTE_COLUMNS).where(
        QuoteRow.user_id == id_parameter("user"), QuoteRow.idempotency_key == parameter("key", QuoteRow.idempotency_key)
    )
)


async def quoted_by(reader: Reader, user_id: UUID, key: str) -> FxQuote | None:
    """Returns the quote that the key was used for, or None."""
    rows = await _QUOTE_BY_KEY.rows(reader, user=user_id, key=key)
    return FxQuote._make(rows[0]) if rows else None


_QUOTES = Statement(select(*QUOTE_COLUMNS).where(among(QuoteRow.id, "ids")))


async def quotes(reader: Reader, quote_ids: Collection[UUID]) -> dict[UUID, FxQuote]:
    """Returns the quotes that exist, by id."""
    return {row[0]: FxQuote._make(row) for row in await _QUOTES.rows(reader, ids=quote_ids)}


_CONVERSIONS = Statement(
    select(models.Transaction.quote_id, models.Transaction.id).where(
        among(models.Transaction.quote_id, "ids"), models.Transaction.status == COMPLETED
    )
)


async def conversions_by(reader: Reader, quote_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Returns the completed transaction that used each of the quotes; nothing for one that is not used."""
    return {row[0]: row[1] for row in await _CONVERSIONS.rows(reader, ids=quote_ids)}


async def used_quotes(connection: asyncpg.Connection, quote_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of the quotes that a completed transaction has used."""
    return {row[0] for row in await connection.fetch(_USED, list(quote_ids))}


_POSITIONS = "SELECT currency, system_purpose, balance FROM wallets WHERE system_purpose = ANY($1::text[]) ORDER BY currency"


async def positions(reader: Reader, purposes: Sequence[str]) -> list[tuple[str, str, int]]:
    """Returns currency, purpose and balance of each system wallet of these purposes."""
    return [(row[0], row[1], row[2]) for row in await reader.fetch(_POSITIONS, list(purposes))]


def _rate_of(row: Any) -> FxRate:
    return FxRate(*row)
