"""Live updates: a subscriber of a wallet gets every entry exactly once, in sequence, across restarts of any process.

Pub/sub is fast but may lose messages; the database does not. A watch first subscribes, then reads the database from the
client's cursor up to the wallet's sequence, then follows the published events. It drops duplicates. It reads the database again
after a gap, after Redis was unavailable, after its buffer overflowed, and if the regular comparison finds it behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import tasks
from app.access import policy
from app.access.viewer import Viewer
from app.db import live_sql
from app.errors import BadUserInput, NotFound, RateLimited
from app.messages import events
from app.messages.pubsub import SUBSCRIBER_BUFFER, PubSub, Subscription, Unsubscribed
from app.messages.redis_backend import CATCH_UP
from app.messages.redis_names import RedisNames
from app.paging.update_cursor import decode_update_cursor, encode_update_cursor
from app.records import Entry, Wallet
from app.services.live_reads import EventReads, LiveDatabase, LiveReads
from app.settings import Settings
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PAGE = 500
"""Entries that a watch reads at a time, and so holds in memory, while it catches up."""
_RETRY_AFTER_SECONDS = 5
_CHECK_GRACE_SECONDS = 0.5
"""Grace period: a watch that lags for less than this is left alone, its event is probably in flight."""


class UpdateKind(StrEnum):
    """The WalletUpdateKind of GraphQL."""

    SNAPSHOT = "SNAPSHOT"
    ENTRY = "ENTRY"
    STATE = "STATE"


@dataclass(frozen=True, slots=True)
class WalletUpdate:
    """One update. `wallet` is the current state, never older than `entry`."""

    kind: UpdateKind
    cursor: str
    wallet: Wallet
    entry: Entry | None = None
    reads: EventReads = field(kw_only=True, repr=False, compare=False)
    """The reads for this update, shared with other subscribers."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled transaction. `missed` events before it were dropped because the subscriber was too slow."""

    transaction_id: UUID
    missed: int
    reads: EventReads = field(repr=False, compare=False)
    """The reads for this event, shared with other subscribers."""


_UPDATES = {kind: metrics.LIVE_UPDATES.labels(kind.value) for kind in UpdateKind}


