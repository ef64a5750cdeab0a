"""The rules of statements, each broken in plain SQL. As in `test_database_rules.py`."""

from __future__ import annotations

from tests.invariants.small_ledger import ALICE, AT, BOB, LATER, PAYMENT, UNKNOWN, A, B, transaction, uid

STATEMENT = uid(0x500)
MIDDLE = "'2030-01-01T00:00:01Z'"
EARLY = "'2029-01-01T00:00:00Z'"
FORMATS = ("CSV", "JSON", "CAMT_053", "MT940", "PDF")


def values_of(place: int = 0x500, **columns: str) -> dict[str, str]:
    return {
        "id": uid(place),
        "wallet_id": A,
        "initiator_id": ALICE,
        "number": "1",
        "first_sequence": "1",
        "last_sequence": "2",
        "opening": "0",
        "closing": "7000",
        "from_at": EARLY,
        "to_at": MIDDLE,
        "created_at": LATER,
        "request_hash": "sha256('x')",
        "idempotency_key": f"'statement-{place}'",
        **columns,
    }


def statement(place: int = 0x500, **columns: str) -> str:
    """An INSERT of the first statement of Alice's wallet, over its first two entries. There must be a third, of a later time."""
    values = values_of(place, **columns)
    return f"INSERT INTO statements ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def nowhere(*rows: dict[str, str]) -> str:
    """One INSERT of statements of a wallet that does not exist: no rule looks at the ones before."""
    values = [values_of(0x510 + index, **{"wallet_id": UNKNOWN, **row}) for index, row in enumerate(rows)]
    each = ", ".join(f"({', '.join(row.values())})" for row in values)
    return f"INSERT INTO statements ({', '.join(values[0])}) VALUES {each};"


def part(**columns: str) -> str:
    values = {"statement_id": STATEMENT, "format": "'CSV'", "number": "1", "content": "'x'", **columns}
    return f"INSERT INTO statement_parts ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def file(**columns: str) -> str:
    values = {
        "statement_id": STATEMENT,
        "format": "'CSV'",
        "size": "1",
        "parts": "1",
        "sha256": "sha256('x')",
        "problem": "NULL",
        **columns,
    }
    return f"INSERT INTO statement_files ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def change(**columns: str) -> str:
    return f"UPDATE statements SET {', '.join(f'{name} = {value}' for name, value in columns.items())};"


PAID = transaction() + PAYMENT
FIRST = PAID + statement()
FILES = "".join(part(format=f"'{name}'") + file(format=f"'{name}'") for name in FORMATS)
FINISH = {
    "status": "'READY'",
    "credits": "10000",
    "debits": "3000",
    "credit_count": "1",
    "finished_at": LATER,
}
READY = FIRST + FILES + change(**FINISH)
AFTER = "'2030-01-02T00:00:01Z'"
SECOND = {
    "number": "2",
    "first_sequence": "3",
    "last_sequence": "2",
    "opening": "7000",
    "closing": "7000",
    "from_at": MIDDLE,
    "to_at": LATER,
}
"""The next one, without an entry. Its period is over because there is a later entry."""

