"""Holds under the locks: who may do what, how much, until when, and what a refusal leaves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app import ids
from app.clock import system_clock
from app.errors import Forbidden, RefusalCode
from app.paging.pages import PageRequest
from app.records import AfterExpiry, HoldStatus, ReversalReason, TransactionStatus, TransactionType, WalletStatus
from app.services import hold_reading, reading
from app.services.holds import HoldResult
from app.services.rehearsals import preview_transfer
from app.services.reversals import ReversalInput, reverse_transaction
from app.services.transfers import Ledger, TransferInput
from app.services.verification import verify
from app.services.wallets import set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key, uuid_of
from tests.services.hold_shop import DAY, Shop, codes, sums


@pytest.fixture
async def shop(bank: Bank) -> Shop:
    return await Shop(bank).build()


async def test_a_hold_is_captured_in_parts_and_what_is_left_is_released(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00", description="Order 7", metadata=[("order", "7")])
    assert await shop.funds() == (10_000, 6000)
    part = await shop.capture(hold_id, "20.00", keep=True)
    assert codes(part) == []
    assert sums(part.hold) == ("OPEN", 2000, 0, 4000)
    transaction = part.result.transaction
    assert transaction is not None
    assert (transaction.type, transaction.status, transaction.description) == ("CAPTURE", "COMPLETED", "Order 7")
    assert ids.encode("hld", transaction.hold_id) == hold_id
    assert [entry.amount for entry in part.result.entries] == [-2000, 2000]
    last = await shop.capture(hold_id, "30.00")
    assert sums(last.hold) == ("CAPTURED", 5000, 1000, 0)
    assert await shop.funds() == (5000, 0)
    assert await shop.funds(shop.theirs) == (5500, 0)
    assert part.hold is not None
    page = await hold_reading.captures_of(shop.bank.engine, shop.alice, part.hold, PageRequest())
    assert [one.amount for one in page.items] == [3000, 2000]
    assert await verify(settings) == []


async def test_a_capture_without_an_amount_takes_all_that_remains(shop: Shop) -> None:
    hold_id = await shop.placed("60.00")
    await shop.capture(hold_id, "10.00", keep=True)
    assert sums((await shop.capture(hold_id)).hold) == ("CAPTURED", 6000, 0, 0)


async def test_the_receiver_releases_a_part_and_then_the_rest(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00")
    assert sums((await shop.release(hold_id, "15.00", reason="sold out")).hold) == ("OPEN", 0, 1500, 4500)
    assert await shop.funds() == (10_000, 4500)
    assert sums((await shop.release(hold_id)).hold) == ("RELEASED", 0, 6000, 0)
    assert await shop.funds() == (10_000, 0)
    assert await verify(settings) == []


async def test_the_payer_extends_a_hold_and_never_shortens_it(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00", expires_in=3600)
    longer = await shop.extend(hold_id, "10.00", expires_in=7200)
    assert codes(longer) == []
    assert longer.hold is not None
    assert longer.hold.expires_at is not None
    assert sums(longer.hold) == ("OPEN", 0, 0, 7000)
    assert timedelta(hours=1.9) < longer.hold.expires_at - longer.hold.created_at <= timedelta(hours=2.1)
    assert codes(await shop.extend(hold_id, expires_in=60)) == [(RefusalCode.INVALID_INPUT, "expiresIn")]
    assert codes(await shop.extend(hold_id)) == [(RefusalCode.INVALID_INPUT, "by")]
    assert codes(await shop.extend(hold_id, "40.00")) == [(RefusalCode.INSUFFICIENT_FUNDS, "by")]
    assert await shop.funds() == (10_000, 7000)
    assert await verify(settings) == []


async def test_what_is_held_cannot_be_paid_or_held_again(shop: Shop) -> None:
    await shop.placed("60.00")
    (refusal,) = (await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "40.01")).refusals
    assert refusal.available is not None
    assert (refusal.code, refusal.available.minor) == (RefusalCode.INSUFFICIENT_FUNDS, 4000)
    refused = await shop.place("40.01")
    (refusal,) = refused.result.refusals
    assert refusal.available is not None
    assert refusal.required is not None
    assert (refusal.code, refusal.available.minor, refusal.required.minor) == ("INSUFFICIENT_FUNDS", 4000, 4001)
    assert not refusal.is_recorded
    assert codes(await shop.place("40.00")) == []


async def test_each_key_answers_for_its_first_use(shop: Shop, settings: Settings) -> None:
    """A replay returns the hold as it is now. The same key with other input is refused."""
    key = new_key()
    first, again = await shop.place("60.00", key=key), await shop.place("60.00", key=key)
    assert (first.result.replayed, again.result.replayed, again.hold) == (False, True, first.hold)
    assert first.hold is not None
    hold_id = ids.encode("hld", first.hold.id)
    assert codes(await shop.place("60.01", key=key)) == [(RefusalCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")]
    assert codes(await shop.extend(hold_id, "1.00", key=key)) == [(RefusalCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")]
    longer = [await shop.extend(hold_id, "5.00", key="extend") for _ in range(2)]
    assert [one.result.replayed for one in longer] == [False, True]
    assert codes(await shop.extend(hold_id, "5.01", key="extend")) == [(RefusalCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")]
    captures = [await shop.capture(hold_id, "10.00", key="capture", keep=True) for _ in range(2)]
    assert captures[0].result.transaction == captures[1].result.transaction
    assert [one.result.replayed for one in captures] == [False, True]
    assert codes(await shop.capture(hold_id, "10.00", key="capture")) == [(RefusalCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")]
    rest = [await shop.capture(hold_id, key="rest") for _ in range(2)]
    assert rest[0].result.transaction == rest[1].result.transaction
    assert sums(rest[1].hold) == ("CAPTURED", 6500, 0, 0)
    assert sums((await shop.place("60.00", key=key)).hold) == ("CAPTURED", 6500, 0, 0)
    assert await verify(settings) == []


async def test_a_service_account_learns_no_balance_from_a_refusal(shop: Shop) -> None:
    (refusal,) = (await shop.place("100.01", viewer=shop.service)).result.refusals
    assert (refusal.code, refusal.available, refusal.required) == (RefusalCode.INSUFFICIENT_FUNDS, None, None)


async def test_a_key_that_was_refused_may_be_used_again(shop: Shop) -> None:
    key = new_key()
    assert codes(await shop.place("100.01", key=key)) == [(RefusalCode.INSUFFICIENT_FUNDS, "amount")]
    assert codes(await shop.place("100.00", key=key)) == []


async def refusals(shop: Shop) -> dict[str, HoldResult]:
    """Each refusal, by what causes it."""
    hold_id, closed, short = await shop.placed("20.00"), await shop.placed("1.00"), await shop.placed("1.00", expires_in=1)
    endless = await shop.placed("1.00", viewer=shop.service, receiver=None, expires_in=None)
    euros = await shop.bank.wallet(shop.bob, currency="EUR")
    carol = await shop.bank.viewer("carol")
    other = await shop.bank.wallet(carol)
    await shop.release(closed)
    await asyncio.sleep(1.01)
    return {
        "capture expired": await shop.capture(short),
        "release expired": await shop.release(short),
        "extend expired": await shop.extend(short, "1.00"),
        "capture closed": await shop.capture(closed),
        "release closed": await shop.release(closed),
        "extend closed": await shop.extend(closed, "1.00"),
        "capture unknown": await shop.capture("hld_01h455vb4pex5vsknk084sn02q"),
        "capture no id": await shop.capture(shop.mine),
        "capture another's": await shop.capture(hold_id, viewer=carol),
        "capture too much": await shop.capture(hold_id, "20.01"),
        "release too much": await shop.release(hold_id, "20.01"),
        "capture euros": await shop.capture(hold_id, "1.00", currency="EUR"),
        "capture to a receiver of its own": await shop.capture(hold_id, receiver=other),
        "capture to no receiver": await shop.capture(endless, viewer=shop.service),
        "capture to an unknown receiver": await shop.capture(
            endless, viewer=shop.service, receiver="wal_01h455vb4pex5vsknk084sn02q"
        ),
        "capture to the payer": await shop.capture(endless, viewer=shop.service, receiver=shop.mine),
        "capture nothing": await shop.capture(hold_id, "0.00"),
        "extend what has no end": await shop.extend(endless, expires_in=60),
        "place for the payer": await shop.place("1.00", receiver=shop.mine),
        "place without a receiver": await shop.place("1.00", receiver=None),
        "place for a euro wallet": await shop.place("1.00", receiver=euros),
        "place euros": await shop.place("1.00", currency="EUR"),
        "place nonsense money": await shop.place("1.00", currency="XXY"),
        "place a fraction": await shop.place("1.001"),
        "place of another's wallet": await shop.place("1.00", wallet=other),
        "place for an unknown wallet": await shop.place("1.00", receiver="wal_01h455vb4pex5vsknk084sn02q"),
        "place for too long": await shop.place("1.00", expires_in=31 * DAY + 1),
        "place for no time": await shop.place("1.00", expires_in=0),
        "place with a bad key": await shop.place("1.00", key="a b"),
        "place with a bad text": await shop.place("1.00", description="a\nb"),
    }


async def test_every_refusal_has_its_code_and_field_and_changes_nothing(shop: Shop, settings: Settings) -> None:
    found = await refusals(shop)
    assert {what: codes(result) for what, result in found.items()} == {
        "capture expired": [(RefusalCode.HOLD_EXPIRED, "holdId")],
        "release expired": [(RefusalCode.HOLD_EXPIRED, "holdId")],
        "extend expired": [(RefusalCode.HOLD_EXPIRED, "holdId")],
        "capture closed": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "release closed": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "extend closed": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "capture unknown": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "capture no id": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "capture another's": [(RefusalCode.HOLD_NOT_OPEN, "holdId")],
        "capture too much": [(RefusalCode.HOLD_EXCEEDED, "amount")],
        "release too much": [(RefusalCode.HOLD_EXCEEDED, "amount")],
        "capture euros": [(RefusalCode.CURRENCY_MISMATCH, "amount")],
        "capture to a receiver of its own": [(RefusalCode.INVALID_INPUT, "receiverWalletId")],
        "capture to no receiver": [(RefusalCode.INVALID_INPUT, "receiverWalletId")],
        "capture to an unknown receiver": [(RefusalCode.WALLET_NOT_FOUND, "receiverWalletId")],
        "capture to the payer": [(RefusalCode.SAME_WALLET, "receiverWalletId")],
        "capture nothing": [(RefusalCode.INVALID_AMOUNT, "amount")],
        "extend what has no end": [(RefusalCode.INVALID_INPUT, "expiresIn")],
        "place for the payer": [(RefusalCode.SAME_WALLET, "receiverWalletId")],
        "place without a receiver": [(RefusalCode.INVALID_INPUT, "receiverWalletId")],
        "place for a euro wallet": [(RefusalCode.CURRENCY_MISMATCH, "receiverWalletId")],
        "place euros": [(RefusalCode.CURRENCY_MISMATCH, "amount")],
        "place nonsense money": [(RefusalCode.INVALID_INPUT, "currency")],
        "place a fraction": [(RefusalCode.INVALID_AMOUNT, "amount")],
        "place of another's wallet": [(RefusalCode.WALLET_NOT_FOUND, "walletId")],
        "place for an unknown wallet": [(RefusalCode.WALLET_NOT_FOUND, "receiverWalletId")],
        "place for too long": [(RefusalCode.INVALID_INPUT, "expiresIn")],
        "place for no time": [(RefusalCode.INVALID_INPUT, "expiresIn")],
        "place with a bad key": [(RefusalCode.IDEMPOTENCY_KEY_INVALID, "idempotencyKey")],
        "place with a bad text": [(RefusalCode.INVALID_INPUT, "description")],
    }
    assert await shop.funds() == (10_000, 2100)
    assert await verify(settings) == []


async def test_each_side_does_only_what_is_its_own(shop: Shop) -> None:
    """The payer neither captures nor takes back what a receiver was promised. The receiver does not hold more."""
    hold_id = await shop.placed()
    for attempt in (
        lambda: shop.capture(hold_id, viewer=shop.alice),
        lambda: shop.release(hold_id, viewer=shop.alice),
        lambda: shop.extend(hold_id, "1.00", viewer=shop.bob),
    ):
        with pytest.raises(Forbidden):
            await attempt()
    assert await shop.funds() == (10_000, 6000)


async def test_a_service_account_holds_for_no_receiver_and_the_payer_may_take_that_back(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("30.00", viewer=shop.service, receiver=None, expires_in=None)
    captured = await shop.capture(hold_id, "10.00", viewer=shop.service, receiver=shop.theirs, keep=True)
    assert sums(captured.hold) == ("OPEN", 1000, 0, 2000)
    assert await shop.funds(shop.theirs) == (1500, 0)
    assert sums((await shop.release(hold_id, viewer=shop.alice)).hold) == ("CAPTURED", 1000, 2000, 0)
    assert await verify(settings) == []


async def test_what_a_service_account_does_with_holds_between_others_is_audited(shop: Shop) -> None:
    hold_id = await shop.placed("30.00", viewer=shop.service)
    await shop.extend(hold_id, "1.00", viewer=shop.service)
    await shop.capture(hold_id, "10.00", viewer=shop.service, keep=True)
    await shop.release(hold_id, viewer=shop.service, reason="lost")
    mine = await shop.placed("1.00")
    await shop.capture(mine)
    async with shop.bank.engine.connect() as connection:
        rows = await connection.exec_driver_sql(
            f"SELECT action, reason FROM audit_log WHERE actor_id = '{shop.service.user_id}' ORDER BY id"
        )
        assert [tuple(row) for row in rows] == [
            ("HOLD_PLACED", None),
            ("HOLD_EXTENDED", None),
            ("CAPTURE", None),
            ("HOLD_RELEASED", "lost"),
        ]
        others = await connection.exec_driver_sql(
            "SELECT count(*) FROM audit_log WHERE action LIKE '%HOLD%' OR action = 'CAPTURE'"
        )
        assert others.scalar_one() == 4


async def test_a_frozen_payer_is_not_captured_from_but_released(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed()
    await status(shop, shop.mine, WalletStatus.FROZEN)
    refused = await shop.capture(hold_id, key="frozen")
    assert codes(refused) == [(RefusalCode.WALLET_NOT_ACTIVE, "holdId")]
    assert refused.result.transaction is not None
    assert (refused.result.transaction.status, sums(refused.hold)) == (TransactionStatus.FAILED, ("OPEN", 0, 0, 6000))
    assert (await shop.capture(hold_id, key="frozen")).result.replayed
    assert codes(await shop.extend(hold_id, "1.00")) == [(RefusalCode.WALLET_NOT_ACTIVE, "holdId")]
    assert codes(await shop.place("1.00")) == [(RefusalCode.WALLET_NOT_ACTIVE, "walletId")]
    assert sums((await shop.release(hold_id)).hold) == ("RELEASED", 0, 6000, 0)
    assert await verify(settings) == []


async def test_a_frozen_receiver_is_neither_promised_nor_paid(shop: Shop) -> None:
    hold_id = await shop.placed("10.00")
    await status(shop, shop.theirs, WalletStatus.FROZEN)
    assert codes(await shop.capture(hold_id)) == [(RefusalCode.WALLET_NOT_ACTIVE, "holdId")]
    assert codes(await shop.place("1.00")) == [(RefusalCode.WALLET_NOT_ACTIVE, "receiverWalletId")]


async def status(shop: Shop, wallet_id: str, status: WalletStatus) -> Any:
    return await set_wallet_status(shop.bank.engine, shop.admin, wallet_id, status, "test", clock=system_clock)


async def test_a_wallet_closes_once_nothing_of_it_is_held(shop: Shop, settings: Settings) -> None:
    """An expired hold does not keep a wallet open, even if nothing has swept it."""
    hold_id = await shop.placed("100.00", expires_in=1)
    assert (await status(shop, shop.mine, WalletStatus.CLOSED)).refusals
    await asyncio.sleep(1.01)
    assert codes(await shop.capture(hold_id)) == [(RefusalCode.HOLD_EXPIRED, "holdId")]
    last = await shop.placed("100.00", expires_in=1)
    await shop.capture(last, "99.00", keep=True)
    await asyncio.sleep(1.01)
    assert not (await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "1.00")).refusals
    assert (await status(shop, shop.mine, WalletStatus.CLOSED)).wallet.status is WalletStatus.CLOSED
    assert await verify(settings) == []


async def test_an_empty_wallet_with_an_expired_hold_that_nothing_has_ended_closes(shop: Shop, settings: Settings) -> None:
    """Only an administrator's reversal leaves a wallet with less than is held."""
    wallet = await shop.bank.wallet(shop.alice)
    paid = await shop.bank.pay(shop.bob, shop.theirs, wallet, "5.00")
    assert paid.transaction is not None
    await shop.placed("5.00", wallet=wallet, receiver=shop.theirs, expires_in=1)
    details = ReversalInput(new_key(), ids.encode("txn", paid.transaction.id), ReversalReason.FRAUD, allow_overdraft=True)
    await reverse_transaction(shop.ledger, shop.admin, details)
    assert await shop.funds(wallet) == (0, 500)
    assert (await status(shop, wallet, WalletStatus.CLOSED)).refusals
    await asyncio.sleep(1.01)
    assert not (await status(shop, wallet, WalletStatus.CLOSED)).refusals
    assert await shop.funds(wallet) == (0, 0)
    assert await verify(settings) == []


