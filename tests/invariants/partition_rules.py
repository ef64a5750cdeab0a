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
_HIGH, _HASH = uid(0xFFF), "sha256('rows')"


def seal(partition: str = "'m'", low: str = uid(1), high: str = _HIGH, entries: str = "2", hashed: str = _HASH) -> str:
    """An INSERT of a seal."""
    return f"INSERT INTO ledger_seals VALUES ({partition}, {low}, {high}, {entries}, '{{}}', {hashed}, now());"


def place(sequence: str = "2", high: str = _HIGH, first: str = "1", debits: str = "0") -> str:
    """An INSERT of a wallet's place."""
    return f"INSERT INTO wallet_places VALUES ({A}, {high}, {sequence}, 7000, 0, now(), {first}, {debits});"


def archive(partition: str = "'m'", hashed: str = _HASH, size: str = "9") -> str:
    """An INSERT of an archive."""
    return f"INSERT INTO ledger_archives VALUES ({partition}, 'file:///m', {hashed}, {size}, now());"


_KEPT = f"INSERT INTO archived_entries VALUES ({uid(1)}, ARRAY['a', 'b']::bytea[]);"
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
    ("a month sealed twice", seal() + seal(high=uid(0xFFE)), "ledger_seals_pkey"),
    ("two seals up to one moment", seal() + seal("'n'"), "ledger_seals_once"),
    ("a month that ends before it begins", seal(low=_HIGH, high=uid(1)), "ledger_seals_in_order"),
    ("a month of less than nothing", seal(entries="-1"), "ledger_seals_entries_not_negative"),
    ("a seal without its hash", seal(hashed="'x'"), "ledger_seals_hash_is_sha256"),
    ("a seal changed", "UPDATE ledger_seals SET entries = 1", "ledger_seals_insert_only"),
    ("two places of a wallet", seal() + place() + place("3"), "wallet_places_pkey"),
    ("a place without a seal", place(), "wallet_places_seal_fkey"),
    ("a place before the first entry", seal() + place(first="0"), "wallet_places_in_order"),
    ("a place before its month's first entry", seal() + place(first="3"), "wallet_places_in_order"),
    ("a place with less than no debits", seal() + place(debits="-1"), "wallet_places_debits_not_negative"),
    ("a place removed", "DELETE FROM wallet_places", "wallet_places_insert_only"),
    ("a file recorded twice", seal() + archive() + archive(), "ledger_archives_pkey"),
    ("a file of a month without a seal", archive(), "ledger_archives_seal_fkey"),
    ("a file without its hash", seal() + archive(hashed="'x'"), "ledger_archives_hash_is_sha256"),
    ("an empty file", seal() + archive(size="0"), "ledger_archives_bytes_positive"),
    ("files forgotten", "TRUNCATE ledger_archives", "ledger_archives_insert_only"),
    ("entries kept twice", _KEPT + _KEPT, "archived_entries_pkey"),
    ("one entry kept", _KEPT.replace(", 'b'", ""), "archived_entries_whole"),
    ("kept entries changed", "UPDATE archived_entries SET entries = '{}'", "archived_entries_insert_only"),
    (
        "entries merged into a partition",
        "MERGE INTO ledger_entries_first e USING transactions t ON e.transaction_id = t.id WHEN MATCHED THEN DELETE",
        "ledger_entries_insert_only",
    ),
)
