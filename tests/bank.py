"""A small bank for tests: users, wallets and money, created through the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import select, text

from app import ids
from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.clock import Clock, system_clock
from app.db import models
from app.db.pool import Database
from app.money import Currency
from app.services.identity import find_or_create_user
from app.services.transfers import DepositInput, Ledger, TransferInput, TransferResult, deposit, transfer
from app.services.wallets import OpenWalletInput, open_wallet
from app.settings import Settings

_MANY = 1_000_000
_FAR = datetime(2100, 1, 1, tzinfo=UTC)


def new_key() -> str:
    """A new idempotency key."""
    return uuid4().hex


@dataclass(frozen=True)
class Bank:
    """The ledger of one process of the service."""

    engine: Database
    ledger: Ledger
    currencies: Mapping[str, Currency]
    clock: Clock = system_clock

    async def viewer(self, subject: str, *, admin: bool = False, scopes: Iterable[str] | None = None) -> Viewer:
        """A user with a token that does not end."""
        user_id = await find_or_create_user(self.engine, subject, self.clock)
        return Viewer(user_id=user_id, subject=subject, rights=rights_of(Role.ADMIN if admin else None, scopes), expires_at=_FAR)

    async def wallet(self, owner: Viewer, currency: str = "USD", balance: str | None = None) -> str:
        """Open a wallet, deposit the balance if one is given, and return its public id."""
        values = OpenWalletInput(new_key(), currency, "Test wallet")
        result = await open_wallet(self.engine, owner, values, self.currencies, self.clock, most=_MANY)
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
        """Make one transfer."""
        return await transfer(self.ledger, payer, TransferInput(key or new_key(), sender, receiver, amount, "USD"))

    async def balance(self, wallet_id: str) -> int:
        """A wallet's balance in the database, in minor units."""
        query = select(models.Wallet.balance).where(models.Wallet.id == uuid_of(wallet_id))
        async with self.engine.connect() as connection:
            found: int | None = await connection.scalar(query)
        assert found is not None
        return found

    async def count(self, table: str) -> int:
        """The number of rows of a table."""
        async with self.engine.connect() as connection:
            found: int = (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
        return found


def uuid_of(wallet_id: str) -> UUID:
    """The UUID behind a public wallet id."""
    found = ids.decode("wal", wallet_id)
    assert found is not None
    return found


def make_ledger(engine: Database, settings: Settings, currencies: Mapping[str, Currency]) -> Ledger:
    """A ledger as in a process of the service."""
    return Ledger(engine, settings, currencies, system_clock)
