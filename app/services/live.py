"""Live updates: a subscriber of a wallet gets every entry exactly once, in sequence, across restarts of any process.

Pub/sub is fast but may lose messages; the database does not. A watch first subscribes, then reads the database from the
client's cursor up to the wallet's sequence, then follows the published events. It drops duplicates. It reads the database again
after a gap, after Redis was unavailable, after its buffer overflowed, and if the regular comparison finds it behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from app import tasks
from app.access import policy
from app.access.viewer import Viewer
from app.db.statements import Reader
from app.errors import BadUserInput, NotFound, RateLimited
from app.messages import events
from app.messages.pubsub import SUBSCRIBER_BUFFER, PubSub, Unsubscribed
from app.messages.redis_backend import CATCH_UP
from app.messages.redis_names import RedisNames
from app.paging.update_cursor import decode_update_cursor
from app.services.hold_watch import HoldReader, HoldUpdate, HoldWatch
from app.services.live_reads import EventReads, LiveReads
from app.services.wallet_watch import WalletReader, WalletUpdate, WalletWatch, parse
from app.settings import Settings
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = 5
_CHECK_GRACE_SECONDS = 0.5
"""Grace period: a watch that lags for less than this is left alone, its event is probably in flight."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled transaction. `missed` events before it were dropped because the subscriber was too slow."""

    transaction_id: UUID
    missed: int
    reads: EventReads = field(repr=False, compare=False)
    """The reads for this event, shared with other subscribers."""


class LiveUpdates:
    """All watches of one process, with the pub/sub connection and the database reads that they share."""

    def __init__(self, pool: Reader, pubsub: PubSub, names: RedisNames, settings: Settings) -> None:
        self._names = names
        self._pubsub = pubsub
        self._shared = LiveReads(pool, settings)
        self._reader = WalletReader(self._shared.database)
        self._hold_reader = HoldReader(self._shared)
        self._check_seconds = settings.live_check_seconds
        self._watches: set[WalletWatch] = set()
        self._hold_watches: set[HoldWatch] = set()
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
                watch = WalletWatch(wallet, sequence, subscription, self._reader, self._shared)
                self._watches.add(watch)
                try:
                    async with aclosing(watch.updates()) as updates:
                        async for update in updates:
                            yield update
                finally:
                    self._watches.discard(watch)
        except Unsubscribed:
            return

    async def watch_hold(self, viewer: Viewer, hold_id: UUID) -> AsyncGenerator[HoldUpdate, None]:
        """The hold as it is, then after each event, the latest of several.

        Raises NotFound if the viewer may not see the hold, RateLimited if the viewer has the most subscriptions allowed, and
        Forbidden.
        """
        policy.require_view(viewer)
        with self._counted(viewer, "holdUpdated"):
            try:
                async with self._pubsub.subscribe(self._names.hold_channel(hold_id)) as subscription:
                    facts = await self._hold_reader.facts(hold_id)
                    if facts is None or not policy.may_see_hold(viewer, facts.parties):
                        raise NotFound
                    hold = await self._hold_reader.hold(hold_id)
                    watch = HoldWatch(facts, hold, subscription, self._hold_reader, self._shared)
                    self._hold_watches.add(watch)
                    try:
                        async with aclosing(watch.updates()) as updates:
                            async for update in updates:
                                yield update
                    finally:
                        self._hold_watches.discard(watch)
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
                    event = None if message is CATCH_UP else parse(message)
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
            if self._watches or self._hold_watches:
                try:
                    await self._check()
                except Exception:  # the next round must run in any case
                    logger.exception("comparing the watched wallets with the database failed")

    async def _check(self) -> None:
        positions = await self._reader.positions({watch.wallet.id for watch in self._watches})
        hold_ids = {watch.hold_id for watch in self._hold_watches}
        numbers = await self._hold_reader.numbers(hold_ids) if hold_ids else {}
        await asyncio.sleep(min(_CHECK_GRACE_SECONDS, self._check_seconds))
        for watch in self._watches:
            watch.compare(*positions.get(watch.wallet.id, (0, 0)))
        for hold_watch in self._hold_watches:
            hold_watch.compare(numbers.get(hold_watch.hold_id, 0))