class LiveUpdates:
    """All watches of one process, with the pub/sub connection and the database reads that they share."""

    def __init__(self, engine: AsyncEngine, pubsub: PubSub, names: RedisNames, settings: Settings) -> None:
        self._names = names
        self._pubsub = pubsub
        self._shared = LiveReads(engine, settings)
        self._reader = _Reader(self._shared.database)
        self._check_seconds = settings.live_check_seconds
        self._watches: set[_WalletWatch] = set()
        self._most_per_user = settings.max_subscriptions_per_user
        self._by_user: Counter[UUID] = Counter()
        self._checker: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """`ok`, or that updates wait for the database, or that they come from it."""
        if self._shared.database.waiting:
            return "waiting for the database"
        return "ok" if self._pubsub.healthy else f"from the database, every {self._check_seconds:g} s"

    async def start(self) -> None:
        """Start comparing watched wallets with the database."""
        self._checker = asyncio.create_task(self._check_regularly(), name="live-updates-check")

    async def stop(self) -> None:
        """Stop comparing. Watches end with their subscribers, or with the pub/sub connection."""
        await tasks.end(self._checker)
        self._checker = None

    async def watch_wallet(self, viewer: Viewer, wallet_id: UUID, after: str | None = None) -> AsyncGenerator[WalletUpdate, None]:
        """Without `after`: a SNAPSHOT, then live. With it: each entry since that cursor, a SNAPSHOT, then live.

        Raises NotFound if the viewer may not load the wallet, BadUserInput for a cursor that is malformed, another wallet's, or
        ahead of the wallet, RateLimited if the viewer has the most subscriptions allowed, and Forbidden.
        """
        policy.require_view(viewer)
        after_sequence = None if after is None else decode_update_cursor(after, wallet_id)
        with self._counted(viewer, "walletUpdated"):
            async with aclosing(self._wallet_updates(viewer, wallet_id, after_sequence)) as updates:
                async for update in updates:
                    yield update

    async def _wallet_updates(
        self, viewer: Viewer, wallet_id: UUID, after_sequence: int | None
    ) -> AsyncGenerator[WalletUpdate, None]:
        try:
            async with self._pubsub.subscribe(self._names.wallet_channel(wallet_id)) as subscription:
                wallet = await self._reader.wallet(wallet_id)
                if wallet is None or not policy.may_load_wallet(viewer, wallet):
                    raise NotFound
                if after_sequence is not None and after_sequence > wallet.sequence:
                    raise BadUserInput(
                        "This cursor is ahead of the wallet. Subscribe without `after` and start from the snapshot."
                    )
                sequence = wallet.sequence if after_sequence is None else after_sequence
                watch = _WalletWatch(wallet, sequence, subscription, self._reader, self._shared)
                self._watches.add(watch)
                try:
                    async with aclosing(watch.updates()) as updates:
                        async for update in updates:
                            yield update
                finally:
                    self._watches.discard(watch)
        except Unsubscribed:
            return

    async def watch_settled(self, viewer: Viewer) -> AsyncGenerator[Settled, None]:
        """Transactions as they settle, from now on: the viewer's, or all for administrators.

        Raises RateLimited if the viewer has the most subscriptions allowed, and Forbidden.
        """
        policy.require_view(viewer)
        with self._counted(viewer, "transactionSettled"):
            async with aclosing(self._settled(viewer)) as settled:
                async for one in settled:
                    yield one

    async def _settled(self, viewer: Viewer) -> AsyncGenerator[Settled, None]:
        channel = self._names.settled_channel if policy.sees_all(viewer) else self._names.user_channel(viewer.user_id)
        seen: OrderedDict[UUID, None] = OrderedDict()
        try:
            async with self._pubsub.subscribe(channel) as subscription:
                while True:
                    message = await subscription.get()
                    await self._shared.turns.take()
                    event = None if message is CATCH_UP else _parse(message)
                    # The relay may publish an event twice, shortly after each other.
                    if not isinstance(event, events.SettledEvent) or event.transaction_id in seen:
                        continue
                    seen[event.transaction_id] = None
                    if len(seen) > SUBSCRIBER_BUFFER:
                        seen.popitem(last=False)
                    with tracing.delivery(event.trace, "deliver transactionSettled", channel):
                        reads = self._shared.of_event(event.transaction_id)
                        yield Settled(event.transaction_id, subscription.take_dropped(), reads)
        except Unsubscribed:
            return

    @contextmanager
    def _counted(self, viewer: Viewer, field: str) -> Iterator[None]:
        """Count a subscription while it runs. Raises RateLimited above the user's limit in this process."""
        if self._by_user[viewer.user_id] >= self._most_per_user:
            raise RateLimited(_RETRY_AFTER_SECONDS, f"You have {self._most_per_user} subscriptions already: end one first.")
        self._by_user[viewer.user_id] += 1
        metrics.SUBSCRIPTIONS.labels(field).inc()
        try:
            yield
        finally:
            metrics.SUBSCRIPTIONS.labels(field).dec()
            self._by_user[viewer.user_id] -= 1
            if not self._by_user[viewer.user_id]:
                del self._by_user[viewer.user_id]

    async def _check_regularly(self) -> None:
        """Compare regularly: if the last event before a quiet period is lost, no later event shows the gap."""
        while True:
            await asyncio.sleep(self._check_seconds)
            if self._watches:
                try:
                    await self._check()
                except Exception:  # the next round must run in any case
                    logger.exception("comparing the watched wallets with the database failed")

    async def _check(self) -> None:
        positions = await self._reader.positions({watch.wallet.id for watch in self._watches})
        await asyncio.sleep(min(_CHECK_GRACE_SECONDS, self._check_seconds))
        for watch in self._watches:
            watch.compare(*positions.get(watch.wallet.id, (0, 0)))


