"""Reads records and lists that a viewer may see. A record that they may not see is left out like one that does not exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from app import ids, texts
from app.access import policy
from app.access.viewer import Right, Viewer
from app.clock import Clock
from app.db import archive_sql, lists, reads, status_sql
from app.db.entry_sql import ArchivedEntries
from app.db.lists import Window
from app.db.statements import Reader
from app.db.wallet_transaction_sql import WalletTransactions, list_wallet_transactions
from app.db.wallet_transaction_sql import wallet_and_transactions as find_wallet_and_transactions
from app.errors import BadUserInput
from app.paging.cursors import decode_cursor, encode_cursor
from app.paging.pages import Page, PageRequest, TransactionFilter
from app.records import AccountType, Entry, Hold, Payment, Transaction, User, Wallet
from app.services.input_rules import idempotency_key_refusal

SYSTEM_NAME = "Paycore"
"""The display name of a system wallet's owner."""

SEARCHED_USERS = lists.SEARCHED_USERS
_LONGEST_SEARCH = 255
"""The length of the longest subject."""
_RATE_WINDOW = timedelta(seconds=10)
_HOT_WALLETS = 5
_MAX_ID = 2**128 - 1
_MAX_SEQUENCE = 2**63 - 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Party:
    """What each side of a transaction may see of the other."""

    wallet_id: UUID
    display_name: str
    currency: str


class TransactionsPage(NamedTuple):
    """A page of a wallet's transactions, and the parties of their senders and receivers by wallet id, if they were asked for."""

    page: Page[Transaction]
    parties: Mapping[UUID, Party]


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """Sums of balances in minor units; together they are zero."""

    currency: str
    user_balances: int
    system_balances: int


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """The sum of the balances of one account type and currency, in minor units. A debit balance is negative."""

    currency: str
    account_type: AccountType
    balance: int


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The ledger at a glance."""

    totals: tuple[CurrencyTotal, ...]
    trial_balance: tuple[TrialBalanceLine, ...]
    transfers_per_second: float
    outbox_pending: int
    outbox_lag_seconds: float
    hot_wallets: tuple[Wallet, ...]


async def load_users(database: Reader, user_ids: Collection[UUID]) -> dict[UUID, User]:
    """Users by id. Does not check the viewer: pass only ids from records that the viewer may see."""
    return {user.id: user for user in await reads.users_by_id(database, user_ids)}


async def load_wallets(database: Reader, viewer: Viewer, wallet_ids: Collection[UUID]) -> dict[UUID, Wallet]:
    """Wallets by id, only those that the viewer may load."""
    if not policy.may_view(viewer):
        return {}
    return {wallet.id: wallet for wallet in await reads.wallets_by_id(database, wallet_ids, policy.only_own(viewer))}


async def load_transactions(database: Reader, viewer: Viewer, transaction_ids: Collection[UUID]) -> dict[UUID, Transaction]:
    """Transactions by id, only those that the viewer may see."""
    if not policy.may_view(viewer):
        return {}
    found = await reads.transactions_by_id(database, transaction_ids, policy.only_own(viewer))
    return {transaction.id: transaction for transaction in found}


async def load_entries(database: Reader, viewer: Viewer, transaction_ids: Collection[UUID]) -> dict[UUID, tuple[Entry, ...]]:
    """Entries by transaction id, ordered by leg, only those in wallets that the viewer may load."""
    if not policy.may_view(viewer):
        return {}
    found = await reads.entries_by_transaction(database, transaction_ids, policy.only_own(viewer))
    grouped: dict[UUID, list[Entry]] = defaultdict(list)
    for entry in found:
        grouped[entry.transaction_id].append(entry)
    return {transaction_id: tuple(entries) for transaction_id, entries in grouped.items()}


async def load_parties(database: Reader, wallet_ids: Collection[UUID]) -> dict[UUID, Party]:
    """Parties by wallet id: what the other side of a transaction with the wallet may see."""
    found = await reads.parties_by_wallet(database, wallet_ids)
    return {wallet_id: _party(wallet_id, name, currency) for wallet_id, name, currency in found}


def _party(wallet_id: UUID, name: str | None, currency: str) -> Party:
    return Party(wallet_id, name or SYSTEM_NAME, currency)


async def known_receivers(database: Reader, viewer: Viewer, payments: Collection[Payment]) -> dict[Payment, bool]:
    """Those payments whose receiver the viewer already knew: their own wallet, or one that they paid lately."""
    return dict.fromkeys(await reads.known_receivers(database, viewer.user_id, payments), True)


async def find_party(database: Reader, viewer: Viewer, wallet_id: str) -> Party | None:
    """The party that a transfer to this wallet would reach, or None if no user's wallet has this id.

    Raises Forbidden if the viewer may neither view nor transfer.
    """
    policy.require_view_or_transfer(viewer)
    decoded = ids.decode("wal", wallet_id)
    if decoded is None:
        return None
    found = await reads.parties_by_wallet(database, [decoded])
    return next((Party(id_, name, currency) for id_, name, currency in found if name is not None), None)


async def transaction_by_key(database: Reader, viewer: Viewer, key: str, user_id: str | None = None) -> Transaction | None:
    """The transaction that the viewer, or the named user, made with this key.

    Raises Forbidden if the viewer may neither view nor transfer, or names a user without SEE_ALL.
    """
    if user_id is None:
        policy.require_view_or_transfer(viewer)
        initiator_id: UUID | None = viewer.user_id
    else:
        policy.require(viewer, Right.SEE_ALL)
        initiator_id = ids.decode("usr", user_id)
    if initiator_id is None or idempotency_key_refusal(key, ()) is not None:
        return None
    return await reads.transaction_by_key(database, initiator_id, key)


async def all_users(database: Reader, viewer: Viewer, search: str | None, page: PageRequest) -> Page[User]:
    """Every user, or those that the search finds, newest first. Raises Forbidden without SEE_ALL, BadUserInput if it is blank."""
    policy.require(viewer, Right.SEE_ALL)
    if search is not None and (problem := texts.problem(search, least=1, most=_LONGEST_SEARCH)) is not None:
        raise BadUserInput(f"`search`: {problem}")
    sought = None if search is None else texts.normal(search)
    scope = "users" if sought is None else f"users {sought}"
    window = page_window(page, scope)
    user_id = None if sought is None else ids.decode("usr", sought)
    found = await lists.list_users(database, sought, user_id, window)
    return page_of(found, page, scope, id_position)


async def wallets_of(database: Reader, viewer: Viewer, owner_id: UUID, page: PageRequest) -> Page[Wallet]:
    """A user's wallets, newest first. Empty if the viewer may not load them."""
    if not policy.may_load_wallets_of(viewer, owner_id):
        return empty_page()
    scope = f"wallets of {owner_id}"
    window = page_window(page, scope)
    found = await lists.list_wallets(database, owner_id, window)
    return page_of(found, page, scope, id_position)


