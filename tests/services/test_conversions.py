"""Conversions: what is quoted is posted, once, in time, and given back at the rate of the original."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app import ids
from app.clock import system_clock
from app.db import fx_sql
from app.db.fx_sql import NewRate
from app.errors import Forbidden
from app.records import (
    EntryPurpose,
    FeeReversal,
    FxQuote,
    ReversalReason,
    Transaction,
    TransactionStatus,
    TransactionType,
    WalletStatus,
)
from app.services.fee_schedules import publish
from app.services.fx_positions import status
from app.services.fx_quotes import load_quotes
from app.services.rehearsals import preview_transfer
from app.services.reversals import ReversalInput, ReversalResult, reverse_transaction
from app.services.transfers import Ledger, TransferInput, TransferResult, transfer, transfer_batch
from app.services.verification import verify
from app.services.wallets import set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.fee_input import fee_input
from tests.services.exchange import Exchange, codes


@pytest.fixture
async def exchange(bank: Bank, settings: Settings) -> Exchange:
    return await Exchange(bank, settings).build()


def legs(result: TransferResult) -> list[tuple[str, int]]:
    return [(entry.purpose.value, entry.amount) for entry in result.entries]


async def assert_whole(settings: Settings) -> None:
    assert await verify(settings) == []


async def test_what_is_posted_is_what_was_quoted(exchange: Exchange, settings: Settings) -> None:
    quote = await exchange.quote("USD", "EUR", "100.00")
    assert (quote.source_amount, quote.spread, quote.target_amount, quote.residue) == (10_000, 50, 7_960, 0)
    result = await exchange.convert(quote)
    assert result.transaction is not None
    assert result.transaction.type is TransactionType.CONVERSION
    assert result.transaction.quote_id == quote.id
    assert legs(result) == [("PRINCIPAL", -10_000), ("PRINCIPAL", 7_960), ("FX", 9_950), ("FX", -7_960), ("SPREAD", 50)]
    assert await exchange.bank.balance(exchange.wallets["USD"]) == 90_000
    assert await exchange.bank.balance(exchange.wallets["EUR"]) == 107_960
    await assert_whole(settings)


async def test_a_fixed_target_pays_another_and_posts_the_residue_of_rounding(exchange: Exchange, settings: Settings) -> None:
    await exchange.set_rate("USD", "JPY", "310.5", spread=50)
    quote = await exchange.quote("USD", "JPY", "1000", fixes_target=True)
    # 1000 yen are 322.06 cents, so 323 are exchanged, which are 1002.9 yen.
    assert (quote.source_amount, quote.spread, quote.target_amount, quote.residue) == (325, 2, 1_000, 2)
    result = await exchange.pay(quote)
    assert legs(result) == [
        ("PRINCIPAL", -325),
        ("PRINCIPAL", 1_000),
        ("FX", 323),
        ("FX", -1_002),
        ("SPREAD", 2),
        ("RESIDUE", 2),
    ]
    assert await exchange.bank.balance(exchange.theirs["JPY"]) == 1_000
    assert await exchange.positions() == {
        ("USD", "FX"): 323,
        ("JPY", "FX"): -1_002,
        ("USD", "FX_SPREAD"): 2,
        ("JPY", "FX_RESIDUE"): 2,
    }
    await assert_whole(settings)


async def test_the_amount_of_a_payment_may_be_named_in_either_currency_and_no_other_amount(exchange: Exchange) -> None:
    quote = await exchange.quote("USD", "EUR", "100.00")
    assert codes(await exchange.pay(quote, amount="99.99")) == ["QUOTE_MISMATCH"]
    assert codes(await exchange.pay(quote, amount="79.61", currency="EUR")) == ["QUOTE_MISMATCH"]
    assert codes(await exchange.pay(quote, amount="79.60", currency="EUR")) == []
    assert await exchange.bank.balance(exchange.theirs["EUR"]) == 7_960


async def test_a_hundred_uses_of_one_quote_make_one_transaction(exchange: Exchange, other_bank: Bank, settings: Settings) -> None:
    quote = await exchange.quote("USD", "EUR", "1.00")
    second = await exchange.bank.wallet(exchange.alice, "USD", "10.00")
    other = exchange.with_ledger(other_bank)
    sources = [exchange.wallets["USD"], second]
    results = await asyncio.gather(
        *(
            (exchange, other)[number % 2].convert(quote, source_wallet_id=sources[number // 2 % 2])
            if number % 3
            else (exchange, other)[number % 2].pay(quote, sender_wallet_id=sources[number // 2 % 2])
            for number in range(100)
        )
    )
    assert sorted(code for result in results for code in codes(result)) == ["QUOTE_USED"] * 99
    refused = next(result for result in results if result.refusals)
    assert refused.transaction is not None
    assert refused.transaction.status is TransactionStatus.FAILED
    await assert_whole(settings)


async def test_the_same_key_replays_and_other_input_is_refused(exchange: Exchange) -> None:
    quote, other = await exchange.quote("USD", "EUR", "1.00"), await exchange.quote("USD", "EUR", "1.00")
    key = new_key()
    first, again = await exchange.convert(quote, idempotency_key=key), await exchange.convert(quote, idempotency_key=key)
    assert again.replayed
    assert again.transaction == first.transaction
    assert codes(await exchange.convert(other, idempotency_key=key)) == ["IDEMPOTENCY_KEY_REUSED"]
    assert codes(await exchange.pay(quote, idempotency_key=key)) == ["IDEMPOTENCY_KEY_REUSED"]


async def test_the_key_of_a_quote_replays_it_and_other_input_is_refused(exchange: Exchange) -> None:
    key = new_key()
    quote = await exchange.quote("USD", "EUR", "1.00", idempotency_key=key)
    again = await exchange.try_quote("USD", "EUR", "1.00", idempotency_key=key)
    assert (again.quote, again.replayed) == (quote, True)
    for source, target, amount, fixes_target in (
        ("USD", "EUR", "1.01", False),
        ("USD", "EUR", "1.00", True),
        ("EUR", "USD", "1.00", False),
        ("USD", "JPY", "1.00", False),
    ):
        refused = await exchange.try_quote(source, target, amount, fixes_target=fixes_target, idempotency_key=key)
        assert codes(refused) == ["IDEMPOTENCY_KEY_REUSED"]


async def test_simultaneous_requests_with_one_key_agree_on_one_quote(exchange: Exchange, other_bank: Bank) -> None:
    key, other = new_key(), exchange.with_ledger(other_bank)
    results = await asyncio.gather(
        *((exchange, other)[number % 2].try_quote("USD", "EUR", "5.00", idempotency_key=key) for number in range(20))
    )
    assert len({result.quote and result.quote.id for result in results}) == 1
    assert sum(not result.replayed for result in results) == 1


class Hands:
    """A clock that a test sets."""

    def __init__(self, stopped_at: datetime | None = None) -> None:
        self.late = timedelta()
        self.stopped_at = stopped_at

    def __call__(self) -> datetime:
        return self.stopped_at or system_clock() + self.late


@pytest.fixture
async def late(exchange: Exchange, settings: Settings) -> AsyncIterator[tuple[Exchange, Hands]]:
    """The exchange in a process with a clock of its own."""
    hands, bank = Hands(), exchange.bank
    ledger = Ledger(bank.engine, settings, bank.currencies, hands)
    await ledger.start()
    yield exchange.with_ledger(replace(bank, ledger=ledger, clock=hands)), hands
    await ledger.stop()


async def test_an_expired_quote_is_refused_and_the_refusal_is_recorded(late: tuple[Exchange, Hands]) -> None:
    exchange, hands = late
    quote = await exchange.quote("USD", "EUR", "1.00")
    hands.late = timedelta(seconds=31)
    key = new_key()
    first = await exchange.convert(quote, idempotency_key=key)
    assert codes(first) == ["QUOTE_EXPIRED"]
    assert first.transaction is not None
    assert first.transaction.status is TransactionStatus.FAILED
    hands.late = timedelta()
    again = await exchange.convert(quote, idempotency_key=key)
    assert (codes(again), again.replayed) == (["QUOTE_EXPIRED"], True)


async def test_the_posting_time_decides_whether_a_quote_has_expired(late: tuple[Exchange, Hands]) -> None:
    """A wallet with a later entry posts later: the clock of the process alone does not decide."""
    exchange, hands = late
    quote = await exchange.quote("USD", "EUR", "1.00")
    hands.late = timedelta(seconds=31)
    assert not (await exchange.bank.pay(exchange.alice, exchange.wallets["USD"], exchange.theirs["USD"])).refusals
    hands.late = timedelta()
    assert codes(await exchange.convert(quote)) == ["QUOTE_EXPIRED"]


async def test_at_the_very_microsecond_of_its_expiry_a_quote_is_over(exchange: Exchange, settings: Settings) -> None:
    quotes = [await exchange.quote("USD", "EUR", "1.00") for _ in range(2)]
    moments = [quotes[0].expires_at, quotes[1].expires_at - timedelta(microseconds=1)]
    results = []
    for quote, moment in zip(quotes, moments, strict=True):
        ledger = Ledger(exchange.bank.engine, settings, exchange.bank.currencies, Hands(moment))
        await ledger.start()
        results.append(await exchange.with_ledger(replace(exchange.bank, ledger=ledger)).convert(quote))
        await ledger.stop()
    # In the other order, since the first one posts nothing.
    assert [codes(result) for result in results] == [["QUOTE_EXPIRED"], []]


async def test_a_quote_is_for_its_user_and_its_currencies(exchange: Exchange) -> None:
    quote = await exchange.quote("USD", "EUR", "1.00")
    for refused in (
        await exchange.convert(replace_id(quote)),
        await exchange.convert(quote, source_wallet_id=exchange.wallets["KWD"]),
        await exchange.convert(quote, target_wallet_id=exchange.wallets["JPY"]),
        await exchange.convert(quote, quote_id="fxq_nonsense"),
    ):
        assert codes(refused) == ["QUOTE_MISMATCH"]
        assert refused.transaction is None
    foreign = await exchange.convert(
        quote, viewer=exchange.bob, source_wallet_id=exchange.theirs["USD"], target_wallet_id=exchange.theirs["EUR"]
    )
    assert codes(foreign) == ["QUOTE_MISMATCH"]
    assert await load_quotes(exchange.bank.engine, exchange.bob, [quote.id]) == {}
    assert await load_quotes(exchange.bank.engine, exchange.admin, [quote.id]) == {quote.id: quote}


def replace_id(quote: FxQuote) -> FxQuote:
    return quote._replace(id=ids.new_id(system_clock()))


async def test_convert_is_for_own_wallets_and_never_leaves_them(exchange: Exchange) -> None:
    quote = await exchange.quote("USD", "EUR", "1.00")
    theirs = await exchange.convert(quote, target_wallet_id=exchange.theirs["EUR"])
    assert [(refusal.code.value, refusal.path) for refusal in theirs.refusals] == [
        ("WALLET_NOT_FOUND", ("input", "targetWalletId"))
    ]
    others = await exchange.convert(quote, source_wallet_id=exchange.theirs["USD"])
    assert [(refusal.code.value, refusal.path) for refusal in others.refusals] == [
        ("WALLET_NOT_FOUND", ("input", "sourceWalletId"))
    ]
    assert codes(await exchange.convert(quote, target_wallet_id=exchange.wallets["USD"])) == ["SAME_WALLET"]
    assert codes(await exchange.convert(quote)) == []


async def test_missing_funds_and_frozen_wallets_are_recorded(exchange: Exchange) -> None:
    quote = await exchange.quote("USD", "EUR", "1000.01")
    short = await exchange.convert(quote)
    (refusal,) = short.refusals
    assert (refusal.code.value, refusal.path) == ("INSUFFICIENT_FUNDS", ("input", "quoteId"))
    assert refusal.available is not None
    assert refusal.required is not None
    assert (refusal.available.minor, refusal.required.minor) == (100_000, 100_001)
    await set_wallet_status(
        exchange.bank.engine, exchange.admin, exchange.wallets["EUR"], WalletStatus.FROZEN, "A test", clock=system_clock
    )
    frozen = await exchange.convert(await exchange.quote("USD", "EUR", "1.00"))
    assert codes(frozen) == ["WALLET_NOT_ACTIVE"]
    assert frozen.transaction is not None


async def test_what_is_too_small_to_arrive_is_not_quoted(exchange: Exchange) -> None:
    assert codes(await exchange.try_quote("USD", "EUR", "0.03")) == []
    assert codes(await exchange.try_quote("USD", "EUR", "0.02")) == ["AMOUNT_TOO_SMALL"]
    # The spread alone is one cent.
    assert codes(await exchange.try_quote("USD", "JPY", "0.01")) == ["AMOUNT_TOO_SMALL"]
    await exchange.set_rate("JPY", "KWD", "0.0005")
    assert codes(await exchange.try_quote("JPY", "KWD", "2")) == []
    assert codes(await exchange.try_quote("JPY", "KWD", "1")) == ["AMOUNT_TOO_SMALL"]


async def test_input_that_can_be_no_quote_is_refused(exchange: Exchange) -> None:
    cases: tuple[tuple[str, str, str, dict[str, Any], str], ...] = (
        ("USD", "USD", "1.00", {}, "INVALID_INPUT"),
        ("USD", "QQQ", "1.00", {}, "INVALID_INPUT"),
        ("USD", "GBP", "1.00", {}, "RATE_UNAVAILABLE"),
        ("USD", "EUR", "1.001", {}, "INVALID_AMOUNT"),
        ("USD", "EUR", "0", {}, "INVALID_AMOUNT"),
        ("USD", "JPY", "92233720368547758.07", {}, "INVALID_AMOUNT"),
        ("USD", "EUR", "1.00", {"idempotency_key": "with space"}, "IDEMPOTENCY_KEY_INVALID"),
    )
    for source, target, amount, more, code in cases:
        assert codes(await exchange.try_quote(source, target, amount, **more)) == [code], (source, target, amount)
    with pytest.raises(Forbidden):
        await exchange.try_quote("USD", "EUR", "1.00", viewer=await exchange.bank.viewer("carol", scopes=["wallets:read"]))


async def test_a_rate_of_a_feed_is_used_only_while_it_is_recent(late: tuple[Exchange, Hands]) -> None:
    exchange, hands = late
    async with exchange.bank.engine.begin() as connection:
        new = NewRate("GBP", "USD", Decimal("1.3"), 0, "Feed", None)
        await fx_sql.insert_rate(connection, ids.new_id(system_clock()), new, None)
    hands.late = timedelta(seconds=890)
    assert codes(await exchange.try_quote("GBP", "USD", "1.00")) == []
    hands.late = timedelta(seconds=901)
    assert codes(await exchange.try_quote("GBP", "USD", "1.00")) == ["RATE_UNAVAILABLE"]
    assert codes(await exchange.try_quote("EUR", "USD", "1.00")) == []


async def test_a_fee_is_promised_by_the_quote_and_does_not_change(exchange: Exchange, settings: Settings) -> None:
    def details(name: str, percent: str):
        return fee_input(percent=percent, flat=None, name=name, transaction_type=TransactionType.CONVERSION)

    bank = exchange.bank
    await publish(bank.engine, exchange.admin, details("Exchange", "1"), bank.currencies, system_clock)
    quote = await exchange.quote("USD", "EUR", "100.00")
    assert (quote.fee, quote.total) == (100, 10_100)
    await publish(bank.engine, exchange.admin, details("Exchange", "5"), bank.currencies, system_clock)
    assert codes(await exchange.pay(quote, max_fee=("0.99", "USD"))) == ["FEE_EXCEEDS_LIMIT"]
    result = await exchange.pay(quote, max_fee=("1.00", "USD"))
    assert legs(result)[-2:] == [("FEE", -100), ("FEE", 100)]
    assert result.transaction is not None
    assert result.transaction.fee == 100
    later = await exchange.quote("USD", "EUR", "100.00")
    assert later.fee == 500
    short = await exchange.convert(await exchange.quote("USD", "EUR", "890.00"))
    assert [(one.code.value, one.required and one.required.minor) for one in short.refusals] == [("INSUFFICIENT_FUNDS", 93_450)]
    await assert_whole(settings)


async def test_exposure_limits_bound_what_is_sold_and_bought(exchange: Exchange, settings: Settings) -> None:
    limited = settings.model_copy(update={"fx_exposure_limits": ("EUR=10.00", "USD=50.00")})
    ledger = make_ledger(exchange.bank.engine, limited, exchange.bank.currencies)
    await ledger.start()
    quotes = [await exchange.quote("USD", "EUR", "5.00", fixes_target=True) for _ in range(3)]
    short = exchange.with_ledger(replace(exchange.bank, ledger=ledger))
    results = [await short.convert(quote) for quote in quotes]
    assert [codes(result) for result in results] == [[], [], ["LIQUIDITY_EXHAUSTED"]]
    assert codes(await short.try_quote("USD", "EUR", "0.01", fixes_target=True)) == ["LIQUIDITY_EXHAUSTED"]
    assert codes(await short.try_quote("USD", "JPY", "40.00")) == ["LIQUIDITY_EXHAUSTED"]
    # Back towards zero is always allowed.
    assert codes(await short.convert(await short.quote("EUR", "USD", "3.00"))) == []
    assert codes(await short.convert(await short.quote("USD", "EUR", "2.98", fixes_target=True))) == []
    found = await status(ledger, limited)
    assert {one.currency: (one.position, one.limit) for one in found.positions}["EUR"] == (-1_000, 1_000)
    await ledger.stop()
    await assert_whole(settings)


async def test_positions_are_worth_nothing_at_the_rates_they_were_made_at(exchange: Exchange, settings: Settings) -> None:
    await exchange.convert(await exchange.quote("USD", "EUR", "100.00"))
    found = await status(exchange.bank.ledger, settings)
    assert {(one.currency, one.position, one.value, one.spread_earned) for one in found.positions} == {
        ("USD", 9_950, 9_950, 50),
        ("EUR", -7_960, -9_950, 0),
    }
    assert found.unrealised == 0
    await exchange.set_rate("EUR", "USD", "1.50")
    assert (await status(exchange.bank.ledger, settings)).unrealised == 9_950 - 11_940


async def test_an_atomic_batch_moves_all_of_its_payments_or_none(exchange: Exchange, settings: Settings) -> None:
    quotes = [await exchange.quote("USD", "EUR", "1.00") for _ in range(2)]

    def member(quote: FxQuote) -> TransferInput:
        return TransferInput(
            new_key(), exchange.wallets["USD"], exchange.theirs["EUR"], "1.00", "USD", quote_id=ids.encode("fxq", quote.id)
        )

    twice = [member(quotes[0]), member(quotes[0])]
    refused = await transfer_batch(exchange.bank.ledger, exchange.alice, twice, atomic=True)
    assert [codes(one) for one in refused.results] == [["BATCH_ABORTED"], ["QUOTE_USED"]]
    both = await transfer_batch(exchange.bank.ledger, exchange.alice, [member(quote) for quote in quotes], atomic=True)
    assert [codes(one) for one in both.results] == [[], []]
    await assert_whole(settings)


async def test_a_preview_shows_what_the_payment_would_do(exchange: Exchange) -> None:
    quote = await exchange.quote("USD", "EUR", "100.00")
    details = TransferInput(
        new_key(), exchange.wallets["USD"], exchange.theirs["EUR"], "100.00", "USD", quote_id=ids.encode("fxq", quote.id)
    )
    preview = await preview_transfer(exchange.bank.ledger, exchange.alice, details)
    result = await transfer(exchange.bank.ledger, exchange.alice, details)
    assert [(one.wallet_id, one.amount, one.balance_after, one.purpose) for one in preview.entries] == [
        (one.wallet_id, one.amount, one.balance_after, one.purpose) for one in result.entries
    ]
    again = await preview_transfer(exchange.bank.ledger, exchange.alice, replace(details, idempotency_key=new_key()))
    assert [refusal.code.value for refusal in again.refusals] == ["QUOTE_USED"]


async def give_back(
    exchange: Exchange, original: Transaction | None, amount: str | None, viewer: str = "admin", **more: Any
) -> ReversalResult:
    assert original is not None
    details = ReversalInput(
        new_key(),
        ids.encode("txn", original.id),
        ReversalReason.REFUND,
        None if amount is None else (amount, original.currency),
        **more,
    )
    return await reverse_transaction(exchange.bank.ledger, getattr(exchange, viewer), details)


async def test_a_whole_reversal_gives_back_all_that_moved_at_the_original_rate(exchange: Exchange, settings: Settings) -> None:
    bank = exchange.bank
    await publish(
        bank.engine,
        exchange.admin,
        fee_input(percent="1", flat=None, transaction_type=TransactionType.CONVERSION),
        bank.currencies,
        system_clock,
    )
    await exchange.set_rate("USD", "JPY", "310.5", spread=50)
    paid = await exchange.pay(await exchange.quote("USD", "JPY", "1000", fixes_target=True))
    await exchange.set_rate("USD", "JPY", "100", spread=50)
    back = await give_back(exchange, paid.transaction, None, "bob")
    assert codes(back.result) == []
    assert await bank.balance(exchange.wallets["USD"]) == 100_000
    assert await bank.balance(exchange.theirs["JPY"]) == 0
    assert set((await exchange.positions()).values()) == {0}
    assert codes((await give_back(exchange, paid.transaction, "0.01")).result) == ["REVERSAL_EXCEEDS_REMAINING"]
    await assert_whole(settings)


@pytest.mark.parametrize("seed", range(6))
async def test_parts_of_a_conversion_sum_to_it_exactly(exchange: Exchange, settings: Settings, seed: int) -> None:
    chosen = random.Random(seed)
    bank = exchange.bank
    await publish(
        bank.engine,
        exchange.admin,
        fee_input(percent="3.3", flat=None, transaction_type=TransactionType.CONVERSION),
        bank.currencies,
        system_clock,
    )
    await exchange.set_rate("USD", "JPY", f"{chosen.uniform(90, 400):.4f}", spread=chosen.randrange(300))
    quote = (
        await exchange.quote("USD", "JPY", str(chosen.randrange(50, 5_000)), fixes_target=bool(seed % 3))
        if seed % 3
        else await exchange.quote("USD", "JPY", "17.31")
    )
    paid = await exchange.pay(quote)
    assert paid.transaction is not None, paid.refusals
    left = paid.transaction.amount
    while left:
        part = min(left, chosen.randrange(1, max(2, paid.transaction.amount // 3)))
        fees = chosen.choice([FeeReversal.KEEP, FeeReversal.PROPORTIONAL])
        before = await bank.balance(exchange.theirs["JPY"])
        back = await give_back(exchange, paid.transaction, f"{part / 100:.2f}", "bob", fees=fees)
        if codes(back.result) == ["AMOUNT_TOO_SMALL"]:
            part = left
            back = await give_back(exchange, paid.transaction, f"{part / 100:.2f}", "bob", fees=fees)
        assert codes(back.result) == []
        assert await bank.balance(exchange.theirs["JPY"]) < before
        left -= part
    assert await bank.balance(exchange.theirs["JPY"]) == 0
    assert all(balance == 0 for balance in (await exchange.positions()).values())
    await assert_whole(settings)


async def test_a_part_that_would_give_back_nothing_of_what_was_bought_is_refused(exchange: Exchange) -> None:
    await exchange.set_rate("JPY", "USD", "0.004")
    quote = await exchange.quote("JPY", "USD", "1000")
    assert (quote.source_amount, quote.target_amount) == (1_000, 400)
    paid = await exchange.pay(quote)
    assert codes((await give_back(exchange, paid.transaction, "2", "bob")).result) == []
    assert codes((await give_back(exchange, paid.transaction, "1", "bob")).result) == []
    refused = await give_back(exchange, paid.transaction, "1", "bob")
    assert codes(refused.result) in (["AMOUNT_TOO_SMALL"], [])


async def test_who_may_give_a_conversion_back(exchange: Exchange) -> None:
    own = await exchange.convert(await exchange.quote("USD", "EUR", "10.00"))
    assert codes((await give_back(exchange, own.transaction, None, "alice")).result) == ["NOT_REVERSIBLE"]
    assert codes((await give_back(exchange, own.transaction, None, "bob")).result) == ["NOT_REVERSIBLE"]
    assert codes((await give_back(exchange, own.transaction, None, "admin")).result) == []
    paid = await exchange.pay(await exchange.quote("USD", "EUR", "10.00"))
    assert codes((await give_back(exchange, paid.transaction, None, "alice")).result) == ["NOT_REVERSIBLE"]
    assert codes((await give_back(exchange, paid.transaction, None, "bob")).result) == []


@pytest.mark.parametrize("seed", range(3))
async def test_random_conversions_of_two_processes_leave_the_ledger_whole_and_gain_nothing(
    exchange: Exchange, other_bank: Bank, settings: Settings, seed: int
) -> None:
    chosen, other = random.Random(seed), exchange.with_ledger(other_bank)

    async def one(place: int) -> TransferResult | None:
        source, target = chosen.sample(["USD", "EUR", "JPY", "KWD"], 2)
        through, fixes_target = (exchange, other)[place % 2], chosen.random() < 0.5
        amount = str(chosen.randrange(1, 40))
        found = await through.try_quote(source, target, amount, fixes_target=fixes_target)
        if found.quote is None:
            return None
        return await (through.convert if chosen.random() < 0.6 else through.pay)(found.quote)

    at_once = asyncio.Semaphore(8)

    async def in_turn(place: int) -> TransferResult | None:
        async with at_once:
            return await one(place)

    results = [result for result in await asyncio.gather(*(in_turn(place) for place in range(80))) if result is not None]
    assert {code for result in results for code in codes(result)} <= {"INSUFFICIENT_FUNDS"}
    completed = [result for result in results if not result.refusals]
    assert len(completed) > 40
    for result in completed:
        spread = [entry.amount for entry in result.entries if entry.purpose is EntryPurpose.SPREAD]
        assert all(amount > 0 for amount in spread)
    await assert_whole(settings)
