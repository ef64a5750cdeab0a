"""Holds: what batches read of them and write, what expires, and what clients read.

Batches and the sweeper work on rows as they are stored, under the lock of the wallet whose money is held. Clients see a hold
whose time is over as EXPIRED, even before an event says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.db import models
from app.db.hold_models import Hold as HoldRow
from app.db.hold_models import HoldEvent as EventRow
from app.db.reads import Window, among, id_range, in_range, paged
from app.db.rows import HOLD_COLUMNS, HOLD_STATUS_NOW, TRANSACTION_COLUMNS, hold_event_of, hold_of, transaction_of
from app.records import Hold, HoldEvent, HoldStatus, Transaction, TransactionStatus

if TYPE_CHECKING:
    import asyncpg

_HOLDS = """
SELECT h.id, h.wallet_id, h.receiver_wallet_id, h.initiator_id, h.currency, h.amount, h.captured, h.released, h.status::text,
       h.events, h.created_at, h.expires_at, h.closed_at, h.description, h.metadata
FROM holds h
"""
# Named ones, and those of the wallets whose time is over, which the batch must end first.
_NAMED_OR_DUE = f"""{_HOLDS} WHERE h.id = ANY($1::uuid[])
UNION ALL {_HOLDS} WHERE h.wallet_id = ANY($2::uuid[]) AND h.status = 'OPEN' AND h.expires_at <= $3
"""
_NAMED = f"{_HOLDS} WHERE h.id = ANY($1::uuid[])"
# After the wallets' locks, so that it sees what was committed during the wait for them.
_RECORDED = """
SELECT e.hold_id, e.number, e.id, e.kind::text, e.placed, e.captured, e.released, e.expires_at, e.created_at, e.initiator_id,
       e.idempotency_key, e.terms
