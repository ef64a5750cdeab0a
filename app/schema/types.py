"""The object types of the API. They refer to each other, so they share a module. Each has an `of` that takes a record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from app import ids, records, texts
from app.access import policy
from app.db.activity_sql import Movement
from app.errors import Archived
from app.paging import pages
from app.paging.pages import Page, PageRequest
from app.paging.update_cursor import encode_update_cursor
from app.schema.balances import BalancePeriod, BalancePoint, ReadPosition
from app.schema.basics import Money, Node, money_in, money_of, with_id_only
from app.schema.connections import Connection, PageInfo, connection, page_request
from app.schema.context import Info, loaded
from app.schema.enums import (
    AccountType,
    EntryDirection,
    EntryPurpose,
    FeePayer,
    HoldStatus,
    RefusalCode,
    TransactionStatus,
    TransactionType,
    WalletKind,
    WalletStatus,
)
from app.schema.fees import FeeCharge
from app.schema.fx import Conversion, FxStatus, fx_status
from app.schema.inputs import MetadataItemInput
from app.schema.receipts import Receipt
from app.schema.scalars import BigInt, CurrencyCode, DecimalText
from app.schema.selections import field_selects, field_selects_more_than_ids, field_selects_only_id
from app.schema.wallet_page import PARTIES
from app.services import activity, balances, hold_reading, reading
from app.services.calendars import BalanceStep, Periods
from app.services.reading import Party, TransactionsPage
from app.services.reversals import is_reversible
from app.services.statements.reading import statements_of

if TYPE_CHECKING:
    from app.schema.statements import Statement


@strawberry.input(description="Limits a list of transactions. A transaction must match every field that is given.")
class TransactionFilter:
    type: TransactionType | None = UNSET
    status: TransactionStatus | None = UNSET
    direction: EntryDirection | None = strawberry.field(
        default=UNSET, description="As seen from the wallet; refused on Query.transactions."
    )
    reference: str | None = strawberry.field(default=UNSET, description="Exactly this one.")
    created_from: datetime | None = strawberry.field(default=UNSET, description="Inclusive.")
    created_to: datetime | None = strawberry.field(default=UNSET, description="Exclusive.")

    def to_reading(self) -> pages.TransactionFilter:
        return pages.TransactionFilter(
            type=self.type or None,
            status=self.status or None,
            direction=self.direction or None,
            reference=None if self.reference in (None, UNSET) else texts.normal(self.reference),
            created_from=self.created_from or None,
            created_to=self.created_to or None,
        )


def reading_filter(given: TransactionFilter | None) -> pages.TransactionFilter:
    """The given filter, or one that matches every transaction."""
    return given.to_reading() if given else pages.TransactionFilter()


@strawberry.input(description="Limits the activity. An entry must match every field that is given.")
class ActivityFilter:
    wallet_id: strawberry.ID | None = UNSET
    direction: EntryDirection | None = UNSET
    amount_from: DecimalText | None = strawberry.field(
        default=UNSET, description="Inclusive, without a sign, in the currency of each entry."
    )
    amount_to: DecimalText | None = strawberry.field(default=UNSET, description="Inclusive.")
    metadata: list[MetadataItemInput] | None = strawberry.field(
        default=UNSET, description="The transaction has all of these pairs. At most 20."
    )
    created_from: datetime | None = strawberry.field(default=UNSET, description="Inclusive.")
    created_to: datetime | None = strawberry.field(default=UNSET, description="Exclusive.")

    def to_service(self) -> activity.ActivityFilter:
        return activity.ActivityFilter(
            wallet_id=None if self.wallet_id is UNSET else self.wallet_id,
            direction=self.direction or None,
            amount_from=self.amount_from or None,
            amount_to=self.amount_to or None,
            metadata=tuple((item.key, texts.normal(item.value)) for item in self.metadata or ()),
            created_from=self.created_from or None,
            created_to=self.created_to or None,
        )


@strawberry.type
class User(Node):
    display_name: str
    user_id: strawberry.Private[UUID]

    @staticmethod
    def of(user: records.User) -> User:
        return User(id=strawberry.ID(ids.encode("usr", user.id)), display_name=user.display_name, user_id=user.id)

    @staticmethod
    def without_name(user_id: UUID) -> User:
        """For a selection without the name, which needs no read of the user."""
        user = with_id_only(User, "usr", user_id)
        user.user_id = user_id
        return user

    @strawberry.field
    async def wallets(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Wallet]:
        context = info.context
        page = page_request(first, after, last, before)
        viewer, owner_id = context.viewer, self.user_id
        found = await context.read(
            ("wallets of", owner_id, page), lambda database: reading.wallets_of(database, viewer, owner_id, page)
        )
        return connection(found, lambda wallet: Wallet.of(info, wallet))

    @strawberry.field(
        description="The entries of all wallets, newest first by creation. Each word of `query` must begin a word of the "
        "description, the reference or the counterparty's name.\nWith `notBefore` (a wallet's updatesCursor or a `position`) it "
        "waits until it has seen that, at most a second; else UNAVAILABLE."
    )
    async def activity(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        query: str | None = UNSET,
        filter: ActivityFilter | None = UNSET,
        not_before: str | None = UNSET,
    ) -> ActivityConnection:
        context, owner_id = info.context, self.user_id
        viewer, clock = context.viewer, context.services.clock
        request = activity.ActivityRequest(
            page_request(first, after, None, None),
            query=None if query is UNSET else query,
            narrowed=filter.to_service() if filter else activity.ActivityFilter(),
            not_before=None if not_before is UNSET else not_before,
        )
        found = await context.read(
            ("activity of", owner_id, request),
            lambda database: activity.activity_of(database, viewer, owner_id, request, clock),
        )
        return await _activity_shown(info, found)


@strawberry.type(description="Only its owner and administrators can load one; to anyone else it does not exist.")
class Wallet(Node):
    kind: WalletKind
    name: str
    currency: CurrencyCode
    balance: Money = strawberry.field(description="Sum of this wallet's ledger entries.")
    available: Money = strawberry.field(description="What can be spent now: the balance less what is held.")
    held: Money = strawberry.field(description="What remains of its open holds.")
    status: WalletStatus
    account_type: AccountType
    sequence: BigInt = strawberry.field(
        description="Sequence of the wallet's newest ledger entry; 0 when it has none. Rises by exactly 1 with each entry."
    )
    updates_cursor: str = strawberry.field(description="Pass to walletUpdated(after:) to get all that came after this answer.")
    created_at: datetime
    record: strawberry.Private[records.Wallet]
    read_ahead: strawberry.Private[TransactionsPage | None] = None
    """The page of `transactions`, if it was read with the wallet."""

    @staticmethod
    def of(info: Info, wallet: records.Wallet, read_ahead: TransactionsPage | None = None) -> Wallet:
        """The caller checks that the viewer may load the wallet."""
        return Wallet(
            id=strawberry.ID(ids.encode("wal", wallet.id)),
            kind=wallet.kind,
            name=wallet.name,
            currency=CurrencyCode(wallet.currency),
            balance=money_of(info, wallet.balance, wallet.currency),
            available=money_of(info, wallet.available, wallet.currency),
            held=money_of(info, wallet.held, wallet.currency),
            status=wallet.status,
            account_type=wallet.account_type,
            sequence=BigInt(wallet.sequence),
            updates_cursor=encode_update_cursor(wallet.id, wallet.sequence),
            created_at=wallet.created_at,
            record=wallet,
            read_ahead=read_ahead,
        )

    @strawberry.field(description="Null for system wallets.")
    async def owner(self, info: Info) -> User | None:
        if self.record.owner_id is None:
            return None
        if field_selects_only_id(info):
            return with_id_only(User, "usr", self.record.owner_id)
        user = await info.context.loaders.users.load(self.record.owner_id)
        return None if user is None else User.of(user)

    @strawberry.field(
        description="Newest first by creation, by keyset: going back costs the same at any depth (unfiltered, or by direction or "
        "time) and repeats nothing.\nWithin the last moments rows may appear out of order; to follow new ones use `entries` or "
        "walletUpdated."
    )
    async def transactions(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        filter: TransactionFilter | None = UNSET,
    ) -> Connection[Transaction]:
        context, found = info.context, self.read_ahead
        if found is None:
            page = page_request(first, after, last, before)
            viewer, record, narrowed = context.viewer, self.record, reading_filter(filter)
            named = field_selects(info, PARTIES)
            found = await context.read(
                ("transactions of", record.id, page, narrowed, named),
                lambda database: reading.transactions_of(database, viewer, record, page, narrowed, with_parties=named),
            )
        context.loaders.parties.prime_many(found.parties)
        return await transactions_shown(info, found.page)

    @strawberry.field(description="Newest first by sequence; exact both ways: never skips, never repeats.")
    async def entries(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[LedgerEntry]:
        context = info.context
        page = page_request(first, after, last, before)
        viewer, record = context.viewer, self.record
        found = await context.read(
            ("entries of", record.id, page), lambda database: reading.entries_of(database, viewer, record, page)
        )
        if field_selects_more_than_ids(info, _TRANSACTION):
            await context.loaders.transactions.load_many({entry.transaction_id for entry in found.items})
        return connection(found, lambda entry: LedgerEntry.of(info, entry, self.record.currency))

    @strawberry.field(
        description="After every entry posted at or before `at`. A past answer never changes: entries are never backdated. `at` "
        "must be at least 5 seconds ago."
    )
    async def balance_at(self, info: Info, at: datetime) -> BalancePoint | None:
        viewer, record, clock = info.context.viewer, self.record, info.context.services.clock
        found = await info.context.read(
            ("balance at", record.id, at), lambda database: balances.balance_at(database, viewer, record, at, clock)
        )
        return None if found is None else BalancePoint.of(info, found, record.currency)

    @strawberry.field(
        description='Periods of a time zone\'s calendar, such as "Europe/Berlin"; at most 400. The first contains `from`, the '
        "last the last moment before `to`."
    )
    async def balances(
        self,
        info: Info,
        start: Annotated[datetime, strawberry.argument(name="from")],
        end: Annotated[datetime, strawberry.argument(name="to")],
        step: BalanceStep,
        time_zone: str = "UTC",
    ) -> list[BalancePeriod]:
        viewer, record, clock = info.context.viewer, self.record, info.context.services.clock
        asked, with_debits = Periods(start, end, step, time_zone), field_selects(info, _DEBITS)
        found = await info.context.read(
            ("balances of", record.id, asked, with_debits),
            lambda database: balances.balances(database, viewer, record, asked, clock, with_debits=with_debits),
        )
        return BalancePeriod.of_all(found, money_in(info, record.currency))

    @strawberry.field(description="The holds on this wallet's money, newest first.")
    async def holds(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        status: HoldStatus | None = UNSET,
    ) -> Connection[Hold]:
        return await _holds(info, self.record, page_request(first, after, last, before), status or None, incoming=False)

    @strawberry.field(description="The holds in this wallet's favour, newest first.")
    async def incoming_holds(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        status: HoldStatus | None = UNSET,
    ) -> Connection[Hold]:
        return await _holds(info, self.record, page_request(first, after, last, before), status or None, incoming=True)

    @strawberry.field(description="Its statements, newest first.")
    async def statements(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Annotated[Statement, strawberry.lazy("app.schema.statements")]]:
        from app.schema.statements import Statement  # noqa: PLC0415 - the two types refer to each other

        page, viewer, record = page_request(first, after, last, before), info.context.viewer, self.record
        found = await info.context.read(
            ("statements of", record.id, page), lambda database: statements_of(database, viewer, record, page)
        )
        return connection(found, Statement.of)


async def _holds(
    info: Info, wallet: records.Wallet, page: PageRequest, status: HoldStatus | None, *, incoming: bool
) -> Connection[Hold]:
    viewer = info.context.viewer
    found = await info.context.read(
        ("holds of", wallet.id, page, status, incoming),
        lambda database: hold_reading.holds_of(database, viewer, wallet, page, status, incoming=incoming),
    )
    return connection(found, Hold.of)


@strawberry.type(description="What either side of a transaction may know of the other: never a balance.")
class WalletParty:
    wallet_id: strawberry.ID
    display_name: str = strawberry.field(
        description="The name its owner chose to show: never the wallet's name, an e-mail address or the token's subject."
    )
    currency: CurrencyCode
    record: strawberry.Private[Party]

    @staticmethod
    def of(party: Party) -> WalletParty:
        return WalletParty(
            wallet_id=strawberry.ID(ids.encode("wal", party.wallet_id)),
            display_name=party.display_name,
            currency=CurrencyCode(party.currency),
            record=party,
        )

    @strawberry.field(description="The wallet itself where the viewer may load it, else null.")
    async def wallet(self, info: Info) -> Wallet | None:
        wallet = await info.context.loaders.wallets.load(self.record.wallet_id)
        return None if wallet is None else Wallet.of(info, wallet)


@strawberry.type
class MetadataItem:
    key: str
    value: str


@strawberry.type(
    description="A FAILED or PENDING one exists only for its initiator and administrators; the receiver sees it once it is "
    "COMPLETED: in lists, by id, in nodes and in subscriptions alike."
)
class Transaction(Node):
    type: TransactionType
    status: TransactionStatus
    amount: Money = strawberry.field(description="What was asked to move, in the sender's currency.")
    description: str | None
    reference: str | None = strawberry.field(description="The sender's own name for it, such as an order number.")
    metadata: list[MetadataItem] = strawberry.field(description="By key.")
    failure_code: RefusalCode | None = strawberry.field(description="Why it failed; null unless status is FAILED.")
    idempotency_key: str | None = strawberry.field(description="Shown to whoever sent it; null to others.")
    created_at: datetime
    completed_at: datetime | None
    record: strawberry.Private[records.Transaction]

    @staticmethod
    def of(info: Info, transaction: records.Transaction) -> Transaction:
        """The caller checks that the viewer may see the transaction."""
        shows_key = policy.may_know_key(info.context.viewer, transaction)
        return Transaction(
            id=strawberry.ID(ids.encode("txn", transaction.id)),
            type=transaction.type,
            status=transaction.status,
            amount=money_of(info, transaction.amount, transaction.currency),
            description=transaction.description,
            reference=transaction.reference,
            metadata=_metadata_items(transaction.metadata),
            failure_code=transaction.failure_code,
            idempotency_key=transaction.idempotency_key if shows_key else None,
            created_at=transaction.created_at,
            completed_at=transaction.completed_at,
            record=transaction,
        )

    @strawberry.field(description="The paying wallet; null where there are several.")
    def sender(self, info: Info) -> WalletParty | None:
        return party_or_awaitable(info, self.record.paying_wallet_id)

    @strawberry.field(description="The paid wallet; null where there are several.")
    def receiver(self, info: Info) -> WalletParty | None:
        if self.record.status is TransactionStatus.COMPLETED:
            return party_or_awaitable(info, self.record.paid_wallet_id)
        return cast("WalletParty | None", self._receiver_as_lookup(info))

    async def _receiver_as_lookup(self, info: Info) -> WalletParty | None:
        await _count_as_lookup(info, self.record)
        return await _party(info, self.record.paid_wallet_id)

    @strawberry.field(
        description="What was charged on top of the amount. Shown to the one who pays it, to the initiator and to administrators."
    )
    async def fees(self, info: Info) -> list[FeeCharge]:
        fee, schedule_id = self.record.fee, self.record.fee_schedule_id
        if fee is None or schedule_id is None or self.record.status is not TransactionStatus.COMPLETED:
            return []
        loaders, viewer = info.context.loaders, info.context.viewer
        schedule = await loaders.fee_schedules.load(schedule_id)
        if schedule is None:
            return []
        is_sender = schedule.payer is FeePayer.SENDER
        payer_id = self.record.sender_wallet_id if is_sender else self.record.receiver_wallet_id
        assert payer_id is not None, "only a transaction between two wallets is charged"
        if viewer.user_id != self.record.initiator_id and await loaders.wallets.load(payer_id) is None:
            return []
        state = await loaders.reversed_amounts.load(self.record.id)
        given_back = 0 if state is None else state.fee_reversed
        return [FeeCharge.of(info, schedule, self.record.amount, fee, given_back=given_back)]

    @strawberry.field(description="Of a CAPTURE: the hold that it pays from.")
    async def hold(self, info: Info) -> Hold | None:
        if self.record.hold_id is None:
            return None
        hold = await info.context.loaders.holds.load(self.record.hold_id)
        return None if hold is None else Hold.of(hold)

    @strawberry.field(description="Of a completed CONVERSION: what it exchanged, and at which rate.")
    async def conversion(self, info: Info) -> Conversion | None:
        if self.record.quote_id is None or self.record.status is not TransactionStatus.COMPLETED:
            return None
        quote = await info.context.loaders.used_quotes.load(self.record.quote_id)
        assert quote is not None, "quotes are never deleted"
        return Conversion(record=quote)

    @strawberry.field(description="Null until the transaction is in the log, which takes about a second.")
    async def receipt(self, info: Info) -> Receipt | None:
        if self.record.status is not TransactionStatus.COMPLETED:
            return None
        found = await info.context.loaders.receipts.load(self.record.id)
        return None if found is None else Receipt.of(found)

    @strawberry.field(description="Of a REVERSAL: the transaction that it gives back.")
    async def reverses(self, info: Info) -> Transaction | None:
        if self.record.reverses_id is None:
            return None
        original = await info.context.loaders.transactions.load(self.record.reverses_id)
        return None if original is None else Transaction.of(info, original)

    @strawberry.field(description="Its reversals, newest first. A FAILED one is listed for its initiator and administrators.")
    async def reversals(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Transaction]:
        page, viewer, record = page_request(first, after, last, before), info.context.viewer, self.record
        found = await info.context.read(
            ("reversals of", record.id, page), lambda database: reading.reversals_of(database, viewer, record, page)
        )
        return await transactions_shown(info, found)

    @strawberry.field(description="What reversals have given back of `amount`; never more.")
    async def reversed(self, info: Info) -> Money:
        return money_of(info, await self._reversed(info), self.record.currency)

    @strawberry.field(description="What may still be reversed; zero where nothing may.")
    async def reversible(self, info: Info) -> Money:
        left = self.record.amount - await self._reversed(info) if is_reversible(self.record) else 0
        return money_of(info, left, self.record.currency)

    async def _reversed(self, info: Info) -> int:
        if not is_reversible(self.record):
            return 0
        found = await info.context.loaders.reversed_amounts.load(self.record.id)
        return 0 if found is None else found.reversed

    @strawberry.field(description="The entries of the wallets that the viewer may load.")
    async def entries(self, info: Info) -> list[LedgerEntry]:
        if self.record.status is not TransactionStatus.COMPLETED:
            return []
        entries = await info.context.loaders.entries.load(self.record.id) or ()
        if not entries and await info.context.loaders.archived.load(self.record.id):
            raise Archived
        if self.record.type not in _MOVES_SEVERAL_CURRENCIES:
            return [LedgerEntry.of(info, entry, self.record.currency) for entry in entries]
        wallets = await asyncio.gather(*(info.context.loaders.wallets.load(entry.wallet_id) for entry in entries))
        found = zip(entries, wallets, strict=True)
        return [LedgerEntry.of(info, entry, wallet.currency) for entry, wallet in found if wallet is not None]


@strawberry.type(
    description="Money of a wallet that waits for a capture. It exists for the owners of both wallets, the one who placed "
    "it, and administrators. amount = captured + released + remaining."
)
class Hold(Node):
    status: HoldStatus
    description: str | None
    expires_at: datetime | None = strawberry.field(description="Null: it lasts until it is closed.")
    created_at: datetime
    closed_at: datetime | None
    record: strawberry.Private[records.Hold]

    @staticmethod
    def of(hold: records.Hold) -> Hold:
        """The caller checks that the viewer may see the hold."""
        return Hold(
            id=strawberry.ID(ids.encode("hld", hold.id)),
            status=hold.status,
            description=hold.description,
            expires_at=hold.expires_at,
            created_at=hold.created_at,
            closed_at=hold.closed_at,
            record=hold,
        )

    @strawberry.field
    def amount(self, info: Info) -> Money:
        return money_of(info, self.record.amount, self.record.currency)

    @strawberry.field
    def captured(self, info: Info) -> Money:
        return money_of(info, self.record.captured, self.record.currency)

    @strawberry.field(description="With what has expired.")
    def released(self, info: Info) -> Money:
        return money_of(info, self.record.released, self.record.currency)

    @strawberry.field
    def remaining(self, info: Info) -> Money:
        return money_of(info, self.record.remaining, self.record.currency)

    @strawberry.field(description="By key.")
    def metadata(self) -> list[MetadataItem]:
        return _metadata_items(self.record.metadata)

    @strawberry.field(description="Whose money it holds.")
    async def wallet(self, info: Info) -> WalletParty:
        party = await _party(info, self.record.wallet_id)
        assert party is not None, "wallets are never deleted"
        return party

    @strawberry.field(description="Whom a capture pays; null where each capture names its own.")
    async def receiver(self, info: Info) -> WalletParty | None:
        receiver_id = self.record.receiver_wallet_id
        if receiver_id is not None:
            await _count_unless_known(info, self.record.wallet_id, receiver_id)
        return await _party(info, receiver_id)

    @strawberry.field(description="Newest first. A FAILED one is listed for its initiator and administrators.")
    async def captures(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Transaction]:
        page, viewer, record = page_request(first, after, last, before), info.context.viewer, self.record
        found = await info.context.read(
            ("captures of", record.id, page), lambda database: hold_reading.captures_of(database, viewer, record, page)
        )
        return await transactions_shown(info, found)

    @strawberry.field(description="Shown to the one who placed it; null to others.")
    async def idempotency_key(self, info: Info) -> str | None:
        if self.record.initiator_id != info.context.viewer.user_id:
            return None
        return await info.context.loaders.hold_keys.load(self.record.id)


async def _count_as_lookup(info: Info, transaction: records.Transaction) -> None:
    """Count the receiver of a transfer that never reached them as a look-up: its name says as much as walletParty does.

    Raises RateLimited, which fails this field only. A receiver that the viewer knew before is not counted, nor one that was
    counted in the same minute.
    """
    sender_id, receiver_id = transaction.sender_wallet_id, transaction.receiver_wallet_id
    if transaction.status is not TransactionStatus.COMPLETED and sender_id is not None and receiver_id is not None:
        await _count_unless_known(info, sender_id, receiver_id)


async def _count_unless_known(info: Info, sender_id: UUID, receiver_id: UUID) -> None:
    context = info.context
    if not policy.sees_all(context.viewer) and not await context.loaders.known_receivers.load((sender_id, receiver_id)):
        context.services.party_lookups.check_once(context.viewer.user_id.hex, receiver_id)


async def party_that_may_be_new(info: Info, wallet_id: UUID) -> WalletParty | None:
    """The party of a wallet that the viewer named, counted as a look-up unless they may load the wallet. Raises RateLimited."""
    context = info.context
    if not policy.sees_all(context.viewer) and await context.loaders.wallets.load(wallet_id) is None:
        context.services.party_lookups.check_once(context.viewer.user_id.hex, wallet_id)
    return await _party(info, wallet_id)


async def _party(info: Info, wallet_id: UUID | None) -> WalletParty | None:
    if wallet_id is None:
        return None
    party = await info.context.loaders.parties.load(wallet_id)
    return None if party is None else WalletParty.of(party)


def party_or_awaitable(info: Info, wallet_id: UUID | None) -> WalletParty | None:
    """The party of a wallet if it is loaded, else what waits for it: a page of rows then needs no task for each.

    GraphQL awaits what can be awaited, so the type is that of the value.
    """
    known = None if wallet_id is None else loaded(info.context.loaders.parties, wallet_id)
    if known is None:
        return cast("WalletParty | None", _party(info, wallet_id)) if wallet_id is not None else None
    (party,) = known
    return None if party is None else WalletParty.of(party)


def _transaction_or_awaitable(info: Info, transaction_id: UUID) -> Transaction:
    """The transaction of an entry that the viewer sees, as `party_or_awaitable`."""
    if field_selects_only_id(info):
        return with_id_only(Transaction, "txn", transaction_id)
    known = loaded(info.context.loaders.transactions, transaction_id)
    if known is None:
        return cast("Transaction", _transaction_of_entry(info, transaction_id))
    return _seen(info, *known)


async def _transaction_of_entry(info: Info, transaction_id: UUID) -> Transaction:
    return _seen(info, await info.context.loaders.transactions.load(transaction_id))


def _seen(info: Info, transaction: records.Transaction | None) -> Transaction:
    assert transaction is not None, "a viewer who sees an entry may see its transaction"
    return Transaction.of(info, transaction)


async def transactions_shown(info: Info, found: Page[records.Transaction]) -> Connection[Transaction]:
    """A page of transactions. The parties of all rows are read at once, if the selection has any."""
    if field_selects(info, PARTIES):
        parties = info.context.loaders.parties
        both = {wallet_id for one in found.items for wallet_id in (one.paying_wallet_id, one.paid_wallet_id)}
        missing = [wallet_id for wallet_id in both if wallet_id is not None and loaded(parties, wallet_id) is None]
        if missing:
            await parties.load_many(missing)
    return connection(found, lambda transaction: Transaction.of(info, transaction))


_DEBITS = frozenset({"debits", "credits"})


@strawberry.type(description="Immutable once written.")
class LedgerEntry(Node):
    sequence: BigInt
    direction: EntryDirection
    purpose: EntryPurpose
    amount: Money = strawberry.field(description="Positive; DEBIT lowers the wallet's balance, CREDIT raises it.")
    balance_before: Money
    balance_after: Money
    created_at: datetime
    record: strawberry.Private[records.Entry]

    @staticmethod
    def of(info: Info, entry: records.Entry, currency: str) -> LedgerEntry:
        """`currency` is the wallet's. The caller checks that the viewer may load that wallet."""
        return LedgerEntry(
            id=strawberry.ID(ids.encode("ent", entry.id)),
            sequence=BigInt(entry.sequence),
            direction=EntryDirection.DEBIT if entry.amount < 0 else EntryDirection.CREDIT,
            purpose=entry.purpose,
            amount=money_of(info, abs(entry.amount), currency),
            balance_before=money_of(info, entry.balance_before, currency),
            balance_after=money_of(info, entry.balance_after, currency),
            created_at=entry.created_at,
            record=entry,
        )

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet:
        wallet = await info.context.loaders.wallets.load(self.record.wallet_id)
        assert wallet is not None, "a viewer who sees an entry may load its wallet"
        return Wallet.of(info, wallet)

    @strawberry.field
    def transaction(self, info: Info) -> Transaction:
        return _transaction_or_awaitable(info, self.record.transaction_id)


