"""Transfers on real PostgreSQL are exact, settle once, and never overdraw a wallet, under any concurrency."""

from __future__ import annotations

import asyncio
import random

import pytest

from app import ids
from app.errors import Forbidden, RefusalCode
from app.records import TransactionStatus, WalletStatus
from app.services.transfers import DepositInput, TransferInput, deposit, transfer, transfer_batch
from app.services.wallets import set_wallet_status
from tests.bank import Bank, new_key


async def test_a_transfer_moves_money_and_returns_the_committed_entries(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    result = await bank.pay(alice, a, b, "12.34")
    assert result.transaction is not None
    assert result.transaction.status is TransactionStatus.COMPLETED
    assert [entry.amount for entry in result.entries] == [-1234, 1234]
    assert (await bank.balance(a), await bank.balance(b)) == (8766, 1234)


async def test_fifty_simultaneous_requests_with_one_key_make_one_transaction_and_get_the_same_answer(
    bank: Bank, other_bank: Bank
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    key = new_key()
    results = await asyncio.gather(*(random.choice([bank, other_bank]).pay(alice, a, b, "1.00", key) for _ in range(50)))
    assert len({result.transaction for result in results}) == 1
    assert sum(not result.replayed for result in results) == 1
    assert all(not result.refusals for result in results)
    assert await bank.balance(a) == 9900


async def test_exactly_70_of_200_simultaneous_transfers_from_a_wallet_with_money_for_70_complete(
    bank: Bank, other_bank: Bank
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="70.00"), await bank.wallet(bob)
    results = await asyncio.gather(*([bank, other_bank][n % 2].pay(alice, a, b, "1.00") for n in range(200)))
    completed = [r for r in results if r.transaction and r.transaction.status is TransactionStatus.COMPLETED]
    refused = [r.refusals[0].code for r in results if r.refusals]
    assert len(completed) == 70
    assert refused == [RefusalCode.INSUFFICIENT_FUNDS] * 130
    assert (await bank.balance(a), await bank.balance(b)) == (0, 7000)


async def test_simultaneous_transfers_in_opposite_directions_never_fail_with_a_deadlock(bank: Bank, other_bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="1000.00"), await bank.wallet(bob, balance="1000.00")

    async def client(number: int) -> None:
        process = [bank, other_bank][number % 2]
        for _ in range(50):
            there = number % 4 < 2
            payer, sender, receiver = (alice, a, b) if there else (bob, b, a)
            result = await process.pay(payer, sender, receiver, "0.01")
            assert not result.refusals

    await asyncio.gather(*(client(number) for number in range(40)))
    assert await bank.balance(a) + await bank.balance(b) == 200_000


async def test_two_processes_that_write_the_same_keys_in_opposite_order_do_not_deadlock(bank: Bank, other_bank: Bank) -> None:
    alice = await bank.viewer("alice")
    wallets = [await bank.wallet(alice, balance="1000.00") for _ in range(4)]
    for _ in range(20):
        keys = [new_key() for _ in range(20)]
        here = [TransferInput(key, wallets[0], wallets[1], "0.01", "USD") for key in keys]
        there = [TransferInput(key, wallets[2], wallets[3], "0.01", "USD") for key in reversed(keys)]
        first, second = await asyncio.gather(
            transfer_batch(bank.ledger, alice, here, atomic=False),
            transfer_batch(other_bank.ledger, alice, there, atomic=False),
        )
        answers = dict(zip(keys, first.results, strict=True))
        for given, result in zip(there, second.results, strict=True):
            codes = {r.code for r in (*result.refusals, *answers[given.idempotency_key].refusals)}
            assert codes == {RefusalCode.IDEMPOTENCY_KEY_REUSED}, "one of the two owns the key, the other is refused"
            assert (result.transaction is None) != (answers[given.idempotency_key].transaction is None)
    assert sum([await bank.balance(wallet) for wallet in wallets]) == 400_000


async def test_a_refusal_is_recorded_and_replayed_even_if_the_wallet_has_enough_money_later(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="1.00"), await bank.wallet(bob, balance="50.00")
    key = new_key()
    first = await bank.pay(alice, a, b, "2.00", key)
    await bank.pay(bob, b, a, "10.00")
    again = await bank.pay(alice, a, b, "2.0", key)
    assert first.transaction is not None
    assert first.transaction.status is TransactionStatus.FAILED
    assert again.replayed
    assert (again.transaction, again.refusals) == (first.transaction, first.refusals)


async def test_a_malformed_transfer_does_not_use_its_key(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="5.00"), await bank.wallet(bob)
    key = new_key()
    assert (await bank.pay(alice, a, b, "0.00", key)).refusals[0].code is RefusalCode.INVALID_AMOUNT
    assert (await bank.pay(alice, a, "wal_nonsense", "1.00", key)).refusals[0].code is RefusalCode.WALLET_NOT_FOUND
    assert not (await bank.pay(alice, a, b, "1.00", key)).refusals


async def test_another_users_wallet_gets_the_same_answer_as_an_unknown_one(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="5.00"), await bank.wallet(bob, balance="5.00")
    unknown = ids.encode("wal", ids.new_id(bank.clock()))
    foreign = await bank.pay(alice, b, a, "1.00")
    absent = await bank.pay(alice, unknown, a, "1.00")
    malformed = await bank.pay(alice, "wal_x", a, "1.00")
    assert foreign == absent == malformed
    assert foreign.transaction is None


async def test_an_atomic_batch_settles_all_or_none_and_another_batch_settles_each_transfer_separately(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)

    def transfers() -> list[TransferInput]:
        return [TransferInput(new_key(), a, b, amount, "USD") for amount in ("6.00", "6.00", "4.00")]

    atomic = await transfer_batch(bank.ledger, alice, transfers(), atomic=True)
    assert [r.refusals[0].code for r in atomic.results] == [
        RefusalCode.BATCH_ABORTED,
        RefusalCode.INSUFFICIENT_FUNDS,
        RefusalCode.BATCH_ABORTED,
    ]
    assert all(r.transaction and r.transaction.status is TransactionStatus.FAILED for r in atomic.results)
    assert await bank.balance(a) == 1000
    each = await transfer_batch(bank.ledger, alice, transfers(), atomic=False)
    assert [bool(r.refusals) for r in each.results] == [False, True, False]
    assert await bank.balance(a) == 0


@pytest.mark.parametrize("size", [0, 501])
async def test_an_empty_or_too_large_batch_is_refused_as_a_whole(bank: Bank, size: int) -> None:
    alice = await bank.viewer("alice")
    transfers = [TransferInput(new_key(), "wal_a", "wal_b", "1.00", "USD")] * size
    result = await transfer_batch(bank.ledger, alice, transfers, atomic=False)
    assert result.results == ()
    assert [refusal.code for refusal in result.refusals] == [RefusalCode.INVALID_INPUT]


async def test_a_batch_of_500_settles_in_order(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="5.00"), await bank.wallet(bob)
    transfers = [TransferInput(new_key(), a, b, "0.01", "USD") for _ in range(500)]
    result = await transfer_batch(bank.ledger, alice, transfers, atomic=True)
    debits = [r.entries[0] for r in result.results]
    assert [entry.sequence for entry in debits] == list(range(2, 502))
    assert debits[-1].balance_after == 0


async def test_only_an_administrator_may_deposit(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a = await bank.wallet(alice)
    with pytest.raises(Forbidden):
        await deposit(bank.ledger, alice, DepositInput(new_key(), a, "1.00", "USD"))
    assert await bank.balance(a) == 0


async def test_simultaneous_first_deposits_of_a_currency_share_one_system_wallet(bank: Bank, other_bank: Bank) -> None:
    alice, admin = await bank.viewer("alice"), await bank.viewer("admin", admin=True)
    wallets = [await bank.wallet(alice, "CHF") for _ in range(6)]
    results = await asyncio.gather(
        *(
            deposit([bank, other_bank][n % 2].ledger, admin, DepositInput(new_key(), wallet, "1.00", "CHF"))
            for n, wallet in enumerate(wallets)
        )
    )
    assert len({r.transaction.sender_wallet_id for r in results if r.transaction}) == 1
    assert await bank.count("wallets WHERE kind = 'SYSTEM'") == 1


async def test_transfers_to_frozen_and_to_closed_wallets_get_the_same_refusal(bank: Bank) -> None:
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    a = await bank.wallet(alice, balance="5.00")
    frozen, closed = await bank.wallet(bob), await bank.wallet(bob)
    for wallet, status in ((frozen, WalletStatus.FROZEN), (closed, WalletStatus.CLOSED)):
        await set_wallet_status(bank.engine, admin, wallet, status, "requested by a court", clock=bank.clock)
    to_frozen, to_closed = await bank.pay(alice, a, frozen), await bank.pay(alice, a, closed)
    assert to_frozen.refusals == to_closed.refusals
    assert to_frozen.refusals[0].code is RefusalCode.WALLET_NOT_ACTIVE
    assert await bank.balance(a) == 500


async def test_simultaneous_first_calls_of_a_user_create_one_user(bank: Bank) -> None:
    viewers = await asyncio.gather(*(bank.viewer("newcomer") for _ in range(20)))
    assert len({viewer.user_id for viewer in viewers}) == 1


async def test_a_cancelled_caller_does_not_stop_its_transfer(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    keys = [new_key() for _ in range(200)]
    callers = [asyncio.create_task(bank.pay(alice, a, b, "0.01", key)) for key in keys]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await bank.pay(alice, a, b, "1.00")
    assert await bank.balance(b) == 300, "they settled before the later payment"
    again = [await transfer(bank.ledger, alice, TransferInput(key, a, b, "0.01", "USD")) for key in keys]
    assert all(result.replayed for result in again)


async def test_transfers_that_arrive_in_the_next_turns_of_the_event_loop_join_the_first_ones_batch(bank: Bank) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    payments = []
    for _ in range(3):
        payments.append(asyncio.create_task(bank.pay(alice, a, b)))
        await asyncio.sleep(0)
    results = await asyncio.gather(*payments)
    # All transfers of a batch get the same time, when the batch takes them.
    assert len({result.transaction.created_at for result in results if result.transaction}) == 1
