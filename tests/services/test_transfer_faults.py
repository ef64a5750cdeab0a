"""With held locks, broken connections and frozen processes, answers stay correct and each transfer settles once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import NoReturn
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.clock import system_clock
from app.db import models
from app.db.currency_sql import load_currencies
from app.db.engine import connect
from app.db.failures import is_unavailable
from app.db.pool import Database
from app.errors import Internal, RateLimited, RequestTimeout, Unavailable
from app.services import group_commit, settlement
from app.services.group_commit import GroupCommit
from app.services.ledger import settle
from app.services.outcomes import Settlement
from app.services.requests import Unit
from app.services.settlement import Answer, Settler
from app.services.transfers import Ledger, TransferInput, TransferResult, transfer, transfer_batch
from app.settings import Settings
from app.telemetry import logs
from tests.bank import Bank, make_ledger, new_key, uuid_of
from tests.invariants.conftest import owner
from tests.proxy import PostgresProxy
from tests.waiting import soon

__all__ = ["owner"]


@asynccontextmanager
async def running(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    try:
        yield Bank(engine, ledger, currencies)
    finally:
        await ledger.stop()


@pytest.fixture
async def hasty(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    """A bank with short timeouts, so that tests of timeouts are fast."""
    quick = settings.model_copy(update={"request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "lock_timeout_ms": 100})
    async with running(engine, quick) as bank:
        yield bank


@pytest.fixture
async def far_bank(engine: Database, settings: Settings, proxy: PostgresProxy) -> AsyncIterator[Bank]:
    """A bank whose ledger connects to its database through the proxy."""
    async with running(engine, settings.model_copy(update={"database_url": SecretStr(proxy.url)})) as bank:
        yield bank


@asynccontextmanager
async def locked(settings: Settings, wallet_id: str) -> AsyncIterator[asyncpg.Connection]:
    """Another transaction holds the lock on the wallet."""
    connection = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(wallet_id))
        yield connection
        await connection.execute("ROLLBACK")
    finally:
        connection.terminate()


async def test_a_locked_wallet_does_not_delay_transfers_of_other_wallets(hasty: Bank, settings: Settings) -> None:
    alice, bob = await hasty.viewer("alice"), await hasty.viewer("bob")
    held, free, to = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(alice, balance="9.00"), await hasty.wallet(bob)
    key = new_key()
    async with locked(settings, held):
        stuck = asyncio.create_task(hasty.pay(alice, held, to, "1.00", key))
        await asyncio.sleep(0.2)
        started = monotonic()
        done = [await hasty.pay(alice, free, to, "0.10") for _ in range(20)]
        assert not stuck.done() or monotonic() - started > 1.0, "the others settled while it waited"
        assert not any(result.refusals for result in done)
        with pytest.raises(RequestTimeout):
            await stuck
    assert not (await hasty.pay(alice, held, to, "1.00", key)).refusals
    assert await hasty.balance(held) == 800


async def test_a_transfer_settles_as_soon_as_its_wallet_is_unlocked(hasty: Bank, settings: Settings) -> None:
    alice, bob = await hasty.viewer("alice"), await hasty.viewer("bob")
    held, to = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(bob)
    async with locked(settings, held):
        waiting = [asyncio.create_task(hasty.pay(alice, held, to, "1.00")) for _ in range(3)]
        await asyncio.sleep(0.5)
        assert not any(task.done() for task in waiting)
    results = await asyncio.gather(*waiting)
    assert not any(result.refusals or result.replayed for result in results)
    assert await hasty.balance(held) == 600


async def test_every_attempt_of_a_transfer_has_the_same_id(
    hasty: Bank, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[UUID] = []
    settle = Settler.settle

    async def recorded(settler: Settler, units: Sequence[Unit], *, skip_locked: bool = False) -> list[Answer]:
        tries.extend(request.id for unit in units for request in unit.requests)
        return await settle(settler, units, skip_locked=skip_locked)

    alice = await hasty.viewer("alice")
    held, to = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(alice)
    monkeypatch.setattr(Settler, "settle", recorded)
    async with locked(settings, held):
        stuck = asyncio.create_task(hasty.pay(alice, held, to))
        await soon(lambda: len(tries) >= 4)
    transaction = (await stuck).transaction
    assert transaction is not None
    assert set(tries) == {transaction.id}


async def test_the_ids_of_a_batch_are_in_the_order_in_which_its_transfers_settle(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
    transfers = [TransferInput(new_key(), a, b, "0.01", "USD") for _ in range(50)]
    made = [result.transaction for result in (await transfer_batch(bank.ledger, alice, transfers, atomic=False)).results]
    ids = [transaction.id for transaction in made if transaction is not None]
    assert len(ids) == 50
    assert ids == sorted(ids)


async def test_a_frozen_process_loses_its_locks(engine: Database, settings: Settings) -> None:
    impatient = settings.model_copy(update={"statement_timeout_ms": 500, "lock_timeout_ms": 100})
    async with running(engine, settings) as bank:
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
        frozen = await connect(impatient)
        try:
            await frozen.execute("BEGIN")
            await frozen.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(a))
            assert not (await bank.pay(alice, a, b, "1.00")).refusals
        finally:
            frozen.terminate()


async def test_a_commit_whose_answer_is_lost_is_found_and_answered_as_not_replayed(far_bank: Bank, proxy: PostgresProxy) -> None:
    alice, bob = await far_bank.viewer("alice"), await far_bank.viewer("bob")
    a, b = await far_bank.wallet(alice, balance="9.00"), await far_bank.wallet(bob)
    proxy.lose_commit_answers = 1
    result = await far_bank.pay(alice, a, b, "1.00")
    assert proxy.commits_lost == 1
    assert result.transaction is not None
    assert (result.replayed, result.refusals) == (False, ())
    assert await far_bank.balance(a) == 800


async def test_a_commit_that_never_reached_the_server_is_repeated(far_bank: Bank, proxy: PostgresProxy) -> None:
    alice, bob = await far_bank.viewer("alice"), await far_bank.viewer("bob")
    a, b = await far_bank.wallet(alice, balance="9.00"), await far_bank.wallet(bob)
    proxy.lose_commits = 2
    result = await far_bank.pay(alice, a, b, "1.00")
    assert proxy.commits_lost == 2
    assert (result.replayed, result.refusals) == (False, ())
    assert await far_bank.balance(a) == 800


async def test_if_the_outcome_cannot_be_found_the_caller_gets_a_timeout_and_the_key_pays_once(
    engine: Database, settings: Settings, proxy: PostgresProxy
) -> None:
    quick = {"request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "database_url": SecretStr(proxy.url)}
    async with running(engine, settings.model_copy(update=quick)) as bank:
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
        key = new_key()
        proxy.lose_commit_answers = 1
        paying = asyncio.create_task(bank.pay(alice, a, b, "1.00", key))
        await proxy.lost.wait()
        proxy.refuse = True
        with pytest.raises(RequestTimeout):
            await paying
        proxy.refuse = False
        again = await bank.pay(alice, a, b, "1.00", key)
        assert again.replayed
        assert await bank.balance(a) == 800


async def test_while_the_database_is_down_transfers_are_unavailable_and_no_money_moves(
    far_bank: Bank, proxy: PostgresProxy
) -> None:
    alice, bob = await far_bank.viewer("alice"), await far_bank.viewer("bob")
    a, b = await far_bank.wallet(alice, balance="9.00"), await far_bank.wallet(bob)
    proxy.refuse = True
    proxy.drop_connections()
    with pytest.raises(Unavailable):
        await far_bank.pay(alice, a, b, "1.00")
    proxy.refuse = False
    assert not (await far_bank.pay(alice, a, b, "1.00")).refusals
    assert await far_bank.balance(a) == 800


async def test_broken_connections_under_load_neither_lose_nor_repeat_a_transfer(far_bank: Bank, proxy: PostgresProxy) -> None:
    alice, bob = await far_bank.viewer("alice"), await far_bank.viewer("bob")
    a, b = await far_bank.wallet(alice, balance="100.00"), await far_bank.wallet(bob)

    async def pay_until_answered(key: str) -> TransferResult:
        for _ in range(50):
            try:
                return await transfer(far_bank.ledger, alice, TransferInput(key, a, b, "0.01", "USD"))
            except (RequestTimeout, Unavailable):
                await asyncio.sleep(0.01)
        raise AssertionError("50 attempts got no outcome")

    async def saboteur() -> None:
        for round_ in range(12):
            await asyncio.sleep(0.05)
            proxy.lose_commits += round_ % 2
            proxy.lose_commit_answers += (round_ + 1) % 2
            if round_ % 4 == 3:
                proxy.drop_connections()

    async def client() -> int:
        answers = [await pay_until_answered(new_key()) for _ in range(40)]
        return sum(answer.transaction is not None and not answer.refusals for answer in answers)

    *paid, _ = await asyncio.gather(*(client() for _ in range(10)), saboteur())
    assert sum(filter(None, paid)) == 400
    assert proxy.commits_lost > 3
    assert await far_bank.balance(b) == 400


FAIL_THREE_TIMES = """
CREATE SEQUENCE tries MINVALUE 0 START 1;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{sqlstate}'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fail AFTER INSERT ON ledger_entries EXECUTE FUNCTION fail();
"""
FAIL_FOUR_TIMES = "ALTER SEQUENCE tries RESTART WITH 0"


async def sabotage(settings: Settings, script: str) -> None:
    assert settings.database_url is not None
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    await owner.execute(script)
    await owner.close()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_serialization_failures_and_deadlocks_are_retried_three_times(
    bank: Bank, settings: Settings, sqlstate: str
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
    await sabotage(settings, FAIL_THREE_TIMES.format(sqlstate=sqlstate))
    assert not (await bank.pay(alice, a, b, "1.00")).refusals
    await sabotage(settings, FAIL_FOUR_TIMES)
    key = new_key()
    with pytest.raises(Unavailable):
        await bank.pay(alice, a, b, "1.00", key)
    assert await bank.balance(a) == 800, "an attempt that failed is never an outcome"
    again = await bank.pay(alice, a, b, "1.00", key)
    assert (again.replayed, again.refusals) == (False, ())


async def test_a_transfer_that_the_database_refuses_does_not_fail_the_others_in_its_batch(bank: Bank, settings: Settings) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
    await sabotage(settings, "ALTER TABLE transactions ADD CONSTRAINT poison CHECK (description <> 'poison')")
    transfers = [TransferInput(new_key(), a, b, "0.10", "USD", "poison" if n == 7 else "fine") for n in range(20)]
    results = await asyncio.gather(*(transfer(bank.ledger, alice, one) for one in transfers), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, Internal)] == [7]
    assert all(isinstance(result, TransferResult) and not result.refusals for n, result in enumerate(results) if n != 7)
    assert await bank.balance(b) == 190


async def test_a_bug_in_one_transfer_does_not_fail_the_others_in_its_batch(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
    monkeypatch.setattr(settlement, "settle", _raises_for("buggy", settle))
    given = [TransferInput(new_key(), a, b, "0.10", "USD", "buggy" if n == 7 else "fine") for n in range(20)]
    results = await asyncio.gather(*(transfer(bank.ledger, alice, one) for one in given), return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, Internal)] == [7]
    assert all(isinstance(result, TransferResult) and not result.refusals for n, result in enumerate(results) if n != 7)
    assert await bank.balance(b) == 190


def _raises_for(description: str, decide: Callable[..., Settlement]) -> Callable[..., Settlement]:
    """Returns the ledger's core with a bug: it raises for transfers with this description."""

    def decide_with_a_bug(units: Sequence[Unit], *arguments: object, **options: object) -> Settlement:
        if any(request.description == description for unit in units for request in unit.requests):
            raise KeyError(description)
        return decide(units, *arguments, **options)

    return decide_with_a_bug


