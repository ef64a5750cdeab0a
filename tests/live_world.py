"""A small world for tests of live updates: alice and bob with a USD wallet each, an administrator, a running ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.auth import Viewer
from app.clock import system_clock
from app.money import Currency
from app.outbox_relay import run_relay
from app.records import Wallet, WalletStatus
from app.services.identity import find_or_create_user
from app.services.transfers import DepositInput, Ledger, TransferInput, deposit, transfer_batch
from app.services.wallets import OpenWalletInput, open_wallet, set_wallet_status
from app.settings import Settings

CURRENCIES = {"USD": Currency("USD", 2, "US Dollar")}


@dataclass
class World:
    """alice's wallet starts with 10,000.00, as its first entry."""

    engine: AsyncEngine
    ledger: Ledger
    alice: Viewer
    bob: Viewer
    admin: Viewer
    alice_wallet: UUID
    bob_wallet: UUID

    async def pay(self, times: int = 1) -> None:
        """alice pays bob a cent, so many times: one entry each in both wallets."""
        asked = [
            TransferInput(uuid4().hex, ids.encode("wal", self.alice_wallet), ids.encode("wal", self.bob_wallet), "0.01", "USD")
            for _ in range(times)
        ]
        result = await transfer_batch(self.ledger, self.alice, asked, atomic=False)
        assert len(result.results) == times
        assert not any(one.refusals for one in result.results)

    async def set_status(self, wallet_id: UUID, status: WalletStatus) -> Wallet:
        """The administrator changes a wallet's status."""
        result = await set_wallet_status(
            self.engine, self.admin, ids.encode("wal", wallet_id), status, "a test", clock=system_clock
        )
        assert result.wallet is not None
        return result.wallet


@asynccontextmanager
async def living_world(engine: AsyncEngine, settings: Settings) -> AsyncIterator[World]:
    """The world, for as long as the block runs."""
    ledger = Ledger(engine, settings, CURRENCIES, system_clock)
    await ledger.start()
    try:
        alice, bob = await _viewer(engine, "alice"), await _viewer(engine, "bob")
        admin = await _viewer(engine, "admin", is_admin=True)
        alice_wallet, bob_wallet = await _wallet(engine, alice), await _wallet(engine, bob)
        asked = DepositInput(uuid4().hex, ids.encode("wal", alice_wallet), "10000.00", "USD")
        assert not (await deposit(ledger, admin, asked)).refusals
        yield World(engine, ledger, alice, bob, admin, alice_wallet, bob_wallet)
    finally:
        await ledger.stop()


@asynccontextmanager
async def running_relay(settings: Settings) -> AsyncIterator[None]:
    """An outbox relay, for as long as the block runs."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_relay(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _viewer(engine: AsyncEngine, subject: str, *, is_admin: bool = False) -> Viewer:
    user_id = await find_or_create_user(engine, subject, system_clock)
    return Viewer(user_id, subject, is_admin, system_clock() + timedelta(hours=1))


async def _wallet(engine: AsyncEngine, viewer: Viewer) -> UUID:
    opened = await open_wallet(engine, viewer, OpenWalletInput(uuid4().hex, "USD", "Main"), CURRENCIES, system_clock)
    assert opened.wallet is not None
    return opened.wallet.id
