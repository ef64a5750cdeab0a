"""Named reads. Lists go by keyset: a page costs the same at any depth. Each takes a connection and runs one statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, literal, or_, select, text, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app import ids
from app.db import models
from app.db.rows import (
    ENTRY_COLUMNS,
    TRANSACTION_COLUMNS,
    USER_COLUMNS,
    WALLET_COLUMNS,
    entry_of,
    transaction_of,
    user_of,
    wallet_of,
)
from app.paging.pages import TransactionFilter
from app.records import Entry, EntryDirection, Payment, Transaction, TransactionStatus, User, Wallet

Condition = ColumnElement[bool]

# By row comparison for the same reason as in `_of_wallet`.
_KNOWN = text("""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:senders AS uuid[]), CAST(:receivers AS uuid[])) AS pair (sender, receiver)
), paid AS MATERIALIZED (
    SELECT DISTINCT lately.sender_wallet_id AS sender, lately.receiver_wallet_id AS receiver
    FROM (SELECT DISTINCT sender FROM asked) AS own CROSS JOIN LATERAL (
        SELECT sender_wallet_id, receiver_wallet_id, status FROM transactions
        WHERE (sender_wallet_id, id) >= (own.sender, CAST('00000000-0000-0000-0000-000000000000' AS uuid))
          AND (sender_wallet_id, id) <= (own.sender, CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS uuid))
        ORDER BY sender_wallet_id DESC, id DESC LIMIT 1000
    ) AS lately
    WHERE lately.status = 'COMPLETED'
)
SELECT sender, receiver FROM asked
WHERE (sender, receiver) IN (SELECT sender, receiver FROM paid)
   OR EXISTS (SELECT FROM wallets WHERE wallets.id = asked.receiver AND wallets.owner_id = :user)
""")

_ANY_TRANSACTION = TransactionFilter()
_HIGHEST_ID = 2**128 - 1
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a list: past one position, short of another, at most `limit`, counted from one of its ends."""

    limit: int
    after: int | None = None
    before: int | None = None
    is_backward: bool = False


def _among(column: InstrumentedAttribute[UUID], values: Collection[UUID]) -> Condition:
    """One array rather than a list of parameters: the same prepared statement for any number of ids."""
    return column == any_(literal(list(values), ARRAY(Uuid())))


def _id_range(window: Window, narrowed: TransactionFilter = _ANY_TRANSACTION) -> tuple[UUID, UUID] | None:
    """The lowest and the highest id that window and times allow; None where they allow none. Ids carry their milliseconds."""
    lowest = [0]
    highest = [_HIGHEST_ID]
    if window.after is not None:
        highest.append(window.after - 1)
    if window.before is not None:
        lowest.append(window.before + 1)
    if narrowed.created_from is not None:
        lowest.append(ids.id_floor(_moment(narrowed.created_from)).int)
    if narrowed.created_to is not None:
        highest.append(ids.id_floor(_moment(narrowed.created_to) + timedelta(milliseconds=1)).int - 1)
    low, high = max(lowest), min(highest)
    return (UUID(int=low), UUID(int=high)) if low <= high else None


def _moment(asked: datetime) -> datetime:
    """The nearest time that an id can tell."""
    return min(max(asked, _FIRST_MOMENT), _LAST_MOMENT)


def _of_wallet(column: Any, wallet_id: UUID, id_range: tuple[UUID, UUID]) -> list[Condition]:
    """The transactions whose `column` is this wallet, with an id in the range.

    As row comparisons, whose order (by column and id) only the index on both has. Where a wallet is in most transactions, the
    planner would answer `column = … ORDER BY id` from the primary key, and walk through everyone's rows to find a page.
    """
    place = tuple_(column, models.Transaction.id)
    low, high = (tuple_(literal(wallet_id, Uuid()), literal(id_, Uuid())) for id_ in id_range)
    return [place >= low, place <= high]


