"""Statements in plain SQL that break the rules of exchange, and the rules. `test_database_rules.py` runs them."""

from __future__ import annotations

from typing import Any

from tests.invariants.small_ledger import (
    ALICE,
    AT,
    BOB,
    DEPOSITS_USD,
    LAST,
    LATER,
    NEW,
    PAYMENT,
    UNKNOWN,
    A,
    B,
    E,
    G,
    Leg,
    entries,
    fee_schedule,
    reversal,
    transaction,
    uid,
    wallet,
)

POSITION, TARGET_POSITION, SPREAD, RESIDUE, FEES = (uid(number) for number in (40, 41, 42, 43, 31))
QUOTE = uid(0x300)
LAST_MOMENT, TOO_LATE = "'2030-01-02T00:00:00.000001Z'", LATER
PURPOSES = ("PRINCIPAL", "PRINCIPAL", "FX", "FX", "SPREAD", "RESIDUE", "FEE", "FEE")


def system(number: int, purpose: str, currency: str) -> str:
    columns = {"owner_id": "NULL", "kind": "'SYSTEM'", "system_purpose": f"'{purpose}'", "currency": f"'{currency}'"}
    return wallet(number, **columns)


EXCHANGE = system(40, "FX", "USD") + system(41, "FX", "EUR") + system(42, "FX_SPREAD", "USD") + system(43, "FX_RESIDUE", "EUR")
"""The system wallets of conversions from dollars to euros."""


def rate(place: int = 0x400, **columns: str) -> str:
    """An INSERT of a rate, with the given columns (as SQL) replaced."""
    values = {
        "id": uid(place),
        "base": "'USD'",
        "quote": "'EUR'",
        "rate": "2.5",
        "spread_basis_points": "100",
        "source": "'Test'",
        **columns,
    }
    return f"INSERT INTO fx_rates ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def quote(place: int = 0x300, **columns: str) -> str:
    """An INSERT of Alice's quote: 42 cents, with 1 of spread, for 101 euro cents and a residue of 1. A dollar is 2.5 euros."""
    values = {
        "id": uid(place),
        "user_id": ALICE,
        "source_currency": "'USD'",
        "target_currency": "'EUR'",
        "source_amount": "42",
        "target_amount": "101",
        "is_target_fixed": "true",
        "rate": "2.5",
        "rate_source": "'Test'",
        "rate_valid_from": AT,
        "spread_basis_points": "100",
        "spread": "1",
        "residue": "1",
        "created_at": AT,
        "expires_at": LAST_MOMENT,
        "idempotency_key": f"'quote-{place}'",
        **columns,
    }
    return f"INSERT INTO fx_quotes ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def conversion(*legs: Leg, number: int = NEW, purposes: tuple[str, ...] = PURPOSES, **columns: str) -> str:
    """An INSERT of a conversion by the quote, and one of its entries, unless there are none."""
    values = {"type": "'CONVERSION'", "amount": "42", "receiver_wallet_id": G, "quote_id": QUOTE, **columns}
    return transaction(number, **values) + (entries(*legs, number=number, purposes=purposes) if legs else "")


SOLD: Leg = (A, 3, -42, 7000)
BOUGHT: Leg = (G, 1, 101, 0)
IN_BETWEEN: tuple[Leg, ...] = ((POSITION, 1, 41, 0), (TARGET_POSITION, 1, -102, 0))
LEFT_OVER: tuple[Leg, ...] = ((SPREAD, 1, 1, 0), (RESIDUE, 1, 1, 0))
QUOTED = (SOLD, BOUGHT, *IN_BETWEEN, *LEFT_OVER)
READY = EXCHANGE + quote()
CONVERTED = READY + conversion(*QUOTED)
FEE_LEGS: tuple[Leg, ...] = ((A, 4, -5, 6958), (FEES, 1, 5, 0))
WITH_FEE = fee_schedule(transaction_type="'CONVERSION'") + EXCHANGE + quote(fee="5", fee_schedule_id=uid(90))
PAID_FEE: dict[str, Any] = {"fee": "5", "fee_schedule_id": uid(90)}