RULES: list[tuple[str, str, str]] = [
    ("a statement's id that is taken", FIRST + statement(wallet_id=B, closing="3000", last_sequence="1"), "statements_pkey"),
    ("a number twice", nowhere({}, {}), "statements_number_once"),
    (
        "a statement's key that is used",
        FIRST + statement(0x501, wallet_id=B, closing="3000", last_sequence="1", idempotency_key="'statement-1280'"),
        "statements_idempotency_key",
    ),
    ("a statement of no wallet", nowhere({}), "statements_wallet_fkey"),
    ("a statement for nobody", PAID + statement(initiator_id=UNKNOWN), "statements_initiator_fkey"),
    ("a statement before the first", nowhere({"number": "0"}), "statements_number_positive"),
    ("a statement from below the first entry", nowhere({"first_sequence": "0"}), "statements_sequences_in_order"),
    ("a statement that ends before it begins", nowhere({"first_sequence": "4"}), "statements_sequences_in_order"),
    ("a period without a length", nowhere({"to_at": EARLY}), "statements_period_in_order"),
    ("less than no attempt", nowhere({"attempts": "-1"}), "statements_attempts_not_negative"),
    ("sums before it is ready", FIRST + change(credits="10000"), "statements_sums_iff_ready"),
    ("ready without sums", FIRST + FILES + change(**{**FINISH, "credits": "NULL"}), "statements_sums_iff_ready"),
    ("sums that do not close", FIRST + FILES + change(**{**FINISH, "credits": "10001"}), "statements_sums_close"),
    ("more credits than entries", FIRST + FILES + change(**{**FINISH, "credit_count": "3"}), "statements_sums_close"),
    ("ready without a time", FIRST + FILES + change(**{**FINISH, "finished_at": "NULL"}), "statements_finished_iff_final"),
    (
        "ready and being made",
        FIRST + FILES + change(**FINISH, lease=uid(1), leased_until=LATER),
        "statements_finished_iff_final",
    ),
    ("failed without a problem", FIRST + change(status="'FAILED'", finished_at=LATER), "statements_problem_iff_failed"),
    ("a problem of a good statement", FIRST + change(problem="'x'"), "statements_problem_iff_failed"),
    ("a lease without an end", FIRST + change(lease=uid(1)), "statements_lease_ends"),
    ("a statement's hash that is none", PAID + statement(request_hash="'x'"), "statements_hash_is_sha256"),
    ("a statement's key with a space", PAID + statement(idempotency_key="'a b'"), "statements_key_is_visible_ascii"),
    *(
        (f"a statement with {what}", PAID + statement(0x500, **columns), "statements_follow_each_other")
        for what, columns in {
            "files before it has any": {**FINISH},
            "a number that is not the next": {"number": "2"},
            "a gap before its first entry": {"first_sequence": "2"},
            "another opening": {"opening": "1"},
            "another closing": {"closing": "7001"},
            "entries that there are not": {"last_sequence": "4"},
            "an entry of a later time": {"last_sequence": "3", "closing": "6900"},
            "an entry too few": {"last_sequence": "1", "closing": "10000"},
            "an entry before its period": {"from_at": "'2030-01-01T00:00:00.000001Z'"},
            "a period that is not over": {"to_at": AFTER, "last_sequence": "3", "closing": "6900"},
            "no entry and another closing": {"last_sequence": "0", "to_at": AT, "closing": "1"},
        }.items()
    ),
    *(
        (f"a next statement with {what}", FIRST + statement(0x501, **{**SECOND, **columns}), "statements_follow_each_other")
        for what, columns in {
            "the same number": {"number": "1"},
            "a number left out": {"number": "3"},
            "an entry again": {"first_sequence": "2"},
            "an entry left out": {"first_sequence": "4", "last_sequence": "3"},
            "another opening than the closing before": {"opening": "0", "closing": "0"},
            "a gap between the periods": {"from_at": "'2030-01-01T00:00:02Z'"},
        }.items()
    ),
    ("ready without its files", FIRST + change(**FINISH), "statements_ready_with_files"),
    (
        "ready without a part",
        FIRST + FILES.replace(part(format="'PDF'"), "") + change(**FINISH),
        "statements_ready_with_files",
    ),
    ("ready with a part too many", FIRST + FILES + part(number="2") + change(**FINISH), "statements_ready_with_files"),
    ("ready with a gap between parts", FIRST + FILES.replace(part(), part(number="2")) + change(**FINISH),
     "statements_ready_with_files"),
    ("prepare again", READY + change(status="'PREPARING'", credits="NULL", debits="NULL", credit_count="NULL",
                                     finished_at="NULL"), "statements_do_not_change"),
    ("fail what is ready", READY + change(status="'FAILED'", problem="'x'"), "statements_do_not_change"),
    ("take an attempt back", FIRST + change(attempts="1") + change(attempts="0"), "statements_do_not_change"),
    ("a part that is there", FIRST + part() + part(), "statement_parts_pkey"),
    ("a part of no statement", part(), "statement_parts_statement_fkey"),
    ("a part before the first", FIRST + part(number="0"), "statement_parts_number_positive"),
    ("a part without content", FIRST + part(content="''"), "statement_parts_size"),
    ("a part of a finished statement", READY + part(number="2"), "statement_files_do_not_change"),
    ("remove a part of a finished statement", READY + "DELETE FROM statement_parts", "statement_files_do_not_change"),
    ("a file that is there", FIRST + file() + file(), "statement_files_pkey"),
    ("a file of no statement", file(), "statement_files_statement_fkey"),
    ("a file without content", FIRST + file(size="0"), "statement_files_content_or_problem"),
    ("a file and a problem", FIRST + file(problem="'x'"), "statement_files_content_or_problem"),
    ("a file's hash that is none", FIRST + file(sha256="'x'"), "statement_files_sha256_length"),
    (
        "a problem without words",
        FIRST + file(sha256="NULL", size="0", parts="0", problem="''"),
        "statement_files_problem_length",
    ),
]  # fmt: skip

OWNER_RULES: list[tuple[str, str, str]] = [
    ("delete a statement", "DELETE FROM statements", "statements_never_deleted"),
    ("truncate statements", "TRUNCATE statements CASCADE", "statements_never_deleted"),
    ("change a part", "UPDATE statement_parts SET content = 'y'", "statement_files_do_not_change"),
    ("truncate parts", "TRUNCATE statement_parts", "statement_files_do_not_change"),
    ("change a file", "UPDATE statement_files SET size = 2", "statement_files_do_not_change"),
    ("delete a file", "DELETE FROM statement_files", "statement_files_do_not_change"),
    ("truncate files", "TRUNCATE statement_files", "statement_files_do_not_change"),
    *(
        (f"change a statement's {column}", FIRST + change(**{column: value}), "statements_do_not_change")
        for column, value in {
            "id": uid(0x501),
            "wallet_id": B,
            "initiator_id": BOB,
            "number": "2",
            "first_sequence": "2",
            "last_sequence": "1",
            "opening": "1",
            "closing": "1",
            "from_at": AT,
            "to_at": AT,
            "created_at": AT,
            "request_hash": "sha256('y')",
            "idempotency_key": "'other'",
        }.items()
    ),
]