def _paged(query: Select[*tuple[Any, ...]], columns: Sequence[Any], window: Window) -> Select[*tuple[Any, ...]]:
    """Newest first from the start, or oldest first from the end."""
    return query.order_by(*(column.asc() if window.is_backward else column.desc() for column in columns)).limit(window.limit)


async def users_by_id(connection: AsyncConnection, user_ids: Collection[UUID]) -> Sequence[User]:
    """The users that exist among these."""
    rows = await connection.execute(select(*USER_COLUMNS).where(_among(models.User.id, user_ids)))
    return [user_of(row) for row in rows]


async def wallets_by_id(connection: AsyncConnection, wallet_ids: Collection[UUID], owner_id: UUID | None) -> Sequence[Wallet]:
    """The wallets among these, of one owner or (None) of anyone."""
    query = select(*WALLET_COLUMNS).where(_among(models.Wallet.id, wallet_ids))
    if owner_id is not None:
        query = query.where(models.Wallet.owner_id == owner_id)
    return [wallet_of(row) for row in await connection.execute(query)]


async def transactions_by_id(
    connection: AsyncConnection, transaction_ids: Collection[UUID], viewer_id: UUID | None
) -> Sequence[Transaction]:
    """The transactions among these that one user may see, or (None) that exist."""
    query = select(*TRANSACTION_COLUMNS).where(_among(models.Transaction.id, transaction_ids))
    if viewer_id is not None:
        sender, receiver = aliased(models.Wallet), aliased(models.Wallet)
        query = (
            query.outerjoin(sender, sender.id == models.Transaction.sender_wallet_id)
            .outerjoin(receiver, receiver.id == models.Transaction.receiver_wallet_id)
            .where(_is_visible(viewer_id, sender.owner_id == viewer_id, receiver.owner_id == viewer_id))
        )
    return [transaction_of(row) for row in await connection.execute(query)]


def _is_visible(viewer_id: UUID, *owned: Condition) -> Condition:
    """To its initiator always; to those whose wallets it touched once it is COMPLETED."""
    transaction = models.Transaction
    initiated: Condition = transaction.initiator_id == viewer_id
    return or_(initiated, (transaction.status == TransactionStatus.COMPLETED) & or_(*owned))


