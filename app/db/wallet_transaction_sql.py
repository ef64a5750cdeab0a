"""The transactions of a wallet: a page of them, also with the parties of each and with the wallet itself, in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, Subquery, select, true, union_all
from sqlalchemy.orm import aliased

from app.db import models
from app.db.lists import Window, filter_conditions, filter_values, id_range, in_range, paged, seen_by_viewer
from app.db.reads import wallets_by_id
from app.db.rows import TRANSACTION_COLUMNS, WALLET_COLUMNS, transaction_of, wallet_of
from app.db.statements import COMPLETED, Condition, Reader, Statement, id_parameter
from app.paging.pages import TransactionFilter
from app.records import EntryDirection, Transaction, Wallet


class WalletTransactions(NamedTuple):
    """A page of a wallet's transactions, and what each side of them may see of the other, if it was asked for."""

    transactions: Sequence[Transaction]
    parties: Mapping[UUID, tuple[str | None, str]] = MappingProxyType({})
    """For each wallet its owner's display name (None for a system wallet) and its currency."""


async def list_wallet_transactions(
    reader: Reader,
    wallet_id: UUID,
    viewer_id: UUID | None,
    filter_: TransactionFilter,
    window: Window,
    *,
    with_parties: bool = False,
) -> WalletTransactions:
    """Returns a page of the transactions with an entry in a wallet: what it sent, what it received, and the others.

    Only the initiator sees transactions that are not COMPLETED. `viewer_id` None: all are listed.
    """
    ids_between = id_range(window, filter_)
    if ids_between is None:
        return WalletTransactions([])
    asked = _Asked(wallet_id, viewer_id, filter_, window, with_parties)
    return _transactions_of(await _rows(reader, _page, asked, ids_between), with_parties=with_parties)


async def wallet_and_transactions(
    reader: Reader,
    wallet_id: UUID,
    viewer_id: UUID | None,
    filter_: TransactionFilter,
    window: Window,
    *,
    with_parties: bool = False,
) -> tuple[Wallet, WalletTransactions] | None:
    """Returns a wallet and a page of its transactions, as `list_wallet_transactions`, by one statement.

    None if the wallet does not exist, or is not the viewer's. `viewer_id` None: of any owner.
    """
    ids_between = id_range(window, filter_)
    if ids_between is None:
        found = await wallets_by_id(reader, [wallet_id], viewer_id)
        return (found[0], WalletTransactions([])) if found else None
    asked = _Asked(wallet_id, viewer_id, filter_, window, with_parties)
    rows = await _rows(reader, _wallet_and_page, asked, ids_between)
    if not rows:
        return None
    wallet = wallet_of(rows[0][-len(Wallet._fields) :])
    # A wallet without transactions has one row, with no transaction in it.
    return wallet, _transactions_of(rows if rows[0][0] is not None else [], with_parties=with_parties)


class _Asked(NamedTuple):
    """The arguments of both reads."""

    wallet_id: UUID
    viewer_id: UUID | None
    filter_: TransactionFilter
    window: Window
    with_parties: bool


async def _rows(
    reader: Reader,
    make: Callable[[tuple[str, ...], EntryDirection | None, _Shape], Statement],
    asked: _Asked,
    ids_between: tuple[UUID, UUID],
) -> Sequence[Any]:
    """Returns the rows of the statement for what is asked, with ids in this range."""
    wallet_id, viewer_id, filter_, window, with_parties = asked
    low, high = ids_between
    given = filter_values(filter_)
    statement = make(tuple(given), filter_.direction, _Shape(viewer_id is None, window.is_backward, with_parties))
    return await statement.rows(reader, place=wallet_id, viewer=viewer_id, low=low, high=high, most=window.limit, **given)


class _Shape(NamedTuple):
    """What decides the text of a page's statement, besides its filter."""

    sees_all: bool
    is_backward: bool
    with_parties: bool


@cache
def _page(narrowed: tuple[str, ...], direction: EntryDirection | None, shape: _Shape) -> Statement:
    return Statement(_page_query(narrowed, direction, shape))


