"""Rules of the partitions of `ledger_entries`, each with SQL that tries to break it."""

from __future__ import annotations

from tests.invariants.small_ledger import NEW, A, B, entries, transaction, uid

_NEXT = "(SELECT low FROM ledger_partitions() WHERE low IS NOT NULL ORDER BY low LIMIT 1)"
"""The lowest id of the second partition."""


def _in_next_month(sql: str) -> str:
    return sql.replace(uid(NEW), _NEXT)


def _on_second(statement: str) -> str:
    """A statement on the second partition, whose name begins with a month."""
    named = "SELECT name FROM ledger_partitions() WHERE low IS NOT NULL ORDER BY low LIMIT 1"
    return f"DO $$ BEGIN EXECUTE format('{statement}', ({named})); END $$"


RULES = (
    (
        "a sequence that is taken in another partition",
        _in_next_month(transaction() + entries((A, 2, -100, 7000), (B, 2, 100, 3000))),
        "ledger_entries_continue_chain",
    ),
    (
        "a sequence left out in another partition",
        _in_next_month(transaction() + entries((A, 4, -100, 7000), (B, 2, 100, 3000))),
        "ledger_entries_continue_chain",
    ),
)
_COPIED = "SELECT * FROM ledger_entries"
OWNER_RULES = (
    ("entries put into the first partition", f"INSERT INTO ledger_entries_first {_COPIED}", "ledger_entries_through_parent"),
    ("no entry put into a partition", f"INSERT INTO ledger_entries_first {_COPIED} LIMIT 0", "ledger_entries_through_parent"),
    ("entries put into a month", _on_second(f"INSERT INTO %I {_COPIED}"), "ledger_entries_through_parent"),
    ("entries copied into a partition", "COPY ledger_entries_first FROM PROGRAM 'true'", "ledger_entries_through_parent"),
    ("an entry of a partition changed", "UPDATE ledger_entries_first SET amount = 1", "ledger_entries_insert_only"),
    ("an entry of a month changed", _on_second("UPDATE %I SET amount = 1"), "ledger_entries_insert_only"),
    ("entries of a partition deleted", "DELETE FROM ledger_entries_first", "ledger_entries_insert_only"),
    ("entries of a month deleted", _on_second("DELETE FROM %I"), "ledger_entries_insert_only"),
    ("a partition emptied", "TRUNCATE ledger_entries_first", "ledger_entries_insert_only"),
    ("a month emptied", _on_second("TRUNCATE %I"), "ledger_entries_insert_only"),
    (
        "entries merged into a partition",
        "MERGE INTO ledger_entries_first e USING transactions t ON e.transaction_id = t.id WHEN MATCHED THEN DELETE",
        "ledger_entries_insert_only",
    ),
)
