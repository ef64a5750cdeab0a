"""Marks at the first entry of each quarter of an hour, with its amount: a wallet at the border of a period is one look-up.

The read models begin anew, at position 0, and the worker projects them again: marks that are missing cannot be told from those
that are not due. `balanceAt` stays exact meanwhile. A worker of the release before stops projecting until it is replaced.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_MARKS = """
CREATE TABLE wallet_marks (
    generation smallint NOT NULL,
    wallet_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    {amount}
    balance bigint NOT NULL,
    debits_so_far numeric NOT NULL,
    CONSTRAINT wallet_marks_pkey PRIMARY KEY (generation, wallet_id, at, sequence),
    CONSTRAINT {check},
    CONSTRAINT wallet_marks_not_negative CHECK (debits_so_far >= 0)
)
"""
_BEGIN_ANEW = (
    "TRUNCATE wallet_days, activity, activity_parties",
    "DELETE FROM read_models WHERE NOT is_live",
    "UPDATE read_models SET is_live = false",
    """
    INSERT INTO read_models (generation, position, is_live, started_at)
    SELECT generation % 32767 + 1, 0, true, now() FROM read_models
    """,
    "DELETE FROM read_models WHERE NOT is_live",
)


def upgrade() -> None:
    """Make the table anew, and let the worker fill all models again."""
    _make("amount bigint NOT NULL,", "wallet_marks_of_entries CHECK (sequence > 0 AND amount <> 0)")


def downgrade() -> None:
    """As the upgrade, the other way."""
    _make("", "wallet_marks_regular CHECK (sequence > 0 AND sequence % 4 = 0)")


def _make(amount: str, check: str) -> None:
    connection = op.get_bind()
    if connection.exec_driver_sql("SELECT EXISTS (SELECT FROM archived_months())").scalar_one():
        raise RuntimeError("Months of entries are archived: run `paycore restore` for each of them first.")
    connection.exec_driver_sql("LOCK TABLE read_models")
    if connection.exec_driver_sql("SELECT EXISTS (SELECT FROM read_models WHERE position > 0 OR NOT is_live)").scalar_one():
        for statement in _BEGIN_ANEW:
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql("DROP TABLE wallet_marks")
    connection.exec_driver_sql(_MARKS.format(amount=amount, check=check))
    role = connection.execute(
        text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]}
    ).scalar_one()
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, DELETE ON wallet_marks TO {role}")