def back(*legs: Leg, amount: int = 42, purposes: tuple[str, ...] = PURPOSES[5::-1], **columns: str) -> str:
    """An INSERT of a reversal by Bob of the conversion, and one of its entries."""
    values: dict[str, Any] = {
        "sender_wallet_id": G,
        "receiver_wallet_id": A,
        "reverses_id": uid(NEW),
        "amount": str(amount),
        **columns,
    }
    return reversal(*legs, number=LAST, purposes=purposes, **values)


BACK: tuple[Leg, ...] = (
    (RESIDUE, 2, -1, 1),
    (SPREAD, 2, -1, 1),
    (TARGET_POSITION, 2, 102, -102),
    (POSITION, 2, -41, 41),
    (G, 2, -101, 101),
    (A, 4, 42, 6958),
)
HALF_BACK: tuple[Leg, ...] = ((TARGET_POSITION, 2, 51, -102), (POSITION, 2, -21, 41), (G, 2, -51, 101), (A, 4, 21, 6958))
"""Half of 101, rounded up; of spread and residue, rounded down, nothing yet."""
HALF_PURPOSES = ("FX", "FX", "PRINCIPAL", "PRINCIPAL")
FOLLOWS, REVERSES, PRICED = "ledger_entries_follow_the_quote", "ledger_entries_reverse_the_original", "fx_quotes_follow_the_rate"