@strawberry.type(description="An entry of one of a user's wallets.")
class ActivityItem:
    id: strawberry.ID = strawberry.field(description="The entry's.")
    at: datetime
    amount: Money = strawberry.field(description="Positive: `direction` says which side.")
    direction: EntryDirection
    purpose: EntryPurpose
    record: strawberry.Private[Movement]

    @staticmethod
    def of(info: Info, movement: Movement) -> ActivityItem:
        """The caller checks that the viewer may load the wallet."""
        return ActivityItem(
            id=strawberry.ID(ids.encode("ent", movement.entry_id)),
            at=movement.at,
            amount=money_of(info, abs(movement.amount), movement.currency),
            direction=EntryDirection.DEBIT if movement.amount < 0 else EntryDirection.CREDIT,
            purpose=movement.purpose,
            record=movement,
        )

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet:
        wallet = await info.context.loaders.wallets.load(self.record.wallet_id)
        assert wallet is not None, "a viewer who sees a user's activity may load the wallets"
        return Wallet.of(info, wallet)

    @strawberry.field(description="Null where there are several.")
    def counterparty(self, info: Info) -> WalletParty | None:
        return party_or_awaitable(info, self.record.counterparty_wallet_id)

    @strawberry.field
    def transaction(self, info: Info) -> Transaction:
        return _transaction_or_awaitable(info, ids.split_entry_id(self.record.entry_id)[0])


