"""Statements that break a rule of the Merkle log, for `test_database_rules.py`."""

from __future__ import annotations

from tests.invariants.small_ledger import PAID, uid

TILE = "INSERT INTO log_tiles VALUES"
FULL = "decode(repeat('00', 8192), 'hex')"
ONE = f"{TILE} (0, 0, sha256('a'));"
SIGN = "INSERT INTO log_checkpoints VALUES"
SIGNED = f"{ONE} {SIGN} (1, sha256('a'), 'o', 'n', now());"
COSIGN = "INSERT INTO log_cosignatures VALUES"
MORE = f"{ONE} INSERT INTO log_tiles VALUES (0, 0,"
UNGUARDED = "ALTER TABLE log_checkpoints DISABLE TRIGGER log_checkpoints_guard;"
UPSERT = "ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes"

RULES: list[tuple[str, str, str]] = [
    ("half a hash", f"{TILE} (0, 0, '\\x00')", "log_tiles_whole_hashes"),
    ("a tile of nothing", f"{TILE} (0, 0, '')", "log_tiles_whole_hashes"),
    ("a tile of 257 hashes", f"{TILE} (0, 0, {FULL} || sha256('a'))", "log_tiles_whole_hashes"),
    ("a tile below the leaves", f"{TILE} (-1, 0, sha256('a'))", "log_tiles_whole_hashes"),
    ("a tile after one that is not full", f"{ONE} {TILE} (0, 1, sha256('a'))", "log_tiles_contiguous"),
    ("a tile after none", f"{TILE} (0, 1, sha256('a'))", "log_tiles_contiguous"),
    ("a tile twice", f"{ONE} {TILE} (0, 0, sha256('a'))", "log_tiles_pkey"),
    ("another leaf in its place", f"{MORE} sha256('b') || sha256('b')) {UPSERT}", "log_tiles_only_grow"),
    ("a tile as it was", f"{MORE} sha256('a')) {UPSERT}", "log_tiles_only_grow"),
    ("a tile cut short", f"{ONE} UPDATE log_tiles SET hashes = ''", "log_tiles_only_grow"),
    ("a checkpoint of nothing", f"{SIGN} (0, sha256('a'), 'o', 'n', now())", "log_checkpoints_grow"),
    ("a checkpoint of too much", f"{ONE} {SIGN} (2, sha256('a'), 'o', 'n', now())", "log_checkpoints_grow"),
    ("a checkpoint again", f"{SIGNED} {SIGN} (1, sha256('a'), 'o', 'n', now())", "log_checkpoints_grow"),
    ("a checkpoint without a root", f"{ONE} {SIGN} (1, '', 'o', 'n', now())", "log_checkpoints_of_a_log"),
    ("a witness of nothing", f"{COSIGN} (1, 'w', 'l', now())", "log_cosignatures_checkpoint_fkey"),
    ("a witness twice", f"{SIGNED} {COSIGN} (1, 'w', 'l', now()), (1, 'w', 'l', now())", "log_cosignatures_pkey"),
    ("a short salt", f"INSERT INTO log_salts VALUES ({uid(PAID)}, 'x')", "log_salts_length"),
    (
        "a second salt",
        f"INSERT INTO log_salts SELECT {uid(PAID)}, sha256('a') FROM generate_series(1, 2)",
        "log_salts_pkey",
    ),
]

# Refused even to the owner of the tables. The service's role has no privilege for them.
OWNER_RULES: list[tuple[str, str, str]] = [
    ("move a tile", f"{ONE} UPDATE log_tiles SET level = 1, hashes = hashes || hashes", "log_tiles_only_grow"),
    ("delete tiles", "DELETE FROM log_tiles", "log_tiles_never_deleted"),
    ("truncate tiles", "TRUNCATE log_tiles", "log_tiles_never_deleted"),
    ("change a checkpoint", "UPDATE log_checkpoints SET note = ''", "log_checkpoints_insert_only"),
    ("delete checkpoints", "DELETE FROM log_checkpoints", "log_checkpoints_insert_only"),
    ("change a cosignature", "UPDATE log_cosignatures SET line = ''", "log_cosignatures_insert_only"),
    ("delete cosignatures", "DELETE FROM log_cosignatures", "log_cosignatures_insert_only"),
    ("a second secret", "INSERT INTO log_secret VALUES (true, sha256('a'))", "log_secret_pkey"),
    ("another secret", "INSERT INTO log_secret VALUES (false, sha256('a'))", "log_secret_one_row"),
    ("a short secret", "UPDATE log_secret SET secret = 'x'", "log_secret_length"),
    ("two checkpoints of one size", f"{UNGUARDED} {SIGNED} {SIGN} (1, sha256('a'), 'o', 'n', now())", "log_checkpoints_pkey"),
]