# Refused to the service and to the owner of the tables.
RULES: list[tuple[str, str, str]] = [
    ("use a quote twice", CONVERTED + conversion((A, 4, -42, 6958), (G, 2, 101, 101), (POSITION, 2, 41, 41),
     (TARGET_POSITION, 2, -102, -102), (SPREAD, 2, 1, 1), (RESIDUE, 2, 1, 1), number=LAST), "transactions_quote_key"),
    ("convert without a quote", transaction(type="'CONVERSION'"), "transactions_quote_iff_conversion"),
    ("transfer with a quote", READY + transaction(quote_id=QUOTE) + PAYMENT, "transactions_quote_iff_conversion"),
    ("convert by a quote that does not exist", EXCHANGE + conversion(*QUOTED), "transactions_references_exist"),
    ("convert at the moment when the quote is over", EXCHANGE + quote(expires_at=TOO_LATE) + conversion(*QUOTED), FOLLOWS),
    ("convert by another user's quote", EXCHANGE + quote(user_id=BOB) + conversion(*QUOTED), FOLLOWS),
    ("convert another amount than quoted", READY + conversion(*QUOTED, amount="43"), FOLLOWS),
    ("convert in another currency than quoted", READY + conversion(*QUOTED, currency="'EUR'"), FOLLOWS),
    ("pay less than quoted",
     READY + conversion((A, 3, -41, 7000), BOUGHT, (POSITION, 1, 40, 0), (TARGET_POSITION, 1, -102, 0), *LEFT_OVER), FOLLOWS),
    ("deliver more than quoted",
     READY + conversion(SOLD, (G, 1, 102, 0), (POSITION, 1, 41, 0), (TARGET_POSITION, 1, -103, 0), *LEFT_OVER), FOLLOWS),
    ("keep the residue out of sight",
     READY + conversion(SOLD, BOUGHT, (POSITION, 1, 41, 0), (TARGET_POSITION, 1, -101, 0), (SPREAD, 1, 1, 0)), FOLLOWS),
    ("exchange the spread too",
     READY + conversion(SOLD, BOUGHT, (POSITION, 1, 42, 0), (TARGET_POSITION, 1, -102, 0), (RESIDUE, 1, 1, 0),
                        purposes=(*PURPOSES[:4], "RESIDUE")), FOLLOWS),
    ("give the spread to another system wallet",
     READY + conversion(SOLD, BOUGHT, *IN_BETWEEN, (DEPOSITS_USD, 2, 1, -10000), (RESIDUE, 1, 1, 0)), FOLLOWS),
    ("give the spread to a user", READY + conversion(SOLD, BOUGHT, *IN_BETWEEN, (B, 2, 1, 3000), (RESIDUE, 1, 1, 0)), FOLLOWS),
    ("deliver to another wallet", READY + conversion(SOLD, (E, 2, 101, 5000), *IN_BETWEEN, *LEFT_OVER), FOLLOWS),
    ("call the spread a fee",
     READY + conversion(*QUOTED, purposes=(*PURPOSES[:4], "FEE", "RESIDUE")), FOLLOWS),
    ("exchange through no FX wallet", READY + conversion(SOLD, BOUGHT, (DEPOSITS_USD, 2, 41, -10000), *QUOTED[3:]), FOLLOWS),
    ("convert without the fee that was promised", WITH_FEE + conversion(*QUOTED), FOLLOWS),
    ("promise a fee and take another",
     WITH_FEE + conversion(*QUOTED, (A, 4, -6, 6958), (FEES, 1, 6, 0), **PAID_FEE), FOLLOWS),
    ("take a fee and record none", WITH_FEE + conversion(*QUOTED, *FEE_LEGS), FOLLOWS),
    ("take a fee that was not promised",
     fee_schedule() + READY + conversion(*QUOTED, *FEE_LEGS, **PAID_FEE), FOLLOWS),
    ("convert in wallets of other currencies", READY + conversion(
        SOLD, (B, 2, 101, 3000), (POSITION, 1, 41, 0), (DEPOSITS_USD, 2, -102, -10000), (SPREAD, 1, 1, 0), (B, 3, 1, 3101),
        receiver_wallet_id=B), FOLLOWS),
    ("give back a conversion at another rate", CONVERTED + back((RESIDUE, 2, -1, 1), (SPREAD, 2, -1, 1),
     (TARGET_POSITION, 2, 101, -102), (POSITION, 2, -41, 41), (G, 2, -100, 101), (A, 4, 42, 6958)), REVERSES),
    ("give back a conversion without its spread",
     CONVERTED + back((RESIDUE, 2, -1, 1), (TARGET_POSITION, 2, 102, -102), (POSITION, 2, -42, 41), (G, 2, -101, 101),
                      (A, 4, 42, 6958), purposes=("RESIDUE", "FX", "FX", "PRINCIPAL", "PRINCIPAL")), REVERSES),
    ("give back half of a conversion rounded down", CONVERTED + back((TARGET_POSITION, 2, 50, -102), (POSITION, 2, -21, 41),
     (G, 2, -50, 101), (A, 4, 21, 6958), amount=21, purposes=HALF_PURPOSES), REVERSES),
    ("give back the other half like the first", CONVERTED + back(*HALF_BACK, amount=21, purposes=HALF_PURPOSES)
     + reversal((TARGET_POSITION, 3, 50, -51), (POSITION, 3, -21, 20), (G, 3, -50, 50), (A, 5, 21, 6979), number=0xB000,
                purposes=HALF_PURPOSES, sender_wallet_id=G, receiver_wallet_id=A, reverses_id=uid(NEW), amount="21"), REVERSES),
    ("give back a conversion from another wallet", CONVERTED + back(*HALF_BACK[:2], (E, 2, -51, 5000), HALF_BACK[3],
     amount=21, purposes=HALF_PURPOSES), REVERSES),
    ("give back from another wallet", reversal((DEPOSITS_USD, 2, -100, -10000), (A, 3, 100, 7000)), REVERSES),
    ("a spread that is too small", quote(spread="0", residue="4"), PRICED),
    ("a spread that is too large", quote(spread="2", target_amount="100", residue="0"), PRICED),
    ("a target that is too large", quote(target_amount="103", residue="0"), PRICED),
    ("a target without its residue", quote(residue="0"), PRICED),
    ("a residue of a fixed source", quote(is_target_fixed="false"), PRICED),
    ("a source that is more than the target needs", quote(source_amount="43", target_amount="101", residue="4"), PRICED),
    ("a quote at another rate", quote(rate="2.6"), PRICED),
    ("a quote's id that is taken", quote() + quote(idempotency_key="'other'"), "fx_quotes_pkey"),
    ("a quote's key that is used", quote() + quote(0x301, idempotency_key="'quote-768'"), "fx_quotes_idempotency_key"),
    ("a quote with a key with a space", quote(idempotency_key="'a b'"), "fx_quotes_key_is_visible_ascii"),
    ("a quote of an unknown user", quote(user_id=UNKNOWN), "fx_quotes_user_fkey"),
    ("a quote with an unknown schedule", quote(fee="5", fee_schedule_id=UNKNOWN), "fx_quotes_fee_schedule_fkey"),
    ("a quote with a fee and no schedule", quote(fee="5"), "fx_quotes_fee_by_a_schedule"),
    ("a quote that is over at once", quote(expires_at=AT), "fx_quotes_expire_later"),
    ("a quote of a currency for itself", quote(target_currency="'USD'"), "fx_quotes_between_two_currencies"),
    ("a quote with a spread of everything", quote(spread_basis_points="10000"), PRICED),
    ("a rate of a currency for itself", rate(quote="'USD'"), "fx_rates_between_two_currencies"),
    ("a rate of zero", rate(rate="0"), "fx_rates_rate_positive"),
    ("a rate below zero", rate(rate="-2.5"), "fx_rates_rate_positive"),
    ("a rate that is no number", rate(rate="'NaN'"), "fx_rates_rate_positive"),
    ("a spread below zero", rate(spread_basis_points="-1"), "fx_rates_spread_in_range"),
    ("a spread of more than half", rate(spread_basis_points="5001"), "fx_rates_spread_in_range"),
    ("a rate from nowhere", rate(source="''"), "fx_rates_source_length"),
    ("a rate of the past", rate(valid_from="now() - interval '61 seconds'"), "fx_rates_not_backdated"),
    ("a rate's id that is taken", rate() + rate(), "fx_rates_pkey"),
    ("a rate of an unknown currency", rate(base="'ABC'"), "fx_rates_base_fkey"),
    ("a rate in an unknown currency", rate(quote="'ABC'"), "fx_rates_quote_fkey"),
    ("a rate by an unknown user", rate(initiator_id=UNKNOWN), "fx_rates_initiator_fkey"),
    ("a fee of a conversion that the receiver pays", fee_schedule(transaction_type="'CONVERSION'", payer="'RECEIVER'"),
     "fee_schedules_payer_of_type"),
]  # fmt: skip

