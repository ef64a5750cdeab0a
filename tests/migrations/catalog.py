"""The objects of a database, by PostgreSQL's catalogs, in the same words on servers of every version."""

from __future__ import annotations

import asyncpg

TABLES = """
SELECT c.relname || ' ' || c.relkind::text || ' ' || coalesce(array_to_string(c.reloptions, ','), '')
FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind NOT IN ('i', 'c')
"""

COLUMNS = """
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    || ' ' || a.attidentity::text || a.attgenerated::text || ' ' || coalesce(l.collname, '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""

# Without NOT NULL, which is a constraint only since PostgreSQL 18; the columns show it.
CONSTRAINTS = """
SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'u', 'f', 'p', 'x')
  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = conrelid AND c.relispartition)
"""

INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition
"""

PARTITIONS = """
SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) || ' ' || coalesce((
    SELECT string_agg(conname || ' ' || pg_get_constraintdef(k.oid), ',' ORDER BY conname) FROM pg_constraint k
    WHERE k.conrelid = c.oid AND contype IN ('c', 'u', 'p')), '')
FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relispartition AND c.relkind = 'r'
"""

ENUMS = """
SELECT t.typname || ' ' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.typnamespace = current_schema()::regnamespace GROUP BY t.typname
"""

TRIGGERS = """
SELECT pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
"""

FUNCTIONS = """
SELECT pg_get_functiondef(oid) || coalesce(proacl::text, '') FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
"""

GRANTS = """
SELECT c.relname || ' ' || x.grantee::regrole::text || ' ' || x.privilege_type
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
WHERE c.relnamespace = current_schema()::regnamespace AND x.grantee <> c.relowner
UNION ALL
SELECT c.relname || '.' || a.attname || ' ' || x.grantee::regrole::text || ' ' || x.privilege_type
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) x
WHERE c.relnamespace = current_schema()::regnamespace AND x.grantee <> c.relowner
UNION ALL
SELECT 'schema ' || x.grantee::regrole::text || ' ' || x.privilege_type
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) x
WHERE n.oid = current_schema()::regnamespace AND x.grantee <> 0 AND x.grantee <> n.nspowner
"""

SHAPE = (COLUMNS, CONSTRAINTS, INDEXES, ENUMS)
"""The aspects that SQLAlchemy's models describe, which have no partitions."""
EVERYTHING = (TABLES, *SHAPE, PARTITIONS, TRIGGERS, FUNCTIONS, GRANTS)


async def describe(url: str, aspects: tuple[str, ...] = EVERYTHING) -> list[str]:
    """One line for each object, except Alembic's table."""
    connection = await asyncpg.connect(url)
    try:
        lines = [row[0] for query in aspects for row in await connection.fetch(query)]
    finally:
        await connection.close()
    return sorted(line for line in lines if "alembic_version" not in line)