async def ledger_at(shop: Shop, settings: Settings, ahead: timedelta) -> Ledger:
    """A process whose clock is ahead."""
    ledger = Ledger(shop.bank.engine, settings, shop.bank.currencies, lambda: system_clock() + ahead)
    await ledger.start()
    return ledger


async def test_money_is_free_from_the_instant_of_expiry_with_no_sweeper_for_an_hour(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("100.00", expires_in=60)
    later = await ledger_at(shop, settings, timedelta(hours=1))
    try:
        assert codes(await shop.capture(hold_id, ledger=later)) == [(RefusalCode.HOLD_EXPIRED, "holdId")]
        second = await shop.placed("100.00", expires_in=60, ledger=later)
        assert codes(await shop.capture(hold_id, ledger=later)) == [(RefusalCode.HOLD_EXPIRED, "holdId")]
        assert codes(await shop.capture(second, ledger=later)) == []
        assert await shop.funds() == (0, 0)
        assert await verify(settings) == []
    finally:
        await later.stop()


async def test_readers_see_that_an_expired_hold_counts_for_nothing(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00", expires_in=1)
    await asyncio.sleep(1.01)
    engine, hold = shop.bank.engine, ids.decode("hld", hold_id)
    assert hold is not None
    wallet = (await reading.load_wallets(engine, shop.alice, [uuid_of(shop.mine)]))[uuid_of(shop.mine)]
    assert (wallet.held, wallet.available) == (0, 10_000)
    assert await shop.funds() == (10_000, 6000)  # as it is stored
    planned = TransferInput(new_key(), shop.mine, shop.theirs, "100.00", "USD")
    assert (await preview_transfer(shop.ledger, shop.alice, planned)).refusals == ()
    assert sums((await hold_reading.load_holds(engine, shop.alice, [hold]))[hold]) == ("EXPIRED", 0, 6000, 0)
    for wanted, found in ((HoldStatus.EXPIRED, 1), (HoldStatus.OPEN, 0)):
        page = await hold_reading.holds_of(engine, shop.alice, wallet, PageRequest(), wanted, incoming=False)
        assert len(page.items) == found
    assert await verify(settings) == []


async def test_a_late_capture_pays_from_what_is_available_and_no_more_than_was_given_up(shop: Shop, settings: Settings) -> None:
    expired, released = await shop.placed("60.00", expires_in=1), await shop.placed("30.00")
    await shop.capture(expired, "10.00", keep=True)
    await shop.release(released)
    await asyncio.sleep(1.01)
    late: dict[str, Any] = {"after_expiry": AfterExpiry.TRY_AVAILABLE}
    paid = await shop.capture(expired, "20.00", **late)
    assert codes(paid) == []
    assert sums(paid.hold) == ("EXPIRED", 3000, 3000, 0)
    assert sums((await shop.capture(released, **late)).hold) == ("RELEASED", 3000, 0, 0)
    assert codes(await shop.capture(expired, "30.01", **late)) == [(RefusalCode.HOLD_EXCEEDED, "amount")]
    await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "30.00")
    short = await shop.capture(expired, "30.00", key="short", **late)
    assert codes(short) == [(RefusalCode.INSUFFICIENT_FUNDS, "amount")]
    assert short.result.refusals[0].available is None, "a receiver does not see the payer's balance"
    by_admin = await shop.capture(expired, "30.00", viewer=shop.admin, **late)
    assert by_admin.result.refusals[0].available is not None
    assert short.result.transaction is not None
    assert short.result.transaction.status is TransactionStatus.FAILED
    assert await shop.funds() == (1000, 0)
    captured = await shop.placed("1.00")
    await shop.capture(captured)
    assert codes(await shop.capture(captured, **late)) == [(RefusalCode.HOLD_NOT_OPEN, "holdId")]
    assert await verify(settings) == []


async def test_nothing_is_captured_late_after_a_week(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00", expires_in=60)
    for ahead, expected in ((timedelta(days=6), []), (timedelta(days=8), [(RefusalCode.HOLD_EXPIRED, "holdId")])):
        later = await ledger_at(shop, settings, ahead)
        found = await shop.capture(hold_id, "1.00", after_expiry=AfterExpiry.TRY_AVAILABLE, ledger=later)
        await later.stop()
        assert codes(found) == expected


async def test_a_capture_never_fails_for_funds_while_the_hold_is_open(shop: Shop, settings: Settings) -> None:
    """Not even if an administrator's reversal has taken the wallet below what is held."""
    paid = await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "5.00")
    assert paid.transaction is not None
    hold_id = await shop.placed("105.00")
    details = ReversalInput(new_key(), ids.encode("txn", paid.transaction.id), ReversalReason.FRAUD, allow_overdraft=True)
    reversed_ = await reverse_transaction(shop.ledger, shop.admin, details)
    assert not reversed_.result.refusals
    assert await shop.funds() == (10_000, 10_500)
    assert codes(await shop.place("0.01")) == [(RefusalCode.INSUFFICIENT_FUNDS, "amount")]
    assert codes(await shop.capture(hold_id, "100.00", keep=True)) == []
    assert codes(await shop.capture(hold_id)) == []
    assert await shop.funds() == (-500, 0)
    assert await verify(settings) == []


async def test_each_capture_is_reversed_on_its_own(shop: Shop, settings: Settings) -> None:
    hold_id = await shop.placed("60.00")
    first = (await shop.capture(hold_id, "20.00", keep=True)).result.transaction
    second = (await shop.capture(hold_id)).result.transaction
    assert first is not None
    assert second is not None
    for transaction, amount, expected in (
        (first, "15.00", None),
        (first, "5.01", RefusalCode.REVERSAL_EXCEEDS_REMAINING),
        (second, "40.00", None),
        (first, "5.00", None),
    ):
        details = ReversalInput(new_key(), ids.encode("txn", transaction.id), ReversalReason.REFUND, (amount, "USD"))
        found = await reverse_transaction(shop.ledger, shop.bob, details)
        assert [refusal.code for refusal in found.result.refusals] == ([] if expected is None else [expected])
    assert await shop.funds() == (10_000, 0)
    page = await reading.reversals_of(shop.bank.engine, shop.alice, first, PageRequest())
    assert [one.type for one in page.items] == [TransactionType.REVERSAL] * 2
    assert await verify(settings) == []


async def test_many_actions_of_one_wallet_in_one_batch_settle_in_their_order(shop: Shop, settings: Settings) -> None:
    """Each step sees what the ones before it left, and the database checks each at its own moment."""
    hold_id = await shop.placed("100.00")
    payments, captures, placements, more = await asyncio.gather(
        asyncio.gather(*(shop.bank.pay(shop.bob, shop.theirs, shop.mine, "1.00") for _ in range(2))),
        asyncio.gather(*(shop.capture(hold_id, "1.00", keep=True) for _ in range(5))),
        asyncio.gather(*(shop.place("1.00", key=f"place-{n}") for n in range(3))),
        asyncio.gather(*(shop.bank.pay(shop.alice, shop.mine, shop.theirs, "1.00") for _ in range(2))),
    )
    assert [one.refusals for one in payments] == [()] * 2
    assert [codes(one) for one in captures] == [[]] * 5
    spent = sum(not codes(one) for one in placements), sum(not one.refusals for one in more)
    assert sum(spent) == 2
    balance, held = await shop.funds()
    assert (balance, held) == (9700 - 100 * spent[1], 9500 + 100 * spent[0])
    assert await verify(settings) == []


async def test_what_arrives_in_a_batch_can_be_held_in_it(shop: Shop, settings: Settings) -> None:
    """The hold is written after the entries that it needs, although events come first otherwise."""
    paid, placed, refused = await asyncio.gather(
        shop.bank.pay(shop.bob, shop.theirs, shop.mine, "5.00"),
        shop.place("105.00", key="all"),
        shop.bank.pay(shop.alice, shop.mine, shop.theirs, "0.01"),
    )
    assert (paid.refusals, codes(placed)) == ((), [])
    assert [refusal.code for refusal in refused.refusals] == [RefusalCode.INSUFFICIENT_FUNDS]
    assert await shop.funds() == (10_500, 10_500)
    assert await verify(settings) == []


async def test_what_is_held_counts_for_the_payer_s_limits(bank: Bank, settings: Settings) -> None:
    """Otherwise a hold in favour of an own wallet of a friend would be a way around them."""
    shop = await Shop(bank).build()
    limited = settings.model_copy(update={"quota_transfers_per_day": 2})
    ledger = make_ledger(bank.engine, limited, bank.currencies)
    await ledger.start()
    try:
        assert codes(await shop.place("1.00", ledger=ledger)) == []
        assert codes(await shop.place("1.00", ledger=ledger)) == []
        assert codes(await shop.place("1.00", ledger=ledger)) == [(RefusalCode.QUOTA_EXCEEDED, "input")]
    finally:
        await ledger.stop()