@pytest.mark.parametrize("reporter", ["count_outcomes", "outcome_lines"])
async def test_an_error_in_metrics_or_logs_after_the_commit_does_not_stop_settling(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reporter: str
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
    monkeypatch.setattr(logs, "logs_transfers", lambda: True)
    monkeypatch.setattr(group_commit, reporter, _raise)
    for _ in range(3):
        assert not (await bank.pay(alice, a, b, "0.10")).refusals
    assert await bank.balance(b) == 30
    assert "failed" in caplog.text


async def test_an_observer_that_raises_does_not_stop_settling(engine: Database, settings: Settings) -> None:
    currencies = await load_currencies(engine)
    ledger = Ledger(engine, settings, currencies, system_clock, observe=_raise)
    await ledger.start()
    try:
        bank = Bank(engine, ledger, currencies)
        alice = await bank.viewer("alice")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
        for _ in range(3):
            assert not (await bank.pay(alice, a, b, "0.10")).refusals
    finally:
        await ledger.stop()


async def test_a_bug_after_the_commit_does_not_stop_settling(
    hasty: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = await hasty.viewer("alice"), await hasty.viewer("bob")
    a, b = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(bob)
    key = new_key()
    with monkeypatch.context() as patched:
        patched.setattr(GroupCommit, "_answer", _raise)
        with pytest.raises(RequestTimeout):
            await hasty.pay(alice, a, b, "1.00", key)
    assert "ended unexpectedly" in caplog.text
    again = await hasty.pay(alice, a, b, "1.00", key)
    assert (again.replayed, again.refusals) == (True, ())


def _raise(*_arguments: object, **_options: object) -> NoReturn:
    message = "a bug in the reporter"
    raise RuntimeError(message)


async def recorded(bank: Bank, keys: Sequence[str]) -> int:
    """Count the transactions with these idempotency keys.

    After a timeout a transfer that is in a batch may still settle, so a test cannot count all transactions.
    """
    return await bank.count(f"transactions WHERE idempotency_key IN ({', '.join(map(repr, keys))})")


async def test_a_full_queue_refuses_transfers_at_once(engine: Database, settings: Settings) -> None:
    small = {"transfer_queue_limit": 5, "request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "lock_timeout_ms": 100}
    async with running(engine, settings.model_copy(update=small)) as bank:
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
        async with locked(settings, a):
            keys = [new_key() for _ in range(8)]
            paying = [asyncio.create_task(bank.pay(alice, a, b, "1.00", key)) for key in keys]
            results = await asyncio.gather(*paying, return_exceptions=True)
        refused = [key for key, result in zip(keys, results, strict=True) if isinstance(result, Unavailable)]
        assert len(refused) == 3
        assert sum(isinstance(result, RequestTimeout) for result in results) == 5
        assert await recorded(bank, refused) == 0
        assert not (await bank.pay(alice, a, b, "1.00")).refusals, "the queue has room again"


async def test_a_user_may_fill_only_a_share_of_the_queue(engine: Database, settings: Settings) -> None:
    small = {
        "transfer_queue_limit": 10, "transfers_waiting_per_user": 4,
        "request_timeout_seconds": 1.5, "statement_timeout_ms": 1000, "lock_timeout_ms": 100,
    }  # fmt: skip
    async with running(engine, settings.model_copy(update=small)) as bank:
        alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
        a, b, free = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob, balance="9.00"), await bank.wallet(alice)
        async with locked(settings, a):
            paying = [asyncio.create_task(bank.pay(alice, a, b, "1.00")) for _ in range(3)]
            await asyncio.sleep(0)
            many = [TransferInput(new_key(), a, b, "1.00", "USD") for _ in range(2)]
            with pytest.raises(RateLimited, match="nothing moved") as refused:
                await transfer_batch(bank.ledger, alice, many, atomic=False)
            assert refused.value.retry_after_seconds == 1
            assert not (await bank.pay(bob, b, free)).refusals, "another user's share is free"
            paying.append(asyncio.create_task(bank.pay(alice, a, b, "1.00")))
            results = await asyncio.gather(*paying, return_exceptions=True)
        assert [type(result) for result in results] == [RequestTimeout] * 4
        assert not (await bank.pay(alice, a, b, "1.00")).refusals, "transfers that timed out have left the queue"
        await soon(lambda: bank.ledger.group_commit._size_of_user == {})
        assert await recorded(bank, [one.idempotency_key for one in many]) == 0, "refused transfers are not recorded"


async def test_stop_answers_the_accepted_transfers_and_refuses_new_ones(engine: Database, settings: Settings) -> None:
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    bank = Bank(engine, ledger, currencies)
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(bob)
    accepted = [asyncio.create_task(bank.pay(alice, a, b, "0.01")) for _ in range(100)]
    await asyncio.sleep(0)
    await ledger.stop()
    assert all(not result.refusals for result in await asyncio.gather(*accepted))
    with pytest.raises(Unavailable):
        await bank.pay(alice, a, b, "0.01")


async def is_free(settings: Settings, statement: str, *arguments: object) -> bool:
    """Returns whether a statement gets its locks at once."""
    connection = await connect(settings, lock_timeout="50")
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement, *arguments)
    except asyncpg.LockNotAvailableError:
        return False
    else:
        return True
    finally:
        connection.terminate()


async def test_wallets_are_locked_in_order_of_their_ids(bank: Bank, settings: Settings) -> None:
    alice = await bank.viewer("alice")
    first, *later = [await bank.wallet(alice, balance="9.00") for _ in range(6)]
    patient = settings.model_copy(update={"lock_timeout_ms": 2000})
    async with running(bank.engine, patient) as slow_bank:
        for wallet in later:
            async with locked(settings, first):
                stuck = asyncio.create_task(slow_bank.pay(alice, wallet, first, "0.01"))
                await asyncio.sleep(0.1)
                assert await is_free(settings, "SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(wallet))
            assert not (await stuck).refusals


CLAIM = """
INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id,
    amount, currency, failure_code, created_at)
SELECT gen_random_uuid(), $1, $2, 'TRANSFER', 'FAILED', $3, $4, 1, 'USD', 'INSUFFICIENT_FUNDS', now()
"""


async def test_idempotency_keys_are_claimed_in_order(bank: Bank, settings: Settings) -> None:
    alice = await bank.viewer("alice")
    a, b = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice)
    patient = settings.model_copy(update={"lock_timeout_ms": 2000})
    async with running(bank.engine, patient) as slow_bank:
        for round_ in range(4):
            keys = [f"{round_}-{letter}" for letter in "abcd"]
            terms = alice.user_id, uuid_of(a), uuid_of(b)
            holder = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
            await holder.execute("BEGIN")
            await holder.execute(CLAIM, terms[0], keys[0], *terms[1:])
            transfers = [TransferInput(key, a, b, "0.01", "USD") for key in reversed(keys)]
            stuck = asyncio.create_task(transfer_batch(slow_bank.ledger, alice, transfers, atomic=False))
            await asyncio.sleep(0.1)
            assert await is_free(settings, CLAIM, terms[0], keys[-1], *terms[1:])
            holder.terminate()
            assert not any(result.refusals for result in (await stuck).results)


async def test_a_migration_that_changes_the_result_type_of_a_statement_fails_no_transfer(
    hasty: Bank, owner: asyncpg.Connection, engine: Database
) -> None:
    alice = await hasty.viewer("alice")
    a, b = await hasty.wallet(alice, balance="9.00"), await hasty.wallet(alice)
    key = new_key()
    await hasty.pay(alice, a, b, "1.00", key)
    async with engine.connect() as connection:
        await connection.execute(select(models.Transaction.description))
    await owner.execute("ALTER TABLE transactions ALTER COLUMN description TYPE varchar")
    # A single transfer, because splitting a batch could hide the error.
    assert (await hasty.pay(alice, a, b, "1.00", key)).replayed
    assert await hasty.balance(b) == 100
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as outdated:
            await connection.execute(select(models.Transaction.description))
    assert is_unavailable(outdated.value)
    async with engine.connect() as connection:
        await connection.execute(select(models.Transaction.description))
