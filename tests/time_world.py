"""Helpers of the tests of balances in time and read models: a ledger with its own clock, and steps of relay and projector."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from app.clock import system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import connect
from app.db.installation_sql import redis_names
from app.db.pool import Database
from app.messages import events
from app.records import Entry, EntryPurpose
from app.services import projection, sequencer
from app.services.transfers import Ledger
from app.settings import Settings
from tests.bank import Bank

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass
class MovingClock:
    """A clock that stands still until it is moved, or moves by `drift` at each look."""

    now: datetime = BEGIN
    drift: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.drift
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class TimeWorld:
    """A bank whose clock is `clock`, and a connection with the service's role."""

    bank: Bank
    clock: MovingClock
    connection: asyncpg.Connection

    async def sequence(self) -> None:
        """Do what a relay does: give all committed events their positions."""
        await self.sequence_without([])

    async def sequence_without(self, left_out: Sequence[int]) -> None:
        """As `sequence`, but leave these rows of the outbox as they are."""
        names = await redis_names(self.connection)
        positions = await sequencer.resume(self.connection)
        while (claim := await positions.claim(self.connection, 1000)).rows:
            readable = [
                (row, events.outgoing(names, row.payload, system_clock(), lambda trace: trace).subject)
                for row in claim.rows
                if row.id not in left_out
            ]
            await positions.number(self.connection, claim, readable, {})

    async def project(self, step: int = projection.STEP) -> None:
        """Do what a worker does: project all events that have a position."""
        while await projection.project_live(self.connection, step):
            pass

    async def catch_up(self) -> None:
        await self.sequence()
        await self.project()

    async def entries(self, wallet_id: UUID) -> list[Entry]:
        """All entries of a wallet, oldest first."""
        rows = await self.connection.fetch(
            "SELECT transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at, purpose::text"
            " FROM ledger_entries WHERE wallet_id = $1 ORDER BY sequence",
            wallet_id,
        )
        return [Entry._make((*row[:-1], EntryPurpose(row[-1]))) for row in rows]


@asynccontextmanager
async def time_world(engine: Database, settings: Settings) -> AsyncIterator[TimeWorld]:
    currencies = await load_currencies(engine)
    clock = MovingClock()
    ledger = Ledger(engine, settings, currencies, clock)
    await ledger.start()
    connection = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
    try:
        yield TimeWorld(Bank(engine, ledger, currencies, clock), clock, connection)
    finally:
        await connection.close()
        await ledger.stop()


@pytest.fixture
async def times(engine: Database, settings: Settings) -> AsyncIterator[TimeWorld]:
    async with time_world(engine, settings) as found:
        yield found


def stride(chance: random.Random) -> float:
    """Seconds to the next payment: often none, sometimes hours or days."""
    return chance.choice([0, 0, 0, chance.random(), chance.random() * 60, chance.random() * 3600, chance.random() * 86400 * 3])
