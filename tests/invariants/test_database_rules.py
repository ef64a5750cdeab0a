"""Each rule of the ledger is broken in plain SQL: the database refuses, names the rule and changes nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from app.db.engine import database_dsn
from app.services.verification import verify
from app.settings import Settings
from tests.invariants import (
    fx_rules,
    hold_rules,
    log_rules,
    model_rules,
    partition_rules,
    position_rules,
    statement_rules,
    webhook_rules,
)
from tests.invariants.small_ledger import (
    ALICE,
    AT,
    BOB,
    DEPOSITED,
    DEPOSITS_USD,
    FEES,
    FROZEN,
    HOLD,
    LAST,
    NEW,
    PAID,
    PAYMENT,
    PENDING,
    REFUSED,
    ROLE,
    SCHEDULE,
    UNKNOWN,
    A,
    B,
    E,
    G,
    assert_forbidden,
    assert_refused,
    charged,
    entries,
    fee_schedule,
    hold,
    posted,
    posting,
    reversal,
    transaction,
    uid,
    wallet,
    write_small_ledger,
)


def legs_json(*legs: tuple[str, int], currency: str = "USD", purpose: str = "PRINCIPAL") -> str:
    """The terms of a posting, as SQL."""
    rows = ", ".join(f"jsonb_build_array({wallet}, {amount}, '{currency}', '{purpose}')" for wallet, amount in legs)
    return f"jsonb_build_object('legs', jsonb_build_array({rows}))"


FEES_WALLET = {"owner_id": "NULL", "kind": "'SYSTEM'", "system_purpose": "'FEES'", "account_type": "'INCOME'"}
BY_HAND = {"version": "1", "valid_from": AT, "created_at": AT}
TO_FROZEN = transaction(receiver_wallet_id=FROZEN)
FROM_A, TO_B = (A, 3, -100, 7000), (B, 2, 100, 3000)
FROM_B, TO_A = (B, 2, -100, 3000), (A, 3, 100, 7000)
TAKEN_KEY = transaction(idempotency_key=f"'key-{PAID}'").rstrip(";")

QUOTA = f"INSERT INTO quotas (user_id) VALUES ({ALICE})"
VERIFIED = "INSERT INTO ledger_verifications (finished_at, duration_ms, findings) VALUES"
COUNT = "INSERT INTO quota_amounts (user_id, currency, day, day_amount) VALUES"

# Statements that a bug in the service could run: name of the case, SQL, the rule that refuses it.
RULES: list[tuple[str, str, str]] = [
    # A settled transaction is final; a pending one may settle, but the request stays as it was.
    ("reopen a completed transaction", f"UPDATE transactions SET status = 'PENDING', completed_at = NULL WHERE id = {uid(PAID)}",
     "transactions_settled_is_final"),
    ("complete a failed transaction",
     f"UPDATE transactions SET status = 'COMPLETED', failure_code = NULL, completed_at = {AT} WHERE id = {uid(REFUSED)}",
     "transactions_settled_is_final"),
    ("change the reason of a refusal", f"UPDATE transactions SET failure_code = 'QUOTA_EXCEEDED' WHERE id = {uid(REFUSED)}",
     "transactions_settled_is_final"),
    ("reopen by inserting the key again",
     f"{TAKEN_KEY} ON CONFLICT (initiator_id, idempotency_key) DO UPDATE SET status = 'PENDING', completed_at = NULL",
     "transactions_settled_is_final"),
    # Entries.
    ("arithmetic", transaction() + entries(FROM_A, TO_B, balance_after=6901), "ledger_entries_continue_chain"),
    ("entry of zero", transaction() + entries((A, 3, 0, 7000), (B, 2, 0, 3000)), "ledger_entries_amount_not_zero"),
    ("sequence below one", transaction() + entries(FROM_A, (G, 0, 100, 0)), "ledger_entries_sequence_positive"),
    ("leg out of range", transaction() + entries(FROM_A, TO_B, first_leg=-1), "ledger_entries_leg_in_range"),
    ("not zero-sum", posting(FROM_A, (B, 2, 101, 3000)), "ledger_entries_sum_to_zero"),
    ("two currencies that sum to zero together", posting(FROM_A, (G, 1, 100, 0)),
     "ledger_entries_sum_to_zero"),
    ("a single leg", transaction() + entries(FROM_A), "ledger_entries_posted_whole"),
    ("one leg in each statement", transaction() + entries(FROM_A) + entries(TO_B, first_leg=1), "ledger_entries_posted_whole"),
    ("legs of a transfer that do not start at 0", transaction() + entries(TO_B, first_leg=1), "ledger_entries_posted_whole"),
    ("another wallet debited than requested", transaction() + entries((DEPOSITS_USD, 2, -100, -10000), TO_B),
     "ledger_entries_of_completed_transaction"),
    ("another wallet credited than requested", transaction() + entries(FROM_A, (DEPOSITS_USD, 2, 100, -10000)),
     "ledger_entries_of_completed_transaction"),
    ("another amount than requested", transaction() + entries((A, 3, -99, 7000), (B, 2, 99, 3000)),
     "ledger_entries_of_completed_transaction"),
    ("paid by the receiver", transaction() + entries((B, 2, -100, 3000), (A, 3, 100, 7000)),
     "ledger_entries_of_completed_transaction"),
    ("a leg more than requested", transaction() + entries(FROM_A, TO_B, (DEPOSITS_USD, 2, 1, -10000)),
     "ledger_entries_of_completed_transaction"),
    ("a posting without its last two legs",
     posted(terms=legs_json((A, -100), (B, 100), (A, -1), (B, 1))) + entries(FROM_A, TO_B),
     "ledger_entries_posted_whole"),
    ("a posting with a leg left out",
     posted(terms=legs_json((A, -100), (B, 100), (B, 100))) + entries(FROM_A, TO_B, leg_step=2),
     "ledger_entries_posted_whole"),
    ("a posting with another amount than a leg", posting(FROM_A, TO_B, terms=legs_json((A, -99), (B, 99))),
     "ledger_entries_of_completed_transaction"),
    ("a posting to another wallet than a leg", posting(FROM_A, TO_B, terms=legs_json((A, -100), (G, 100))),
     "ledger_entries_of_completed_transaction"),
    ("a posting with a leg in another currency", posting(FROM_A, TO_B, terms=legs_json((A, -100), (B, 100), currency="EUR")),
     "ledger_entries_of_completed_transaction"),
    ("a posting with another purpose than a leg", posting(FROM_A, TO_B, terms=legs_json((A, -100), (B, 100), purpose="FEE")),
     "ledger_entries_of_completed_transaction"),
    ("a posting with more entries than legs", posting(FROM_A, TO_B, (A, 4, 1, 6900), (B, 3, -1, 3100),
     terms=legs_json((A, -100), (B, 100))), "ledger_entries_of_completed_transaction"),
    ("a principal that is not called so", transaction() + entries(FROM_A, TO_B, purposes=("FEE", "FEE")),
     "ledger_entries_of_completed_transaction"),
    ("a further entry that is called principal",
     transaction() + entries(FROM_A, TO_B, (A, 4, -1, 6900), (DEPOSITS_USD, 2, 1, -10000)),
     "ledger_entries_of_completed_transaction"),
    ("a further entry in a third user's wallet",
     transaction(sender_wallet_id=DEPOSITS_USD, type="'DEPOSIT'")
     + entries((DEPOSITS_USD, 2, -100, -10000), TO_B, (A, 3, -1, 7000), (B, 3, 1, 3100),
               purposes=("PRINCIPAL", "PRINCIPAL", "FEE", "FEE")),
     "ledger_entries_of_completed_transaction"),
    ("a posting with a sender", transaction(type="'POSTING'", terms=legs_json((A, -100), (B, 100))),
     "transactions_sides_unless_posting"),
    ("a transfer without a sender", transaction(sender_wallet_id="NULL"), "transactions_sides_unless_posting"),
    ("a transfer without a receiver", transaction(receiver_wallet_id="NULL"), "transactions_sides_unless_posting"),
    ("a posting without legs", posted(), "transactions_legs_iff_posting"),
    ("a transfer with legs", transaction(terms=legs_json((A, -100), (B, 100))), "transactions_legs_iff_posting"),
    ("an empty reference", transaction(reference="''"), "transactions_reference_length"),
    ("a reference of 141", transaction(reference="repeat('r', 141)"), "transactions_reference_length"),
    ("metadata that is no object", transaction(metadata="'[]'"), "transactions_input_is_objects"),
    ("empty metadata", transaction(metadata="'{}'"), "transactions_input_is_objects"),
    ("terms that are no object", transaction(terms="'7'"), "transactions_input_is_objects"),
    ("entries of a failed transaction", entries(FROM_A, TO_B, number=REFUSED), "ledger_entries_of_completed_transaction"),
    ("entries of a pending transaction", entries(FROM_A, TO_B, number=PENDING), "ledger_entries_of_completed_transaction"),
    ("entries of no transaction", PAYMENT, "ledger_entries_of_completed_transaction"),
    ("entries of a posted transaction, again", entries((A, 3, -3000, 7000), (B, 2, 3000, 3000), number=PAID),
     "ledger_entries_first_transaction_leg_key"),
    ("more legs for a posted transaction", entries((A, 3, -3000, 7000), (B, 2, 3000, 3000), number=PAID, first_leg=2),
     "ledger_entries_of_completed_transaction"),
    ("a sequence that is taken", transaction() + entries((A, 2, -100, 7000), TO_B), "ledger_entries_first_pkey"),
    ("a gap", transaction() + entries((A, 4, -100, 7000), TO_B), "ledger_entries_continue_chain"),
    ("a gap within one statement",
     posting((A, 3, -50, 7000), (A, 5, -50, 6950), TO_B), "ledger_entries_continue_chain"),
    ("a balance that was not so", transaction() + entries((A, 3, -100, 9000), TO_B), "ledger_entries_continue_chain"),
    ("a balance that was not so within one statement",
     posting((A, 3, -50, 7000), (A, 4, -50, 7000), TO_B), "ledger_entries_continue_chain"),
    ("back in time", transaction() + entries(FROM_A, TO_B, at="'2029-12-31T23:59:59Z'"), "ledger_entries_continue_chain"),
    ("pay a frozen wallet", TO_FROZEN + entries(FROM_A, (FROZEN, 1, 100, 0)), "ledger_entries_continue_chain"),
    ("pay from a frozen wallet", f"UPDATE wallets SET status = 'FROZEN' WHERE id = {A};" + transaction() + PAYMENT,
     "ledger_entries_continue_chain"),
    ("pay a closed wallet",
     f"UPDATE wallets SET status = 'CLOSED' WHERE id = {FROZEN};" + TO_FROZEN + entries(FROM_A, (FROZEN, 1, 100, 0)),
     "ledger_entries_continue_chain"),
    ("an entry of no wallet", posting(FROM_A, TO_B, (UNKNOWN, 1, 100, 0), (UNKNOWN, 2, -100, 100)),
     "ledger_entries_of_completed_transaction"),
    ("overdraft", transaction(amount="7001") + entries((A, 3, -7001, 7000), (B, 2, 7001, 3000)),
     "wallets_available_not_negative"),
    ("overdraft that a later leg makes good",
     posting((A, 3, -8000, 7000), (B, 2, 1000, 3000), (A, 4, 7000, -1000)),
     "wallets_available_not_negative"),
    # Wallets.
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
    ("a user's wallet that is an asset", wallet(30, account_type="'ASSET'"), "wallets_of_users_are_liabilities"),
    # The request.
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
    ("an unknown initiator", transaction(initiator_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown sender", transaction(sender_wallet_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown receiver", transaction(receiver_wallet_id=UNKNOWN), "transactions_references_exist"),
    ("an unknown currency", transaction(currency="'ABC'"), "transactions_references_exist"),
    ("an unknown currency, refused",
     transaction(currency="'ABC'", status="'FAILED'", failure_code="'CURRENCY_MISMATCH'"), "transactions_references_exist"),
    ("an amount in another currency than the sender's", transaction(currency="'EUR'", receiver_wallet_id=G),
     "transactions_currency_of_wallets"),
    ("an amount in another currency than the receiver's", transaction(receiver_wallet_id=G), "transactions_currency_of_wallets"),
    ("PENDING in another currency", transaction(currency="'EUR'", status="'PENDING'"), "transactions_currency_of_wallets"),
    ("FAILED without a code", transaction(status="'FAILED'"), "transactions_failure_code_iff_failed"),
    ("a code without FAILED", transaction(failure_code="'QUOTA_EXCEEDED'"), "transactions_failure_code_iff_failed"),
    ("an unknown code", transaction(status="'FAILED'", failure_code="'BAD_LUCK'"), "transactions_failure_code_known"),
    ("COMPLETED at no time", transaction(completed_at="NULL"), "transactions_completed_at_iff_completed"),
    ("PENDING, completed", transaction(status="'PENDING'", completed_at=AT), "transactions_completed_at_iff_completed"),
    ("completed before it was requested", transaction(completed_at="'2029-01-01Z'"), "transactions_completed_after_created"),
    ("a description of 281", transaction(description="repeat('d', 281)"), "transactions_description_length"),
    ("a transaction's id that is taken", transaction(PAID, idempotency_key="'another'"), "transactions_pkey"),
    # Fees.
    ("no fee where one is due", fee_schedule() + transaction() + PAYMENT, "ledger_entries_charge_the_fee"),
    ("another fee than is due", fee_schedule() + charged((A, 4, -31, 6900), (FEES, 1, 31, 0), fee="31"),
     "ledger_entries_charge_the_fee"),
    ("a fee that no schedule sets", wallet(31, **FEES_WALLET) + charged((A, 4, -30, 6900), (FEES, 1, 30, 0), schedule=UNKNOWN),
     "ledger_entries_charge_the_fee"),
    ("a fee by another schedule", fee_schedule() + fee_schedule(91, currency="'EUR'")
     + charged((A, 4, -30, 6900), (FEES, 1, 30, 0), schedule=uid(91)), "ledger_entries_charge_the_fee"),
    ("a fee from the side that does not pay it", fee_schedule() + charged((B, 3, -30, 3100), (FEES, 1, 30, 0)),
     "ledger_entries_charge_the_fee"),
    ("a fee to another system wallet", fee_schedule() + charged((A, 4, -30, 6900), (DEPOSITS_USD, 2, 30, -10000)),
     "ledger_entries_charge_the_fee"),
    ("a fee to another currency's fee wallet", fee_schedule() + wallet(32, **FEES_WALLET, currency="'EUR'")
     + charged((A, 4, -30, 6900), (uid(32), 1, 30, 0)), "ledger_entries_sum_to_zero"),
    ("a fee with another purpose", fee_schedule() + charged((A, 4, -30, 6900), (FEES, 1, 30, 0), purposes=("FEE", "OTHER")),
     "ledger_entries_charge_the_fee"),
    ("a fee that is not posted", fee_schedule() + transaction(fee="30", fee_schedule_id=SCHEDULE) + PAYMENT,
     "ledger_entries_charge_the_fee"),
    ("a fee that no column states", fee_schedule(flat="0") + transaction()
     + entries(FROM_A, TO_B, (A, 4, -30, 6900), (FEES, 1, 30, 0), purposes=("PRINCIPAL", "PRINCIPAL", "FEE", "FEE")),
     "ledger_entries_charge_the_fee"),
    ("a fee without a schedule", transaction(fee="30"), "transactions_fee_by_a_schedule"),
    ("a fee of zero", transaction(fee="0", fee_schedule_id=UNKNOWN), "transactions_fee_by_a_schedule"),
    ("a schedule of the past", fee_schedule(valid_from="now() - interval '1 second'"), "fee_schedules_not_backdated"),
    ("a schedule from before what is posted", fee_schedule(valid_from="'2029-01-01Z'"), "fee_schedules_not_backdated"),
    ("a version from before the one before", fee_schedule(valid_from="'2032-01-01Z'")
     + fee_schedule(91, valid_from="'2031-01-01Z'"), "fee_schedules_in_order"),
    ("a schedule with a key that is taken", fee_schedule() + fee_schedule(91, currency="'EUR'", idempotency_key="'fee-90'"),
     "fee_schedules_idempotency_key"),
    ("a schedule with a key with a space", fee_schedule(idempotency_key="'a b'"), "fee_schedules_key_is_visible_ascii"),
    ("a schedule with a hash that is none", fee_schedule(request_hash="'x'"), "fee_schedules_hash_is_sha256"),
    ("a schedule's id that is taken", fee_schedule() + fee_schedule(currency="'EUR'", idempotency_key="'another'"),
     "fee_schedules_pkey"),
    ("a schedule without a name", fee_schedule(name="''"), "fee_schedules_name_length"),
    ("a schedule of more than all", fee_schedule(percent="100.1"), "fee_schedules_percent_in_range"),
    ("a schedule of a negative amount", fee_schedule(flat="-1"), "fee_schedules_amounts_not_negative"),
    ("a schedule with a minimum above the maximum", fee_schedule(minimum="2", maximum="1"), "fee_schedules_limits_in_order"),
    ("a schedule of a minimum alone", fee_schedule(flat="NULL", minimum="1"), "fee_schedules_limits_of_a_fee"),
    ("a deposit that the system pays for", fee_schedule(transaction_type="'DEPOSIT'"), "fee_schedules_payer_of_type"),
    ("a schedule of postings", fee_schedule(transaction_type="'POSTING'", payer="'RECEIVER'"), "fee_schedules_payer_of_type"),
    ("a schedule of an unknown user", fee_schedule(user_id=UNKNOWN), "fee_schedules_user_fkey"),
    ("a schedule by an unknown user", fee_schedule(initiator_id=UNKNOWN), "fee_schedules_initiator_fkey"),
    ("a schedule without a fee wallet", fee_schedule().split(";", 1)[1], "fee_schedules_have_a_wallet"),
    # Reversals.
    ("reverse a transaction that failed", reversal(FROM_B, TO_A, reverses_id=uid(REFUSED)),
     "ledger_entries_reverse_the_original"),
    ("reverse a transaction that is pending", reversal(FROM_B, TO_A, reverses_id=uid(PENDING)),
     "ledger_entries_reverse_the_original"),
    ("reverse a transaction that does not exist", reversal(FROM_B, TO_A, reverses_id=UNKNOWN), "transactions_references_exist"),
    ("reverse a transaction between other wallets", reversal(FROM_B, TO_A, reverses_id=uid(DEPOSITED)),
     "ledger_entries_reverse_the_original"),
    ("reverse in the direction of the payment",
     reversal((A, 3, -100, 7000), TO_B, sender_wallet_id=A, receiver_wallet_id=B), "ledger_entries_reverse_the_original"),
    ("reverse a reversal", reversal(FROM_B, TO_A)
     + reversal((A, 4, -100, 7100), (B, 3, 100, 2900), number=LAST, sender_wallet_id=A, receiver_wallet_id=B,
                reverses_id=uid(NEW)), "ledger_entries_reverse_the_original"),
    ("give back another amount than the reversal's", reversal((B, 2, -99, 3000), (A, 3, 99, 7000)),
     "ledger_entries_reverse_the_original"),
    ("give back to another wallet", reversal(FROM_B, (DEPOSITS_USD, 2, 100, -10000)), "ledger_entries_reverse_the_original"),
    ("give back for another purpose", reversal(FROM_B, TO_A, purposes=("FEE", "FEE")), "ledger_entries_reverse_the_original"),
    ("give back what was not paid as a fee",
     fee_schedule() + reversal((FEES, 1, -1, 0), (A, 3, 1, 7000), FROM_B, (A, 4, 100, 7001), fees="PROPORTIONAL",
                               purposes=("FEE", "FEE", "PRINCIPAL", "PRINCIPAL")), "ledger_entries_reverse_the_original"),
    ("keep a fee that goes back", fee_schedule() + charged((A, 4, -30, 6900), (FEES, 1, 30, 0))
     + reversal((B, 3, -100, 3100), (A, 5, 100, 6870), number=LAST, fees="PROPORTIONAL", reverses_id=uid(NEW)),
     "ledger_entries_reverse_the_original"),
    ("give back a fee that is kept", fee_schedule() + charged((A, 4, -30, 6900), (FEES, 1, 30, 0))
     + reversal((FEES, 2, -30, 30), (A, 5, 30, 6870), (B, 3, -100, 3100), (A, 6, 100, 6900), number=LAST,
                reverses_id=uid(NEW), purposes=("FEE", "FEE", "PRINCIPAL", "PRINCIPAL")), "ledger_entries_reverse_the_original"),
    ("give back more than the amount", transaction() + PAYMENT
     + reversal((B, 3, -3001, 3100), (A, 4, 3001, 6900), number=LAST, amount="3001"), "reversed_amounts_within_amount"),
    ("give back more than is left", transaction() + PAYMENT + reversal((B, 3, -3000, 3100), (A, 4, 3000, 6900), amount="3000",
                                                                      number=LAST)
     + reversal((B, 4, -1, 100), (A, 5, 1, 9900), number=0xB000, amount="1"), "reversed_amounts_within_amount"),
    ("give back what is held", hold(2950, wallet_id=B, receiver_wallet_id=A) + reversal(FROM_B, TO_A),
     "wallets_available_not_negative"),
    ("a reversal of nothing", reversal(reverses_id="NULL"), "transactions_original_iff_reversal"),
    ("a reversal without its terms", reversal(terms="NULL"), "transactions_original_iff_reversal"),
    ("a transfer that reverses", transaction(reverses_id=uid(PAID)), "transactions_original_iff_reversal"),
    ("a transfer with the terms of a reversal", transaction(terms="""'{"reversal": {}}'"""),
     "transactions_original_iff_reversal"),
    # Keys of openings, audit log, people.
    ("an opening key that is taken", f"INSERT INTO wallet_openings VALUES ({ALICE}, 'opened', sha256('y'), {A})",
     "wallet_openings_pkey"),
    ("an empty opening key", f"INSERT INTO wallet_openings VALUES ({ALICE}, '', sha256('y'), {A})",
     "wallet_openings_key_is_visible_ascii"),
    ("an opening key with a line break", f"INSERT INTO wallet_openings VALUES ({ALICE}, E'a\\n', sha256('y'), {A})",
     "wallet_openings_key_is_visible_ascii"),
    ("an opening key of 256", f"INSERT INTO wallet_openings VALUES ({ALICE}, repeat('k', 256), sha256('y'), {A})",
     "wallet_openings_key_is_visible_ascii"),
    ("an opening with a hash that is none", f"INSERT INTO wallet_openings VALUES ({ALICE}, 'k', 'y', {A})",
     "wallet_openings_hash_is_sha256"),
    ("an opening by an unknown user", f"INSERT INTO wallet_openings VALUES ({UNKNOWN}, 'k', sha256('y'), {A})",
     "wallet_openings_owner_fkey"),
    ("an opening of an unknown wallet", f"INSERT INTO wallet_openings VALUES ({ALICE}, 'k', sha256('y'), {UNKNOWN})",
     "wallet_openings_wallet_fkey"),
    ("an audit record without a reason",
     f"INSERT INTO audit_log VALUES ({uid(91)}, {ALICE}, 'X', {A}, '{{}}', '{{}}', '', NULL, {AT})", "audit_log_reason_length"),
    ("an audit record of an unknown actor",
     f"INSERT INTO audit_log VALUES ({uid(91)}, {UNKNOWN}, 'X', {A}, '{{}}', '{{}}', 'Asked', NULL, {AT})",
     "audit_log_actor_fkey"),
    ("an audit record that is there",
     ("INSERT INTO audit_log (id, actor_id, action, subject_id, before, after) "
      f"SELECT id, actor_id, action, subject_id, before, after FROM audit_log WHERE id = {uid(90)}"), "audit_log_pkey"),
    ("an audit record of nobody",
     f"INSERT INTO audit_log VALUES ({uid(91)}, NULL, 'X', {A}, '{{}}', '{{}}', 'Asked', NULL, {AT})", "audit_log_one_actor"),
    ("findings below zero", f"{VERIFIED} (now(), 1, -1)", "ledger_verifications_findings_not_negative"),
    ("a verification shorter than no time", f"{VERIFIED} (now(), -1, 0)", "ledger_verifications_duration_not_negative"),
    ("a second quota of one user", f"INSERT INTO quotas (user_id) VALUES ({ALICE}), ({ALICE})", "quotas_pkey"),
    ("a quota of an unknown user", f"INSERT INTO quotas (user_id) VALUES ({UNKNOWN})", "quotas_user_fkey"),
    ("a count below zero", f"{QUOTA}; UPDATE quotas SET day_transfers = -1", "quotas_counts_not_negative"),
    ("a currency counted twice", f"{QUOTA}; {COUNT} ({ALICE}, 'USD', 'today', 1), ({ALICE}, 'USD', 'today', 1)",
     "quota_amounts_pkey"),
    ("an amount of a user without a quota", f"{COUNT} ({ALICE}, 'USD', 'today', 1)", "quota_amounts_quota_fkey"),
    ("an amount of an unknown currency", f"{QUOTA}; {COUNT} ({ALICE}, 'ZZZ', 'today', 1)", "quota_amounts_currency_fkey"),
    ("an amount below zero", f"{QUOTA}; {COUNT} ({ALICE}, 'USD', 'today', -1)", "quota_amounts_count_not_negative"),
    ("a user without a subject", f"INSERT INTO users VALUES ({uid(3)}, '', 'Carol', {AT})", "users_subject_length"),
    ("a user without a name", f"INSERT INTO users VALUES ({uid(3)}, 'carol', '', {AT})", "users_display_name_length"),
    ("a second user of one subject", f"INSERT INTO users VALUES ({uid(3)}, 'alice', 'Carol', {AT})", "users_subject_key"),
    ("a user's id that is taken", f"INSERT INTO users VALUES ({ALICE}, 'carol', 'Carol', {AT})", "users_pkey"),
    ("a wallet's id that is taken", wallet(20), "wallets_pkey"),
]  # fmt: skip

_GROWS_ONLY = (
    "ledger_entries", "transactions", "wallets", "wallet_openings", "audit_log", "users", "currencies", "ledger_verifications",
    "fee_schedules", "fx_rates", "fx_quotes",
)  # fmt: skip

# Statements that are refused even to the owner of the tables. The service's role has no privilege for them.
OWNER_RULES: list[tuple[str, str, str]] = [
    *((f"delete from {table}", f"DELETE FROM {table}", f"{table}_insert_only") for table in _GROWS_ONLY),
    *((f"delete nothing from {table}", f"DELETE FROM {table} WHERE false", f"{table}_insert_only") for table in _GROWS_ONLY),
    *((f"truncate {table}", f"TRUNCATE {table} CASCADE", f"{table}_insert_only") for table in _GROWS_ONLY),
    ("update an entry", "UPDATE ledger_entries SET amount = 1", "ledger_entries_insert_only"),
    ("update no entry", "UPDATE ledger_entries SET amount = 1 WHERE false", "ledger_entries_insert_only"),
    ("update the audit log", "UPDATE audit_log SET reason = 'Another'", "audit_log_insert_only"),
    ("make light of what was found", "UPDATE ledger_verifications SET findings = 0", "ledger_verifications_insert_only"),
    ("a verification that is there",
     "INSERT INTO ledger_verifications OVERRIDING SYSTEM VALUE VALUES (1, now(), 1, 0), (1, now(), 1, 0)",
     "ledger_verifications_pkey"),
    ("a second installation", "INSERT INTO installation (id) VALUES (gen_random_uuid())", "installation_pkey"),
    ("an installation beside the one", "INSERT INTO installation VALUES (false, gen_random_uuid())", "installation_one_row"),
    ("a limit below zero", f"INSERT INTO quotas (user_id, transfers_per_day) VALUES ({ALICE}, -1)", "quotas_limits_not_negative"),
    ("an amount's limit below zero", f"{QUOTA}; INSERT INTO quota_amounts VALUES ({ALICE}, 'USD', -1)",
     "quota_amounts_limit_not_negative"),
    ("change a schedule", "UPDATE fee_schedules SET flat = 0", "fee_schedules_insert_only"),
    ("a schedule's number that is taken", fee_schedule()
     + fee_schedule(91, number="(SELECT max(number) FROM fee_schedules)", valid_from="'2031-01-01Z'")
     .replace(") VALUES (", ") OVERRIDING SYSTEM VALUE VALUES ("), "fee_schedules_number_key"),
    ("update an opening key", "UPDATE wallet_openings SET idempotency_key = 'x'", "wallet_openings_insert_only"),
    ("set a balance", f"UPDATE wallets SET balance = 1 WHERE id = {A}", "wallets_balance_from_entries"),
    ("a parked event that is there",
     "INSERT INTO outbox_parked VALUES (1, now(), '{}', now(), ''), (1, now(), '{}', now(), '')", "outbox_parked_pkey"),
    ("set a sequence", f"UPDATE wallets SET sequence = 1 WHERE id = {A}", "wallets_balance_from_entries"),
    ("set a posting time", f"UPDATE wallets SET posted_at = now() WHERE id = {A}", "wallets_balance_from_entries"),
    ("give a wallet away", f"UPDATE wallets SET owner_id = {BOB} WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's currency", f"UPDATE wallets SET currency = 'EUR' WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's kind",
     f"UPDATE wallets SET kind = 'SYSTEM', owner_id = NULL, system_purpose = 'X' WHERE id = {A}", "wallets_identity_is_final"),
    ("change a wallet's purpose", f"UPDATE wallets SET system_purpose = 'X' WHERE id = {DEPOSITS_USD}",
     "wallets_identity_is_final"),
    ("change a system wallet's account type", f"UPDATE wallets SET account_type = 'INCOME' WHERE id = {DEPOSITS_USD}",
     "wallets_identity_is_final"),
    ("mark a wallet as overdrawn", f"UPDATE wallets SET overdrawn = true WHERE id = {A}", "wallets_balance_from_entries"),
    ("set what has gone back", f"INSERT INTO reversed_amounts VALUES ({uid(PAID)}, 3000, 0, 1, 1, 0)",
     "reversed_amounts_from_entries"),
    ("change what has gone back", "UPDATE reversed_amounts SET reversed = 1", "reversed_amounts_from_entries"),
    ("forget what has gone back", "DELETE FROM reversed_amounts", "reversed_amounts_from_entries"),
    ("forget all that has gone back", "TRUNCATE reversed_amounts", "reversed_amounts_from_entries"),
    *((name, f"ALTER TABLE reversed_amounts DISABLE TRIGGER USER; INSERT INTO reversed_amounts VALUES {rows}", rule)
      for name, rows, rule in (
          ("a transaction that went back twice", ", ".join(2 * [f"({uid(PAID)}, 3000, 0, 1, 1, 0)"]), "reversed_amounts_pkey"),
          ("more with a fee than went back", f"({uid(PAID)}, 3000, 9, 1, 2, 0)", "reversed_amounts_with_fee_in_range"),
          ("more of a fee than there was", f"({uid(PAID)}, 3000, 9, 1, 1, 10)", "reversed_amounts_within_fee"))),
    ("forget a wallet of a transaction", "DELETE FROM transaction_wallets", "transaction_wallets_insert_only"),
    ("list a wallet twice",
     f"INSERT INTO transaction_wallets VALUES ({A}, {uid(PAID)}, 1), ({A}, {uid(PAID)}, 1)", "transaction_wallets_pkey"),
    ("a change that is no sign", f"INSERT INTO transaction_wallets VALUES ({A}, {uid(PAID)}, 2)",
     "transaction_wallets_change_is_a_sign"),
    ("change a wallet's birth", f"UPDATE wallets SET created_at = now() WHERE id = {A}", "wallets_identity_is_final"),
    ("change a user's id", f"UPDATE users SET id = {uid(3)} WHERE id = {BOB}", "users_identity_is_final"),
    ("change no user's id", "UPDATE users SET id = id WHERE false", "users_identity_is_final"),
    ("change a currency's code", "UPDATE currencies SET code = 'XXY' WHERE code = 'XXX'", "currencies_identity_is_final"),
    ("change what an amount is worth", "UPDATE currencies SET exponent = 3 WHERE code = 'USD'", "currencies_identity_is_final"),
    ("a currency that is there", "INSERT INTO currencies VALUES ('USD', 2, 'Dollars')", "currencies_pkey"),
    ("a currency with a strange code", "INSERT INTO currencies VALUES ('usd', 2, 'Dollars')", "currencies_code_is_iso"),
    ("a currency with five decimals", "INSERT INTO currencies VALUES ('ABC', 5, 'Abacus')", "currencies_exponent_in_range"),
    ("an event's id that is taken",
     "INSERT INTO outbox (id, created_at, payload) OVERRIDING SYSTEM VALUE VALUES (1, now(), '{}'), (1, now(), '{}')",
     "outbox_pkey"),
    ("rewrite entries by inserting them again",
     "INSERT INTO ledger_entries SELECT * FROM ledger_entries ON CONFLICT (transaction_id, leg) DO UPDATE SET amount = 1",
     "ledger_entries_insert_only"),
    ("rewrite entries by merging",
     "MERGE INTO ledger_entries e USING transactions t ON e.transaction_id = t.id WHEN MATCHED THEN UPDATE SET amount = 1",
     "ledger_entries_insert_only"),
    # The primary key orders by the collation; a second unique index compares bytes.
    ("an amount counted twice",
     (f"ALTER TABLE quota_amounts DROP CONSTRAINT quota_amounts_pkey; {QUOTA}; "
     f"{COUNT} ({ALICE}, 'USD', 'today', 1), ({ALICE}, 'USD', 'today', 1)"),
     "quota_amounts_by_bytes"),
    ("a schedule in no currency", "ALTER TABLE fee_schedules DISABLE TRIGGER fee_schedules_guard_insert;"
     + fee_schedule(90, **BY_HAND, currency="'ABC'").split(";", 1)[1], "fee_schedules_currency_fkey"),
    ("a version that is there", "ALTER TABLE fee_schedules DISABLE TRIGGER fee_schedules_guard_insert;"
     + fee_schedule(90, **BY_HAND) + fee_schedule(91, **BY_HAND), "fee_schedules_line_key"),
    # The CHECK constraints hold without the triggers.
    ("a sequence below zero", f"ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET sequence = -1 WHERE id = {A}",
     "wallets_sequence_not_negative"),
    ("a version below one", f"ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET version = 0 WHERE id = {A}",
     "wallets_version_positive"),
    ("an overdraft by hand", f"ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET balance = -1 WHERE id = {A}",
     "wallets_available_not_negative"),
    *((f"change a pending transaction's {column}", f"UPDATE transactions SET {column} = {value} WHERE id = {uid(PENDING)}",
       "transactions_settled_is_final")
      for column, value in {"id": uid(NEW), "initiator_id": BOB, "idempotency_key": "'x'", "type": "'DEPOSIT'",
                            "sender_wallet_id": B, "receiver_wallet_id": E, "amount": "7",
                            "currency": "'EUR'", "description": "'x'", "created_at": "'2029-01-01Z'",
                            "reference": "'x'", "hold_id": uid(HOLD), "quote_id": uid(7), "reverses_id": uid(PAID),
                            "metadata": """'{"a": "b"}'""",
                            "terms": """'{"conditions": []}'"""}.items()),
]  # fmt: skip

ALL = (
    *RULES,
    *partition_rules.RULES,
    *hold_rules.RULES,
    *fx_rules.RULES,
    *position_rules.RULES,
    *log_rules.RULES,
    *webhook_rules.RULES,
    *model_rules.RULES,
    *statement_rules.RULES,
)
OWNERS = (
    *OWNER_RULES,
    *partition_rules.OWNER_RULES,
    *hold_rules.OWNER_RULES,
    *fx_rules.OWNER_RULES,
    *position_rules.OWNER_RULES,
    *log_rules.OWNER_RULES,
    *webhook_rules.OWNER_RULES,
    *statement_rules.OWNER_RULES,
)

# The names of constraints and unique indexes, and those in the triggers' arguments and functions. What is unique in a
# partitioned table is refused by an index of a partition. The first partition stands for all.
NAMED_RULES = r"""
WITH tables AS (
    SELECT oid, relkind FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version' AND relname NOT LIKE 'ledger_entries_2%'
)
SELECT conname::text FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid
WHERE contype IN ('c', 'f') OR (contype IN ('u', 'p') AND relkind = 'r')
UNION SELECT indexrelid::regclass::text FROM pg_index i JOIN tables t ON t.oid = i.indrelid WHERE indisunique AND relkind = 'r'
UNION SELECT split_part(encode(tgargs, 'escape'), '\000', 1) FROM pg_trigger WHERE NOT tgisinternal AND tgnargs > 0
UNION SELECT (regexp_matches(prosrc, $$CONSTRAINT = '(\w+)'$$, 'g'))[1] FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
"""


@pytest.fixture(scope="module")
def settings(module_settings: Settings) -> Settings:
    """One database with the small ledger for all cases: each shows that it changed nothing."""

    async def write() -> None:
        connection = await asyncpg.connect(database_dsn(module_settings))
        try:
            await write_small_ledger(connection)
        finally:
            await connection.close()
        assert await verify(module_settings) == []

    asyncio.run(write())
    return module_settings


class TestRules:
    @pytest.mark.parametrize(("sql", "rule"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
    async def test_the_service_cannot_break_a_rule(self, owner: asyncpg.Connection, sql: str, rule: str) -> None:
        await assert_refused(owner, f"SET LOCAL ROLE {ROLE}; {sql}", rule)
        await assert_refused(owner, sql, rule)

    @pytest.mark.parametrize(("sql", "rule"), [case[1:] for case in OWNERS], ids=[case[0] for case in OWNERS])
    async def test_the_owner_cannot_break_a_rule(self, owner: asyncpg.Connection, sql: str, rule: str) -> None:
        await assert_refused(owner, sql, rule)
        await assert_forbidden(owner, sql)

    async def test_every_rule_in_the_database_has_a_case(self, owner: asyncpg.Connection) -> None:
        """A new constraint or trigger needs a case."""
        named = {row[0] for row in await owner.fetch(NAMED_RULES)}
        assert named == {rule for _, _, rule in (*ALL, *OWNERS)}
