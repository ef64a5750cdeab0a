"""A small bank for tests: users, wallets and money, made through the services themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.clock import Clock, system_clock
from app.db import models
from app.money import Currency
from app.services.identity import find_or_create_user
from app.services.transfers import DepositInput, Ledger, TransferInput, TransferResult, deposit, transfer
from app.services.wallets import OpenWalletInput, open_wallet
from app.settings import Settings

_MANY = 1_000_000
_FAR = datetime(2100, 1, 1, tzinfo=UTC)


def new_key() -> str:
    """An idempotency key that nothing used before."""
    return uuid4().hex


@dataclass(frozen=True)
class Bank:
    """One process of the service, as far as money goes."""

    engine: AsyncEngine
    ledger: Ledger
    currencies: Mapping[str, Currency]
    clock: Clock = system_clock

    async def viewer(self, subject: str, *, admin: bool = False, scopes: Iterable[str] | None = None) -> Viewer:
        """A user with a token that does not end."""
        user_id = await find_or_create_user(self.engine, subject, self.clock)
        return Viewer(user_id=user_id, subject=subject, rights=rights_of(Role.ADMIN if admin else None, scopes), expires_at=_FAR)

    async def wallet(self, owner: Viewer, currency: str = "USD", balance: str | None = None) -> str:
        """The public id of a new wallet, with money in it where a balance is given."""
        asked = OpenWalletInput(new_key(), currency, "Test wallet")
        result = await open_wallet(self.engine, owner, asked, self.currencies, self.clock, most=_MANY)
        assert result.wallet is not None, result.refusals
        wallet_id = ids.encode("wal", result.wallet.id)
        if balance is not None:
            admin = await self.viewer("admin", admin=True)
            paid = await deposit(self.ledger, admin, DepositInput(new_key(), wallet_id, balance, currency))
            assert not paid.refusals, paid.refusals
        return wallet_id

    async def pay(
        self, payer: Viewer, sender: str, receiver: str, amount: str = "1.00", key: str | None = None
    ) -> TransferResult:
        """One transfer."""
        return await transfer(self.ledger, payer, TransferInput(key or new_key(), sender, receiver, amount, "USD"))

    async def balance(self, wallet_id: str) -> int:
        """In minor units, as the database has it."""
        query = select(models.Wallet.balance).where(models.Wallet.id == uuid_of(wallet_id))
        async with self.engine.connect() as connection:
            found: int | None = await connection.scalar(query)
        assert found is not None
        return found

    async def count(self, table: str) -> int:
        """Rows of a table."""
        async with self.engine.connect() as connection:
            found: int = (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
        return found


def uuid_of(wallet_id: str) -> UUID:
    """The UUID behind a public wallet id."""
    found = ids.decode("wal", wallet_id)
    assert found is not None
    return found


def make_ledger(engine: AsyncEngine, settings: Settings, currencies: Mapping[str, Currency]) -> Ledger:
    """A ledger as a process of the service has one."""
    return Ledger(engine, settings, currencies, system_clock)
