"""Statements that break a rule of positions, for `test_database_rules.py`."""

from __future__ import annotations

from tests.invariants.small_ledger import UNKNOWN

CHUNK = "INSERT INTO event_chunks (first_position, published_position, kinds, subject_ids, numbers, outbox_ids) VALUES"
ONE = f"'S', ARRAY[{UNKNOWN}]::uuid[], '{{0}}', '{{1}}'"
TWO = f"'SH', ARRAY[{UNKNOWN}, {UNKNOWN}]::uuid[]"
STORED = (
    "INSERT INTO event_chunks "
    "(first_position, last_position, published_position, settled, sequenced_at, kinds, subject_ids, numbers)"
)
MANY = f"repeat('H', 1001), array_fill({UNKNOWN}::uuid, ARRAY[1001]), array_fill(1, ARRAY[1001]), array_fill(1, ARRAY[1001])"
TWICE = f"{STORED} SELECT 1, 1, 0, 1, now(), 'S', ARRAY[{UNKNOWN}]::uuid[], '{{0}}' FROM generate_series(1, 2)"

RULES: list[tuple[str, str, str]] = [
    ("a first position of two", f"{CHUNK} (2, 0, {ONE})", "event_chunks_contiguous"),
    ("no position", f"{CHUNK} (NULL, 0, {ONE})", "event_chunks_contiguous"),
    ("a position that is taken", f"{CHUNK} (1, 0, {ONE}), (1, 0, {ONE})", "event_chunks_contiguous"),
    ("a gap", f"{CHUNK} (1, 0, {ONE}), (3, 0, {ONE})", "event_chunks_contiguous"),
    ("published before it has a position", f"{CHUNK} (1, 1, {ONE})", "event_chunks_published_in_order"),
    ("published no more", f"{CHUNK} (1, 0, {ONE}), (2, 1, {ONE}), (3, 0, {ONE})", "event_chunks_published_in_order"),
    ("an event out of nowhere", f"{CHUNK} (1, 0, 'S', ARRAY[{UNKNOWN}]::uuid[], '{{0}}', NULL)", "event_chunks_from_outbox"),
    ("an unknown kind", f"{CHUNK} (1, 0, 'X', ARRAY[{UNKNOWN}]::uuid[], '{{0}}', '{{1}}')", "event_chunks_kinds_known"),
    ("no event", f"{CHUNK} (1, 0, '', '{{}}', '{{}}', '{{}}')", "event_chunks_kinds_known"),
    ("too few kinds", f"{CHUNK} (1, 0, 'S', ARRAY[{UNKNOWN}, {UNKNOWN}]::uuid[], '{{0,1}}', '{{1,2}}')", "event_chunks_whole"),
    ("too few numbers", f"{CHUNK} (1, 0, {TWO}, '{{0}}', '{{1,2}}')", "event_chunks_whole"),
    ("too few ids of the outbox", f"{CHUNK} (1, 0, {TWO}, '{{0,1}}', '{{1}}')", "event_chunks_whole"),
    ("an event of nothing", f"{CHUNK} (1, 0, 'S', ARRAY[NULL]::uuid[], '{{0}}', '{{1}}')", "event_chunks_whole"),
    ("too many events", f"{CHUNK} (1, 0, {MANY})", "event_chunks_whole"),
]

# Refused even to the owner of the table. The service's role has no privilege for them.
OWNER_RULES: list[tuple[str, str, str]] = [
    ("change a position", "UPDATE event_chunks SET settled = 0", "event_chunks_insert_only"),
    ("delete positions", "DELETE FROM event_chunks", "event_chunks_insert_only"),
    ("truncate positions", "TRUNCATE event_chunks", "event_chunks_insert_only"),
    ("two chunks at one position", f"ALTER TABLE event_chunks DISABLE TRIGGER USER; {TWICE}", "event_chunks_pkey"),
]
