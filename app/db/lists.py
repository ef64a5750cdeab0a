"""Named reads of lists, one statement each. Lists use keysets, so a page costs the same at any depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, tuple_, union

from app import ids
from app.db import models
from app.db.entry_sql import entries_of_wallet
from app.db.rows import (
    TRANSACTION_COLUMNS,
    USER_COLUMNS,
    WALLET_COLUMNS,
    transaction_of,
    user_of,
    wallet_of,
)
from app.db.statements import COMPLETED, Condition, Reader, Statement, id_parameter, number_parameter, parameter, text_parameter
from app.paging.pages import TransactionFilter
from app.records import Entry, Transaction, User, Wallet

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


def in_range(columns: Sequence[Any]) -> list[Condition]:
    """The condition that the first of two columns, such as a wallet's, is `place` and the second, the id, is `low` to `high`.

    Row comparisons, because only the index on (column, id) can serve them. For a wallet that is in most transactions, the
    planner would serve `column = … ORDER BY id` from the primary key and scan all users' rows to find a page.
    """
    row = tuple_(*columns)
    low, high = (tuple_(id_parameter("place"), id_parameter(name)) for name in ("low", "high"))
    return [row >= low, row <= high]


def between(column: Any) -> Condition:
    """The condition that an id is `low` to `high`."""
    condition: Condition = column.between(id_parameter("low"), id_parameter("high"))
    return condition


def paged(query: Select[*tuple[Any, ...]], columns: Sequence[Any], *, is_backward: bool) -> Select[*tuple[Any, ...]]:
    """Sorts newest first, or oldest first for a page counted from the end, and applies `most`."""
    ordered = query.order_by(*(column.asc() if is_backward else column.desc() for column in columns))
    return ordered.limit(number_parameter("most"))


def seen_by_viewer() -> Condition:
    """A transaction that is not COMPLETED is only listed for its initiator, the `viewer`."""
    transaction = models.Transaction
    return or_(transaction.status == COMPLETED, transaction.initiator_id == id_parameter("viewer"))


@cache
def _wallets(*, of_owner: bool, is_backward: bool) -> Statement:
    query = select(*WALLET_COLUMNS).where(between(models.Wallet.id))
    if of_owner:
        query = query.where(models.Wallet.owner_id == id_parameter("owner"))
    return Statement(paged(query, [models.Wallet.id], is_backward=is_backward))


async def list_wallets(reader: Reader, owner_id: UUID | None, window: Window) -> Sequence[Wallet]:
    """Returns a page of the owner's wallets, or of all wallets if `owner_id` is None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _wallets(of_owner=owner_id is not None, is_backward=window.is_backward)
    return [wallet_of(row) for row in await statement.rows(reader, owner=owner_id, low=low, high=high, most=window.limit)]


@cache
def _users(*, is_search: bool, is_backward: bool) -> Statement:
    user = models.User
    if not is_search:
        return Statement(paged(select(*USER_COLUMNS).where(between(user.id)), [user.id], is_backward=is_backward))
    search = text_parameter("search")
    recent = select(*USER_COLUMNS).order_by(user.id.desc()).limit(SEARCHED_USERS).subquery()
    name, start = func.lower(recent.c.display_name), func.lower(search)
    named = select(recent).where(or_(func.starts_with(name, start), func.strpos(name, func.concat(" ", start)) > 0))
    exact = select(*USER_COLUMNS).where(or_(user.subject == search, user.id == id_parameter("user")))
    found = union(named, exact).subquery()
    return Statement(paged(select(found).where(between(found.c.id)), [found.c.id], is_backward=is_backward))


async def list_users(reader: Reader, search: str | None, user_id: UUID | None, window: Window) -> Sequence[User]:
    """Returns a page of all users, or of those that a search finds.

    It finds the user with this id, the one whose subject it is, and those with a word of the name that starts with it.
    """
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _users(is_search=search is not None, is_backward=window.is_backward)
    rows = await statement.rows(reader, search=search, user=user_id, low=low, high=high, most=window.limit)
    return [user_of(row) for row in rows]


async def list_entries(reader: Reader, wallet: Wallet, window: Window) -> Sequence[Entry]:
    """Returns a page of a wallet's entries, by sequence."""
    # Sequences count from 1. The list is newest first, so what comes after a position is below it.
    above = 0 if window.before is None else window.before
    return await entries_of_wallet(
        reader, wallet, above=above, below=window.after, limit=window.limit, is_backward=window.is_backward
    )


@cache
def _transactions(narrowed: tuple[str, ...], *, is_backward: bool) -> Statement:
    query = select(*TRANSACTION_COLUMNS).where(between(models.Transaction.id), *filter_conditions(narrowed))
    return Statement(paged(query, [models.Transaction.id], is_backward=is_backward))


async def list_transactions(reader: Reader, filter_: TransactionFilter, window: Window) -> Sequence[Transaction]:
    """Returns a page of all transactions."""
    ids_between = id_range(window, filter_)
    if ids_between is None:
        return []
    low, high = ids_between
    given = filter_values(filter_)
    statement = _transactions(tuple(given), is_backward=window.is_backward)
    return [transaction_of(row) for row in await statement.rows(reader, low=low, high=high, most=window.limit, **given)]


@cache
def _reversals(*, sees_all: bool, is_backward: bool) -> Statement:
    transaction = models.Transaction
    place = [transaction.reverses_id, transaction.id]
    query = select(*TRANSACTION_COLUMNS).where(transaction.reverses_id.is_not(None), *in_range(place))
    if not sees_all:
        query = query.where(seen_by_viewer())
    return Statement(paged(query, place, is_backward=is_backward))


async def list_reversals(reader: Reader, original_id: UUID, viewer_id: UUID | None, window: Window) -> Sequence[Transaction]:
    """Returns a page of a transaction's reversals. Those that are not COMPLETED only for their initiator, or for all if None."""
    ids_between = id_range(window)
    if ids_between is None:
        return []
    low, high = ids_between
    statement = _reversals(sees_all=viewer_id is None, is_backward=window.is_backward)
    rows = await statement.rows(reader, place=original_id, viewer=viewer_id, low=low, high=high, most=window.limit)
    return [transaction_of(row) for row in rows]


def filter_values(filter_: TransactionFilter) -> dict[str, Any]:
    """A filter's values by the names of their parameters, without those that are not set and the direction."""
    values = {
        "type": filter_.type,
        "status": filter_.status,
        "reference": filter_.reference,
        "created_from": None if filter_.created_from is None else _moment(filter_.created_from),
        "created_to": None if filter_.created_to is None else _moment(filter_.created_to),
    }
    return {name: value for name, value in values.items() if value is not None}


def filter_conditions(narrowed: tuple[str, ...]) -> list[Condition]:
    """The conditions of a filter with these parameters on a row.

    Times are compared exactly here; the range of ids is only exact to the millisecond.
    """
    transaction = models.Transaction
    conditions: dict[str, Condition] = {
        "type": transaction.type == parameter("type", transaction.type),
        "status": transaction.status == parameter("status", transaction.status),
        "reference": transaction.reference == parameter("reference", transaction.reference),
        "created_from": transaction.created_at >= parameter("created_from", transaction.created_at),
        "created_to": transaction.created_at < parameter("created_to", transaction.created_at),
    }
    return [conditions[name] for name in narrowed]
