"""The type of transactions that pay from a hold.

A revision of its own: PostgreSQL lets no statement use a new value of an enum in the transaction that adds it.
"""

from __future__ import annotations

from alembic import op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0021"
down_revision = "0020"
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
    op.execute("ALTER TYPE transaction_type ADD VALUE 'CAPTURE'")


def downgrade() -> None:
    """Remove it. Refused if there are captures."""
    connection = op.get_bind()
    if connection.execute(text("SELECT EXISTS (SELECT FROM transactions WHERE type = 'CAPTURE')")).scalar_one():
        raise CommandError("the ledger has captures, which this revision's predecessor cannot hold, and keeps them")
    constraints = connection.execute(CONSTRAINTS).all()
    for constraint in constraints:
        op.execute(f"ALTER TABLE {constraint.table_name} DROP CONSTRAINT {constraint.name}")
    op.execute("DROP INDEX fee_schedules_line_key")
    op.execute("ALTER TYPE transaction_type RENAME TO transaction_type_with_captures")
    op.execute("CREATE TYPE transaction_type AS ENUM ('TRANSFER', 'DEPOSIT', 'POSTING', 'REVERSAL')")
    for table, column in TYPED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE transaction_type USING {column}::text::transaction_type")
    op.execute("DROP TYPE transaction_type_with_captures")
    op.execute(LINE_INDEX)
    for constraint in constraints:
        connection.exec_driver_sql(
            f"ALTER TABLE {constraint.table_name} ADD CONSTRAINT {constraint.name} {constraint.definition}"
        )
