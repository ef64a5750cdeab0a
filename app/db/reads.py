"""Named reads. Each takes a connection and runs one statement. Lists use keysets, so a page costs the same at any depth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, func, literal, or_, select, text, tuple_, union, union_all
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

# Row comparisons for the same reason as in `in_range`.
_KNOWN = text("""
WITH pairs AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:senders AS uuid[]), CAST(:receivers AS uuid[])) AS pair (sender, receiver)
), paid AS MATERIALIZED (
    SELECT DISTINCT recent.sender_wallet_id AS sender, recent.receiver_wallet_id AS receiver
    FROM (SELECT DISTINCT sender FROM pairs) AS own CROSS JOIN LATERAL (
        SELECT sender_wallet_id, receiver_wallet_id, status FROM transactions
        WHERE (sender_wallet_id, id) >= (own.sender, CAST('00000000-0000-0000-0000-000000000000' AS uuid))
          AND (sender_wallet_id, id) <= (own.sender, CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS uuid))
        ORDER BY sender_wallet_id DESC, id DESC LIMIT 1000
    ) AS recent
    WHERE recent.status = 'COMPLETED'
)
SELECT sender, receiver FROM pairs
WHERE (sender, receiver) IN (SELECT sender, receiver FROM paid)
   OR EXISTS (SELECT FROM wallets WHERE wallets.id = pairs.receiver AND wallets.owner_id = :user)
""")

_ANY_TRANSACTION = TransactionFilter()
_HIGHEST_ID = 2**128 - 1
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC)
SEARCHED_USERS = 10_000
"""Names are searched among so many of the newest users, because no index serves the start of a word."""


@dataclass(frozen=True, slots=True)
class Window:
    """A page's rows: after one position, before another, at most `limit`, counted from the start or from the end."""

    limit: int
    after: int | None = None
    before: int | None = None
    is_backward: bool = False


def among(column: InstrumentedAttribute[UUID], values: Collection[UUID]) -> Condition:
    """Compares with an array instead of a list of parameters, so that one prepared statement serves any number of ids."""
    return column == any_(literal(list(values), ARRAY(Uuid())))


def id_range(window: Window, filter_: TransactionFilter = _ANY_TRANSACTION) -> tuple[UUID, UUID] | None:
    """Returns the lowest and the highest id that the window and the filter's times allow, or None if the range is empty.

    Ids begin with their milliseconds, so a range of times is a range of ids.
    """
    lowest = [0]
    highest = [_HIGHEST_ID]
    if window.after is not None:
        highest.append(window.after - 1)
    if window.before is not None:
        lowest.append(window.before + 1)
    if filter_.created_from is not None:
        lowest.append(ids.id_floor(_moment(filter_.created_from)).int)
    if filter_.created_to is not None:
        highest.append(ids.id_floor(_moment(filter_.created_to) + timedelta(milliseconds=1)).int - 1)
    low, high = max(lowest), min(highest)
    return (UUID(int=low), UUID(int=high)) if low <= high else None


def _moment(time: datetime) -> datetime:
    """Returns the nearest time that an id can hold."""
    return min(max(time, _FIRST_MOMENT), _LAST_MOMENT)


def in_range(columns: Sequence[Any], value: UUID, id_range: tuple[UUID, UUID]) -> list[Condition]:
    """The condition that the first of two columns, such as a wallet's, has this value and the second, the id, is in the range.

    Row comparisons, because only the index on (column, id) can serve them. For a wallet that is in most transactions, the
    planner would serve `column = … ORDER BY id` from the primary key and scan all users' rows to find a page.
    """
    place = tuple_(*columns)
    low, high = (tuple_(literal(value, Uuid()), literal(id_, Uuid())) for id_ in id_range)
    return [place >= low, place <= high]


