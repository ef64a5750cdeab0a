"""Check the constraints of the previous revision on the rows that existed before it. Transfers go on meanwhile."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

CONSTRAINTS = (
    ("transactions", "transactions_quote_iff_conversion"),
    ("transactions", "transactions_failure_code_known"),
)
DEFINITION = text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name")


def upgrade() -> None:
    """Read each row once, under a lock that stops neither readers nor writers."""
    for table, constraint in CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def downgrade() -> None:
    """Make the constraints anew, unchecked. The rules stay."""
    for table, constraint in CONSTRAINTS:
        definition: str = op.get_bind().execute(DEFINITION, {"name": constraint}).scalar_one()
        op.get_bind().exec_driver_sql(
            f"ALTER TABLE {table} DROP CONSTRAINT {constraint}, ADD CONSTRAINT {constraint} {definition} NOT VALID"
        )
