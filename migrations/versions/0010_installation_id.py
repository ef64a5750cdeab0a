"""An id of the installation, made here once: all names in Redis begin with it, so that installations may share a Redis.

The owner may change it, for a copy of a database that is to run beside its original. The service reads it when a process starts.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTALLATION = """
CREATE TABLE installation (
    only_row boolean NOT NULL DEFAULT true,
    id uuid NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (only_row),
    CONSTRAINT installation_one_row CHECK (only_row)
)
"""


def upgrade() -> None:
    """Make the id, and let the service read it."""
    op.execute(INSTALLATION)
    op.execute("INSERT INTO installation (id) VALUES (gen_random_uuid())")
    role = op.get_bind().execute(text("SELECT quote_ident(:role)"), {"role": context.config.attributes["database_role"]})
    op.execute(f"GRANT SELECT ON installation TO {role.scalar_one()}")


def downgrade() -> None:
    """Drop it. The way up makes another one, so restart API and relays after that."""
    op.execute("DROP TABLE installation")