def paged(query: Select[*tuple[Any, ...]], columns: Sequence[Any], window: Window) -> Select[*tuple[Any, ...]]:
    """Sorts newest first, or oldest first for a page counted from the end, and applies the limit."""
    return query.order_by(*(column.asc() if window.is_backward else column.desc() for column in columns)).limit(window.limit)


async def users_by_id(connection: AsyncConnection, user_ids: Collection[UUID]) -> Sequence[User]:
    """Returns those of the users that exist."""
    rows = await connection.execute(select(*USER_COLUMNS).where(among(models.User.id, user_ids)))
    return [user_of(row) for row in rows]


async def wallets_by_id(connection: AsyncConnection, wallet_ids: Collection[UUID], owner_id: UUID | None) -> Sequence[Wallet]:
    """Returns those of the wallets that belong to the owner. `owner_id` None: of any owner."""
    query = select(*WALLET_COLUMNS).where(among(models.Wallet.id, wallet_ids))
    if owner_id is not None:
        query = query.where(models.Wallet.owner_id == owner_id)
    return [wallet_of(row) for row in await connection.execute(query)]


async def transactions_by_id(
    connection: AsyncConnection, transaction_ids: Collection[UUID], viewer_id: UUID | None
) -> Sequence[Transaction]:
    """Returns those of the transactions that the viewer may see. `viewer_id` None: all that exist."""
    query = select(*TRANSACTION_COLUMNS).where(among(models.Transaction.id, transaction_ids))
    if viewer_id is not None:
        sender, receiver = aliased(models.Wallet), aliased(models.Wallet)
        query = (
            query.outerjoin(sender, sender.id == models.Transaction.sender_wallet_id)
            .outerjoin(receiver, receiver.id == models.Transaction.receiver_wallet_id)
            .where(_is_visible(viewer_id, sender.owner_id == viewer_id, receiver.owner_id == viewer_id, _has_entry(viewer_id)))
        )
    return [transaction_of(row) for row in await connection.execute(query)]


def _is_visible(viewer_id: UUID, *owned: Condition) -> Condition:
    """A transaction is always visible to its initiator, and to the owners of its wallets if it is COMPLETED."""
    transaction = models.Transaction
    initiated: Condition = transaction.initiator_id == viewer_id
    return or_(initiated, (transaction.status == TransactionStatus.COMPLETED) & or_(*owned))


def _has_entry(owner_id: UUID) -> Condition:
    """Whether a posting, which names no sender and no receiver, has an entry in one of the owner's wallets."""
    entry, wallet, transaction = models.LedgerEntry, models.Wallet, models.Transaction
    found = (
        select(entry.leg)
        .join(wallet, wallet.id == entry.wallet_id)
        .where(entry.transaction_id == transaction.id, wallet.owner_id == owner_id)
    )
    return transaction.sender_wallet_id.is_(None) & found.exists()


