"""What resolvers share within one operation: the viewer, the services, and loaders that end with the operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from app.access import policy
from app.access.viewer import Viewer
from app.clock import monotonic
from app.db.statements import Reader
from app.errors import RequestError, Unauthenticated
from app.records import (
    AccountStatement,
    Entry,
    FeeSchedule,
    FxQuote,
    Hold,
    Payment,
    ReversedAmount,
    StatementFile,
    Transaction,
    User,
    Wallet,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.schema.outcomes import Outcome
from app.services import fee_schedules, fx_quotes, hold_reading, reading, reversals
from app.services.container import Services
from app.services.live_reads import EventReads
from app.services.reading import Party
from app.services.receipts import reading as receipt_reading
from app.services.receipts.reading import Receipt
from app.services.statements import reading as statement_reading
from app.services.transfers import TransferResult
from app.services.webhooks import endpoints as webhook_endpoints

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Loaders:
    """Loads records by id, with one statement for each kind. Returns None for a record that the viewer may not see.

    With `event`, the reads are shared between those subscribers of the event who see the same rows.
    """

    def __init__(self, services: Services, viewer: Viewer, event: EventReads | None) -> None:
        self._services = services
        self._viewer = viewer
        self._event = event

    @cached_property
    def wallets(self) -> DataLoader[UUID, Wallet | None]:
        """Wallets that the viewer may load."""
        viewer = self._viewer
        return self._by_id(("wallets", visibility_key(viewer)), lambda database, ids: reading.load_wallets(database, viewer, ids))

    @cached_property
    def users(self) -> DataLoader[UUID, User | None]:
        """Users. Does not check the viewer: load only ids from records that the viewer may already see."""
        return self._by_id("users", reading.load_users)

    @cached_property
    def transactions(self) -> DataLoader[UUID, Transaction | None]:
        """Transactions that the viewer may see."""
        viewer = self._viewer
        return self._by_id(
            ("transactions", visibility_key(viewer)), lambda database, ids: reading.load_transactions(database, viewer, ids)
        )

    @cached_property
    def entries(self) -> DataLoader[UUID, tuple[Entry, ...] | None]:
        """Entries by transaction id, only those in wallets that the viewer may load."""
        viewer = self._viewer
        return self._by_id(("entries", visibility_key(viewer)), lambda database, ids: reading.load_entries(database, viewer, ids))

    @cached_property
    def archived(self) -> DataLoader[UUID, bool | None]:
        """Whether a transaction's entries are archived. Does not check the viewer: load only ids that the viewer may see."""
        return self._by_id("archived", reading.load_archived)

    @cached_property
    def parties(self) -> DataLoader[UUID, Party | None]:
        """The public view of a wallet's owner, by wallet id: what the other side of a transaction may see."""
        return self._by_id("parties", reading.load_parties)

    @cached_property
    def known_receivers(self) -> DataLoader[Payment, bool | None]:
        """Whether the viewer already knew the receiver, by sender and receiver id."""
        viewer = self._viewer
        return self._by_id(
            ("known", viewer.user_id), lambda database, payments: reading.known_receivers(database, viewer, payments)
        )

    @cached_property
    def fee_schedules(self) -> DataLoader[UUID, FeeSchedule | None]:
        """Fee schedules that the viewer may see."""
        viewer = self._viewer
        return self._by_id(
            ("fee schedules", visibility_key(viewer)), lambda database, ids: fee_schedules.load(database, viewer, ids)
        )

    @cached_property
    def reversed_amounts(self) -> DataLoader[UUID, ReversedAmount | None]:
        """How much of a transaction has gone back. Does not check the viewer: load only ids that the viewer may see."""
        return self._by_id("reversed amounts", reversals.load_reversed)

    @cached_property
    def receipts(self) -> DataLoader[UUID, Receipt | None]:
        """Receipts of transactions that the viewer may see, opened as far as the viewer may see."""
        viewer = self._viewer
        return self._by_id(
            ("receipts", viewer.rights, viewer.user_id),
            lambda database, ids: receipt_reading.load_receipts(database, viewer, ids),
        )

    @cached_property
    def holds(self) -> DataLoader[UUID, Hold | None]:
        """Holds that the viewer may see."""
        viewer = self._viewer
        return self._by_id(
            ("holds", visibility_key(viewer)), lambda database, ids: hold_reading.load_holds(database, viewer, ids)
        )

    @cached_property
    def quotes(self) -> DataLoader[UUID, FxQuote | None]:
        """Quotes that the viewer may see."""
        viewer = self._viewer
        return self._by_id(("quotes", visibility_key(viewer)), lambda database, ids: fx_quotes.load_quotes(database, viewer, ids))

    @cached_property
    def used_quotes(self) -> DataLoader[UUID, FxQuote | None]:
        """The quotes of conversions. Does not check the viewer: load only ids from transactions that the viewer may see."""
        return self._by_id("used quotes", fx_quotes.load_used)

    @cached_property
    def quote_uses(self) -> DataLoader[UUID, UUID | None]:
        """The transaction that used a quote. Does not check the viewer: load only ids that the viewer may see."""
        return self._by_id("quote uses", fx_quotes.load_uses)

    @cached_property
    def hold_keys(self) -> DataLoader[UUID, str | None]:
        """The key under which a hold was placed. Does not check the viewer: load only ids of the viewer's own placements."""
        return self._by_id("hold keys", hold_reading.load_keys)

    @cached_property
    def webhook_endpoints(self) -> DataLoader[UUID, WebhookEndpoint | None]:
        """The viewer's own endpoints."""
        viewer = self._viewer
        return self._by_id(
            ("webhook endpoints", viewer.user_id, viewer.rights),
            lambda database, ids: webhook_endpoints.load_endpoints(database, viewer, ids),
        )

    @cached_property
    def webhook_deliveries(self) -> DataLoader[UUID, WebhookDelivery | None]:
        """Deliveries of the viewer's own endpoints."""
        viewer = self._viewer
        return self._by_id(
            ("webhook deliveries", viewer.user_id, viewer.rights),
            lambda database, ids: webhook_endpoints.load_deliveries(database, viewer, ids),
        )

    @cached_property
    def oldest_undelivered(self) -> DataLoader[UUID, WebhookDelivery | None]:
        """By endpoint. Does not check the viewer: load only ids of endpoints that the viewer may see."""
        return self._by_id("oldest undelivered", webhook_endpoints.load_oldest)

    @cached_property
    def webhook_attempts(self) -> DataLoader[UUID, tuple[WebhookAttempt, ...] | None]:
        """By delivery. Does not check the viewer: load only ids of deliveries that the viewer may see."""
        return self._by_id("webhook attempts", webhook_endpoints.load_attempts)

    @cached_property
    def statements(self) -> DataLoader[UUID, AccountStatement | None]:
        """Statements of wallets that the viewer may load."""
        viewer = self._viewer
        return self._by_id(
            ("statements", visibility_key(viewer)),
            lambda database, ids: statement_reading.load_statements(database, viewer, ids),
        )

    @cached_property
    def statement_files(self) -> DataLoader[UUID, tuple[StatementFile, ...] | None]:
        """By statement. Does not check the viewer: load only ids of statements that the viewer may see."""
        return self._by_id("statement files", statement_reading.load_files)

    def prime(self, result: TransferResult) -> None:
        """Put the records that a transfer committed into the loaders, so that the answer needs no further read."""
        assert result.transaction is not None
        shown = []
        for entry in result.entries:
            wallet = _after(result.wallets[entry.wallet_id], entry)
            may_load = policy.may_load_wallet(self._viewer, wallet)
            self.wallets.prime(wallet.id, wallet if may_load else None, force=True)
            if may_load:
                shown.append(entry)
        self.entries.prime(result.transaction.id, tuple(shown))
        self.transactions.prime(result.transaction.id, result.transaction)

    def _by_id(self, what: Hashable, load: Callable[[Reader, list[K]], Awaitable[Mapping[K, T]]]) -> DataLoader[K, T | None]:
        engine, event = self._services.engine, self._event
        seconds = self._services.settings.request_timeout_seconds

        async def load_many(keys: list[K]) -> list[T | None]:
            # The data loader runs this in a separate task, which the operation's own timeout does not cancel.
            if event is None:
                async with asyncio.timeout(seconds):
                    found = await load(engine, keys)
            else:
                found = await event.rows(what, keys, load)
            return [found.get(key) for key in keys]

        return DataLoader(load_fn=load_many) if event is None else _EventLoader(event, what, load_many)