_BY_HAND = "ALTER TABLE fx_quotes DISABLE TRIGGER fx_quotes_guard_insert;"

# Refused to the owner of the tables; the service may not even try.
OWNER_RULES: list[tuple[str, str, str]] = [
    ("a rate's number that is taken", rate() + rate(0x401, number="(SELECT max(number) FROM fx_rates)")
     .replace(") VALUES (", ") OVERRIDING SYSTEM VALUE VALUES ("), "fx_rates_number_key"),
    ("change a rate", "UPDATE fx_rates SET rate = 1", "fx_rates_insert_only"),
    ("change a quote", "UPDATE fx_quotes SET target_amount = 1", "fx_quotes_insert_only"),
    # The constraints hold without the trigger.
    ("a quote of nothing", _BY_HAND + quote(source_amount="0"), "fx_quotes_amounts_in_range"),
    ("a quote at a rate of zero", _BY_HAND + quote(rate="0"), "fx_quotes_rate_positive"),
    ("a quote with a spread of all", _BY_HAND + quote(spread_basis_points="10000"), "fx_quotes_spread_in_range"),
    ("a quote of an unknown currency", _BY_HAND + quote(source_currency="'ABC'"), "fx_quotes_source_currency_fkey"),
    ("a quote in an unknown currency", _BY_HAND + quote(target_currency="'ABC'"), "fx_quotes_target_currency_fkey"),
]  # fmt: skip

ALLOWED: list[tuple[str, str]] = [
    ("a conversion as quoted", CONVERTED),
    ("a conversion with its fee", WITH_FEE + conversion(*QUOTED, *FEE_LEGS, **PAID_FEE)),
    ("a conversion given back", CONVERTED + back(*BACK)),
    ("half of a conversion given back", CONVERTED + back(*HALF_BACK, amount=21, purposes=HALF_PURPOSES)),
    ("a refused conversion by a used quote", CONVERTED + conversion(
        number=LAST, status="'FAILED'", failure_code="'QUOTE_USED'", failure_field="'quoteId'")),
    ("a rate of now that took a while", rate(valid_from="now() - interval '59 seconds'")),
    ("a fixed source", quote(is_target_fixed="false", target_amount="102", residue="0")),
]  # fmt: skip
"""What the service writes itself, to show that the cases above fail for their own reason."""
