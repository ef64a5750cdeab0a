"""`verify` finds every kind of corruption, and no other, also while transfers run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from app import ids
from app.records import TransactionStatus
from app.services.transfers import DepositInput, TransferInput, deposit, transfer_batch
from app.services.verification import MAX_FINDINGS, verify
from app.settings import Settings
from tests.bank import Bank, new_key


@dataclass(frozen=True)
class Story:
    """A small ledger: A got 100 dollars, paid B 30 and was refused 500; C got 100 euros. Ids in public form."""

    a: str
    b: str
    c: str
    alice: str
    paid: str
    refused: str

    def fill(self, text: str) -> str:
        """The text with the story's public ids."""
        return text.format_map(vars(self))

    def fill_sql(self, text: str) -> str:
        """The text with the story's ids as the database has them."""
        return text.format_map({name: f"'{ids.decode_any(value)[1]}'" for name, value in vars(self).items()})  # type: ignore[index]


@pytest.fixture
async def story(bank: Bank) -> Story:
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    a, b, c = await bank.wallet(alice), await bank.wallet(bob), await bank.wallet(bob, "EUR", "100.00")
    await deposit(bank.ledger, admin, DepositInput(new_key(), a, "100.00", "USD"))
    paid, refused = (await bank.pay(alice, a, b, "30.00")).transaction, (await bank.pay(alice, a, b, "500.00")).transaction
    assert paid is not None
    assert refused is not None
    return Story(a, b, c, ids.encode("usr", alice.user_id), ids.encode("txn", paid.id), ids.encode("txn", refused.id))


UNKNOWN = "'0190a000-0000-7000-8000-000000000000'"
UNKNOWN_WALLET, UNKNOWN_TRANSACTION, UNKNOWN_USER = (
    ids.encode(prefix, UUID(UNKNOWN.strip("'"))) for prefix in ("wal", "txn", "usr")
)

