"""The type of transactions that exchange one currency for another.

A revision of its own: PostgreSQL lets no statement use a new value of an enum in the transaction that adds it.
"""

from __future__ import annotations

from alembic import op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# An enum loses a value only by being made anew, which rewrites the tables.
TYPED = (("transactions", "type"), ("fee_schedules", "transaction_type"))
CONSTRAINTS = text("""
SELECT conrelid::regclass::text AS table_name, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'c' AND conrelid IN ('transactions'::regclass, 'fee_schedules'::regclass)
  AND pg_get_constraintdef(oid) LIKE '%::transaction_type%'
""")
LINE_INDEX = """
CREATE UNIQUE INDEX fee_schedules_line_key
ON fee_schedules (transaction_type, currency, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), version)
"""


def upgrade() -> None:
    """Add the value. No table is touched."""
    op.execute("ALTER TYPE transaction_type ADD VALUE 'CONVERSION'")


def downgrade() -> None:
    """Remove it. Refused if there are conversions."""
    connection = op.get_bind()
    if connection.execute(text("SELECT EXISTS (SELECT FROM transactions WHERE type = 'CONVERSION')")).scalar_one():
        raise CommandError("the ledger has conversions, which this revision's predecessor cannot hold, and keeps them")
    constraints = connection.execute(CONSTRAINTS).all()
    for constraint in constraints:
        op.execute(f"ALTER TABLE {constraint.table_name} DROP CONSTRAINT {constraint.name}")
    op.execute("DROP INDEX fee_schedules_line_key")
    op.execute("ALTER TYPE transaction_type RENAME TO transaction_type_with_conversions")
    op.execute("CREATE TYPE transaction_type AS ENUM ('TRANSFER', 'DEPOSIT', 'POSTING', 'REVERSAL', 'CAPTURE')")
    for table, column in TYPED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE transaction_type USING {column}::text::transaction_type")
    op.execute("DROP TYPE transaction_type_with_conversions")
    op.execute(LINE_INDEX)
    for constraint in constraints:
        connection.exec_driver_sql(
            f"ALTER TABLE {constraint.table_name} ADD CONSTRAINT {constraint.name} {constraint.definition}"
        )
