"""What resolvers share within one operation: who asks, the services, and loaders that live no longer than it."""

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
from app.errors import RequestError, Unauthenticated
from app.records import Entry, Payment, Transaction, User, Wallet
from app.services import reading
from app.services.container import Services
from app.services.live_reads import EventReads
from app.services.reading import Database, Party
from app.services.transfers import BatchResult, TransferResult
from app.services.wallets import WalletResult

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Loaders:
    """Reads by id, gathered into one statement each. Whatever the viewer may not see comes back as None.

    With `event`, they are shared with the other subscribers of it, each with those who see the same.
    """

    def __init__(self, services: Services, viewer: Viewer, event: EventReads | None) -> None:
        self._services = services
        self._viewer = viewer
        self._event = event

    @cached_property
    def wallets(self) -> DataLoader[UUID, Wallet | None]:
        """Wallets that the viewer may load."""
        viewer = self._viewer
        return self._by_id(("wallets", sight(viewer)), lambda database, ids: reading.load_wallets(database, viewer, ids))

    @cached_property
    def users(self) -> DataLoader[UUID, User | None]:
        """Users, for whoever may already load something of theirs."""
        return self._by_id("users", reading.load_users)

    @cached_property
    def transactions(self) -> DataLoader[UUID, Transaction | None]:
        """Transactions that the viewer may see."""
        viewer = self._viewer
        return self._by_id(
            ("transactions", sight(viewer)), lambda database, ids: reading.load_transactions(database, viewer, ids)
        )

    @cached_property
    def entries(self) -> DataLoader[UUID, tuple[Entry, ...] | None]:
        """By transaction: its entries in wallets that the viewer may load."""
        viewer = self._viewer
        return self._by_id(("entries", sight(viewer)), lambda database, ids: reading.load_entries(database, viewer, ids))

    @cached_property
    def parties(self) -> DataLoader[UUID, Party | None]:
        """By wallet: what either side may know of the other."""
        return self._by_id("parties", reading.load_parties)

    @cached_property
    def known_receivers(self) -> DataLoader[Payment, bool | None]:
        """By sender and receiver: whether the viewer knew the receiver already."""
        viewer = self._viewer
        return self._by_id(
            ("known", viewer.user_id), lambda database, payments: reading.known_receivers(database, viewer, payments)
        )

    def remember(self, result: TransferResult) -> None:
        """Know what was committed with a transfer, so that nothing of it is read again."""
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

    def _by_id(self, what: Hashable, load: Callable[[Database, list[K]], Awaitable[Mapping[K, T]]]) -> DataLoader[K, T | None]:
        engine, event = self._services.engine, self._event
        seconds = self._services.settings.request_timeout_seconds

        async def load_many(keys: list[K]) -> list[T | None]:
            # A task of its own, which does not end with the operation that waits for it.
            if event is None:
                async with asyncio.timeout(seconds):
                    found = await load(engine, keys)
            else:
                found = await event.rows(what, keys, load)
            return [found.get(key) for key in keys]

        return DataLoader(load_fn=load_many) if event is None else _EventLoader(event, what, load_many)


class _EventLoader(DataLoader[K, T]):
    """Answers at once what another subscriber of the event has asked already."""

    def __init__(self, event: EventReads, what: Hashable, load: Callable[[list[K]], Awaitable[list[T]]]) -> None:
        super().__init__(load_fn=load)
        self._event = event
        self._what = what

    def load(self, key: K) -> Awaitable[T]:
        known = self._event.known(self._what, key)
        if known is not None and self.cache_map.get(key) is None:
            self.prime(key, known[0])
        return super().load(key)


def sight(viewer: Viewer) -> Hashable:
    """Equal for viewers who see the same rows."""
    return viewer.rights, None if policy.sees_all(viewer) else viewer.user_id


def _after(wallet: Wallet, entry: Entry) -> Wallet:
    """The wallet as it stands right after its entry."""
    return wallet._replace(balance=entry.balance_after, sequence=entry.sequence, posted_at=entry.created_at)


class Context:
    """One operation's context; over a WebSocket the socket's own, from which each operation gets one."""

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
        """Why there is no viewer, where a token came but could not be used."""
        self.request_id = request_id
        self.is_http = is_http
        """Over plain HTTP there is one answer, so no subscription."""
        self.connection_params: dict[str, Any] | None = None
        self.document_is_valid = False
        """Whether the operation's document passed validation: errors without a cause are then about its variables."""
        self.began = monotonic()
        self.answer_extensions: dict[str, Any] | None = None
        """`extensions` of the answer."""
        self.event_cost = 0
        """Points that each event of a subscription draws from its viewer's budget."""
        self.settled: list[TransferResult] = []
        """Transfers that this operation settled and the loaders have yet to hear of: most answers ask them nothing."""
        self.outcomes: dict[str | int, TransferResult | BatchResult | WalletResult] = {}
        """What each mutation of the operation came to, by its name in the answer."""
        self._loaders: Loaders | None = None
        self._event: EventReads | None = None
        """What the present event of a subscription reads."""

    @cached_property
    def viewer(self) -> Viewer:
        """Who asks. Raises Unauthenticated, or whatever kept the token from being verified.

        A token that ends while its connection goes on ends the right to ask. It does not end the right to the answer:
        what began with a valid token keeps its viewer, so that no committed transfer goes without its payload.
        """
        if self.maybe_viewer is None:
            raise self.refusal or Unauthenticated()
        self.services.identities.confirm(self.maybe_viewer)
        return self.maybe_viewer

    @property
    def loaders(self) -> Loaders:
        """The loaders of this operation."""
        if self._loaders is None:
            self._loaders = Loaders(self.services, self.viewer, self._event)
        for result in self.settled:
            self._loaders.remember(result)
        self.settled.clear()
        return self._loaders

    def for_operation(self) -> Context:
        """A context of its own for one operation."""
        return Context(self.services, self.maybe_viewer, refusal=self.refusal, request_id=self.request_id, is_http=self.is_http)

    async def read(self, what: Hashable, load: Callable[[Database], Awaitable[T]]) -> T:
        """What `load` returns for the viewer. `what` names it: the other subscribers of an event who see the same share it."""
        if self._event is None:
            return await load(self.services.engine)
        return await self._event.once((what, sight(self.viewer)), load)

    def begin_event(self, reads: EventReads) -> None:
        """A subscription's next event. Raises RateLimited where its viewer's budget is used up: the subscription ends."""
        self.forget()
        self._event = reads
        if self.event_cost:
            self.services.query_budget.check(self.viewer.user_id.hex, self.event_cost)

    def forget(self) -> None:
        """Look at the world anew: a subscription's next event, or the next mutation of a document."""
        self.__dict__.pop("viewer", None)
        self.settled.clear()
        self._loaders = None


Info = strawberry.Info[Context, None]
