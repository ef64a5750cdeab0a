"""A ledger from before transactions of any number of entries: the release that runs goes on, and its keys still replay."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.db import migrate
from app.db.engine import connect
from app.errors import RefusalCode
from app.services.identity import find_or_create_user
from app.services.transfers import TransferInput, transfer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, other_bank, owner
from tests.migrations import release_before

__all__ = ["bank", "other_bank", "owner"]


class EarlierRelease:
    """Moves money as a process of the release before does: with its own statements, prepared once, on its own connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def pay(self, payer: UUID, key: str, sides: tuple[UUID, UUID], amount: int, kind: str = "TRANSFER") -> None:
        """One COMPLETED transaction of dollars."""
        async with self._connection.transaction():
            sender, receiver = sides
            await self._connection.fetch(release_before.WALLET_FACTS, [sender, receiver])
            rows = await self._connection.fetch(release_before.LOCK_WALLETS, [sender, receiver])
            assert await self._connection.fetch(release_before.RECORDED_TRANSACTIONS, [payer], [key]) == []
            wallets = {row["id"]: row for row in rows}
            now = max(system_clock(), *(row["posted_at"] for row in rows))
            transaction_id = ids.new_transaction_id(now)
            legs = [(sender, -amount), (receiver, amount)]
            entries = [
                (transaction_id, leg, wallet, wallets[wallet]["sequence"] + 1, change, wallets[wallet]["balance"] + change, now)
                for leg, (wallet, change) in enumerate(legs)
            ]
            row = (transaction_id, payer, key, kind, "COMPLETED", sender, receiver, amount, "USD", "rent", *[None] * 3, now, now)
            event = json.dumps({"v": 1, "kind": "settled", "transaction_id": str(transaction_id)}, separators=(",", ":"))
            columns = [*([value] for value in row), *map(list, zip(*entries, strict=True)), [event]]
            assert await self._connection.fetchval(release_before.RECORD, *columns)


@pytest.fixture
async def earlier(settings: Settings) -> AsyncIterator[EarlierRelease]:
    await migrate.downgrade(settings, "0011")
    connection = await connect(settings)
    yield EarlierRelease(connection)
    await connection.close()


class World:
    """Alice with 100 dollars, and Bob, as the release before left them."""

    def __init__(self, alice: UUID, deposits: UUID, mine: UUID, theirs: UUID) -> None:
        self.alice, self.deposits, self.mine, self.theirs = alice, deposits, mine, theirs


@pytest.fixture
async def world(earlier: EarlierRelease, bank: Bank, owner: asyncpg.Connection) -> World:
    now = system_clock()
    alice, bob = [await find_or_create_user(bank.engine, name, system_clock) for name in ("alice", "bob")]
    deposits, mine, theirs = (ids.new_id(now) for _ in range(3))
    await owner.execute(release_before.INSERT_DEPOSITS_WALLET, deposits, now, "USD")
    for wallet, user in ((mine, alice), (theirs, bob)):
        await _insert_wallet(owner, wallet, user, now)
    await earlier.pay(alice, new_key(), (deposits, mine), 10_000, "DEPOSIT")
    await earlier.pay(alice, "before", (mine, theirs), 150)
    return World(alice, deposits, mine, theirs)


async def _insert_wallet(owner: asyncpg.Connection, wallet: UUID, user: UUID, now: datetime) -> None:
    await owner.execute(
        "INSERT INTO wallets (id, kind, owner_id, name, currency, posted_at, created_at) "
        "VALUES ($1, 'USER', $2, 'w', 'USD', $3, $3)",
        wallet,
        user,
        now - timedelta(seconds=1),
    )


def _input(world: World, key: str, amount: str = "1.50", **more: object) -> TransferInput:
    sender, receiver = ids.encode("wal", world.mine), ids.encode("wal", world.theirs)
    return TransferInput(key, sender, receiver, amount, "USD", "rent", **more)  # type: ignore[arg-type]


async def test_the_release_before_goes_on_moving_money(
    world: World, earlier: EarlierRelease, settings: Settings, owner: asyncpg.Connection
) -> None:
    await migrate.upgrade(settings)
    await earlier.pay(world.alice, new_key(), (world.mine, world.theirs), 70)
    eur = ids.new_id(system_clock())
    await owner.execute(release_before.INSERT_DEPOSITS_WALLET, eur, system_clock(), "EUR")
    await _insert_wallet(owner, ids.new_id(system_clock()), world.alice, system_clock())
    types = {row["id"]: row["type"] for row in await owner.fetch("SELECT id, account_type::text AS type FROM wallets")}
    assert (types[world.deposits], types[eur]) == ("ASSET", "ASSET")
    assert [types[wallet] for wallet in types if wallet not in (world.deposits, eur)] == ["LIABILITY"] * 3
    assert await owner.fetchval("SELECT string_agg(DISTINCT purpose::text, '') FROM ledger_entries") == "PRINCIPAL"
    assert await verify(settings) == []


async def test_keys_from_before_the_upgrade_replay_and_with_new_members_are_other_input(
    world: World, settings: Settings, other_bank: Bank
) -> None:
    await migrate.upgrade(settings)
    alice = await other_bank.viewer("alice")
    again = await transfer(other_bank.ledger, alice, _input(world, "before"))
    assert again.replayed
    assert again.transaction is not None
    assert (again.transaction.metadata, again.transaction.reference, again.transaction.terms) == (None, None, None)
    for more in ({"reference": "order-7"}, {"metadata": (("shop", "7"),)}):
        other = await transfer(other_bank.ledger, alice, _input(world, "before", **more))
        assert [refusal.code for refusal in other.refusals] == [RefusalCode.IDEMPOTENCY_KEY_REUSED]
    empty = await transfer(other_bank.ledger, alice, _input(world, "before", metadata=()))
    assert empty.replayed


async def test_verification_works_on_a_ledger_that_is_not_migrated_yet(
    world: World, settings: Settings, owner: asyncpg.Connection
) -> None:
    assert await verify(settings) == []
    await owner.execute("ALTER TABLE ledger_entries DISABLE TRIGGER USER")
    await owner.execute("UPDATE ledger_entries SET amount = 151 WHERE wallet_id = $1", world.theirs)
    assert any("do not match it: 150 USD" in finding for finding in await verify(settings))
