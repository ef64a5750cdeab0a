"""The role that API and relay work under: it owns nothing and may do only what the service does."""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.errors import ConfigurationError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Roles belong to the whole cluster: another database may have made it already, or be making it right now.
CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

# Who creates a role may administer it, but since PostgreSQL 16 that does not mean to act as it.
BECOME_MEMBER = """
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{role}',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
END $$
"""

INSUFFICIENT_PRIVILEGE = "42501"
FOR_ADMINISTRATOR = (
    "The database user {user} may not set up the role {role}. Let an administrator run "
    "`CREATE ROLE {role} NOLOGIN; GRANT {role} TO {user};`, then run `paycore migrate` again."
)

GRANTS = (
    # PostgreSQL's own default since 15, but not in a database that began on 14: an operator of one's own on the ledger's
    # types would decide what the triggers' comparisons say.
    "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT INSERT ON users, wallets, wallet_openings, transactions, ledger_entries, audit_log TO {role}",
    # Not the id: the sequence gives it, and the relay reads in its order.
    "GRANT INSERT (created_at, payload) ON outbox TO {role}",
    # Not the balance: that follows from the entries.
    "GRANT UPDATE (status, name, held) ON wallets TO {role}",
    "GRANT UPDATE (status, completed_at, failure_code, failure_field, failure_available) ON transactions TO {role}",
    "GRANT UPDATE (display_name) ON users TO {role}",
    "GRANT DELETE ON outbox TO {role}",
)


def _names() -> dict[str, str]:
    schema, user = op.get_bind().execute(text("SELECT quote_ident(current_schema()), quote_ident(current_user)")).one()
    return {"role": context.config.attributes["database_role"], "schema": schema, "user": user}


def upgrade() -> None:
    """Create the role where it is missing, and grant. Raises ConfigurationError where the user may not."""
    names = _names()
    try:
        op.execute(CREATE_ROLE.format(**names))
        op.execute(BECOME_MEMBER.format(**names))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        raise ConfigurationError(FOR_ADMINISTRATOR.format(**names)) from None
    for statement in GRANTS:
        op.execute(statement.format(**names))


def downgrade() -> None:
    """Take the grants back. The role stays: other databases of the cluster may use it."""
    names = _names()
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}".format(**names))
    op.execute("REVOKE USAGE ON SCHEMA {schema} FROM {role}".format(**names))