class _WalletWatch:
    """One subscriber's position. `sequence` is that of the last entry it got, `wallet` the newest known state."""

    def __init__(self, wallet: Wallet, sequence: int, subscription: Subscription, reader: _Reader, shared: LiveReads) -> None:
        self.wallet = wallet
        self.sequence = sequence
        self._subscription = subscription
        self._reader = reader
        self._shared = shared

    def compare(self, sequence: int, version: int) -> None:
        """Catch up if the database was ahead of this watch one grace period ago."""
        if self.sequence < sequence or self.wallet.version < version:
            self._subscription.catch_up()

    async def updates(self) -> AsyncGenerator[WalletUpdate, None]:
        """Yield the updates. Does not end by itself."""
        async with aclosing(self._entries_up_to(self.wallet)) as missed:
            async for update in missed:
                yield update
        yield self._update(UpdateKind.SNAPSHOT)
        while True:
            message = await self._subscription.get()
            await self._shared.turns.take()
            event = None if message is CATCH_UP else self._own(_parse(message))
            match event:
                case events.EntryEvent(entry) if entry.sequence <= self.sequence:
                    continue
                case events.EntryEvent(entry, trace) if entry.sequence == self.sequence + 1:
                    with tracing.delivery(trace, "deliver walletUpdated", str(entry.wallet_id)):
                        yield self._entry(entry)
                case events.WalletStateEvent(_, version):
                    if version > self.wallet.version:
                        self.wallet = await self._wallet_since(version)
                        yield self._update(UpdateKind.STATE)
                case _:
                    async with aclosing(self._catch_up()) as missed:
                        async for update in missed:
                            yield update

    def _own(self, event: events.Event | None) -> events.Event | None:
        """The event if it is this wallet's, otherwise None: another wallet's event on this channel is handled as a gap."""
        match event:
            case events.EntryEvent(entry) if entry.wallet_id == self.wallet.id:
                return event
            case events.WalletStateEvent(wallet_id) if wallet_id == self.wallet.id:
                return event
            case _:
                return None

    async def _catch_up(self) -> AsyncGenerator[WalletUpdate, None]:
        """Yield what the database has and the subscriber has not got yet."""
        metrics.CATCH_UPS.inc()
        known_version = self.wallet.version
        self.wallet = await self._read_wallet()
        async with aclosing(self._entries_up_to(self.wallet)) as missed:
            async for update in missed:
                yield update
        if self.wallet.version > known_version:
            yield self._update(UpdateKind.STATE)

    async def _entries_up_to(self, wallet: Wallet) -> AsyncGenerator[WalletUpdate, None]:
        """Yield the missing entries, exactly up to the sequence of this wallet row, so that both are consistent."""
        while self.sequence < wallet.sequence:
            for entry in await self._reader.entries(wallet.id, self.sequence, wallet.sequence):
                assert entry.sequence == self.sequence + 1, "a wallet's entries have no gap"
                await self._shared.turns.take()
                yield self._entry(entry)

    async def _wallet_since(self, version: int) -> Wallet:
        """Return the wallet with this change. All its watches get the event at once and share one read."""
        wallet_id = self.wallet.id
        reads = self._shared.of_event((wallet_id, version))
        wallet = await reads.once("watched", lambda _: self._reader.wallet(wallet_id))
        # A slow subscriber may have got entries after the shared read.
        if wallet is None or wallet.sequence < self.wallet.sequence or wallet.version < version:
            return await self._read_wallet()
        return wallet

    async def _read_wallet(self) -> Wallet:
        wallet = await self._reader.wallet(self.wallet.id)
        assert wallet is not None, "wallets are never deleted"
        return wallet

    def _entry(self, entry: Entry) -> WalletUpdate:
        self.sequence = entry.sequence
        if entry.sequence > self.wallet.sequence:
            self.wallet = self.wallet._replace(balance=entry.balance_after, sequence=entry.sequence, posted_at=entry.created_at)
        return self._update(UpdateKind.ENTRY, entry)

    def _update(self, kind: UpdateKind, entry: Entry | None = None) -> WalletUpdate:
        _UPDATES[kind].inc()
        wallet = self.wallet
        # A snapshot is read for one subscriber. Other updates are the same for all subscribers at the same position.
        reads = (
            self._shared.unshared()
            if kind is UpdateKind.SNAPSHOT
            else self._shared.of_event((wallet.id, kind, self.sequence, wallet.sequence, wallet.version))
        )
        return WalletUpdate(kind, encode_update_cursor(wallet.id, self.sequence), wallet, entry, reads=reads)


class _Reader:
    """The database reads of a watch."""

    def __init__(self, database: LiveDatabase) -> None:
        self._database = database

    async def wallet(self, wallet_id: UUID) -> Wallet | None:
        return await self._read(lambda connection: live_sql.wallet_by_id(connection, wallet_id))

    async def entries(self, wallet_id: UUID, after_sequence: int, last_sequence: int) -> Sequence[Entry]:
        return await self._read(
            lambda connection: live_sql.entries_between(connection, wallet_id, after_sequence, last_sequence, _PAGE)
        )

    async def positions(self, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        return await self._read(lambda connection: live_sql.positions(connection, wallet_ids))

    async def _read(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def read() -> T:
            async with self._database.connect() as connection:
                return await query(connection)

        return await self._database.read_with_retries(read)


def _parse(message: str) -> events.Event | None:
    """Parse a message. Returns None if it cannot be read: it is handled as a gap, and the database has its content."""
    try:
        return events.parse(message)
    except events.MalformedEvent:
        logger.warning("cannot read a message, treating it as a gap: %.200s", message)
        return None