FROM unnest($1::uuid[], $2::text[]) AS k (initiator_id, idempotency_key) CROSS JOIN LATERAL (
    SELECT * FROM hold_events
    WHERE hold_events.initiator_id = k.initiator_id AND hold_events.idempotency_key = k.idempotency_key COLLATE "C"
    OFFSET 0 -- by its index for each key, whatever the size of the table was when this was planned
) AS e
"""
_EXPIRE = """
WITH expired AS (
    INSERT INTO hold_events (hold_id, number, id, kind, placed, captured, released, created_at)
    SELECT id, events + 1, gen_random_uuid(), 'EXPIRED', 0, 0, amount - captured - released, $2
    FROM holds WHERE status = 'OPEN' AND wallet_id = ANY($1::uuid[]) AND expires_at <= $2
    RETURNING hold_id, number, released
)
SELECT h.wallet_id, expired.hold_id, expired.number, expired.released FROM expired JOIN holds h ON h.id = expired.hold_id
ORDER BY h.wallet_id
"""
_DUE = """
SELECT DISTINCT wallet_id FROM (
    SELECT wallet_id FROM holds WHERE status = 'OPEN' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
) AS due
"""


class Expired(NamedTuple):
    """A hold that an event has just ended."""

    wallet_id: UUID
    hold_id: UUID
    number: int
    released: int


class HoldFacts(NamedTuple):
    """What never changes about a hold."""

    id: UUID
    wallet_id: UUID
    receiver_wallet_id: UUID | None
    initiator_id: UUID
    currency: str
    description: str | None
    owner_id: UUID | None
    """The owner of the wallet whose money it holds."""
    receiver_owner_id: UUID | None

    @property
    def parties(self) -> tuple[UUID | None, ...]:
        """The owners of its wallets, and the user who placed it."""
        return self.owner_id, self.receiver_owner_id, self.initiator_id


async def holds(connection: asyncpg.Connection, hold_ids: Collection[UUID]) -> dict[UUID, Hold]:
    """Returns the holds as they are stored."""
    return {row[0]: hold_of(row) for row in await connection.fetch(_NAMED, list(hold_ids))}


async def named_or_due(
    connection: asyncpg.Connection, hold_ids: Collection[UUID], wallet_ids: Collection[UUID], now: datetime
) -> dict[UUID, Hold]:
    """Returns the holds as they are stored, and those of the wallets whose time is over."""
    return {row[0]: hold_of(row) for row in await connection.fetch(_NAMED_OR_DUE, list(hold_ids), list(wallet_ids), now)}


async def recorded_events(connection: asyncpg.Connection, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], HoldEvent]:
    """Returns the events of holds that have these keys."""
    rows = await connection.fetch(_RECORDED, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["initiator_id"], row["idempotency_key"]): hold_event_of(row) for row in rows}


async def expire(connection: asyncpg.Connection, wallet_ids: Collection[UUID], now: datetime) -> Sequence[Expired]:
    """End the holds of these wallets whose time is over, and return them by wallet. The caller has locked the wallets."""
    return [Expired(*row) for row in await connection.fetch(_EXPIRE, list(wallet_ids), now)]


async def wallets_with_due_holds(connection: asyncpg.Connection, now: datetime, limit: int) -> Sequence[UUID]:
    """Returns the wallets of the `limit` holds that have been due for longest."""
    return [row[0] for row in await connection.fetch(_DUE, now, limit)]


_payer, _receiver = aliased(models.Wallet), aliased(models.Wallet)
# Built once: to build it for each capture would take as long as the rest of the capture.
_FACTS = (
    select(*(getattr(HoldRow, name) for name in HoldFacts._fields[:-2]), _payer.owner_id, _receiver.owner_id)
    .join(_payer, _payer.id == HoldRow.wallet_id)
    .outerjoin(_receiver, _receiver.id == HoldRow.receiver_wallet_id)
    .where(HoldRow.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
)


async def facts(connection: AsyncConnection, hold_ids: Collection[UUID]) -> dict[UUID, HoldFacts]:
    """Returns the facts about those of the holds that exist."""
    return {row[0]: HoldFacts._make(row) for row in await connection.execute(_FACTS, {"ids": list(hold_ids)})}


async def holds_by_id(connection: AsyncConnection, hold_ids: Collection[UUID], viewer_id: UUID | None) -> Sequence[Hold]:
    """Returns those of the holds that the viewer may see. `viewer_id` None: all that exist."""
    query = select(*HOLD_COLUMNS).where(among(HoldRow.id, hold_ids))
    if viewer_id is not None:
        payer, receiver = aliased(models.Wallet), aliased(models.Wallet)
        query = (
            query.join(payer, payer.id == HoldRow.wallet_id)
            .outerjoin(receiver, receiver.id == HoldRow.receiver_wallet_id)
            .where(or_(HoldRow.initiator_id == viewer_id, payer.owner_id == viewer_id, receiver.owner_id == viewer_id))
        )
    return [hold_of(row) for row in await connection.execute(query)]


async def list_holds(
    connection: AsyncConnection, wallet_id: UUID, status: HoldStatus | None, window: Window, *, incoming: bool
) -> Sequence[Hold]:
    """Returns a page of the holds on a wallet's money, or of those in its favour."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    side: Any = HoldRow.receiver_wallet_id if incoming else HoldRow.wallet_id
    place = [side, HoldRow.id]
    query = select(*HOLD_COLUMNS).where(*in_range(place, wallet_id, ids_between))
    if status is not None:
        query = query.where(literal(status, HoldRow.status.type) == HOLD_STATUS_NOW)
    return [hold_of(row) for row in await connection.execute(paged(query, place, window))]


async def list_captures(
    connection: AsyncConnection, hold_id: UUID, viewer_id: UUID | None, window: Window
) -> Sequence[Transaction]:
    """Returns a page of a hold's captures. Those that are not COMPLETED only for their initiator, or for all if None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    transaction = models.Transaction
    query = select(*TRANSACTION_COLUMNS).where(transaction.hold_id == hold_id, transaction.id.between(*ids_between))
    if viewer_id is not None:
        query = query.where(or_(transaction.status == TransactionStatus.COMPLETED, transaction.initiator_id == viewer_id))
    rows = await connection.execute(paged(query, [transaction.hold_id, transaction.id], window))
    return [transaction_of(row) for row in rows]


async def placing_keys(connection: AsyncConnection, hold_ids: Collection[UUID]) -> dict[UUID, str]:
    """Returns the keys under which holds were placed."""
    is_named = among(EventRow.hold_id, hold_ids)
    query = select(EventRow.hold_id, EventRow.idempotency_key).where(is_named, EventRow.number == 1)
    return {hold_id: key for hold_id, key in await connection.execute(query) if key is not None}


async def versions(connection: AsyncConnection, hold_ids: Collection[UUID]) -> dict[UUID, int]:
    """Returns the number of each hold's newest event."""
    query = select(HoldRow.id, HoldRow.events).where(among(HoldRow.id, hold_ids))
    return {row[0]: row[1] for row in await connection.execute(query)}
