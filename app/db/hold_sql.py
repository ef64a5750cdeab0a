"""Holds: what batches read of them and write, what expires, and what clients read.

Batches and the sweeper work on rows as they are stored, under the lock of the wallet whose money is held. Clients see a hold
whose time is over as EXPIRED, even before an event says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from app.db import models
from app.db.hold_models import Hold as HoldRow
from app.db.hold_models import HoldEvent as EventRow
from app.db.lists import Window, between, id_range, in_range, paged, seen_by_viewer
from app.db.rows import HOLD_COLUMNS, HOLD_STATUS_NOW, TRANSACTION_COLUMNS, hold_event_of, hold_of, transaction_of
from app.db.statements import Reader, Statement, among, id_parameter, parameter
from app.records import Hold, HoldEvent, HoldStatus, Transaction

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
_FACTS = Statement(
    select(*(getattr(HoldRow, name) for name in HoldFacts._fields[:-2]), _payer.owner_id, _receiver.owner_id)
    .join(_payer, _payer.id == HoldRow.wallet_id)
    .outerjoin(_receiver, _receiver.id == HoldRow.receiver_wallet_id)
    .where(among(HoldRow.id, "ids"))
)


async def facts(reader: Reader, hold_ids: Collection[UUID]) -> dict[UUID, HoldFacts]:
    """Returns the facts about those of the holds that exist."""
    return {row[0]: HoldFacts._make(row) for row in await _FACTS.rows(reader, ids=hold_ids)}


_HOLDS_BY_ID = select(*HOLD_COLUMNS).where(among(HoldRow.id, "ids"))
_ANY_HOLDS = Statement(_HOLDS_BY_ID)
_VISIBLE_HOLDS = Statement(
    _HOLDS_BY_ID.join(_payer, _payer.id == HoldRow.wallet_id)
    .outerjoin(_receiver, _receiver.id == HoldRow.receiver_wallet_id)
    .where(
        or_(
            HoldRow.initiator_id == id_parameter("viewer"),
            _payer.owner_id == id_parameter("viewer"),
            _receiver.owner_id == id_parameter("viewer"),
        )
    )
)


async def holds_by_id(reader: Reader, hold_ids: Collection[UUID], viewer_id: UUID | None) -> Sequence[Hold]:
    """Returns those of the holds that the viewer may see. `viewer_id` None: all that exist."""
    statement = _ANY_HOLDS if viewer_id is None else _VISIBLE_HOLDS
    return [hold_of(row) for row in await statement.rows(reader, ids=hold_ids, viewer=viewer_id)]


@cache
def _page_of_holds(*, has_status: bool, incoming: bool, is_backward: bool) -> Statement:
    place = [HoldRow.receiver_wallet_id if incoming else HoldRow.wallet_id, HoldRow.id]
    query = select(*HOLD_COLUMNS).where(*in_range(place))
    if has_status:
        query = query.where(parameter("status", HoldRow.status) == HOLD_STATUS_NOW)
    return Statement(paged(query, place, is_backward=is_backward))


async def list_holds(
    reader: Reader, wallet_id: UUID, status: HoldStatus | None, window: Window, *, incoming: bool
) -> Sequence[Hold]:
    """Returns a page of the holds on a wallet's money, or of those in its favour."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _page_of_holds(has_status=status is not None, incoming=incoming, is_backward=window.is_backward)
    rows = await statement.rows(reader, place=wallet_id, status=status, low=low, high=high, most=window.limit)
    return [hold_of(row) for row in rows]


@cache
def _captures(*, sees_all: bool, is_backward: bool) -> Statement:
    transaction = models.Transaction
    query = select(*TRANSACTION_COLUMNS).where(transaction.hold_id == id_parameter("hold"), between(transaction.id))
    if not sees_all:
        query = query.where(seen_by_viewer())
    return Statement(paged(query, [transaction.hold_id, transaction.id], is_backward=is_backward))


async def list_captures(reader: Reader, hold_id: UUID, viewer_id: UUID | None, window: Window) -> Sequence[Transaction]:
    """Returns a page of a hold's captures. Those that are not COMPLETED only for their initiator, or for all if None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _captures(sees_all=viewer_id is None, is_backward=window.is_backward)
    rows = await statement.rows(reader, hold=hold_id, viewer=viewer_id, low=low, high=high, most=window.limit)
    return [transaction_of(row) for row in rows]


_PLACING_KEYS = Statement(
    select(EventRow.hold_id, EventRow.idempotency_key).where(among(EventRow.hold_id, "ids"), EventRow.number == 1)
)


async def placing_keys(reader: Reader, hold_ids: Collection[UUID]) -> dict[UUID, str]:
    """Returns the keys under which holds were placed."""
    return {hold_id: key for hold_id, key in await _PLACING_KEYS.rows(reader, ids=hold_ids) if key is not None}


_VERSIONS = Statement(select(HoldRow.id, HoldRow.events).where(among(HoldRow.id, "ids")))


async def versions(reader: Reader, hold_ids: Collection[UUID]) -> dict[UUID, int]:
    """Returns the number of each hold's newest event."""
    return {row[0]: row[1] for row in await _VERSIONS.rows(reader, ids=hold_ids)}
