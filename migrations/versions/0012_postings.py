"""Types for transactions of any number of entries: postings, purposes of entries, and accounting types of wallets.

A revision of its own: PostgreSQL lets no statement use a new value of an enum in the transaction that adds it.
"""

from __future__ import annotations

from alembic import op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = (
    "ALTER TYPE transaction_type ADD VALUE 'POSTING'",
    "CREATE TYPE entry_purpose AS ENUM ('PRINCIPAL', 'FEE', 'FX', 'SPREAD', 'RESIDUE', 'CLEARING', 'SETTLEMENT', 'OTHER')",
    "CREATE TYPE account_type AS ENUM ('ASSET', 'LIABILITY', 'INCOME', 'EXPENSE')",
)
# An enum loses a value only by being made anew, which rewrites the table.
DOWN = (
    "DROP TYPE account_type",
    "DROP TYPE entry_purpose",
    "ALTER TYPE transaction_type RENAME TO transaction_type_with_postings",
    "CREATE TYPE transaction_type AS ENUM ('TRANSFER', 'DEPOSIT')",
    "ALTER TABLE transactions ALTER COLUMN type TYPE transaction_type USING type::text::transaction_type",
    "DROP TYPE transaction_type_with_postings",
)


def upgrade() -> None:
    """Add the types. No table is touched."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Remove them. Refused if there are postings."""
    if op.get_bind().execute(text("SELECT EXISTS (SELECT FROM transactions WHERE type = 'POSTING')")).scalar_one():
        raise CommandError("the ledger has postings, which this revision's predecessor cannot hold, and keeps them")
    for statement in DOWN:
        op.execute(statement)
