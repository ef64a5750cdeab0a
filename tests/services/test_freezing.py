"""Freezing a wallet that other transactions have locked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.db.currency_sql import load_currencies
from app.db.pool import Database
from app.errors import RefusalCode
from app.records import WalletStatus
from app.services.wallets import WalletResult, set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, uuid_of
from tests.processes.test_cli import until_a_lock_is_awaited
from tests.services.test_transfer_faults import locked
from tests.waiting import soon


@pytest.fixture
async def patient(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    """A bank with a request timeout of a minute and the default statement timeout."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings.model_copy(update={"request_timeout_seconds": 60.0}), currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()


async def freeze(bank: Bank, wallet: str) -> WalletResult:
    admin = await bank.viewer("admin", admin=True)
    holding_back = bank.ledger.group_commit.holding_back
    return await set_wallet_status(
        bank.engine, admin, wallet, WalletStatus.FROZEN, "a test", clock=bank.clock, holding_back=holding_back
    )


async def test_a_freeze_waits_for_the_lock_on_the_wallet_and_later_transfers_wait_for_the_freeze(
    patient: Bank, settings: Settings
) -> None:
    alice = await patient.viewer("alice")
    a, b = await patient.wallet(alice, balance="9.00"), await patient.wallet(alice)
    async with locked(settings, a):
        freezing = asyncio.create_task(freeze(patient, a))
        await until_a_lock_is_awaited(settings)
        paying = [asyncio.create_task(patient.pay(alice, a, b)) for _ in range(5)]
        # Longer than a transfer waits for a lock.
        await asyncio.sleep(1)
        assert not freezing.done()
        assert not any(task.done() for task in paying)
    result = await freezing
    assert result.wallet is not None
    assert result.wallet.status is WalletStatus.FROZEN
    for paid in await asyncio.gather(*paying):
        assert [refusal.code for refusal in paid.refusals] == [RefusalCode.WALLET_NOT_ACTIVE]


async def test_a_freeze_waits_longer_than_the_statement_timeout_for_a_locked_wallet(patient: Bank, settings: Settings) -> None:
    alice = await patient.viewer("alice")
    wallet = await patient.wallet(alice)
    async with locked(settings, wallet):
        freezing = asyncio.create_task(freeze(patient, wallet))
        await asyncio.sleep(settings.statement_timeout_ms / 1000 + 0.5)
        assert not freezing.done()
    assert (await freezing).wallet is not None


async def test_a_freeze_succeeds_on_a_wallet_that_two_processes_pay_from_without_a_pause(patient: Bank, other_bank: Bank) -> None:
    alice = await patient.viewer("alice")
    a, b = await patient.wallet(alice, balance="9000.00"), await patient.wallet(alice)

    paid = 0

    async def pay_until_refused(bank: Bank) -> None:
        nonlocal paid
        for _ in range(5000):
            if (await bank.pay(alice, a, b, "0.01")).refusals:
                return
            paid += 1
        raise AssertionError("no payment was refused, so the wallet was never frozen")

    payers = [asyncio.create_task(pay_until_refused(bank)) for bank in (patient, other_bank) for _ in range(20)]
    await soon(lambda: paid >= 100)
    result = await freeze(patient, a)
    assert result.wallet is not None
    await asyncio.gather(*payers)
    assert await patient.balance(a) == result.wallet.balance


async def test_only_transfers_of_the_wallet_that_is_being_changed_are_held_back(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a, b, c = [await bank.wallet(alice, balance="9.00") for _ in range(3)]
    with bank.ledger.group_commit.holding_back(uuid_of(a)):
        held = asyncio.create_task(bank.pay(alice, a, b))
        for _ in range(20):
            assert not (await bank.pay(alice, b, c, "0.01")).refusals
        assert not held.done()
    assert not (await held).refusals
    assert not bank.ledger.group_commit._held_back