async def all_wallets(database: Reader, viewer: Viewer, page: PageRequest) -> Page[Wallet]:
    """Every wallet, newest first. Raises Forbidden without SEE_ALL."""
    policy.require(viewer, Right.SEE_ALL)
    scope = "wallets"
    window = page_window(page, scope)
    found = await lists.list_wallets(database, None, window)
    return page_of(found, page, scope, id_position)


async def transactions_of(
    database: Reader,
    viewer: Viewer,
    wallet: Wallet,
    page: PageRequest,
    narrowed: TransactionFilter,
    *,
    with_parties: bool = False,
) -> TransactionsPage:
    """A wallet's transactions, newest first. Empty if the viewer may not load the wallet."""
    if not policy.may_load_wallet(viewer, wallet):
        return TransactionsPage(empty_page(), {})
    scope = _transactions_scope(wallet.id, narrowed)
    window = page_window(page, scope)
    found = await list_wallet_transactions(
        database, wallet.id, policy.only_own(viewer), narrowed, window, with_parties=with_parties
    )
    return _transactions_page(found, page, scope)


async def wallet_and_transactions(
    database: Reader,
    viewer: Viewer,
    wallet_id: UUID,
    page: PageRequest,
    narrowed: TransactionFilter,
    *,
    with_parties: bool = False,
) -> tuple[Wallet, TransactionsPage] | None:
    """As `load_wallets` and `transactions_of` for one wallet, by one statement. None if the viewer may not load the wallet."""
    if not policy.may_view(viewer):
        return None
    scope = _transactions_scope(wallet_id, narrowed)
    window = page_window(page, scope)
    found = await find_wallet_and_transactions(
        database, wallet_id, policy.only_own(viewer), narrowed, window, with_parties=with_parties
    )
    return None if found is None else (found[0], _transactions_page(found[1], page, scope))


def _transactions_scope(wallet_id: UUID, narrowed: TransactionFilter) -> str:
    return f"transactions of {wallet_id}{_narrowing(narrowed)}"


def _transactions_page(found: WalletTransactions, page: PageRequest, scope: str) -> TransactionsPage:
    parties = {wallet_id: _party(wallet_id, *party) for wallet_id, party in found.parties.items()}
    return TransactionsPage(page_of(found.transactions, page, scope, id_position), parties)


