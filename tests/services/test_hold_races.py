"""Captures, releases, extensions, expiry and transfers race over two processes. Sums, terminal events and balances stay exact."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from app.errors import RefusalCode
from app.services.holds import HoldResult
from app.services.transfers import Ledger, TransferInput, TransferResult, transfer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.services.hold_shop import Shop, codes


@pytest.fixture
async def shop(bank: Bank) -> Shop:
    return await Shop(bank).build()


@pytest.fixture
async def ledgers(shop: Shop, settings: Settings) -> AsyncIterator[list[Ledger]]:
    """Two processes of the service."""
    found = [make_ledger(shop.bank.engine, settings, shop.bank.currencies) for _ in range(2)]
    for one in found:
        await one.start()
    yield found
    for one in found:
        await one.stop()


async def rows(shop: Shop, query: str) -> list[tuple[object, ...]]:
    async with shop.bank.engine.connect() as connection:
        return [tuple(row) for row in await connection.exec_driver_sql(query)]


async def test_of_fifty_captures_at_once_exactly_what_is_held_is_paid(
    shop: Shop, ledgers: list[Ledger], settings: Settings
) -> None:
    hold_id = await shop.placed("100.00")
    found = await asyncio.gather(*(shop.capture(hold_id, "3.00", keep=True, ledger=ledgers[n % 2]) for n in range(50)))
    refused = Counter(code for one in found for code, _ in codes(one))
    assert refused == {RefusalCode.HOLD_EXCEEDED: 17}
    assert await shop.funds() == (100, 100)
    assert await shop.funds(shop.theirs) == (500 + 33 * 300, 0)
    assert await verify(settings) == []


async def test_one_of_many_that_close_a_hold_wins(shop: Shop, ledgers: list[Ledger], settings: Settings) -> None:
    for _ in range(5):
        hold_id = await shop.placed("10.00", expires_in=1)
        await asyncio.gather(
            *(shop.capture(hold_id, "1.00", ledger=ledgers[n % 2]) for n in range(4)),
            *(shop.release(hold_id, ledger=ledgers[n % 2]) for n in range(4)),
            *(pay(shop, ledgers[n % 2], "0.01") for n in range(2)),
        )
    balance, held = await shop.funds()
    assert (balance + (await shop.funds(shop.theirs))[0], held) == (10_500, 0)
    closings = await rows(
        shop,
        """
        SELECT hold_id, count(*) FROM hold_events e JOIN holds h ON h.id = e.hold_id
        WHERE kind <> 'PLACED' GROUP BY hold_id
        """,
    )
    assert [count for _, count in closings] == [1] * 5
    assert await verify(settings) == []


async def test_of_a_transfer_and_a_capture_of_the_same_funds_one_wins(
    shop: Shop, ledgers: list[Ledger], settings: Settings
) -> None:
    """What is held cannot be paid, even if both come at once, and what was paid cannot be held."""
    hold_id = await shop.placed("100.00")
    paid, captured = await asyncio.gather(pay(shop, ledgers[0], "100.00"), shop.capture(hold_id, ledger=ledgers[1]))
    assert [refusal.code for refusal in paid.refusals] == [RefusalCode.INSUFFICIENT_FUNDS]
    assert codes(captured) == []
    back = await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "100.00")
    assert back.refusals == ()
    placed, paid = await asyncio.gather(shop.place("100.00", ledger=ledgers[0]), pay(shop, ledgers[1], "100.00"))
    assert sorted([len(codes(placed)), len(paid.refusals)]) == [0, 1]
    assert await verify(settings) == []


async def pay(shop: Shop, ledger: Ledger, amount: str) -> TransferResult:
    return await transfer(ledger, shop.alice, TransferInput(new_key(), shop.mine, shop.theirs, amount, "USD"))


@pytest.mark.parametrize("seed", range(4))
async def test_any_actions_at_once_keep_every_rule(shop: Shop, ledgers: list[Ledger], settings: Settings, seed: int) -> None:
    """Outcomes that the ledger confirmed add up to its state: nothing is lost and nothing is counted twice."""
    chance = random.Random(seed)
    holds = [await shop.placed("10.00", expires_in=chance.choice([1, 60])) for _ in range(4)]
    outcomes: list[HoldResult | TransferResult] = []

    async def act() -> None:
        ledger, hold_id = chance.choice(ledgers), chance.choice(holds)
        amount = chance.choice([None, "0.50", "1.00", "4.00"])
        key = new_key()
        for _ in range(chance.choice([1, 1, 2])):  # some are sent twice
            match chance.randrange(5):
                case 0:
                    found: HoldResult | TransferResult = await shop.capture(
                        hold_id, amount, keep=chance.random() < 0.7, ledger=ledger, key=f"c{key}"
                    )
                case 1:
                    found = await shop.release(hold_id, amount, ledger=ledger, key=f"r{key}")
                case 2:
                    found = await shop.extend(hold_id, "1.00", ledger=ledger, key=f"e{key}")
                case 3:
                    found = await shop.place("2.00", ledger=ledger, key=f"p{key}", expires_in=chance.choice([1, 60]))
                case _:
                    found = await pay(shop, ledger, "1.50")
            outcomes.append(found)

    for _ in range(3):
        await asyncio.gather(*(act() for _ in range(30)))
        await asyncio.sleep(0.4)
    assert await verify(settings) == []
    balance, _ = await shop.funds()
    moved = sum(
        one.transaction.amount
        for one in (found.result if isinstance(found, HoldResult) else found for found in outcomes)
        if one.transaction is not None and not one.replayed and not one.refusals
    )
    assert balance == 10_000 - moved
    unexpected = {
        refusal.code for found in outcomes for refusal in (found.result if isinstance(found, HoldResult) else found).refusals
    } - {
        RefusalCode.HOLD_EXCEEDED,
        RefusalCode.HOLD_NOT_OPEN,
        RefusalCode.HOLD_EXPIRED,
        RefusalCode.INSUFFICIENT_FUNDS,
        RefusalCode.IDEMPOTENCY_KEY_REUSED,
    }
    assert unexpected == set()
