"""Exchange rates and quotes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import models
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


_PAIR = (func.least(RateRow.base, RateRow.quote), func.greatest(RateRow.base, RateRow.quote))
_RATES_AT = Statement(
    select(*RATE_COLUMNS)
    .where(RateRow.valid_from <= parameter("moment", RateRow.valid_from))
    .ext(distinct_on(*_PAIR))
    .order_by(*_PAIR, RateRow.valid_from.desc(), RateRow.number.desc())
)


async def rates_at(reader: Reader, moment: datetime) -> list[FxRate]:
    """Returns the rate of each two currencies that is valid at the moment: the newest, in whichever direction it was set."""
    return [_rate_of(row) for row in await _RATES_AT.rows(reader, moment=moment)]


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
