"""Attacks with the service's role and arbitrary SQL: ways around the rules, and races."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.engine import database_dsn
from app.settings import Settings
from tests.invariants.small_ledger import (
    NEW,
    PAYMENT,
    ROLE,
    A,
    B,
    entries,
    findings,
    fingerprint,
    hold,
    transaction,
    uid,
    write_small_ledger,
)

STOLEN = entries((A, 3, -7000, 7000), (B, 2, 7000, 3000))


@pytest.fixture(autouse=True)
async def small_ledger(owner: asyncpg.Connection) -> None:
    await write_small_ledger(owner)


@pytest.fixture
async def attacker(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_dsn(settings))
    await connection.execute(f"SET ROLE {ROLE}")
    yield connection
    connection.terminate()


@pytest.fixture
async def second(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_dsn(settings))
    await connection.execute(f"SET ROLE {ROLE}")
    yield connection
    connection.terminate()


@pytest.mark.parametrize("setting", ["", "SET search_path = pg_temp, public;"])
async def test_temporary_tables_do_not_replace_the_ledgers_tables(
    owner: asyncpg.Connection, attacker: asyncpg.Connection, setting: str
) -> None:
    before = await fingerprint(owner)
    await attacker.execute(f"""
        CREATE TEMP TABLE transactions AS SELECT * FROM public.transactions;
        CREATE TEMP TABLE wallets AS SELECT * FROM public.wallets;
        GRANT ALL ON transactions, wallets TO PUBLIC;
        {transaction()}
        {setting}
    """)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await attacker.execute(STOLEN.replace("ledger_entries", "public.ledger_entries"))
    assert refused.value.constraint_name == "ledger_entries_of_completed_transaction"
    assert await fingerprint(owner) == before


@pytest.mark.parametrize(
    "function", ["post_ledger_entries", "check_transaction_references", "guard_wallet", "guard_transaction", "refuse_change"]
)
async def test_the_ledgers_trigger_functions_cannot_be_attached_to_other_tables(
    attacker: asyncpg.Connection, function: str
) -> None:
    await attacker.execute("CREATE TEMP TABLE mine (LIKE public.ledger_entries)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await attacker.execute(f"""
            CREATE TRIGGER post AFTER INSERT ON mine REFERENCING NEW TABLE AS new_entries
            FOR EACH STATEMENT EXECUTE FUNCTION {function}()
        """)


async def test_an_attackers_trigger_cannot_change_a_balance(owner: asyncpg.Connection, attacker: asyncpg.Connection) -> None:
    before = await fingerprint(owner)
    await attacker.execute(f"""
        CREATE TEMP TABLE mine (id int);
        CREATE FUNCTION pg_temp.enrich() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE public.wallets SET balance = 1000000 WHERE id = {A}; RETURN NEW; END $$;
        CREATE TRIGGER enrich BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.enrich();
    """)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await attacker.execute("INSERT INTO mine VALUES (1)")
    assert await fingerprint(owner) == before


_COLUMNS = "(transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at, purpose)"


@pytest.mark.parametrize(
    "insert",
    [
        "WITH first AS ({debit} RETURNING 1) {credit}",
        "MERGE INTO ledger_entries e USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT {columns} VALUES {values}",
        "INSERT INTO ledger_entries {columns} VALUES {values} ON CONFLICT DO NOTHING",
    ],
    ids=["two inserts in one statement", "merge", "on conflict do nothing"],
)
async def test_every_kind_of_insert_is_checked(owner: asyncpg.Connection, attacker: asyncpg.Connection, insert: str) -> None:
    before = await fingerprint(owner)
    debit, credit = entries((A, 3, -100, 7000)), entries((B, 2, 101, 3000), first_leg=1)
    debit = debit.rstrip(";")
    statement = insert.format(debit=debit, credit=credit, columns=_COLUMNS, values=debit.partition("VALUES")[2])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await attacker.execute(transaction() + statement)
    assert refused.value.constraint_name in ("ledger_entries_of_completed_transaction", "ledger_entries_posted_whole")
    assert await fingerprint(owner) == before


async def test_copy_is_checked(owner: asyncpg.Connection, attacker: asyncpg.Connection) -> None:
    await attacker.execute(transaction())
    before = await fingerprint(owner)
    template = await owner.fetchrow(f"SELECT * FROM ledger_entries WHERE wallet_id = {A} AND sequence = 2")
    assert template is not None
    row = {**template, "sequence": 3, "balance_after": 4000}
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await attacker.copy_records_to_table("ledger_entries", records=[tuple(row.values())], columns=list(row))
    assert await fingerprint(owner) == before


async def test_posting_without_a_lock_fails_in_a_race_and_changes_nothing(
    owner: asyncpg.Connection, attacker: asyncpg.Connection, second: asyncpg.Connection, settings: Settings
) -> None:
    other = 0xA000
    async with attacker.transaction():
        await attacker.execute(transaction() + PAYMENT)
        late = asyncio.create_task(
            second.execute(transaction(other) + entries((A, 3, -100, 7000), (B, 2, 100, 3000), number=other))
        )
        await _waits_for_a_lock(owner, second)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await late
    assert refused.value.constraint_name == "ledger_entries_first_pkey"
    assert await owner.fetchval(f"SELECT balance FROM wallets WHERE id = {A}") == 6900
    assert await findings(owner, settings) == []


async def test_a_wallet_frozen_concurrently_gets_no_entry(
    owner: asyncpg.Connection, attacker: asyncpg.Connection, second: asyncpg.Connection, settings: Settings
) -> None:
    async with second.transaction():
        await second.execute(f"UPDATE wallets SET status = 'FROZEN' WHERE id = {A}")
        posting = asyncio.create_task(attacker.execute(transaction() + PAYMENT))
        await _waits_for_a_lock(owner, attacker)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await posting
    assert refused.value.constraint_name == "ledger_entries_continue_chain"
    assert await owner.fetchval(f"SELECT balance FROM wallets WHERE id = {A}") == 7000
    assert await owner.fetchval(f"SELECT count(*) FROM transactions WHERE id = {uid(NEW)}") == 0
    assert await findings(owner, settings) == []


async def test_money_held_concurrently_is_not_spent(
    owner: asyncpg.Connection, attacker: asyncpg.Connection, second: asyncpg.Connection
) -> None:
    async with second.transaction():
        await second.execute(hold(7000))
        posting = asyncio.create_task(attacker.execute(transaction() + PAYMENT))
        await _waits_for_a_lock(owner, attacker)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await posting
    assert refused.value.constraint_name == "wallets_available_not_negative"


async def _waits_for_a_lock(owner: asyncpg.Connection, connection: asyncpg.Connection) -> None:
    blocking = "SELECT cardinality(pg_blocking_pids($1)) > 0"
    async with asyncio.timeout(10):
        while not await owner.fetchval(blocking, connection.get_server_pid()):  # noqa: ASYNC110 - the event is PostgreSQL's
            await asyncio.sleep(0.01)