async def all_transactions(database: Reader, viewer: Viewer, page: PageRequest, narrowed: TransactionFilter) -> Page[Transaction]:
    """Every transaction, newest first. Raises Forbidden without SEE_ALL, BadUserInput for a direction."""
    policy.require(viewer, Right.SEE_ALL)
    if narrowed.direction is not None:
        raise BadUserInput("A direction is relative to one wallet: filter that wallet's transactions.")
    scope = f"transactions{_narrowing(narrowed)}"
    window = page_window(page, scope)
    found = await lists.list_transactions(database, narrowed, window)
    return page_of(found, page, scope, id_position)


async def reversals_of(database: Reader, viewer: Viewer, original: Transaction, page: PageRequest) -> Page[Transaction]:
    """The reversals of a transaction that the viewer may see, newest first."""
    if not policy.may_view(viewer):
        return empty_page()
    scope = f"reversals of {original.id}"
    window = page_window(page, scope)
    found = await lists.list_reversals(database, original.id, policy.only_own(viewer), window)
    return page_of(found, page, scope, id_position)


async def entries_of(database: Reader, viewer: Viewer, wallet: Wallet, page: PageRequest) -> Page[Entry]:
    """A wallet's entries, newest first by sequence. Empty if the viewer may not load the wallet."""
    if not policy.may_load_wallet(viewer, wallet):
        return empty_page()
    scope = f"entries of {wallet.id}"
    window = page_window(page, scope, highest=_MAX_SEQUENCE)
    try:
        found = await lists.list_entries(database, wallet, window)
    except ArchivedEntries as archived:
        # The page is whole if only the entry after it is archived.
        if len(archived.found) < page.size:
            raise
        whole = page_of(archived.found, page, scope, lambda entry: entry.sequence)
        return replace(whole, has_previous=True) if page.is_backward else replace(whole, has_next=True)
    return page_of(found, page, scope, lambda entry: entry.sequence)


async def load_archived(database: Reader, transaction_ids: Collection[UUID]) -> dict[UUID, bool]:
    """True for each of these transactions whose entries are in files. Does not check the viewer."""
    return dict.fromkeys(await archive_sql.archived_among(database, transaction_ids), True)


async def ledger_status(database: Reader, viewer: Viewer, clock: Clock) -> LedgerStatus:
    """Totals, throughput, backlog and hot wallets. Raises Forbidden without SEE_ALL."""
    policy.require(viewer, Right.SEE_ALL)
    now = clock()
    totals = await status_sql.totals(database)
    trial_balance = await status_sql.trial_balance(database)
    completed = await status_sql.completed_since(database, now - _RATE_WINDOW)
    backlog = await status_sql.outbox_backlog(database, now)
    hot_ids = await status_sql.hot_wallets(database, _HOT_WALLETS)
    hot = {wallet.id: wallet for wallet in await reads.wallets_by_id(database, hot_ids, None)}
    return LedgerStatus(
        totals=tuple(CurrencyTotal(*total) for total in totals),
        trial_balance=tuple(TrialBalanceLine(*line) for line in trial_balance),
        transfers_per_second=completed / _RATE_WINDOW.total_seconds(),
        outbox_pending=backlog.pending,
        outbox_lag_seconds=backlog.lag.total_seconds(),
        hot_wallets=tuple(hot[wallet_id] for wallet_id in hot_ids),
    )


def empty_page() -> Page[Any]:
    """A page without items."""
    return Page((), (), has_next=False, has_previous=False)


def id_position(item: User | Wallet | Transaction | Hold) -> int:
    """The position of an item in a list that is sorted by id."""
    return item.id.int


def _narrowing(narrowed: TransactionFilter) -> str:
    """The filter's part of a cursor's scope. Contains only fields that are set, so that a new field keeps old cursors valid."""
    given = ((field.name, getattr(narrowed, field.name)) for field in fields(narrowed))
    return "".join(f" {name}={value}" for name, value in given if value is not None)


def page_window(page: PageRequest, scope: str, *, highest: int = _MAX_ID) -> Window:
    """The rows to read: one more than requested, to see whether there are more."""

    def position(cursor: str | None) -> int | None:
        return None if cursor is None else decode_cursor(cursor, scope, highest=highest)

    return Window(
        limit=page.size + 1,
        after=position(page.after),
        before=position(page.before),
        is_backward=page.is_backward,
    )


def page_of(found: Sequence[T], page: PageRequest, scope: str, position: Callable[[T], int]) -> Page[T]:
    """The page in list order. Rows are never deleted, so the item of a given cursor still exists beyond that end."""
    items = list(found[: page.size])
    more = len(found) > page.size
    if page.is_backward:
        items.reverse()
    return Page(
        items=tuple(items),
        cursors=tuple(encode_cursor(scope, position(item)) for item in items),
        has_next=page.before is not None or (more and not page.is_backward),
        has_previous=page.after is not None or (more and page.is_backward),
    )
