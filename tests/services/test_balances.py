"""Balances in time against the entries themselves, over random histories, with the model at any position."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app import ids
from app.access.viewer import Viewer
from app.clock import system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import connect
from app.db.pool import Database
from app.db.projection_sql import QUARTER
from app.db.time_sql import begin_of_quarter
from app.errors import BadUserInput
from app.records import Entry, Wallet
from app.services import balances, reading
from app.services.balances import BalancePeriod, BalancePoint, balance_at
from app.services.calendars import BalanceStep, Periods
from app.services.holds import (
    CaptureInput,
    ExtendInput,
    PlaceInput,
    ReleaseInput,
    capture_hold,
    extend_hold,
    place_hold,
    release_hold,
)
from app.services.projection import project_live
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key, uuid_of
from tests.live_world import running_relay
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
        if chance.random() < 0.1:
            times.clock.now = (
                begin_of_quarter(times.clock.now) + QUARTER - chance.choice([timedelta(0), timedelta(microseconds=1)])
            )
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
    quarters = [begin_of_quarter(moment) for moment in moments]
    moments += quarters + [quarter + QUARTER for quarter in quarters]
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
    asked = (times.bank.engine, viewer, wallet, Periods(*arguments), times.clock)
    found = await balances.balances(*asked)
    without_debits = await balances.balances(*asked, with_debits=False)
    assert [known(one) for one in without_debits] == [known(one) for one in found]
    return found


def known(period: BalancePeriod) -> tuple[Any, ...]:
    """What is known of a period without debits."""
    return period.start, period.end, period.opening, period.closing, period.entry_count, period.closing_sequence


NO_TIME = timedelta(0)


async def test_an_answer_once_given_never_changes_whatever_is_posted_meanwhile(engine: Database, settings: Settings) -> None:
    """Payments, relay, projector and questions at once. All clocks are this machine's, so a moment may be as near as now."""
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings.model_copy(update={"request_timeout_seconds": 60.0}), currencies)
    await ledger.start()
    bank = Bank(engine, ledger, currencies)
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    one, other = await bank.wallet(alice, balance="1000.00"), await bank.wallet(bob, balance="1000.00")
    answers: list[tuple[Viewer, Wallet, BalancePoint]] = []
    is_over = asyncio.Event()

    async def ask(viewer: Viewer, wallet_id: str) -> None:
        wallet = (await reading.load_wallets(engine, viewer, [uuid_of(wallet_id)]))[uuid_of(wallet_id)]
        while not is_over.is_set():
            try:
                point = await balance_at(engine, viewer, wallet, system_clock(), system_clock, final_after=NO_TIME)
            except asyncpg.LockNotAvailableError:
                continue
            assert point is not None
            answers.append((viewer, wallet, point))
            await asyncio.sleep(0)

    async def pay(payer: Viewer, sender: str, receiver: str) -> None:
        for _ in range(150):
            assert not (await bank.pay(payer, sender, receiver, "0.01")).refusals

    async with running_relay(settings):
        connection = await connect(settings)
        asking = [asyncio.create_task(ask(*pair)) for pair in [(alice, one), (bob, other)] * 2]
        paying = [asyncio.create_task(pay(*three)) for three in [(alice, one, other), (bob, other, one)] * 3]
        while not all(task.done() for task in paying):
            await project_live(connection)
            await asyncio.sleep(0.01)
        await asyncio.gather(*paying)
        is_over.set()
        await asyncio.gather(*asking)
        await connection.close()
    assert len(answers) > 200
    for viewer, wallet, point in answers[:: max(1, len(answers) // 500)]:
        assert await balance_at(engine, viewer, wallet, point.at, system_clock, final_after=NO_TIME) == point
    await ledger.stop()


async def test_an_unfinished_posting_delays_the_answer_and_is_in_it(times: TimeWorld, settings: Settings) -> None:
    """As of a transaction whose COMMIT waits for a standby: its entries are invisible, and earlier than `at`."""
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    one, other = await times.bank.wallet(alice, balance="10.00"), await times.bank.wallet(bob)
    wallet = await wallet_of(times, alice, one)
    slow = await connect(settings)
    async with slow.transaction():
        await slow.execute("SELECT FROM wallets WHERE id = $1 FOR NO KEY UPDATE", wallet.id)
        times.clock.move(3600)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await balance_at(times.bank.engine, alice, wallet, times.clock.now - timedelta(minutes=1), times.clock)
    await slow.close()
    paid_at = times.clock.now
    assert not (await times.bank.pay(alice, one, other, "4.00")).refusals
    times.clock.move(6)
    point = await balance_at(times.bank.engine, alice, wallet, paid_at, times.clock)
    assert point is not None
    assert point.balance == 600


async def test_a_moment_that_is_not_over_long_enough_is_refused(times: TimeWorld) -> None:
    alice = await times.bank.viewer("alice")
    wallet = await wallet_of(times, alice, await times.bank.wallet(alice, balance="10.00"))
    for at in (times.clock.now, times.clock.now + timedelta(days=1), times.clock.now - timedelta(seconds=4)):
        with pytest.raises(BadUserInput):
            await balance_at(times.bank.engine, alice, wallet, at, times.clock)
    times.clock.move(5)
    point = await balance_at(times.bank.engine, alice, wallet, BEGIN, times.clock)
    assert point is not None
    assert (point.sequence, point.balance) == (1, 1000)


async def test_held_is_what_remained_of_the_holds_that_were_open_then(times: TimeWorld) -> None:
    """Against what the wallet itself said at each moment; a hold that expires counts until that very moment."""
    chance = random.Random(3)
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    one, other = await times.bank.wallet(alice, balance="1000.00"), await times.bank.wallet(bob)
    wallet = await wallet_of(times, alice, one)
    seen: list[tuple[datetime, int]] = []
    holds: list[str] = []
    for _ in range(60):
        times.clock.move(chance.choice([1, 60, 3600 * 12]))
        match chance.choice(["place", "capture", "release", "look"]):
            case "place":
                given = PlaceInput(
                    new_key(), one, ("5.00", "USD"), receiver_wallet_id=other, expires_in=chance.choice([None, 90, 86400])
                )
                placed = await place_hold(times.bank.ledger, alice, given)
                assert placed.hold is not None, placed.result.refusals
                holds.append(ids.encode("hld", placed.hold.id))
            case "capture" if holds:
                given_back = CaptureInput(new_key(), chance.choice(holds), ("1.00", "USD"), keep_remaining=True)
                await capture_hold(times.bank.ledger, bob, given_back)
            case "release" if holds:
                await release_hold(times.bank.ledger, bob, ReleaseInput(new_key(), chance.choice(holds)))
            case _:
                pass
        seen.append((times.clock.now, await held_by_events(times, wallet)))
        # Also while no batch has recorded yet that a hold is over.
        point = await balance_at(times.bank.engine, alice, wallet, times.clock.now, times.clock, final_after=NO_TIME)
        assert point is not None
        assert point.held == seen[-1][1]
    times.clock.move(86400 * 40)
    for at, held in seen:
        point = await balance_at(times.bank.engine, alice, wallet, at, times.clock)
        assert point is not None
        assert point.held == held, at
    assert any(held for _, held in seen)


async def test_a_hold_that_was_extended_again_and_again_is_held_until_it_closed(times: TimeWorld) -> None:
    """It lasts 75 days. The moment is far from both its ends."""
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    one, other = await times.bank.wallet(alice, balance="100.00"), await times.bank.wallet(bob)
    wallet = await wallet_of(times, alice, one)
    month = 30 * 86400
    placed = await place_hold(
        times.bank.ledger, alice, PlaceInput(new_key(), one, ("5.00", "USD"), receiver_wallet_id=other, expires_in=month)
    )
    assert placed.hold is not None
    hold_id = ids.encode("hld", placed.hold.id)
    for _ in range(3):
        times.clock.move(25 * 86400)
        extended = await extend_hold(times.bank.ledger, alice, ExtendInput(new_key(), hold_id, expires_in=month))
        assert extended.hold is not None, extended.result.refusals
    middle = times.clock.now - timedelta(days=30)
    await release_hold(times.bank.ledger, bob, ReleaseInput(new_key(), hold_id))
    times.clock.move(86400)
    for at, held in ((middle, 500), (times.clock.now - timedelta(hours=1), 0)):
        point = await balance_at(times.bank.engine, alice, wallet, at, times.clock)
        assert point is not None
        assert point.held == held, at


async def held_by_events(times: TimeWorld, wallet: Wallet) -> int:
    """What is held now, from the rows of the holds."""
    held: int = await times.connection.fetchval(
        "SELECT coalesce(sum(amount - captured - released), 0)::bigint FROM holds"
        " WHERE wallet_id = $1 AND status = 'OPEN' AND (expires_at IS NULL OR expires_at > $2)",
        wallet.id,
        times.clock.now,
    )
    return held


@pytest.mark.parametrize(
    ("start", "end", "step", "zone"),
    [
        ("2026-01-01", "2026-01-01", BalanceStep.DAY, "UTC"),
        ("2026-01-02", "2026-01-01", BalanceStep.DAY, "UTC"),
        ("2024-01-01", "2026-01-01", BalanceStep.DAY, "UTC"),
        ("2026-01-01", "2026-02-01", BalanceStep.HOUR, "UTC"),
        ("0001-01-01", "0001-01-02", BalanceStep.DAY, "UTC"),
        ("9999-12-30", "9999-12-31", BalanceStep.DAY, "UTC"),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, "Europe/Atlantis"),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, "../../etc/passwd"),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, "Europe"),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, "+02:00"),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, ""),
        ("2026-01-01", "2026-01-02", BalanceStep.DAY, "a\0b\ud800"),
    ],
)
async def test_periods_that_there_are_not_are_refused(
    times: TimeWorld, start: str, end: str, step: BalanceStep, zone: str
) -> None:
    alice = await times.bank.viewer("alice")
    wallet = await wallet_of(times, alice, await times.bank.wallet(alice))
    begin, over = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    with pytest.raises(BadUserInput):
        await periods(times, alice, wallet, begin, over, step, zone)


async def test_another_viewer_learns_nothing(times: TimeWorld) -> None:
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    wallet = await wallet_of(times, alice, await times.bank.wallet(alice, balance="10.00"))
    assert await balance_at(times.bank.engine, bob, wallet, times.clock.now, times.clock) is None
    assert await periods(times, bob, wallet, BEGIN, times.clock.now, BalanceStep.DAY) == []
