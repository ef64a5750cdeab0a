"""The rules of the read models, each broken in plain SQL. As in `test_database_rules.py`."""

from __future__ import annotations

from tests.invariants.small_ledger import ALICE, AT, A, uid


def day(**columns: str) -> str:
    """An INSERT of a day of a wallet with one entry."""
    values = {
        "generation": "1",
        "wallet_id": A,
        "day": "'2026-01-01'",
        "opening": "0",
        "closing": "10",
        "entry_count": "1",
        "first_sequence": "1",
        "last_sequence": "1",
        "debits": "0",
        "credits": "10",
        "debits_so_far": "0",
        **columns,
    }
    return f"INSERT INTO wallet_days ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def mark(**columns: str) -> str:
    """An INSERT of a mark."""
    values = {
        "generation": "1",
        "wallet_id": A,
        "at": AT,
        "sequence": "16",
        "amount": "10",
        "balance": "10",
        "debits_so_far": "0",
        **columns,
    }
    return f"INSERT INTO wallet_marks ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def movement(**columns: str) -> str:
    """An INSERT of an entry in the activity of Alice."""
    values = {
        "generation": "1",
        "owner_id": ALICE,
        "entry_id": uid(0x500),
        "wallet_id": A,
        "at": AT,
        "amount": "10",
        "currency": "'USD'",
        "exponent": "2",
        "purpose": "'PRINCIPAL'",
        "words": "''",
        **columns,
    }
    return f"INSERT INTO activity ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def party() -> str:
    return f"INSERT INTO activity_parties (generation, owner_id, party_id) VALUES (1, {ALICE}, {uid(0x501)});"


def model(generation: str, position: str = "0", is_live: str = "false") -> str:
    return (
        f"INSERT INTO read_models (generation, position, is_live, started_at) VALUES ({generation}, {position}, {is_live}, {AT});"
    )


RULES: list[tuple[str, str, str]] = [
    ("a generation that is there", model("1"), "read_models_pkey"),
    ("a generation before the first", model("0"), "read_models_counted"),
    ("two live generations", model("2", is_live="true"), "read_models_live_key"),
    (
        "a model that goes back",
        "UPDATE read_models SET position = 5; UPDATE read_models SET position = 4;",
        "read_models_rise",
    ),
    ("the live model deleted", "DELETE FROM read_models;", "read_models_live_stays"),
    ("a day that is there", day() + day(), "wallet_days_pkey"),
    ("a day that does not add up", day(closing="11"), "wallet_days_add_up"),
    ("a day with a gap", day(last_sequence="3"), "wallet_days_whole"),
    ("a day with debits below zero", day(debits="-10", credits="0"), "wallet_days_not_negative"),
    ("a mark that is there", mark() + mark(), "wallet_marks_pkey"),
    ("a mark at no entry", mark(sequence="0"), "wallet_marks_of_entries"),
    ("a mark of nothing", mark(amount="0"), "wallet_marks_of_entries"),
    ("a mark with debits below zero", mark(debits_so_far="-1"), "wallet_marks_not_negative"),
    ("an entry twice in the activity", movement() + movement(amount="20"), "activity_pkey"),
    ("an entry of nothing in the activity", movement(amount="0"), "activity_amount_not_zero"),
    ("activity with oneself", movement(counterparty_wallet_id=A), "activity_not_with_oneself"),
    ("someone met twice", party() + party(), "activity_parties_pkey"),
]