CORRUPTIONS: dict[str, tuple[list[str], str, str]] = {
    # Constraints to drop first (table.name), the corruption, and the finding of verify.
    "an entry's amount": (
        [],
        "UPDATE ledger_entries SET amount = amount + 1 WHERE transaction_id = {paid} AND leg = 1",
        "Entry 1 of wallet {b} starts at -1, but the balance was 0.",
    ),
    "conservation": (
        [],
        "UPDATE ledger_entries SET amount = amount + 1, balance_after = balance_after + 1 WHERE wallet_id = {b}",
        "All entries in USD sum to 1 instead of 0.",
    ),
    "one transaction's sum": (
        [],
        "UPDATE ledger_entries SET amount = amount + 1, balance_after = balance_after + 1 WHERE wallet_id = {b}",
        "Entries of transaction {paid} in USD sum to 1 instead of 0.",
    ),
    "two currencies that sum to zero together": (
        [],
        "UPDATE wallets SET currency = 'EUR' WHERE id = {b}",
        "Entries of transaction {paid} in EUR sum to 3000 instead of 0.",
    ),
    "a gap": (
        [],
        "UPDATE ledger_entries SET sequence = 3 WHERE wallet_id = {a} AND sequence = 2",
        "Entry 3 of wallet {a} follows entry 1.",
    ),
    "a missing first entry": (
        [],
        "DELETE FROM ledger_entries WHERE wallet_id = {a} AND sequence = 1",
        "Entry 2 of wallet {a} follows entry 0.",
    ),
    "a broken chain": (
        [],
        "UPDATE ledger_entries SET balance_after = 1 - 3000 WHERE wallet_id = {a} AND sequence = 2",
        "Entry 2 of wallet {a} starts at 1, but the balance was 10000.",
    ),
    "a chain that does not start at zero": (
        [],
        "UPDATE ledger_entries SET balance_after = 3005 WHERE wallet_id = {b}",
        "Entry 1 of wallet {b} starts at 5, but the balance was 0.",
    ),
    "a step back in time": (
        [],
        "UPDATE ledger_entries SET created_at = '2020-01-01Z' WHERE wallet_id = {a} AND sequence = 2",
        "Entry 2 of wallet {a} is of 2020-01-01 00:00:00+00:00, earlier than the one before it.",
    ),
    "a balance": (
        [],
        "UPDATE wallets SET balance = balance + 1 WHERE id = {a}",
        "Wallet {a} has balance 7001, but its entries sum to 7000.",
    ),
    "a balance without entries": (
        [],
        "DELETE FROM ledger_entries WHERE wallet_id = {b}",
        "Wallet {b} has balance 3000, but its entries sum to 0.",
    ),
    "a sequence": (
        [],
        "UPDATE wallets SET sequence = 7 WHERE id = {a}",
        "Wallet {a} is at sequence 7, but its newest entry is 2.",
    ),
    "a posting time": (
        [],
        "UPDATE wallets SET posted_at = '2020-01-01Z' WHERE id = {a}",
        "Wallet {a} was posted to at 2020-01-01 00:00:00+00:00, but its newest entry is of ",
    ),
    "an overdraft": (
        ["wallets.wallets_available_not_negative"],
        "UPDATE wallets SET held = 7001 WHERE id = {a}",
        "Wallet {a} of a user has -1 available, below zero.",
    ),
    "a closed wallet with money": (
        ["wallets.wallets_closed_at_zero"],
        "UPDATE wallets SET status = 'CLOSED' WHERE id = {a}",
        "Wallet {a} is closed with balance 7000 and 0 held.",
    ),
    "a completed transaction without entries": (
        [],
        "DELETE FROM ledger_entries WHERE transaction_id = {paid}",
        "Transaction {paid} is COMPLETED without entries.",
    ),
    "a failed transaction with entries": (
        [],
        "UPDATE ledger_entries SET transaction_id = {refused} WHERE transaction_id = {paid}",
        "Transaction {refused} is FAILED with entries.",
    ),
    "a pending transaction with entries": (
        ["transactions.transactions_completed_at_iff_completed"],
        "UPDATE transactions SET status = 'PENDING' WHERE id = {paid}",
        "Transaction {paid} is PENDING with entries.",
    ),
    "another amount than requested": (
        [],
        "UPDATE transactions SET amount = 2999 WHERE id = {paid}",
        "Entries of transaction {paid} do not match it: 2999 USD from sender to receiver.",
    ),
    "another receiver than requested": (
        [],
        "UPDATE transactions SET receiver_wallet_id = {c} WHERE id = {paid}",
        "Entries of transaction {paid} do not match it: 3000 USD from sender to receiver.",
    ),
    "another sender than requested": (
        ["transactions.transactions_sides_unless_posting"],
        "UPDATE transactions SET sender_wallet_id = NULL WHERE id = {paid}",
        "Entries of transaction {paid} do not match it: 3000 USD from sender to receiver.",
    ),
    "another currency than requested": (
        [],
        "UPDATE transactions SET currency = 'EUR' WHERE id = {paid}",
        "Entries of transaction {paid} do not match it: 3000 EUR from sender to receiver.",
    ),
    "a missing leg": (
        [],
        "DELETE FROM ledger_entries WHERE transaction_id = {paid} AND leg = 1",
        "Entries of transaction {paid} do not match it: 3000 USD from sender to receiver.",
    ),
    "a key used twice": (
        ["transactions.transactions_idempotency_key"],
        "UPDATE transactions SET idempotency_key = 'twice' WHERE id IN ({paid}, {refused})",
        "User {alice} has 2 transactions with one idempotency key, 'twice'.",
    ),
    "a wallet's key used twice": (
        ["wallet_openings.wallet_openings_pkey"],
        (
            "INSERT INTO wallet_openings SELECT owner_id, idempotency_key, request_hash, wallet_id FROM wallet_openings "
            "WHERE wallet_id = {a}"
        ),
        "User {alice} has opened 2 wallets with one idempotency key, '",
    ),
    "a second user of one subject": (
        ["users.users_subject_key"],
        (
            "INSERT INTO users SELECT '0190a000-0000-7000-8000-00000000000a', subject, display_name, now() FROM users "
            "WHERE id = {alice}"
        ),
        f"User {UNKNOWN_USER[:-1]}a has the same subject as user {{alice}}, who was first.",
    ),
    "a second system wallet": (
        ["wallets_system_purpose_key"],
        (
            "INSERT INTO wallets (id, kind, system_purpose, account_type, currency, name, created_at, posted_at) "
            f"SELECT {UNKNOWN}, kind, system_purpose, account_type, currency, name, now(), now() FROM wallets "
            "WHERE system_purpose IS NOT NULL AND currency = 'EUR'"
        ),
        "There are 2 system wallets in EUR for DEPOSITS.",
    ),
    "a currency twice": (
        [
            "quota_amounts.quota_amounts_currency_fkey",
            "wallets.wallets_currency_fkey",
            "fee_schedules.fee_schedules_currency_fkey",
            "fx_rates.fx_rates_base_fkey",
            "fx_rates.fx_rates_quote_fkey",
            "fx_quotes.fx_quotes_source_currency_fkey",
            "fx_quotes.fx_quotes_target_currency_fkey",
            "currencies.currencies_pkey",
        ],
        "INSERT INTO currencies SELECT * FROM currencies WHERE code = 'JPY'",
        "Currency JPY exists 2 times.",
    ),
    "two counts of one quota": (
        ["quota_amounts.quota_amounts_quota_fkey", "quota_amounts.quota_amounts_pkey", "quota_amounts_by_bytes"],
        "INSERT INTO quota_amounts (user_id, currency) VALUES ({alice}, 'EUR'), ({alice}, 'EUR')",
        "User {alice} has 2 quotas in EUR.",
    ),
    "an entry of no transaction": (
        [],
        f"UPDATE ledger_entries SET transaction_id = {UNKNOWN} WHERE transaction_id = {{paid}} AND leg = 1",
        f"Entry 1 of wallet {{b}} names transaction {UNKNOWN_TRANSACTION}, which does not exist.",
    ),
    "an entry of no wallet": (
        [],
        f"UPDATE ledger_entries SET wallet_id = {UNKNOWN} WHERE transaction_id = {{paid}} AND leg = 1",
        f"Entry 1 of transaction {{paid}} names wallet {UNKNOWN_WALLET}, which does not exist.",
    ),
    "a transaction of no user": (
        [],
        f"UPDATE transactions SET initiator_id = {UNKNOWN} WHERE id = {{paid}}",
        f"Transaction {{paid}} names user {UNKNOWN_USER}, which does not exist.",
    ),
    "a transaction with no such receiver": (
        [],
        f"UPDATE transactions SET receiver_wallet_id = {UNKNOWN} WHERE id = {{refused}}",
        f"Transaction {{refused}} names wallet {UNKNOWN_WALLET}, which does not exist.",
    ),
    "a transaction in no currency": (
        [],
        "UPDATE transactions SET currency = 'ABC' WHERE id = {paid}",
        "Transaction {paid} names currency ABC, which does not exist.",
    ),
    "a wallet of no user": (
        ["wallets.wallets_owner_fkey"],
        f"UPDATE wallets SET owner_id = {UNKNOWN} WHERE id = {{a}}",
        f"Wallet {{a}} names user {UNKNOWN_USER}, which does not exist.",
    ),
    "a wallet in no currency": (
        ["wallets.wallets_currency_fkey"],
        "UPDATE wallets SET currency = 'ABC' WHERE id = {a}",
        "Wallet {a} names currency ABC, which does not exist.",
    ),
    "an opening of another's wallet": (
        [],
        "UPDATE wallet_openings SET wallet_id = {b} WHERE wallet_id = {a}",
        "The opening key of user {alice} names wallet {b}, which does not exist.",
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_is_reported(story: Story, owner: asyncpg.Connection, settings: Settings, kind: str) -> None:
    assert await verify(settings) == []
    constraints, corruption, expected = CORRUPTIONS[kind]
    await _lift(owner, constraints)
    changed = await owner.execute(story.fill_sql(corruption))
    assert not changed.endswith(" 0"), "the corruption hit something"
    findings = await verify(settings)
    assert any(finding.startswith(story.fill(expected)) for finding in findings), findings
    assert all("\n" not in finding for finding in findings)


DUPLICATES = {
    "users_subject_key": (
        "INSERT INTO users SELECT gen_random_uuid(), subject, display_name, now() FROM users WHERE id = {alice}",
        " has the same subject as user {alice}, who was first.",
    ),
    "transactions_idempotency_key": (
        "UPDATE transactions SET idempotency_key = 'twice' WHERE id IN ({paid}, {refused})",
        "User {alice} has 2 transactions with one idempotency key, 'twice'.",
    ),
}


@asynccontextmanager
async def missed_by_index(owner: asyncpg.Connection, index: str) -> AsyncIterator[None]:
    """Within the block, writes are not added to an index, as if its order differed from the collation's."""
    await owner.execute("UPDATE pg_index SET indisready = false WHERE indexrelid = $1::text::regclass", index)
    yield
    await owner.execute("UPDATE pg_index SET indisready = true WHERE indexrelid = $1::text::regclass", index)


@pytest.mark.parametrize("index", DUPLICATES)
async def test_duplicates_are_found_although_the_index_misses_one(
    story: Story, owner: asyncpg.Connection, settings: Settings, index: str
) -> None:
    duplicate, expected = DUPLICATES[index]
    await _lift(owner, [])
    async with missed_by_index(owner, index):
        await owner.execute(story.fill_sql(duplicate))
    # The planner prefers the index on a large table; on this small one both cost the same.
    await owner.execute(f'ALTER DATABASE "{await owner.fetchval("SELECT current_database()")}" SET seq_page_cost = 1e6')
    findings = await verify(settings)
    assert any(story.fill(expected) in finding for finding in findings), findings


async def test_a_damaged_index_is_reported_if_amcheck_may_be_used(
    story: Story, owner: asyncpg.Connection, settings: Settings
) -> None:
    try:
        await owner.execute("CREATE EXTENSION amcheck")
    except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
        pytest.skip(f"needs a PostgreSQL with amcheck: {error}")
    await _lift(owner, [])
    async with missed_by_index(owner, "transactions_idempotency_key"):
        await owner.execute(story.fill_sql("UPDATE transactions SET idempotency_key = 'elsewhere' WHERE id = {paid}"))
    assert await verify(settings) == [], "without the right to it, nothing is checked"
    await owner.execute(f"GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO {settings.database_role}")
    (finding,) = await verify(settings)
    assert finding.startswith("Index transactions_idempotency_key is damaged: ")
    await owner.execute("REINDEX INDEX transactions_idempotency_key")
    assert await verify(settings) == []


async def test_sums_beyond_a_bigint_are_reported_without_an_error(
    story: Story, owner: asyncpg.Connection, settings: Settings
) -> None:
    await _lift(owner, [])
    least = -(2**63)
    await owner.execute(story.fill_sql(f"UPDATE ledger_entries SET amount = {least} WHERE wallet_id = {{b}}"))
    before = 3000 - least
    assert story.fill(f"Entry 1 of wallet {{b}} starts at {before}, but the balance was 0.") in await verify(settings)


async def test_at_most_twenty_findings_of_a_kind_are_reported_and_the_rest_counted(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    alice = await bank.viewer("alice")
    for _ in range(MAX_FINDINGS + 3):
        await bank.wallet(alice)
    await _lift(owner, [])
    await owner.execute("UPDATE wallets SET sequence = 1")
    findings = await verify(settings)
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1] == "And 3 more like the one before."


async def _lift(owner: asyncpg.Connection, constraints: list[str]) -> None:
    """Drop constraints, as only the owner can."""
    for table in ("wallets", "transactions", "ledger_entries", "wallet_openings", "users", "currencies"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for constraint in constraints:
        table, _, name = constraint.rpartition(".")
        await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}" if table else f"DROP INDEX {name}")


async def test_the_ledger_is_whole_during_and_after_1000_mixed_transfers(
    bank: Bank, other_bank: Bank, settings: Settings
) -> None:
    users = [await bank.viewer(f"user {n}") for n in range(10)]
    wallets = {await bank.wallet(user, balance="50.00"): user for user in users for _ in range(2)}
    choose = random.Random(7)

    def random_transfer(sender: str) -> TransferInput:
        receiver = choose.choice([wallet for wallet in wallets if wallet != sender])
        # Some are refused: too large, or in another currency than the wallets'.
        amount, currency = f"{choose.randint(1, 3000) / 100:.2f}", choose.choices(["USD", "EUR"], [9, 1])[0]
        return TransferInput(new_key(), sender, receiver, amount, currency)

    async def batch(number: int) -> int:
        process, sender = [bank, other_bank][number % 2], choose.choice(list(wallets))
        inputs = [random_transfer(sender) for _ in range([1, 1, 1, 5, 20][number % 5])]
        answer = await transfer_batch(process.ledger, wallets[sender], inputs, atomic=number % 3 == 0)
        assert len(answer.results) == len(inputs)
        return sum(r.transaction is not None and r.transaction.status is TransactionStatus.COMPLETED for r in answer.results)

    transfers = asyncio.gather(*(batch(number) for number in range(1000)))
    snapshots = 0
    while not transfers.done():
        assert await verify(settings) == []
        snapshots += 1
    assert sum(await transfers) > 500
    assert snapshots, "the transfers were through before the first snapshot"
    assert await verify(settings) == []
    assert sum([await bank.balance(wallet) for wallet in wallets]) == len(wallets) * 5000
