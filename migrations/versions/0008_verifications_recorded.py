"""What `paycore verify` found is recorded, so that /metrics can tell it: a nightly job alone tells nobody.

The service's role may add a result and read them; nobody changes one.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

VERIFICATIONS = """
CREATE TABLE ledger_verifications (
    id bigint GENERATED ALWAYS AS IDENTITY,
    finished_at timestamptz NOT NULL,
    duration_ms bigint NOT NULL,
    findings bigint NOT NULL,
    CONSTRAINT ledger_verifications_pkey PRIMARY KEY (id),
    CONSTRAINT ledger_verifications_duration_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT ledger_verifications_findings_not_negative CHECK (findings >= 0)
)
"""
INSERT_ONLY = """
CREATE TRIGGER ledger_verifications_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_verifications
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('ledger_verifications_insert_only', 'what was found is not changed')
"""
GRANTS = (
    "GRANT SELECT ON ledger_verifications TO {role}",
    # Not the id: the newest one is the last verification.
    "GRANT INSERT (finished_at, duration_ms, findings) ON ledger_verifications TO {role}",
)


def upgrade() -> None:
    """Make the table, and let the service add to it."""
    op.execute(VERIFICATIONS)
    op.execute(INSERT_ONLY)
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    name = role.scalar_one()
    for statement in GRANTS:
        op.execute(statement.format(role=name))


def downgrade() -> None:
    """Drop it, with what was recorded."""
    op.execute("DROP TABLE ledger_verifications")
