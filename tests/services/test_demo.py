"""The demo data: the same in each installation, created once, through the ledger."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import ColumnElement, func, select, text

from app import ids
from app.db import migrate, models
from app.db.engine import create_engine
from app.db.pool import Database
from app.demo import seed
from app.errors import ConfigurationError
from app.records import TransactionStatus, TransactionType
from app.services.verification import verify
from app.settings import Settings

TRANSFERS, DEPOSITS = 400, 13


async def count(engine: Database, *conditions: ColumnElement[bool]) -> int:
    """Count the transactions that match all conditions."""
    async with engine.connect() as connection:
        found: int | None = await connection.scalar(select(func.count()).select_from(models.Transaction).where(*conditions))
    assert found is not None
    return found


async def balances(engine: Database) -> dict[str, int]:
    """Returns the balance of each demo wallet by public id, in minor units."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(models.Wallet.id, models.Wallet.balance).where(models.Wallet.kind == "USER"))
    return {ids.encode("wal", wallet_id): balance for wallet_id, balance in rows}


def test_users_and_wallets_have_fixed_ids() -> None:
    alice, bob = seed.USERS[0], seed.USERS[1]
    assert ids.encode("usr", alice.id) == "usr_01jgfjjz00e00800000000000g"
    assert alice.wallets[0].public_id == "wal_01jgfjjz00e00800000000000h"
    assert bob.wallets[0].public_id == "wal_01jgfjjz00e008000000000011"
    everyone = [user.id for user in seed.USERS] + [wallet.id for user in seed.USERS for wallet in user.wallets]
    assert len(set(everyone)) == len(everyone)
    assert {one.version for one in everyone} == {7}
    assert [user.subject for user in seed.USERS] == ["alice", "bob", "carol", "merchant", "admin"]
    assert {wallet.currency for user in seed.USERS for wallet in user.wallets} == {"USD", "EUR", "JPY", "KWD"}


async def test_the_history_spans_90_days_and_some_of_its_transfers_are_refused(settings: Settings, engine: Database) -> None:
    before = datetime.now(UTC)
    assert await seed.create_demo_data(settings)
    assert await count(engine, models.Transaction.type == TransactionType.DEPOSIT) == DEPOSITS
    assert await count(engine, models.Transaction.type == TransactionType.TRANSFER) == TRANSFERS
    refused = await count(engine, models.Transaction.status == TransactionStatus.FAILED)
    assert 5 < refused < TRANSFERS / 4
    assert await count(engine) == refused + await count(engine, models.Transaction.status == TransactionStatus.COMPLETED)
    async with engine.connect() as connection:
        spread = "SELECT min(created_at), max(created_at), count(DISTINCT created_at::date) FROM ledger_entries"
        first, last, days = (await connection.execute(text(spread))).one()
    assert abs(first - (before - timedelta(days=90))) < timedelta(minutes=5)
    assert before - timedelta(days=10) < last <= datetime.now(UTC)
    assert days > 75
    assert (await balances(engine))[seed.USERS[0].wallets[0].public_id] >= 100_000
    assert await verify(settings) == []


async def test_creating_the_demo_data_again_adds_nothing(settings: Settings, engine: Database) -> None:
    assert await seed.create_demo_data(settings)
    before = await balances(engine)
    assert not await seed.create_demo_data(settings)
    assert await count(engine) == TRANSFERS + DEPOSITS
    assert await balances(engine) == before


async def test_an_interrupted_creation_resumes_and_gives_the_same_balances(
    settings: Settings, engine: Database, empty_database: str
) -> None:
    attempt = asyncio.create_task(seed.create_demo_data(settings))
    async with asyncio.timeout(30):
        while await count(engine) < 60:
            assert not attempt.done(), attempt.result()
            await asyncio.sleep(0.01)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert 60 <= await count(engine) < TRANSFERS
    assert await seed.create_demo_data(settings)
    assert await count(engine) == TRANSFERS + DEPOSITS
    assert await verify(settings) == []
    elsewhere = settings.model_copy(update={"database_url": SecretStr(empty_database)})
    await migrate.upgrade(elsewhere)
    assert await seed.create_demo_data(elsewhere)
    uninterrupted = create_engine(elsewhere)
    assert await balances(engine) == await balances(uninterrupted)
    await uninterrupted.dispose()


async def test_production_refuses_demo_data(settings: Settings, engine: Database) -> None:
    with pytest.raises(ConfigurationError, match="not for production"):
        await seed.create_demo_data(settings.model_copy(update={"environment": "production"}))
    assert await count(engine) == 0
