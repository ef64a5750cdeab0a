"""The demo's memory of how its newest transactions went: accepted, taken into a batch, committed, published.

One process knows only its own. In production nobody remembers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from app import events
from app.pubsub import PubSub, Unsubscribed
from app.redis_backend import CATCH_UP
from app.redis_names import RedisNames
from app.services.ledger import Outcome

T = TypeVar("T")

_REMEMBERED = 5_000


@dataclass(slots=True)
class Life:
    """The moments of one transaction."""

    accepted_at: datetime
    batched_at: datetime
    batch_size: int
    committed_at: datetime
    published_at: datetime | None = None


class Lives:
    """The newest transactions of this process."""

    def __init__(self) -> None:
        self._lives: OrderedDict[UUID, Life] = OrderedDict()
        self._published: OrderedDict[UUID, datetime] = OrderedDict()
        self._listener: asyncio.Task[None] | None = None

    def start(self, pubsub: PubSub, names: RedisNames) -> None:
        """Begin to hear what the relay publishes."""
        self._listener = asyncio.create_task(self._listen(pubsub, names), name="lives")

    async def stop(self) -> None:
        """Hear no more."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    def get(self, transaction_id: UUID) -> Life | None:
        """What is known of a transaction; None where that is nothing."""
        life = self._lives.get(transaction_id)
        if life is not None and life.published_at is None:
            life.published_at = self._published.get(transaction_id)
        return life

    def committed(self, outcomes: Sequence[Outcome], life: Life) -> None:
        """These transactions were recorded just now."""
        for outcome in outcomes:
            if outcome.transaction is not None and not outcome.replayed:
                _remember(
                    self._lives,
                    outcome.transaction.id,
                    Life(life.accepted_at, life.batched_at, life.batch_size, life.committed_at),
                )

    async def _listen(self, pubsub: PubSub, names: RedisNames) -> None:
        with contextlib.suppress(Unsubscribed):
            async with pubsub.subscribe(names.settled_channel) as subscription:
                while True:
                    message = await subscription.get()
                    if message is CATCH_UP:
                        continue
                    with contextlib.suppress(events.MalformedEvent):
                        event = events.parse(message)
                        if isinstance(event, events.SettledEvent) and event.published_at is not None:
                            _remember(self._published, event.transaction_id, event.published_at)


def _remember(memory: OrderedDict[UUID, T], transaction_id: UUID, value: T) -> None:
    memory[transaction_id] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