@strawberry.type
class ActivityEdge:
    cursor: str
    node: ActivityItem


@strawberry.type
class ActivityConnection:
    edges: list[ActivityEdge]
    page_info: PageInfo
    read_position: ReadPosition


async def _activity_shown(info: Info, found: activity.Activity) -> ActivityConnection:
    """A page of activity. The counterparties and the transactions of all rows are read at once, if the selection has any."""
    items: Sequence[Movement] = found.page.items
    loaders, reads = info.context.loaders, list[Awaitable[object]]()
    if field_selects(info, _COUNTERPARTY):
        others = {item.counterparty_wallet_id for item in items if item.counterparty_wallet_id is not None}
        reads.append(loaders.parties.load_many(others))
    if field_selects_more_than_ids(info, _TRANSACTION):
        reads.append(loaders.transactions.load_many({ids.split_entry_id(item.entry_id)[0] for item in items}))
    await asyncio.gather(*reads)
    shown = connection(found.page, lambda movement: ActivityItem.of(info, movement))
    return ActivityConnection(
        edges=[ActivityEdge(cursor=edge.cursor, node=edge.node) for edge in shown.edges],
        page_info=shown.page_info,
        read_position=ReadPosition.of(found.position),
    )


_COUNTERPARTY = frozenset({"counterparty"})
_TRANSACTION = frozenset({"transaction"})


