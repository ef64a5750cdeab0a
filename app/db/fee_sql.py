"""Fee schedules: loaded by each settler, listed for clients, and published."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import models
from app.db.rows import FEE_SCHEDULE_COLUMNS, fee_schedule_of
from app.db.statements import Reader, Statement, among, id_parameter, number_parameter, parameter
from app.records import FeePayer, FeeSchedule, RoundingMode, TransactionType

if TYPE_CHECKING:
    import asyncpg

FEES = "FEES"
"""The purpose of the system wallet that fees go to."""
_LOCK = 0x50434645
"""The first half of the advisory lock between batches and publications. The triggers of migration 0015 take the same."""
BEGIN = f"BEGIN; SELECT pg_advisory_xact_lock_shared({_LOCK}, 0)"
"""Begins a batch: no schedule is published until it ends. A trigger takes the same lock for itself."""

_ALL = """
SELECT id, number, transaction_type::text, currency, user_id, version, name, payer::text, percent, flat, minimum, maximum,
       rounding::text, valid_from
FROM fee_schedules ORDER BY number
"""
_FEE_WALLETS = "SELECT currency, id FROM wallets WHERE system_purpose = 'FEES'"


class NewSchedule(NamedTuple):
    """The input of a version. Amounts are in minor units. `valid_from` None: at once."""

    transaction_type: TransactionType
    currency: str
    user_id: UUID | None
    name: str
    payer: FeePayer
    percent: Decimal | None
    flat: int | None
    minimum: int | None
    maximum: int | None
    rounding: RoundingMode
    valid_from: datetime | None


async def load(connection: asyncpg.Connection) -> tuple[list[FeeSchedule], dict[str, UUID]]:
    """Returns all schedules, and the fee wallet of each currency that has one."""
    schedules = [fee_schedule_of(row) for row in await connection.fetch(_ALL)]
    wallets = {row["currency"]: row["id"] for row in await connection.fetch(_FEE_WALLETS)} if schedules else {}
    return schedules, wallets


async def lock_out_transfers(connection: AsyncConnection) -> None:
    """Wait until no batch is in progress, and keep others from beginning until the transaction ends.

    Raises DBAPIError after the lock timeout.
    """
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK, 0)))


async def published_by(connection: AsyncConnection, user_id: UUID, key: str) -> tuple[bytes, FeeSchedule] | None:
    """Returns the hash of the input that the key was first used with, and the version that it published, or None."""
    row_of = models.FeeSchedule
    query = select(*FEE_SCHEDULE_COLUMNS, row_of.request_hash).where(
        row_of.initiator_id == user_id, row_of.idempotency_key == key
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (row.request_hash, fee_schedule_of(row))


async def insert_schedule(
    connection: AsyncConnection, schedule_id: UUID, new: NewSchedule, *, initiator_id: UUID, key: str, request_hash: bytes
) -> FeeSchedule:
    """Insert and return the version. Raises IntegrityError if its moment has passed or is not after the version before it."""
    statement = insert(models.FeeSchedule).values(
        id=schedule_id, initiator_id=initiator_id, idempotency_key=key, request_hash=request_hash, **new._asdict()
    )
    return fee_schedule_of((await connection.execute(statement.returning(*FEE_SCHEDULE_COLUMNS))).one())


_SCHEDULES_BY_ID = Statement(select(*FEE_SCHEDULE_COLUMNS).where(among(models.FeeSchedule.id, "ids")))


async def schedules_by_id(reader: Reader, schedule_ids: Collection[UUID]) -> Sequence[FeeSchedule]:
    """Returns those of the schedules that exist."""
    return [fee_schedule_of(row) for row in await _SCHEDULES_BY_ID.rows(reader, ids=schedule_ids)]


@cache
def _valid_schedules(*, of_user: bool) -> Statement:
    row_of = models.FeeSchedule
    line = (row_of.transaction_type, row_of.currency, row_of.user_id)
    query: Any = select(*FEE_SCHEDULE_COLUMNS).where(row_of.valid_from <= parameter("moment", row_of.valid_from))
    if of_user:
        query = query.where(or_(row_of.user_id.is_(None), row_of.user_id == id_parameter("user")))
    newest = query.ext(distinct_on(*line)).order_by(*line, row_of.valid_from.desc()).subquery()
    listed = select(newest).order_by(newest.c.user_id.nulls_first(), newest.c.currency, newest.c.transaction_type)
    return Statement(listed.limit(number_parameter("most")))


_SCHEDULE_AT = Statement(
    select(*FEE_SCHEDULE_COLUMNS)
    .where(
        models.FeeSchedule.transaction_type == parameter("type", models.FeeSchedule.transaction_type),
        models.FeeSchedule.currency == parameter("currency", models.FeeSchedule.currency),
        models.FeeSchedule.valid_from <= parameter("moment", models.FeeSchedule.valid_from),
        or_(models.FeeSchedule.user_id.is_(None), models.FeeSchedule.user_id == id_parameter("user")),
    )
    .order_by(models.FeeSchedule.user_id.nulls_last(), models.FeeSchedule.valid_from.desc())
    .limit(1)
)


async def schedule_at(
    reader: Reader, type_: TransactionType, currency: str, user_id: UUID, moment: datetime
) -> FeeSchedule | None:
    """Returns the version that is valid at the moment for what the user pays: the user's own line, else the general one."""
    rows = await _SCHEDULE_AT.rows(reader, type=type_.value, currency=currency, user=user_id, moment=moment)
    return fee_schedule_of(rows[0]) if rows else None


async def valid_schedules(reader: Reader, moment: datetime, user_id: UUID | None, most: int) -> Sequence[FeeSchedule]:
    """Returns the version of each line that is valid at the moment, at most `most`: general lines first.

    With `user_id`, the general lines and this user's.
    """
    rows = await _valid_schedules(of_user=user_id is not None).rows(reader, moment=moment, user=user_id, most=most)
    return [fee_schedule_of(row) for row in rows]
