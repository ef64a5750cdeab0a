"""Timelines of the newest transactions of one process, for the demo's pages. Not used in production."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from app import tasks
from app.messages import events
from app.messages.pubsub import PubSub, Unsubscribed
from app.messages.redis_backend import CATCH_UP
from app.messages.redis_names import RedisNames
from app.services.outcomes import Outcome
from app.services.transfer_telemetry.timeline import Timeline

T = TypeVar("T")

_MAX_TIMELINES = 5_000


class Timelines:
    """Keeps the timelines of the newest 5,000 transactions that this process settled."""

    def __init__(self) -> None:
        self._timelines: OrderedDict[UUID, Timeline] = OrderedDict()
        self._published: OrderedDict[UUID, datetime] = OrderedDict()
        self._listener: asyncio.Task[None] | None = None

    def start(self, pubsub: PubSub, names: RedisNames) -> None:
        """Subscribe to the events that the relay publishes."""
        self._listener = asyncio.create_task(self._listen(pubsub, names), name="timelines")

    async def stop(self) -> None:
        """Unsubscribe."""
        await tasks.end(self._listener)

    def get(self, transaction_id: UUID) -> Timeline | None:
        """Returns None if this process did not settle the transaction, or settled it too long ago."""
        timeline = self._timelines.get(transaction_id)
        if timeline is not None and timeline.published_at is None:
            timeline.published_at = self._published.get(transaction_id)
        return timeline

    def committed(self, outcomes: Sequence[Outcome], timeline: Timeline) -> None:
        """Keep a timeline for each transaction that was recorded, not replayed."""
        for outcome in outcomes:
            if outcome.transaction is not None and not outcome.replayed:
                _keep(
                    self._timelines,
                    outcome.transaction.id,
                    replace(timeline),
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
                            _keep(self._published, event.transaction_id, event.published_at)


def _keep(memory: OrderedDict[UUID, T], transaction_id: UUID, value: T) -> None:
    memory[transaction_id] = value
    if len(memory) > _MAX_TIMELINES:
        memory.popitem(last=False)