@strawberry.type
class CurrencyTotal:
    currency: CurrencyCode
    user_balances: Money
    system_balances: Money
    difference: Money = strawberry.field(description="Zero, or the ledger is broken.")


@strawberry.type(description="The wallets of one account type and currency together. In each currency, debits equal credits.")
class TrialBalanceLine:
    account_type: AccountType
    currency: CurrencyCode
    debit: Money = strawberry.field(description="What they are below zero together; zero if they are not.")
    credit: Money = strawberry.field(description="What they are above zero together; zero if they are not.")


_MOVES_SEVERAL_CURRENCIES = (TransactionType.POSTING, TransactionType.CONVERSION, TransactionType.REVERSAL)


@strawberry.type
class LedgerStatus:
    totals: list[CurrencyTotal]
    trial_balance: list[TrialBalanceLine] = strawberry.field(description="By currency and account type.")
    transfers_per_second: float
    outbox_pending: BigInt
    outbox_lag_seconds: float
    hot_wallets: list[Wallet] = strawberry.field(description="The wallets with the most entries lately.")

    @strawberry.field(description="What conversions have bought and sold.")
    async def fx(self, info: Info) -> FxStatus:
        return await fx_status(info)


def _metadata_items(metadata: dict[str, str] | None) -> list[MetadataItem]:
    return [MetadataItem(key=key, value=value) for key, value in sorted((metadata or {}).items())]