async def transaction_by_key(connection: AsyncConnection, initiator_id: UUID, key: str) -> Transaction | None:
    """The transaction that owns a user's key."""
    query = select(*TRANSACTION_COLUMNS).where(
        models.Transaction.initiator_id == initiator_id, models.Transaction.idempotency_key == key
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else transaction_of(row)


async def entries_by_transaction(
    connection: AsyncConnection, transaction_ids: Collection[UUID], owner_id: UUID | None
) -> Sequence[Entry]:
    """The entries of these transactions by leg, in one owner's wallets or (None) in all."""
    entry = models.LedgerEntry
    query = select(*ENTRY_COLUMNS).where(_among(entry.transaction_id, transaction_ids))
    if owner_id is not None:
        query = query.join(models.Wallet, models.Wallet.id == entry.wallet_id).where(models.Wallet.owner_id == owner_id)
    return [entry_of(row) for row in await connection.execute(query.order_by(entry.transaction_id, entry.leg))]


async def parties_by_wallet(connection: AsyncConnection, wallet_ids: Collection[UUID]) -> Sequence[tuple[UUID, str | None, str]]:
    """For each wallet: its id, its owner's display name (None for a system wallet) and its currency."""
    query = (
        select(models.Wallet.id, models.User.display_name, models.Wallet.currency)
        .outerjoin(models.User, models.User.id == models.Wallet.owner_id)
        .where(_among(models.Wallet.id, wallet_ids))
    )
    return [(wallet_id, name, currency) for wallet_id, name, currency in await connection.execute(query)]


async def known_receivers(connection: AsyncConnection, user_id: UUID, payments: Collection[Payment]) -> set[Payment]:
    """Of these pairs of wallets, sender and receiver, those whose receiver is the user's own or was paid by the sender lately."""
    senders, receivers = zip(*payments, strict=True)
    rows = await connection.execute(_KNOWN, {"user": user_id, "senders": list(senders), "receivers": list(receivers)})
    return {(sender, receiver) for sender, receiver in rows}


async def list_wallets(connection: AsyncConnection, owner_id: UUID | None, window: Window) -> Sequence[Wallet]:
    """The wallets of one owner, or (None) all."""
    id_range = _id_range(window)
    if id_range is None:
        return []
    query = select(*WALLET_COLUMNS).where(models.Wallet.id.between(*id_range))
    if owner_id is not None:
        query = query.where(models.Wallet.owner_id == owner_id)
    return [wallet_of(row) for row in await connection.execute(_paged(query, [models.Wallet.id], window))]


async def list_entries(connection: AsyncConnection, wallet_id: UUID, window: Window) -> Sequence[Entry]:
    """The entries of a wallet, by sequence."""
    entry = models.LedgerEntry
    query = select(*ENTRY_COLUMNS).where(entry.wallet_id == wallet_id)
    if window.after is not None:
        query = query.where(entry.sequence < window.after)
    if window.before is not None:
        query = query.where(entry.sequence > window.before)
    return [entry_of(row) for row in await connection.execute(_paged(query, [entry.sequence], window))]


async def list_transactions(connection: AsyncConnection, narrowed: TransactionFilter, window: Window) -> Sequence[Transaction]:
    """All transactions."""
    id_range = _id_range(window, narrowed)
    if id_range is None:
        return []
    query = select(*TRANSACTION_COLUMNS).where(models.Transaction.id.between(*id_range), *_conditions(narrowed))
    return [transaction_of(row) for row in await connection.execute(_paged(query, [models.Transaction.id], window))]


async def list_wallet_transactions(
    connection: AsyncConnection, wallet_id: UUID, viewer_id: UUID | None, narrowed: TransactionFilter, window: Window
) -> Sequence[Transaction]:
    """What a wallet sent and what reached it: each side from its own index, then merged.

    `viewer_id` limits what is not COMPLETED to its initiator; None sees all. What was refused never reached its
    receiver, so it is in the sender's list alone.
    """
    id_range = _id_range(window, narrowed)
    if id_range is None:
        return []
    transaction = models.Transaction
    sent = []
    if viewer_id is not None:
        sent.append(or_(transaction.status == TransactionStatus.COMPLETED, transaction.initiator_id == viewer_id))
    # Written out, so that the planner knows the partial index for the receiver's side.
    received = [transaction.status == literal(TransactionStatus.COMPLETED, literal_execute=True)]
    sides = {
        EntryDirection.DEBIT: (transaction.sender_wallet_id, sent),
        EntryDirection.CREDIT: (transaction.receiver_wallet_id, received),
    }
    branches = []
    for direction, (wallet, visible) in sides.items():
        if narrowed.direction in (None, direction):
            conditions = [*_of_wallet(wallet, wallet_id, id_range), *visible, *_conditions(narrowed)]
            side = select(*TRANSACTION_COLUMNS).where(*conditions)
            branches.append(_paged(side, [wallet, transaction.id], window).subquery().select())
    merged = union_all(*branches).subquery()
    query = _paged(select(merged), [merged.c.id], window)
    return [transaction_of(row) for row in await connection.execute(query)]


def _conditions(narrowed: TransactionFilter) -> list[Condition]:
    """What a filter asks of each row. The range of ids has its times to the millisecond; here they are exact."""
    transaction = models.Transaction
    conditions: list[Condition] = []
    if narrowed.type is not None:
        conditions.append(transaction.type == narrowed.type)
    if narrowed.status is not None:
        conditions.append(transaction.status == narrowed.status)
    if narrowed.created_from is not None:
        conditions.append(transaction.created_at >= _moment(narrowed.created_from))
    if narrowed.created_to is not None:
        conditions.append(transaction.created_at < _moment(narrowed.created_to))
    return conditions
