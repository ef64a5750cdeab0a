"""Helpers of the tests of live updates: alice pays bob, a relay runs, a client subscribes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import select

from app import ids
from app.access.viewer import Viewer
from app.clock import system_clock
from app.db.currency_sql import load_currencies
from app.db.installation_sql import load_redis_names
from app.db.models import OutboxEvent
from app.db.pool import Database
from app.messages.publisher import RedisPublisher, redis_url
from app.messages.pubsub import PubSub
from app.messages.redis_names import RedisNames
from app.processes.outbox_relay import run_relay
from app.records import Wallet, WalletStatus
from app.services.live import LiveUpdates
from app.services.transfers import TransferInput, transfer_batch
from app.services.wallet_watch import WalletUpdate
from app.services.wallets import set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key, uuid_of

NEVER = 3600.0
"""Seconds between comparisons with the database, for tests that must pass without them."""


@dataclass
class World:
    """alice's wallet starts with 10,000.00, as its first entry; bob's is empty."""

    bank: Bank
    names: RedisNames
    alice: Viewer
    bob: Viewer
    admin: Viewer
    alice_wallet: UUID
    bob_wallet: UUID

    @property
    def engine(self) -> Database:
        return self.bank.engine

    async def pay(self, times: int = 1) -> None:
        """alice pays bob a cent `times` times: one entry each in both wallets."""
        sender, receiver = ids.encode("wal", self.alice_wallet), ids.encode("wal", self.bob_wallet)
        inputs = [TransferInput(new_key(), sender, receiver, "0.01", "USD") for _ in range(times)]
        result = await transfer_batch(self.bank.ledger, self.alice, inputs, atomic=False)
        assert len(result.results) == times
        assert not any(one.refusals for one in result.results)

    async def set_status(self, wallet_id: UUID, status: WalletStatus) -> Wallet:
        """Set a wallet's status as the administrator."""
        result = await set_wallet_status(
            self.engine, self.admin, ids.encode("wal", wallet_id), status, "a test", clock=system_clock
        )
        assert result.wallet is not None
        return result.wallet


@asynccontextmanager
async def living_world(engine: Database, settings: Settings) -> AsyncIterator[World]:
    """A world within the block."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    try:
        bank = Bank(engine, ledger, currencies)
        alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
        alice_wallet = await bank.wallet(alice, balance="10000.00")
        bob_wallet = await bank.wallet(bob)
        yield World(bank, await load_redis_names(engine), alice, bob, admin, uuid_of(alice_wallet), uuid_of(bob_wallet))
    finally:
        await ledger.stop()


@asynccontextmanager
async def running_relay(settings: Settings) -> AsyncIterator[None]:
    """Run an outbox relay within the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_relay(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def living(settings: Settings, engine: Database, *, check: float = NEVER, buffer: int = 1000) -> AsyncIterator[LiveUpdates]:
    """The live updates of an API process, within the block."""
    names = await load_redis_names(engine)
    pubsub = PubSub(redis_url(settings), names.check_channel, buffer=buffer)
    live = LiveUpdates(engine, pubsub, names, settings.model_copy(update={"live_check_seconds": check}))
    await pubsub.connect()
    await live.start()
    try:
        yield live
    finally:
        await live.stop()
        await pubsub.disconnect()


@pytest.fixture
async def world(engine: Database, settings: Settings) -> AsyncIterator[World]:
    """The world on this test's database."""
    async with living_world(engine, settings) as world:
        yield world


@pytest.fixture
async def live(settings: Settings, engine: Database) -> AsyncIterator[LiveUpdates]:
    """The subscriptions of one API process, without regular comparisons with the database."""
    async with living(settings, engine) as live:
        yield live


@pytest.fixture
async def publisher(settings: Settings) -> AsyncIterator[RedisPublisher]:
    """Publishes to Redis, as a relay does."""
    publisher = RedisPublisher(redis_url(settings))
    yield publisher
    await publisher.close()


async def outbox_empty(engine: Database) -> None:
    """Wait until the relay has published and deleted every event."""
    async with asyncio.timeout(20):
        while True:
            async with engine.connect() as connection:
                if await connection.scalar(select(OutboxEvent.id).limit(1)) is None:
                    return
            await asyncio.sleep(0.01)


async def take(updates: AsyncIterator[WalletUpdate], count: int, seconds: float = 20) -> list[WalletUpdate]:
    """The next `count` updates."""
    async with asyncio.timeout(seconds):
        return [await anext(updates) for _ in range(count)]


async def nothing_comes(updates: AsyncIterator[object], seconds: float = 0.3) -> bool:
    """Whether no update comes within the time. Call it last: it ends the subscription."""
    task = asyncio.ensure_future(anext(updates))
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.wait([task])
    return not done


def kinds_and_sequences(updates: Sequence[WalletUpdate]) -> list[tuple[str, int]]:
    """The kind of each update, and the sequence of its entry or wallet."""
    return [(update.kind.value, update.entry.sequence if update.entry else update.wallet.sequence) for update in updates]


def entries(first: int, last: int) -> list[tuple[str, int]]:
    """The expected kinds and sequences of the entries from `first` to `last`."""
    return [("ENTRY", sequence) for sequence in range(first, last + 1)]
