"""Quotas: how much one user may move in a minute and a day. And an audit log for all that administrators do.

The service counts, but may not change what is allowed: that is for whoever owns the tables, by `paycore quota`.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

QUOTAS = """
CREATE TABLE quotas (
    user_id uuid NOT NULL,
    transfers_per_minute bigint,
    transfers_per_day bigint,
    minute timestamptz DEFAULT 'epoch' NOT NULL,
    minute_transfers bigint DEFAULT 0 NOT NULL,
    day date DEFAULT 'epoch' NOT NULL,
    day_transfers bigint DEFAULT 0 NOT NULL,
    CONSTRAINT quotas_pkey PRIMARY KEY (user_id),
    CONSTRAINT quotas_user_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT quotas_limits_not_negative CHECK (transfers_per_minute >= 0 AND transfers_per_day >= 0),
    CONSTRAINT quotas_counts_not_negative CHECK (minute_transfers >= 0 AND day_transfers >= 0)
)
"""
AMOUNTS = """
CREATE TABLE quota_amounts (
    user_id uuid NOT NULL,
    currency text NOT NULL,
    amount_per_day bigint,
    day date DEFAULT 'epoch' NOT NULL,
    day_amount numeric DEFAULT 0 NOT NULL,
    CONSTRAINT quota_amounts_pkey PRIMARY KEY (user_id, currency),
    CONSTRAINT quota_amounts_quota_fkey FOREIGN KEY (user_id) REFERENCES quotas (user_id),
    CONSTRAINT quota_amounts_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
    CONSTRAINT quota_amounts_limit_not_negative CHECK (amount_per_day >= 0),
    CONSTRAINT quota_amounts_count_not_negative CHECK (day_amount >= 0)
)
"""
GRANTS = (
    "GRANT SELECT ON quotas, quota_amounts TO {role}",
    # A row without limits of its own, for whoever comes under those of the settings; and what has been used.
    "GRANT INSERT (user_id), UPDATE (minute, minute_transfers, day, day_transfers) ON quotas TO {role}",
    "GRANT INSERT (user_id, currency, day, day_amount), UPDATE (day, day_amount) ON quota_amounts TO {role}",
)
# A deposit needs no reason; who works at the command line is a user of the database, not one of the ledger.
AUDIT = (
    "ALTER TABLE audit_log ALTER COLUMN reason DROP NOT NULL",
    "ALTER TABLE audit_log ALTER COLUMN actor_id DROP NOT NULL",
    "ALTER TABLE audit_log ADD COLUMN operator text",
    "ALTER TABLE audit_log ADD CONSTRAINT audit_log_one_actor CHECK ((actor_id IS NULL) <> (operator IS NULL))",
)
NO_AUDIT = (
    "ALTER TABLE audit_log DROP COLUMN operator",
    "ALTER TABLE audit_log ALTER COLUMN actor_id SET NOT NULL",
    "ALTER TABLE audit_log ALTER COLUMN reason SET NOT NULL",
)
EMPTY = (
    "ALTER TABLE audit_log DISABLE TRIGGER audit_log_insert_only",
    "TRUNCATE audit_log",
    "ALTER TABLE audit_log ENABLE TRIGGER audit_log_insert_only",
)
"""On the way back to `base`, which leaves no ledger that it could tell of."""
UNKEEPABLE = "SELECT count(*) FROM audit_log WHERE actor_id IS NULL OR reason IS NULL"


def upgrade() -> None:
    """Make the tables, and let the service count in them."""
    op.execute(QUOTAS)
    op.execute(AMOUNTS)
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    name = role.scalar_one()
    for statement in GRANTS:
        op.execute(statement.format(role=name))
    for statement in AUDIT:
        op.execute(statement)


def downgrade() -> None:
    """Drop them, with what was counted and allowed.

    Refused where the audit log has what its older form cannot hold, operators' changes and deposits without a reason: it is
    insert-only, so nothing of it is deleted and no reason invented. But for the way to `base`: there all of it goes.
    """
    if context.get_revision_argument() is None:
        for statement in EMPTY:
            op.execute(statement)
    unkeepable = op.get_bind().execute(text(UNKEEPABLE)).scalar_one()
    if unkeepable:
        records = "records of operators or without a reason, which an older one cannot hold"
        raise CommandError(
            f"the audit log keeps what it has, and it has {records} ({unkeepable} of them): go on with this revision"
        )
    op.execute("DROP TABLE quota_amounts, quotas")
    for statement in NO_AUDIT:
        op.execute(statement)
