"""The Query type."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry import UNSET
from strawberry.dataloader import DataLoader

from app import ids
from app.access import policy
from app.errors import Archived, BadUserInput
from app.schema.basics import Currency, Node, money_of
from app.schema.connections import Connection, connection, page_request
from app.schema.context import Info
from app.schema.fees import FeeSchedule
from app.schema.fx import FxQuote, FxRate
from app.schema.inputs import TransferInput
from app.schema.partitions import LedgerPartition
from app.schema.previews import TransferPreview, transfer_preview
from app.schema.receipts import Checkpoint
from app.schema.scalars import BigInt, CurrencyCode
from app.schema.selections import field_selects_only, field_selects_only_id, is_only_root_field
from app.schema.statements import Statement
from app.schema.types import (
    CurrencyTotal,
    Hold,
    LedgerEntry,
    LedgerStatus,
    Transaction,
    TransactionFilter,
    TrialBalanceLine,
    User,
    Wallet,
    WalletParty,
    reading_filter,
    transactions_shown,
)
from app.schema.wallet_page import ANY_TRANSACTION, AskedPage, asked_page
from app.schema.webhooks import WebhookDelivery, WebhookEndpoint
from app.services import fee_schedules, fx_rates, partitions, reading, rehearsals
from app.services.reading import SEARCHED_USERS
from app.services.receipts import reading as receipts
from app.services.webhooks import endpoints

T = TypeVar("T")
MAX_NODES = 100
_LISTS_OF_USER = frozenset({"wallets", "activity"})


@strawberry.type
class Query:
    @strawberry.field
    async def viewer(self, info: Info) -> User:
        context = info.context
        # The lists' statements come anyway. An id alone is read, because it shows that the database answers.
        if field_selects_only(info, _LISTS_OF_USER) and not field_selects_only_id(info):
            return User.without_name(context.viewer.user_id)
        user = await _loaded(info, context.loaders.users, context.viewer.user_id)
        assert user is not None, "a viewer has been a user since their first call"
        return User.of(user)

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await _node(info, id)

    @strawberry.field
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        policy.require_view(info.context.viewer)
        if len(ids) > MAX_NODES:
            raise BadUserInput(f"At most {MAX_NODES} nodes can be requested at once.")
        # Awaited together, so that each loader reads all of its ids with one statement.
        return await asyncio.gather(*(_node(info, id_) for id_ in ids))

    @strawberry.field
    async def wallet(self, info: Info, id: strawberry.ID) -> Wallet | None:
        policy.require_view(info.context.viewer)
        decoded = ids.decode("wal", id)
        if decoded is None:
            return None
        asked = asked_page(info)
        if asked is not None:
            return await _wallet_with_page(info, decoded, asked)
        wallet = await _loaded(info, info.context.loaders.wallets, decoded)
        return None if wallet is None else Wallet.of(info, wallet)

    @strawberry.field
    async def transaction(self, info: Info, id: strawberry.ID) -> Transaction | None:
        policy.require_view(info.context.viewer)
        decoded = ids.decode("txn", id)
        if decoded is None:
            return None
        transaction = await _loaded(info, info.context.loaders.transactions, decoded)
        return None if transaction is None else Transaction.of(info, transaction)

    @strawberry.field
    async def hold(self, info: Info, id: strawberry.ID) -> Hold | None:
        policy.require_view(info.context.viewer)
        decoded = ids.decode("hld", id)
        return None if decoded is None else await _hold(info, decoded)

    @strawberry.field(description="The viewer's own transaction with this key: what a client asks after a lost answer.")
    async def transaction_by_idempotency_key(
        self,
        info: Info,
        idempotency_key: str,
        user_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The transaction of this user instead; administrators only.")
        ] = UNSET,
    ) -> Transaction | None:
        context = info.context
        found = await reading.transaction_by_key(context.services.engine, context.viewer, idempotency_key, user_id or None)
        return None if found is None else Transaction.of(info, found)

    @strawberry.field(description="Whom a transfer to this wallet would reach: ask before sending. Null if none; rate limited.")
    async def wallet_party(self, info: Info, wallet_id: strawberry.ID) -> WalletParty | None:
        context = info.context
        context.services.party_lookups.check(context.viewer.user_id.hex)
        party = await reading.find_party(context.services.engine, context.viewer, wallet_id)
        return None if party is None else WalletParty.of(party)

    @strawberry.field(
        description="What this transfer would do now: entries, balances after, or the refusal that would come. Counts as a "
        "transfer against the viewer's rate, and nothing else remains of it."
    )
    async def preview_transfer(self, info: Info, input: TransferInput) -> TransferPreview | None:
        context = info.context
        context.services.rates.check_transfers(context.viewer.user_id)
        preview = await rehearsals.preview_transfer(context.services.ledger, context.viewer, input.to_service())
        return transfer_preview(info, preview)

    @strawberry.field(
        description="The version of each fee schedule that is valid at this moment; without a moment, now. Users see the general "
        "schedules and their own, administrators all. At most 500."
    )
    async def fee_schedules(self, info: Info, at: datetime | None = UNSET) -> list[FeeSchedule]:
        services = info.context.services
        found = await fee_schedules.valid_at(services.engine, info.context.viewer, at or services.clock())
        return [FeeSchedule.of(info, schedule) for schedule in found]

    @strawberry.field(
        description="The rate between each two currencies that is valid at this moment; without a moment, now. Quotes for other "
        "pairs go through the base currency."
    )
    async def fx_rates(self, info: Info, at: datetime | None = UNSET) -> list[FxRate]:
        services = info.context.services
        found = await fx_rates.rates_at(services.engine, info.context.viewer, at or services.clock())
        return [FxRate.of(rate) for rate in found]

    @strawberry.field
    async def fx_quote(self, info: Info, id: strawberry.ID) -> FxQuote | None:
        policy.require_view_or_transfer(info.context.viewer)
        decoded = ids.decode("fxq", id)
        return None if decoded is None else await _quote(info, decoded)

    @strawberry.field(description="The newest signed head of the log of transactions.")
    async def checkpoint(self, info: Info) -> Checkpoint | None:
        services = info.context.services
        found = await receipts.newest_checkpoint(services.engine, info.context.viewer)
        return None if found is None else Checkpoint.of(found, services.settings.log_public_key)

    @strawberry.field(description="Proof, base64 hashes, that the newest checkpoint extends the one of this size.")
    async def consistency_proof(self, info: Info, size: BigInt) -> list[str] | None:
        hashes = await receipts.consistency_proof(info.context.services.engine, info.context.viewer, size)
        return None if hashes is None else [base64.b64encode(hash_).decode() for hash_ in hashes]

    @strawberry.field
    async def currencies(self, info: Info) -> list[Currency]:
        context = info.context
        _ = context.viewer
        return [Currency.of(currency) for _code, currency in sorted(context.services.currencies.items())]

    @strawberry.field(
        description="Every user, newest first; administrators only. `search` is an id, a subject (exactly), or the start of a "
        f"word of a name, which is looked for among the newest {SEARCHED_USERS:,} users."
    )
    async def users(
        self,
        info: Info,
        search: str | None = UNSET,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[User] | None:
        context, viewer = info.context, info.context.viewer
        page = page_request(first, after, last, before)
        found = await reading.all_users(context.services.engine, viewer, None if search is UNSET else search, page)
        return connection(found, User.of)

    @strawberry.field(description="Every wallet; administrators only.")
    async def wallets(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Wallet] | None:
        context, viewer = info.context, info.context.viewer
        page = page_request(first, after, last, before)
        found = await reading.all_wallets(context.services.engine, viewer, page)
        return connection(found, lambda wallet: Wallet.of(info, wallet))

    @strawberry.field(description="Every transaction; administrators only.")
    async def transactions(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        filter: TransactionFilter | None = UNSET,
    ) -> Connection[Transaction] | None:
        context, viewer = info.context, info.context.viewer
        page = page_request(first, after, last, before)
        found = await reading.all_transactions(context.services.engine, viewer, page, reading_filter(filter))
        return await transactions_shown(info, found)

    @strawberry.field(description="The viewer's own, newest first.")
    async def webhook_endpoints(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[WebhookEndpoint]:
        context, page = info.context, page_request(first, after, last, before)
        found = await endpoints.endpoints_of(context.services.engine, context.viewer, page)
        return connection(found, WebhookEndpoint.of)

    @strawberry.field(description="Administrators only. Oldest first.")
    async def ledger_partitions(self, info: Info) -> list[LedgerPartition] | None:
        services = info.context.services
        found = await partitions.ledger_partitions(services.engine, info.context.viewer, services.clock)
        return [LedgerPartition.of(record) for record in found]

    @strawberry.field(description="Administrators only.")
    async def ledger_status(self, info: Info) -> LedgerStatus | None:
        context = info.context
        status = await reading.ledger_status(context.services.engine, context.viewer, context.services.clock)
        return LedgerStatus(
            totals=[
                CurrencyTotal(
                    currency=CurrencyCode(total.currency),
                    user_balances=money_of(info, total.user_balances, total.currency),
                    system_balances=money_of(info, total.system_balances, total.currency),
                    difference=money_of(info, total.user_balances + total.system_balances, total.currency),
                )
                for total in status.totals
            ],
            trial_balance=[
                TrialBalanceLine(
                    account_type=line.account_type,
                    currency=CurrencyCode(line.currency),
                    debit=money_of(info, max(0, -line.balance), line.currency),
                    credit=money_of(info, max(0, line.balance), line.currency),
                )
                for line in status.trial_balance
            ],
            transfers_per_second=status.transfers_per_second,
            outbox_pending=BigInt(status.outbox_pending),
            outbox_lag_seconds=status.outbox_lag_seconds,
            hot_wallets=[Wallet.of(info, wallet) for wallet in status.hot_wallets],
        )


async def _node(info: Info, id_: str) -> Node | None:
    """The object with this id, or None if there is none that the viewer may load."""
    policy.require_view(info.context.viewer)
    decoded = ids.decode_any(id_)
    if decoded is None:
        return None
    prefix, value = decoded
    load = _NODES.get(prefix)
    return None if load is None else await load(info, value)


async def _loaded(info: Info, loader: DataLoader[UUID, T | None], id_: UUID) -> T | None:
    """The record for a root field. If there is no other field, nothing is read with it, and it need not wait for others."""
    if not is_only_root_field(info):
        return await loader.load(id_)
    (found,) = cast("list[T | None]", await loader.load_fn([id_]))
    loader.prime(id_, found)
    return found


async def _wallet(info: Info, wallet_id: UUID | None) -> Wallet | None:
    loaders = info.context.loaders
    wallet = None if wallet_id is None else await loaders.wallets.load(wallet_id)
    return None if wallet is None else Wallet.of(info, wallet)


async def _wallet_with_page(info: Info, wallet_id: UUID, asked: AskedPage) -> Wallet | None:
    """As `_wallet`, with the page of its transactions that the document asks for."""
    context = info.context
    try:
        found = await reading.wallet_and_transactions(
            context.services.engine, context.viewer, wallet_id, asked.page, ANY_TRANSACTION, with_parties=asked.with_parties
        )
    except BadUserInput:
        # A wrong cursor is an error of `transactions`.
        return await _wallet(info, wallet_id)
    if found is None:
        return None
    wallet, page = found
    context.loaders.wallets.prime(wallet_id, wallet)
    return Wallet.of(info, wallet, page)


async def _transaction(info: Info, transaction_id: UUID | None) -> Transaction | None:
    loaders = info.context.loaders
    transaction = None if transaction_id is None else await loaders.transactions.load(transaction_id)
    return None if transaction is None else Transaction.of(info, transaction)


async def _entry(info: Info, entry_id: UUID) -> LedgerEntry | None:
    loaders = info.context.loaders
    transaction_id, _leg = ids.split_entry_id(entry_id)
    for entry in await loaders.entries.load(transaction_id) or ():
        if entry.id == entry_id:
            wallet = await info.context.loaders.wallets.load(entry.wallet_id)
            return None if wallet is None else LedgerEntry.of(info, entry, wallet.currency)
    # Whatever its leg, so that it does not tell which entries there were.
    if await loaders.transactions.load(transaction_id) is not None and await loaders.archived.load(transaction_id):
        raise Archived
    return None


async def _user(info: Info, user_id: UUID) -> User | None:
    if not policy.may_load_user(info.context.viewer, user_id):
        return None
    user = await info.context.loaders.users.load(user_id)
    return None if user is None else User.of(user)


async def _hold(info: Info, hold_id: UUID) -> Hold | None:
    hold = await info.context.loaders.holds.load(hold_id)
    return None if hold is None else Hold.of(hold)


async def _quote(info: Info, quote_id: UUID) -> FxQuote | None:
    quote = await info.context.loaders.quotes.load(quote_id)
    return None if quote is None else FxQuote.of(quote)


async def _webhook_endpoint(info: Info, endpoint_id: UUID) -> WebhookEndpoint | None:
    endpoint = await info.context.loaders.webhook_endpoints.load(endpoint_id)
    return None if endpoint is None else WebhookEndpoint.of(endpoint)


async def _webhook_delivery(info: Info, delivery_id: UUID) -> WebhookDelivery | None:
    loaders = info.context.loaders
    delivery = await loaders.webhook_deliveries.load(delivery_id)
    endpoint = None if delivery is None else await loaders.webhook_endpoints.load(delivery.endpoint_id)
    return None if delivery is None or endpoint is None else WebhookDelivery.of(delivery, endpoint.source)


async def _statement(info: Info, statement_id: UUID) -> Statement | None:
    statement = await info.context.loaders.statements.load(statement_id)
    return None if statement is None else Statement.of(statement)


async def _fee_schedule(info: Info, schedule_id: UUID) -> FeeSchedule | None:
    schedule = await info.context.loaders.fee_schedules.load(schedule_id)
    return None if schedule is None else FeeSchedule.of(info, schedule)


_NODES: Mapping[str, Callable[[Info, UUID], Awaitable[Node | None]]] = {
    "wal": _wallet,
    "txn": _transaction,
    "ent": _entry,
    "usr": _user,
    "fee": _fee_schedule,
    "hld": _hold,
    "fxq": _quote,
    "whe": _webhook_endpoint,
    "whd": _webhook_delivery,
    "stm": _statement,
}
"""How to load an object, by the prefix of its id."""
