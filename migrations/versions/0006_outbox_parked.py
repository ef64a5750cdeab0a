"""A place for news that the relay cannot read, and a cleaner outbox.

The outbox is emptied as fast as it fills, so how many rows died is what says that it wants cleaning, not which share of
none. Giving the freed end of the file back would need a lock that every transfer waits for; the next rows use it instead.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PARKED = """
CREATE TABLE outbox_parked (
    id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    payload json NOT NULL,
    parked_at timestamptz NOT NULL,
    reason text NOT NULL,
    CONSTRAINT outbox_parked_pkey PRIMARY KEY (id)
)
"""
CLEANING = """
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
)
"""
NO_CLEANING = """
ALTER TABLE outbox RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay, vacuum_truncate
)
"""
# Back to where the relay looks, with ids that it has yet to come to.
UNPARK = "INSERT INTO outbox (created_at, payload) SELECT created_at, payload FROM outbox_parked ORDER BY id"


def upgrade() -> None:
    """Make the table and let the relay use it."""
    op.execute(PARKED)
    op.execute(CLEANING)
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    op.execute(f"GRANT SELECT, INSERT, DELETE ON outbox_parked TO {role.scalar_one()}")


def downgrade() -> None:
    """Put what is parked back into the outbox: an older relay reports it there."""
    op.execute(UNPARK)
    op.execute(NO_CLEANING)
    op.execute("DROP TABLE outbox_parked")