class _EventLoader(DataLoader[K, T]):
    """Returns a value at once if another subscriber of the event has loaded it already."""

    def __init__(self, event: EventReads, what: Hashable, load: Callable[[list[K]], Awaitable[list[T]]]) -> None:
        super().__init__(load_fn=load)
        self._event = event
        self._what = what

    def load(self, key: K) -> Awaitable[T]:
        known = self._event.known(self._what, key)
        if known is not None and self.cache_map.get(key) is None:
            self.prime(key, known[0])
        return super().load(key)


def loaded(loader: DataLoader[K, T], key: K) -> tuple[T] | None:
    """The value of a key that the loader has, as a tuple of one. None if it must be awaited."""
    known = loader.cache_map.get(key)
    if known is None or not known.done() or known.cancelled() or known.exception() is not None:
        return None
    return (known.result(),)


def visibility_key(viewer: Viewer) -> Hashable:
    """A key that is equal for viewers who see the same rows."""
    return viewer.rights, None if policy.sees_all(viewer) else viewer.user_id


def _after(wallet: Wallet, entry: Entry) -> Wallet:
    """The wallet as it was right after this entry."""
    return wallet._replace(balance=entry.balance_after, sequence=entry.sequence, posted_at=entry.created_at)


class Context:
    """The context of one operation. A WebSocket has one for the connection, from which each operation gets its own."""

    def __init__(
        self,
        services: Services,
        viewer: Viewer | None,
        *,
        refusal: RequestError | None = None,
        request_id: str | None = None,
        is_http: bool = False,
    ) -> None:
        self.services = services
        self.maybe_viewer = viewer
        self.refusal = refusal
        """Why there is no viewer, if a token was sent but could not be used."""
        self.request_id = request_id
        self.is_http = is_http
        """Plain HTTP has one answer, so it cannot serve a subscription."""
        self.connection_params: dict[str, Any] | None = None
        self.document_is_valid = False
        """Whether the document passed validation. If so, an error without a cause is about the variables."""
        self.started = monotonic()
        self.answer_extensions: dict[str, Any] | None = None
        """The `extensions` member of the answer."""
        self.event_cost = 0
        """Points that each event of a subscription takes from the viewer's query budget."""
        self.settled: list[TransferResult] = []
        """Settled transfers that are not in the loaders yet. Most answers need no loader, so they are added on first use."""
        self.outcomes: dict[str | int, Outcome] = {}
        """The outcome of each mutation, by its response key."""
        self._loaders: Loaders | None = None
        self._event: EventReads | None = None
        """The shared reads of the subscription's current event."""

    @cached_property
    def viewer(self) -> Viewer:
        """The caller. Raises Unauthenticated, or the error that kept the token from being verified.

        If the token expires while the connection is open, new operations and events are refused. An operation that started
        with a valid token keeps its viewer, so a committed transfer always gets its payload.
        """
        if self.maybe_viewer is None:
            raise self.refusal or Unauthenticated()
        self.services.identities.confirm(self.maybe_viewer)
        return self.maybe_viewer

    @property
    def loaders(self) -> Loaders:
        if self._loaders is None:
            self._loaders = Loaders(self.services, self.viewer, self._event)
        for result in self.settled:
            self._loaders.prime(result)
        self.settled.clear()
        return self._loaders

    def for_operation(self) -> Context:
        """Return a new context for one operation of this connection."""
        return Context(self.services, self.maybe_viewer, refusal=self.refusal, request_id=self.request_id, is_http=self.is_http)

    async def read(self, what: Hashable, load: Callable[[Reader], Awaitable[T]]) -> T:
        """Return what `load` returns for the viewer. Subscribers of an event who see the same rows share it under `what`."""
        if self._event is None:
            return await load(self.services.engine)
        return await self._event.once((what, visibility_key(self.viewer)), load)

    def start_event(self, reads: EventReads) -> None:
        """Prepare for a subscription's next event. Raises RateLimited, which ends it, if the viewer's budget is used up."""
        self.reset()
        self._event = reads
        if self.event_cost:
            self.services.query_budget.check(self.viewer.user_id.hex, self.event_cost)

    def reset(self) -> None:
        """Drop the viewer's check and all loaded records, before the next event or the next mutation of a document."""
        self.__dict__.pop("viewer", None)
        self.settled.clear()
        self._loaders = None


Info = strawberry.Info[Context, None]
