"""Each rule of the ledger, broken in plain SQL: the database refuses, names the rule, and nothing has changed."""

from __future__ import annotations

import asyncpg
import pytest

from app.services.verification import verify
from app.settings import Settings
from tests.invariants.small_ledger import (
    ALICE,
    AT,
    BOB,
    DEPOSITS_USD,
    FROZEN,
    NEW,
    PAID,
    PAYMENT,
    PENDING,
    REFUSED,
    ROLE,
    UNKNOWN,
    A,
    B,
    E,
    G,
    entries,
    fingerprint,
    transaction,
    uid,
    wallet,
    write_small_ledger,
)

TO_FROZEN = transaction(receiver_wallet_id=FROZEN)
# One that names neither side may have any legs.
SEVERAL_LEGS = transaction(sender_wallet_id="NULL", receiver_wallet_id="NULL")
FROM_A, TO_B = (A, 3, -100, 7000), (B, 2, 100, 3000)

# What the service's role could do if its code were wrong: name of the case, SQL, the rule that refuses it.
RULES: list[tuple[str, str, str]] = [
    # Settled is final; what is pending may settle, but what was asked stays.
    ("reopen a completed transaction", f"UPDATE transactions SET status = 'PENDING', completed_at = NULL WHERE id = {uid(PAID)}",
     "transactions_settled_is_final"),
    ("complete a failed transaction",
     f"UPDATE transactions SET status = 'COMPLETED', failure_code = NULL, completed_at = {AT} WHERE id = {uid(REFUSED)}",
     "transactions_settled_is_final"),
    ("change the reason of a refusal", f"UPDATE transactions SET failure_code = 'QUOTA_EXCEEDED' WHERE id = {uid(REFUSED)}",
     "transactions_settled_is_final"),
    # Entries.
    ("arithmetic", transaction() + entries(FROM_A, TO_B, balance_after=6900), "ledger_entries_arithmetic"),
    ("entry of zero", transaction() + entries((A, 3, 0, 7000), (B, 2, 0, 3000)), "ledger_entries_amount_not_zero"),
    ("sequence below one", transaction() + entries(FROM_A, (G, 0, 100, 0)), "ledger_entries_sequence_positive"),
    ("leg out of range", transaction() + entries(FROM_A, TO_B, first_leg=-1), "ledger_entries_leg_in_range"),
    ("not zero-sum", SEVERAL_LEGS + entries(FROM_A, (B, 2, 101, 3000)), "ledger_entries_sum_to_zero"),
    ("two currencies that sum to zero together", SEVERAL_LEGS + entries(FROM_A, (G, 1, 100, 0)),
     "ledger_entries_sum_to_zero"),
    ("a single leg", transaction() + entries(FROM_A), "ledger_entries_posted_whole"),
    ("one leg in each statement", transaction() + entries(FROM_A) + entries(TO_B, first_leg=1), "ledger_entries_posted_whole"),
    ("legs that do not start at 0", SEVERAL_LEGS + entries(FROM_A, TO_B, first_leg=1), "ledger_entries_posted_whole"),
    ("another wallet credited than was asked", transaction() + entries(FROM_A, (DEPOSITS_USD, 2, 100, -10000)),
     "ledger_entries_of_completed_transaction"),
    ("another amount than was asked", transaction() + entries((A, 3, -99, 7000), (B, 2, 99, 3000)),
     "ledger_entries_of_completed_transaction"),
    ("paid by the receiver", transaction() + entries((B, 2, -100, 3000), (A, 3, 100, 7000)),
     "ledger_entries_of_completed_transaction"),
    ("a leg more than was asked", transaction() + entries(FROM_A, TO_B, (DEPOSITS_USD, 2, 1, -10000)),
     "ledger_entries_of_completed_transaction"),
    ("entries of a failed transaction", entries(FROM_A, TO_B, number=REFUSED), "ledger_entries_of_completed_transaction"),
    ("entries of a pending transaction", entries(FROM_A, TO_B, number=PENDING), "ledger_entries_of_completed_transaction"),
    ("entries of no transaction", PAYMENT, "ledger_entries_of_completed_transaction"),
    ("entries of a posted transaction, again", entries((A, 3, -3000, 7000), (B, 2, 3000, 3000), number=PAID),
     "ledger_entries_transaction_leg_key"),
    ("more legs for a posted transaction", entries((A, 3, -3000, 7000), (B, 2, 3000, 3000), number=PAID, first_leg=2),
     "ledger_entries_of_completed_transaction"),
    ("a sequence that is taken", transaction() + entries((A, 2, -100, 7000), TO_B), "ledger_entries_pkey"),
    ("a gap", transaction() + entries((A, 4, -100, 7000), TO_B), "ledger_entries_continue_chain"),
    ("a gap within one statement",
     SEVERAL_LEGS + entries((A, 3, -50, 7000), (A, 5, -50, 6950), TO_B), "ledger_entries_continue_chain"),
    ("a balance that was not so", transaction() + entries((A, 3, -100, 9000), TO_B), "ledger_entries_continue_chain"),
    ("a balance that was not so within one statement",
     SEVERAL_LEGS + entries((A, 3, -50, 7000), (A, 4, -50, 7000), TO_B), "ledger_entries_continue_chain"),
    ("back in time", transaction() + entries(FROM_A, TO_B, at="'2029-12-31T23:59:59Z'"), "ledger_entries_continue_chain"),
    ("pay a frozen wallet", TO_FROZEN + entries(FROM_A, (FROZEN, 1, 100, 0)), "ledger_entries_continue_chain"),
    ("an entry of no wallet", SEVERAL_LEGS + entries(FROM_A, TO_B, (UNKNOWN, 1, 100, 0), (UNKNOWN, 2, -100, 100)),
     "ledger_entries_continue_chain"),
    ("overdraft", transaction(amount="7001") + entries((A, 3, -7001, 7000), (B, 2, 7001, 3000)),
     "wallets_available_not_negative"),
    ("spend what is held", f"UPDATE wallets SET held = 6901 WHERE id = {A};" + transaction() + PAYMENT,
     "wallets_available_not_negative"),
    # Wallets.
    ("hold more than there is", f"UPDATE wallets SET held = 7001 WHERE id = {A}", "wallets_available_not_negative"),
    ("hold less than nothing", f"UPDATE wallets SET held = -1 WHERE id = {A}", "wallets_held_not_negative"),
    ("close a wallet with money", f"UPDATE wallets SET status = 'CLOSED' WHERE id = {A}", "wallets_closed_at_zero"),
    ("a wallet born with a balance", wallet(30, balance="1"), "wallets_born_empty"),
    ("a wallet born with a hold", wallet(30, kind="'SYSTEM'", owner_id="NULL", system_purpose="'X'", held="1"),
     "wallets_born_empty"),
    ("a wallet born with a sequence", wallet(30, sequence="1"), "wallets_born_empty"),
    ("a wallet born with a version", wallet(30, version="2"), "wallets_born_empty"),
    ("a wallet posted to before its first entry", wallet(30, posted_at="'2031-01-01Z'"), "wallets_born_empty"),
    ("a user's wallet of nobody", wallet(30, owner_id="NULL"), "wallets_owner_iff_user"),
    ("a system wallet of somebody", wallet(30, kind="'SYSTEM'", system_purpose="'X'"), "wallets_owner_iff_user"),
    ("a user's wallet with a purpose", wallet(30, system_purpose="'X'"), "wallets_purpose_iff_system"),
    ("a second system wallet for one purpose", wallet(30, kind="'SYSTEM'", owner_id="NULL", system_purpose="'DEPOSITS'"),
     "wallets_system_purpose_key"),
    ("a wallet of an unknown user", wallet(30, owner_id=UNKNOWN), "wallets_owner_fkey"),
    ("a wallet in no currency", wallet(30, currency="'ABC'"), "wallets_currency_fkey"),
    ("a wallet without a name", wallet(30, name="''"), "wallets_name_length"),
    # What was asked.
    ("a transfer to oneself", transaction(receiver_wallet_id=A), "transactions_not_to_oneself"),
    ("an amount of zero", transaction(amount="0"), "transactions_amount_positive"),
    ("a negative amount", transaction(amount="-1"), "transactions_amount_positive"),
    ("a key that is taken", transaction(idempotency_key=f"'key-{REFUSED}'"), "transactions_idempotency_key"),
    ("a key with a line break", transaction(idempotency_key="E'a\\nb'"), "transactions_key_is_visible_ascii"),
    ("a key with a line break at its end", transaction(idempotency_key="E'a\\n'"), "transactions_key_is_visible_ascii"),
    ("a key with a tabulator", transaction(idempotency_key="E'a\\tb'"), "transactions_key_is_visible_ascii"),
    ("a key with a space", transaction(idempotency_key="'a b'"), "transactions_key_is_visible_ascii"),
    ("a key with DEL", transaction(idempotency_key="E'a\\x7f'"), "transactions_key_is_visible_ascii"),
    ("a key beyond ASCII", transaction(idempotency_key="'ключ'"), "transactions_key_is_visible_ascii"),
    ("an empty key", transaction(idempotency_key="''"), "transactions_key_is_visible_ascii"),
    ("a key of 256", transaction(idempotency_key="repeat('k', 256)"), "transactions_key_is_visible_ascii"),
    ("a hash that is none", transaction(request_hash="'x'"), "transactions_hash_is_sha256"),
    ("an unknown initiator", transaction(initiator_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown sender", transaction(sender_wallet_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown receiver", transaction(receiver_wallet_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown currency", transaction(currency="'ABC'"), "transactions_references_exist"),
    ("FAILED without a code", transaction(status="'FAILED'"), "transactions_failure_code_iff_failed"),
    ("a code without FAILED", transaction(failure_code="'QUOTA_EXCEEDED'"), "transactions_failure_code_iff_failed"),
    ("an unknown code", transaction(status="'FAILED'", failure_code="'BAD_LUCK'"), "transactions_failure_code_known"),
    ("COMPLETED at no time", transaction(completed_at="NULL"), "transactions_completed_at_iff_completed"),
    ("PENDING, completed", transaction(status="'PENDING'", completed_at=AT), "transactions_completed_at_iff_completed"),
    ("completed before it was asked", transaction(completed_at="'2029-01-01Z'"), "transactions_completed_after_created"),
    ("a description of 281", transaction(description="repeat('d', 281)"), "transactions_description_length"),
    # Keys of openings, audit log.
    ("an opening key that is taken", f"INSERT INTO wallet_openings VALUES ({ALICE}, 'opened', sha256('y'), {A})",
     "wallet_openings_pkey"),
    ("an empty opening key", f"INSERT INTO wallet_openings VALUES ({ALICE}, '', sha256('y'), {A})",
     "wallet_openings_key_is_visible_ascii"),
    ("an opening of an unknown wallet", f"INSERT INTO wallet_openings VALUES ({ALICE}, 'k', sha256('y'), {UNKNOWN})",
     "wallet_openings_wallet_fkey"),
    ("an audit record without a reason",
     f"INSERT INTO audit_log VALUES ({uid(91)}, {ALICE}, 'X', {A}, '{{}}', '{{}}', '', NULL, {AT})", "audit_log_reason_length"),
    ("an audit record of an unknown actor",
     f"INSERT INTO audit_log VALUES ({uid(91)}, {UNKNOWN}, 'X', {A}, '{{}}', '{{}}', 'Asked', NULL, {AT})",
     "audit_log_actor_fkey"),
]  # fmt: skip

_GROWS_ONLY = ("ledger_entries", "transactions", "wallets", "wallet_openings", "audit_log", "users", "currencies")

# What even the owner of the tables is refused. The role has no privilege for it.
OWNER_RULES: list[tuple[str, str, str]] = [
    *((f"delete from {table}", f"DELETE FROM {table}", f"{table}_insert_only") for table in _GROWS_ONLY),
    *((f"delete nothing from {table}", f"DELETE FROM {table} WHERE false", f"{table}_insert_only") for table in _GROWS_ONLY),
    *((f"truncate {table}", f"TRUNCATE {table} CASCADE", f"{table}_insert_only") for table in _GROWS_ONLY),
    ("update an entry", "UPDATE ledger_entries SET amount = 1", "ledger_entries_insert_only"),
    ("update no entry", "UPDATE ledger_entries SET amount = 1 WHERE false", "ledger_entries_insert_only"),
    ("update the audit log", "UPDATE audit_log SET reason = 'Another'", "audit_log_insert_only"),
    ("update an opening key", "UPDATE wallet_openings SET idempotency_key = 'x'", "wallet_openings_insert_only"),
    ("set a balance", f"UPDATE wallets SET balance = 1 WHERE id = {A}", "wallets_balance_from_entries"),
    ("set a sequence", f"UPDATE wallets SET sequence = 1 WHERE id = {A}", "wallets_balance_from_entries"),
    ("set a posting time", f"UPDATE wallets SET posted_at = now() WHERE id = {A}", "wallets_balance_from_entries"),
    ("give a wallet away", f"UPDATE wallets SET owner_id = {BOB} WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's currency", f"UPDATE wallets SET currency = 'EUR' WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's kind",
     f"UPDATE wallets SET kind = 'SYSTEM', owner_id = NULL, system_purpose = 'X' WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's purpose", f"UPDATE wallets SET system_purpose = 'X' WHERE id = {DEPOSITS_USD}",
     "wallets_identity_is_final"),
    ("change a wallet's birth", f"UPDATE wallets SET created_at = now() WHERE id = {A}", "wallets_identity_is_final"),
    *((f"change a pending transaction's {column}", f"UPDATE transactions SET {column} = {value} WHERE id = {uid(PENDING)}",
       "transactions_settled_is_final")
      for column, value in {"id": uid(NEW), "initiator_id": BOB, "idempotency_key": "'x'", "request_hash": "sha256('y')",
                            "type": "'DEPOSIT'", "sender_wallet_id": B, "receiver_wallet_id": E, "amount": "7",
                            "currency": "'EUR'", "description": "'x'", "created_at": "'2029-01-01Z'"}.items()),
]  # fmt: skip


@pytest.fixture
async def small_ledger(owner: asyncpg.Connection, settings: Settings) -> None:
    await write_small_ledger(owner)
    assert await verify(settings) == []


@pytest.mark.usefixtures("small_ledger")
class TestRules:
    @pytest.mark.parametrize(("sql", "rule"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
    async def test_the_service_cannot_break_it(self, owner: asyncpg.Connection, sql: str, rule: str) -> None:
        await _assert_refused(owner, f"SET LOCAL ROLE {ROLE}; {sql}", rule)
        await _assert_refused(owner, sql, rule)

    @pytest.mark.parametrize(("sql", "rule"), [case[1:] for case in OWNER_RULES], ids=[case[0] for case in OWNER_RULES])
    async def test_not_even_the_owner_can_break_it(self, owner: asyncpg.Connection, sql: str, rule: str) -> None:
        await _assert_refused(owner, sql, rule)
        await _assert_forbidden(owner, sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_insert_only",
            "ALTER TABLE wallets DISABLE TRIGGER USER",
            "ALTER TABLE wallets DROP CONSTRAINT wallets_available_not_negative",
            "ALTER TABLE wallets ADD COLUMN more text",
            "DROP TABLE outbox",
            "DROP TRIGGER ledger_entries_post ON ledger_entries",
            "DROP INDEX transactions_sender_idx",
            "DROP FUNCTION guard_wallet() CASCADE",
            "CREATE OR REPLACE FUNCTION guard_wallet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TABLE mine (id int)",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE child () INHERITS (ledger_entries)",
            "CREATE RULE quiet AS ON INSERT TO ledger_entries DO INSTEAD NOTHING",
            "SET session_replication_role = replica",
            "SELECT * FROM ledger_entries FOR UPDATE",
            "INSERT INTO ledger_entries SELECT * FROM ledger_entries ON CONFLICT (wallet_id, sequence) DO UPDATE SET amount = 1",
            "INSERT INTO currencies VALUES ('ABC', 2, 'Mine')",
            "UPDATE currencies SET exponent = 0",
        ],
    )
    async def test_the_service_has_no_privilege_to(self, owner: asyncpg.Connection, sql: str) -> None:
        await _assert_forbidden(owner, sql)

    async def test_what_keeps_every_rule_is_accepted(self, owner: asyncpg.Connection, settings: Settings) -> None:
        async with owner.transaction():
            await owner.execute(f"SET LOCAL ROLE {ROLE}")
            await owner.execute(transaction() + PAYMENT)
            await owner.execute(f"UPDATE transactions SET status = 'COMPLETED', completed_at = {AT} WHERE id = {uid(PENDING)}")
            await owner.execute(entries((A, 4, -100, 6900), (B, 3, 100, 3100), number=PENDING))
            await owner.execute(f"UPDATE wallets SET held = 6800 WHERE id = {A}")
        assert await _wallet(owner, A) == (6800, 4, 2)
        assert await _wallet(owner, B) == (3200, 3, 1)
        assert await verify(settings) == []


async def _wallet(owner: asyncpg.Connection, wallet_id: str) -> tuple[int, int, int]:
    row = await owner.fetchrow(f"SELECT balance, sequence, version FROM wallets WHERE id = {wallet_id}")
    assert row is not None
    return row["balance"], row["sequence"], row["version"]


async def _assert_refused(owner: asyncpg.Connection, sql: str, rule: str) -> None:
    before = await fingerprint(owner)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        # Several statements sent as one are one transaction.
        await owner.execute(sql)
    assert refused.value.constraint_name == rule
    assert await fingerprint(owner) == before


async def _assert_forbidden(owner: asyncpg.Connection, sql: str) -> None:
    before = await fingerprint(owner)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(f"SET LOCAL ROLE {ROLE}; {sql}")
    assert await fingerprint(owner) == before
