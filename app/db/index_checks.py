"""Checks the ledger's indexes with PostgreSQL's extension `amcheck`, if it is installed and this role may use it."""

from __future__ import annotations

import asyncpg

from app.db.tables import METADATA

# Since PostgreSQL 17 a third argument also checks unique indexes for duplicates.
_CHECK = """
SELECT format('%I.%I', n.nspname, p.proname) AS name, p.pronargs AS arguments
FROM pg_extension e
JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass
JOIN pg_proc p ON p.oid = d.objid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname = 'amcheck' AND p.proname = 'bt_index_check' AND p.pronargs > 1
  AND has_function_privilege(p.oid, 'EXECUTE') AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY p.pronargs DESC LIMIT 1
"""
_INDEXES = """
SELECT i.indexrelid AS id, i.indexrelid::regclass::text AS name FROM pg_index i
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam
WHERE t.relnamespace = current_schema()::regnamespace AND a.amname = 'btree' AND i.indisvalid AND c.relkind = 'i'
  AND (t.relname = ANY($1::text[]) OR t.relispartition)
ORDER BY c.relname
"""


async def damaged_indexes(connection: asyncpg.Connection) -> list[str]:
    """Returns a sentence for each damaged index: one that misses rows of its table or is out of order. Empty without `amcheck`.

    Each check sees the rows committed at that moment. Its lock blocks neither reads nor writes.
    """
    check = await connection.fetchrow(_CHECK)
    if check is None:
        return []
    # Safe: the database quoted the name, and the rest is constant.
    statement = f"SELECT {check['name']}($1::oid::regclass{', true' * (check['arguments'] - 1)})"
    damaged = []
    for index in await connection.fetch(_INDEXES, list(METADATA.tables)):
        try:
            await connection.execute(statement, index["id"])
        except (asyncpg.IndexCorruptedError, asyncpg.DataCorruptedError) as error:
            damaged.append(f"Index {index['name']} is damaged: {error.message}.")
    return damaged