async def transaction_by_key(connection: AsyncConnection, initiator_id: UUID, key: str) -> Transaction | None:
    """Returns the transaction with a user's idempotency key, or None."""
    query = select(*TRANSACTION_COLUMNS).where(
        models.Transaction.initiator_id == initiator_id, models.Transaction.idempotency_key == key
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else transaction_of(row)


async def entries_by_transaction(
    connection: AsyncConnection, transaction_ids: Collection[UUID], owner_id: UUID | None
) -> Sequence[Entry]:
    """Returns the entries of these transactions by leg, in the owner's wallets. `owner_id` None: in all wallets."""
    entry = models.LedgerEntry
    query = select(*ENTRY_COLUMNS).where(among(entry.transaction_id, transaction_ids))
    if owner_id is not None:
        query = query.join(models.Wallet, models.Wallet.id == entry.wallet_id).where(models.Wallet.owner_id == owner_id)
    return [entry_of(row) for row in await connection.execute(query.order_by(entry.transaction_id, entry.leg))]


async def parties_by_wallet(connection: AsyncConnection, wallet_ids: Collection[UUID]) -> Sequence[tuple[UUID, str | None, str]]:
    """Returns for each wallet its id, its owner's display name (None for a system wallet) and its currency."""
    query = (
        select(models.Wallet.id, models.User.display_name, models.Wallet.currency)
        .outerjoin(models.User, models.User.id == models.Wallet.owner_id)
        .where(among(models.Wallet.id, wallet_ids))
    )
    return [(wallet_id, name, currency) for wallet_id, name, currency in await connection.execute(query)]


async def known_receivers(connection: AsyncConnection, user_id: UUID, payments: Collection[Payment]) -> set[Payment]:
    """Returns those of the pairs (sender, receiver) whose receiver belongs to the user or was recently paid by the sender.

    Recently: among the sender's last 1000 transactions.
    """
    senders, receivers = zip(*payments, strict=True)
    rows = await connection.execute(_KNOWN, {"user": user_id, "senders": list(senders), "receivers": list(receivers)})
    return {(sender, receiver) for sender, receiver in rows}


async def list_wallets(connection: AsyncConnection, owner_id: UUID | None, window: Window) -> Sequence[Wallet]:
    """Returns a page of the owner's wallets, or of all wallets if `owner_id` is None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    query = select(*WALLET_COLUMNS).where(models.Wallet.id.between(*ids_between))
    if owner_id is not None:
        query = query.where(models.Wallet.owner_id == owner_id)
    return [wallet_of(row) for row in await connection.execute(paged(query, [models.Wallet.id], window))]


async def list_users(connection: AsyncConnection, search: str | None, user_id: UUID | None, window: Window) -> Sequence[User]:
    """Returns a page of all users, or of those that a search finds.

    It finds the user with this id, the one whose subject it is, and those with a word of the name that starts with it.
    """
    ids_between = id_range(window)
    if ids_between is None:
        return []
    user = models.User
    if search is None:
        query = select(*USER_COLUMNS).where(user.id.between(*ids_between))
        return [user_of(row) for row in await connection.execute(paged(query, [user.id], window))]
    recent = select(*USER_COLUMNS).order_by(user.id.desc()).limit(SEARCHED_USERS).subquery()
    name, start = func.lower(recent.c.display_name), func.lower(literal(search))
    named = select(recent).where(or_(func.starts_with(name, start), func.strpos(name, func.concat(" ", start)) > 0))
    exact = select(*USER_COLUMNS).where(or_(user.subject == search, user.id == user_id))
    found = union(named, exact).subquery()
    rows = await connection.execute(paged(select(found).where(found.c.id.between(*ids_between)), [found.c.id], window))
    return [user_of(row) for row in rows]


async def list_entries(connection: AsyncConnection, wallet_id: UUID, window: Window) -> Sequence[Entry]:
    """Returns a page of a wallet's entries, by sequence."""
    entry = models.LedgerEntry
    query = select(*ENTRY_COLUMNS).where(entry.wallet_id == wallet_id)
    if window.after is not None:
        query = query.where(entry.sequence < window.after)
    if window.before is not None:
        query = query.where(entry.sequence > window.before)
    return [entry_of(row) for row in await connection.execute(paged(query, [entry.sequence], window))]


async def list_transactions(connection: AsyncConnection, filter_: TransactionFilter, window: Window) -> Sequence[Transaction]:
    """Returns a page of all transactions."""
    ids_between = id_range(window, filter_)
    if ids_between is None:
        return []
    query = select(*TRANSACTION_COLUMNS).where(models.Transaction.id.between(*ids_between), *_conditions(filter_))
    return [transaction_of(row) for row in await connection.execute(paged(query, [models.Transaction.id], window))]


async def list_wallet_transactions(
    connection: AsyncConnection, wallet_id: UUID, viewer_id: UUID | None, filter_: TransactionFilter, window: Window
) -> Sequence[Transaction]:
    """Returns a page of the transactions with an entry in a wallet: what it sent, what it received, and the others.

    Each of the three is read from its own index, then they are merged. Transactions that are not COMPLETED are only listed for
    their initiator, or for all if `viewer_id` is None. Refused ones never reached their receiver, so they are only in the
    sender's list.
    """
    ids_between = id_range(window, filter_)
    if ids_between is None:
        return []
    transaction = models.Transaction
    sent = []
    if viewer_id is not None:
        sent.append(or_(transaction.status == TransactionStatus.COMPLETED, transaction.initiator_id == viewer_id))
    # A literal, not a parameter, so that the planner can use the partial index of the receiver's side.
    received = [transaction.status == literal(TransactionStatus.COMPLETED, literal_execute=True)]
    sides = {
        EntryDirection.DEBIT: (transaction.sender_wallet_id, sent),
        EntryDirection.CREDIT: (transaction.receiver_wallet_id, received),
    }
    branches = []
    for direction, (wallet, visible) in sides.items():
        if filter_.direction in (None, direction):
            place = [wallet, transaction.id]
            conditions = [*in_range(place, wallet_id, ids_between), *visible, *_conditions(filter_)]
            side = select(*TRANSACTION_COLUMNS).where(*conditions)
            branches.append(paged(side, place, window).subquery().select())
    branches.append(paged(_further(wallet_id, ids_between, filter_), _FURTHER_ORDER, window).subquery().select())
    merged = union_all(*branches).subquery()
    query = paged(select(merged), [merged.c.id], window)
    return [transaction_of(row) for row in await connection.execute(query)]


async def list_reversals(
    connection: AsyncConnection, original_id: UUID, viewer_id: UUID | None, window: Window
) -> Sequence[Transaction]:
    """Returns a page of a transaction's reversals. Those that are not COMPLETED only for their initiator, or for all if None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    transaction = models.Transaction
    place = [transaction.reverses_id, transaction.id]
    conditions = in_range(place, original_id, ids_between)
    if viewer_id is not None:
        conditions.append(or_(transaction.status == TransactionStatus.COMPLETED, transaction.initiator_id == viewer_id))
    query = select(*TRANSACTION_COLUMNS).where(transaction.reverses_id.is_not(None), *conditions)
    rows = await connection.execute(paged(query, place, window))
    return [transaction_of(row) for row in rows]


_FURTHER_ORDER = [models.TransactionWallet.wallet_id, models.TransactionWallet.transaction_id]
_SIGNS = {EntryDirection.DEBIT: -1, EntryDirection.CREDIT: 1}


def _further(wallet_id: UUID, id_range: tuple[UUID, UUID], filter_: TransactionFilter) -> Select[*tuple[Any, ...]]:
    """The transactions of a wallet that neither sent nor received: postings, and those whose fees it earned."""
    further, transaction = models.TransactionWallet, models.Transaction
    conditions = [*in_range(_FURTHER_ORDER, wallet_id, id_range), *_conditions(filter_)]
    if filter_.direction is not None:
        conditions.append(further.change == _SIGNS[filter_.direction])
    return (
        select(*TRANSACTION_COLUMNS)
        .select_from(further)
        .join(transaction, transaction.id == further.transaction_id)
        .where(*conditions)
    )


def _conditions(filter_: TransactionFilter) -> list[Condition]:
    """The filter's conditions on a row. Times are compared exactly here; the range of ids is only exact to the millisecond."""
    transaction = models.Transaction
    conditions: list[Condition] = []
    if filter_.type is not None:
        conditions.append(transaction.type == filter_.type)
    if filter_.status is not None:
        conditions.append(transaction.status == filter_.status)
    if filter_.reference is not None:
        conditions.append(transaction.reference == filter_.reference)
    if filter_.created_from is not None:
        conditions.append(transaction.created_at >= _moment(filter_.created_from))
    if filter_.created_to is not None:
        conditions.append(transaction.created_at < _moment(filter_.created_to))
    return conditions