@cache
def _wallet_and_page(narrowed: tuple[str, ...], direction: EntryDirection | None, shape: _Shape) -> Statement:
    wallet = select(*WALLET_COLUMNS).where(models.Wallet.id == id_parameter("place"))
    if not shape.sees_all:
        wallet = wallet.where(models.Wallet.owner_id == id_parameter("viewer"))
    # With a limit, what is held is computed once: PostgreSQL would compute it for each row of the page.
    found = wallet.limit(1).subquery()
    page = _page_query(narrowed, direction, shape).subquery()
    order = page.c.id.asc() if shape.is_backward else page.c.id.desc()
    return Statement(select(page, found).select_from(found.outerjoin(page, true())).order_by(order))


def _page_query(narrowed: tuple[str, ...], direction: EntryDirection | None, shape: _Shape) -> Select[*tuple[Any, ...]]:
    """Each of the three is read from its own index, then they are merged."""
    sees_all, is_backward, with_parties = shape
    transaction = models.Transaction
    # Refused ones never reached their receiver, so they are only in the sender's list.
    sides: dict[EntryDirection, tuple[Any, list[Condition]]] = {
        EntryDirection.DEBIT: (transaction.sender_wallet_id, [] if sees_all else [seen_by_viewer()]),
        EntryDirection.CREDIT: (transaction.receiver_wallet_id, [transaction.status == COMPLETED]),
    }
    branches = []
    for side, (wallet, visible) in sides.items():
        if direction in (None, side):
            place = [wallet, transaction.id]
            query = select(*TRANSACTION_COLUMNS).where(*in_range(place), *visible, *filter_conditions(narrowed))
            branches.append(paged(query, place, is_backward=is_backward).subquery().select())
    further = _further(narrowed, direction)
    branches.append(paged(further, _FURTHER_ORDER, is_backward=is_backward).subquery().select())
    merged = union_all(*branches).subquery()
    page = paged(select(merged), [merged.c.id], is_backward=is_backward)
    return _with_parties(page.subquery(), is_backward=is_backward) if with_parties else page


def _with_parties(page: Subquery, *, is_backward: bool) -> Select[*tuple[Any, ...]]:
    """The rows of a page, each followed by the public views of its sender and its receiver."""
    parties = []
    for wallet_id in (page.c.sender_wallet_id, page.c.receiver_wallet_id):
        wallet, user = aliased(models.Wallet), aliased(models.User)
        named = select(user.display_name, wallet.currency).select_from(wallet).outerjoin(user, user.id == wallet.owner_id)
        # With a limit it is looked up for each row. For a join, the planner guesses that the page has a tenth of all rows,
        # because its size is a parameter, and reads all wallets and users.
        parties.append(named.where(wallet.id == wallet_id).limit(1).lateral())
    sender, receiver = parties
    query = select(page, sender, receiver).select_from(page.outerjoin(sender, true()).outerjoin(receiver, true()))
    return query.order_by(page.c.id.asc() if is_backward else page.c.id.desc())


_SIDES = tuple(
    (Transaction._fields.index(name), len(Transaction._fields) + place)
    for name, place in (("sender_wallet_id", 0), ("receiver_wallet_id", 2))
)
"""For each side where a row has its wallet, and where its owner's name, which is followed by its currency."""


def _transactions_of(rows: Sequence[Any], *, with_parties: bool) -> WalletTransactions:
    parties: dict[UUID, tuple[str | None, str]] = {}
    if with_parties:
        for row in rows:
            for side, place in _SIDES:
                if row[side] is not None:
                    parties[row[side]] = (row[place], row[place + 1])
    return WalletTransactions([transaction_of(row) for row in rows], parties)


_FURTHER_ORDER = [models.TransactionWallet.wallet_id, models.TransactionWallet.transaction_id]
_SIGNS = {EntryDirection.DEBIT: -1, EntryDirection.CREDIT: 1}


def _further(narrowed: tuple[str, ...], direction: EntryDirection | None) -> Select[*tuple[Any, ...]]:
    """The transactions of a wallet that neither sent nor received: postings, and those whose fees it earned."""
    further, transaction = models.TransactionWallet, models.Transaction
    conditions = [*in_range(_FURTHER_ORDER), *filter_conditions(narrowed)]
    if direction is not None:
        conditions.append(further.change == _SIGNS[direction])
    return (
        select(*TRANSACTION_COLUMNS)
        .select_from(further)
        .join(transaction, transaction.id == further.transaction_id)
        .where(*conditions)
    )
