"""Opening wallets up to a user's limit, and changing the status of wallets."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app import ids
from app.access.viewer import Viewer
from app.errors import RefusalCode
from app.records import WalletStatus
from app.services.wallets import OpenWalletInput, WalletResult, open_wallet, set_wallet_status
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of

MOST = 5


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With time for twenty openings that wait for each other on a busy machine."""
    return settings.model_copy(update={"lock_timeout_ms": 20_000, "statement_timeout_ms": 30_000})


async def opened(bank: Bank, owner: Viewer, key: str | None = None, *, most: int = MOST) -> WalletResult:
    """Open one more wallet. Returns the wallet or the refusals."""
    return await open_wallet(
        bank.engine, owner, OpenWalletInput(key or new_key(), "USD", "Mine"), bank.currencies, bank.clock, most=most
    )


async def test_simultaneous_openings_succeed_exactly_up_to_the_users_limit(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    results = await asyncio.gather(*(opened(bank, alice) for _ in range(20)), *(opened(bank, bob) for _ in range(MOST)))
    assert sum(result.wallet is not None for result in results[:20]) == MOST
    refused = [result.refusals for result in results[:20] if result.wallet is None]
    assert {(code.code, code.path, code.is_recorded) for (code,) in refused} == {(RefusalCode.QUOTA_EXCEEDED, ("input",), False)}
    assert all(result.wallet is not None for result in results[20:])
    assert await bank.count("wallets") == await bank.count("wallet_openings") == 2 * MOST


async def test_at_the_limit_earlier_keys_replay_and_a_refused_key_can_be_used_again(bank: Bank) -> None:
    alice, keys = await bank.viewer("alice"), [new_key() for _ in range(MOST)]
    first = [await opened(bank, alice, key) for key in keys]
    refused = new_key()
    assert (await opened(bank, alice, refused)).refusals
    again = [await opened(bank, alice, key) for key in keys]
    assert [result.wallet for result in again] == [result.wallet for result in first]
    assert all(result.replayed and not result.refusals for result in again)
    later = await opened(bank, alice, refused, most=MOST + 1)
    assert (later.replayed, later.refusals) == (False, ())


async def test_simultaneous_openings_with_one_key_all_get_the_same_wallet(bank: Bank) -> None:
    alice, key = await bank.viewer("alice"), new_key()
    results = await asyncio.gather(*(opened(bank, alice, key, most=1) for _ in range(10)))
    assert len({result.wallet for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    assert not any(result.refusals for result in results)


async def test_set_wallet_status_treats_a_system_wallet_as_unknown(bank: Bank) -> None:
    admin = await bank.viewer("admin", admin=True)
    theirs = await bank.wallet(await bank.viewer("alice"), balance="5.00")
    async with bank.engine.connect() as connection:
        system = await connection.scalar(text("SELECT id FROM wallets WHERE kind = 'SYSTEM'"))

    async def freeze(wallet: str) -> WalletResult:
        return await set_wallet_status(bank.engine, admin, wallet, WalletStatus.FROZEN, "a try", clock=bank.clock)

    assert await freeze(ids.encode("wal", system)) == await freeze(ids.encode("wal", ids.new_id(bank.clock())))
    assert await bank.count("wallets WHERE status = 'FROZEN'") == 0
    assert await bank.count("audit_log WHERE action = 'SET_WALLET_STATUS'") == 0
    after = await freeze(theirs)
    assert after.wallet is not None
    assert after.wallet.id == uuid_of(theirs)
