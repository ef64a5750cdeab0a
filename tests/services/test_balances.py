"""Balances in time against the entries themselves, over random histories, with the model at any position."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.access.viewer import Viewer
from app.calendars import BalanceStep, Periods
from app.records import Entry, Wallet
from app.services import balances, reading
from app.services.balances import BalancePeriod, balance_at
from tests.bank import uuid_of
from tests.time_world import BEGIN, TimeWorld, stride, times

__all__ = ["times"]

ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]


async def wallet_of(times: TimeWorld, viewer: Viewer, wallet_id: str) -> Wallet:
    found = await reading.load_wallets(times.bank.engine, viewer, [uuid_of(wallet_id)])
    return found[uuid_of(wallet_id)]


def expected_at(entries: list[Entry], at: datetime) -> tuple[int, int]:
    before = [entry for entry in entries if entry.created_at <= at]
    return (before[-1].sequence, before[-1].balance_after) if before else (0, 0)


def check_periods(entries: list[Entry], periods: list[BalancePeriod]) -> None:
    for period in periods:
        inside = [entry for entry in entries if period.start <= entry.created_at < period.end]
        before = [entry for entry in entries if entry.created_at < period.start]
        assert period.entry_count == len(inside)
        assert period.debits == -sum(entry.amount for entry in inside if entry.amount < 0)
        assert period.credits == sum(entry.amount for entry in inside if entry.amount > 0)
        assert period.opening == (before[-1].balance_after if before else 0)
        assert period.closing == (inside[-1].balance_after if inside else period.opening)
        assert period.closing_sequence == len(before) + len(inside)


@pytest.mark.parametrize("seed", range(4))
async def test_a_balance_is_that_after_the_last_entry_before_wherever_the_model_is(times: TimeWorld, seed: int) -> None:
    chance = random.Random(seed)
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    wallets = {viewer: await times.bank.wallet(viewer, balance="10000.00") for viewer in (alice, bob)}
    for _ in range(150):
        times.clock.move(stride(chance))
        payer, payee = chance.sample([alice, bob], 2)
        assert not (await times.bank.pay(payer, wallets[payer], wallets[payee], f"{chance.randint(1, 900) / 100:.2f}")).refusals
        if chance.random() < 0.1:
            await times.sequence()
        if chance.random() < 0.1:
            await times.project(chance.randint(1, 20))
    times.clock.move(60)
    for viewer, wallet_id in wallets.items():
        await check_wallet(times, viewer, wallet_id, chance)
    await times.catch_up()
    for viewer, wallet_id in wallets.items():
        await check_wallet(times, viewer, wallet_id, chance)


async def check_wallet(times: TimeWorld, viewer: Viewer, wallet_id: str, chance: random.Random) -> None:
    """Compare what the service says of a wallet's past with its entries."""
    wallet, now = await wallet_of(times, viewer, wallet_id), times.clock.now
    entries = await times.entries(wallet.id)
    moments = [entry.created_at for entry in entries]
    moments += [moment - timedelta(microseconds=1) for moment in moments]
    moments += [BEGIN + (now - BEGIN) * chance.random() for _ in range(50)]
    moments += [datetime(1900, 1, 1, tzinfo=UTC), BEGIN + timedelta(days=1)]
    for at in (moment for moment in moments if moment <= now - balances.FINAL_AFTER):
        point = await balance_at(times.bank.engine, viewer, wallet, at, times.clock)
        assert point is not None
        assert (point.sequence, point.balance) == expected_at(entries, at), at
    middle = BEGIN + (now - BEGIN) / 2
    for zone in ZONES:
        days = await periods(times, viewer, wallet, BEGIN - timedelta(days=2), now, BalanceStep.DAY, zone)
        check_periods(entries, days)
        assert sum(day.entry_count for day in days) == len(entries)
        for step, span in ((BalanceStep.HOUR, timedelta(days=10)), (BalanceStep.MONTH, timedelta(days=400))):
            check_periods(entries, await periods(times, viewer, wallet, middle, middle + span, step, zone))


async def periods(times: TimeWorld, viewer: Viewer, wallet: Wallet, *arguments: Any) -> list[BalancePeriod]:
    """`arguments`: from, to, step, time zone."""
    return await balances.balances(times.bank.engine, viewer, wallet, Periods(*arguments), times.clock)
