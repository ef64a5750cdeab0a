"""The audit log says the truth of itself: who an operator is and when it was, whatever whoever writes to it says.

The service may write what administrators do, and cannot sign as an operator. The one thing that it does for operators, another
try for what is parked, it does by a function that writes the record too.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SIGN = """
CREATE FUNCTION sign_audit_record() RETURNS trigger LANGUAGE plpgsql AS $$
-- When it is, and as whom somebody who is no user of the ledger has logged in: known here, so nobody is asked.
BEGIN
    NEW.created_at := clock_timestamp();
    IF NEW.operator IS NOT NULL THEN
        NEW.operator := session_user;
    END IF;
    RETURN NEW;
END $$
"""
RETRY = """
CREATE FUNCTION retry_parked(record_id uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Another try for all that is parked, and the record of it. The only way there is, so none goes without.
DECLARE
    retried bigint;
BEGIN
    -- New ids: the relay has passed the old ones. A transaction id comes before them, as it must: the deletion takes one.
    WITH parked AS (DELETE FROM outbox_parked RETURNING id, created_at, payload),
         back AS (INSERT INTO outbox (created_at, payload) SELECT created_at, payload FROM parked ORDER BY id RETURNING id)
    SELECT count(*) INTO retried FROM back;
    IF retried > 0 THEN
        INSERT INTO audit_log (id, operator, action, before, after)
        VALUES (record_id, session_user, 'RETRY_PARKED', jsonb_build_object('parked', retried), jsonb_build_object('parked', 0));
    END IF;
    RETURN retried;
END $$
"""
TRIGGER = """
CREATE TRIGGER audit_log_signed BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION sign_audit_record()
"""
UP = (
    SIGN,
    RETRY,
    "ALTER FUNCTION sign_audit_record() SET search_path = {schema}, pg_temp",
    "ALTER FUNCTION retry_parked(uuid) SET search_path = {schema}, pg_temp",
    "REVOKE EXECUTE ON FUNCTION sign_audit_record() FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION retry_parked(uuid) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION retry_parked(uuid) TO {role}",
    TRIGGER,
    "ALTER TABLE audit_log ALTER COLUMN subject_id DROP NOT NULL",
    "REVOKE INSERT ON audit_log FROM {role}",
    # With created_at, which the release before this one still sends; it is overwritten.
    "GRANT INSERT (id, actor_id, action, subject_id, before, after, reason, request_id, created_at) ON audit_log TO {role}",
    "REVOKE DELETE ON outbox_parked FROM {role}",
)
DOWN = (
    "GRANT DELETE ON outbox_parked TO {role}",
    "REVOKE INSERT (id, actor_id, action, subject_id, before, after, reason, request_id, created_at) ON audit_log FROM {role}",
    "GRANT INSERT ON audit_log TO {role}",
    "ALTER TABLE audit_log ALTER COLUMN subject_id SET NOT NULL",
    "DROP TRIGGER audit_log_signed ON audit_log",
    "DROP FUNCTION sign_audit_record(), retry_parked(uuid)",
)

EMPTY = (
    "ALTER TABLE audit_log DISABLE TRIGGER audit_log_insert_only",
    "TRUNCATE audit_log",
    "ALTER TABLE audit_log ENABLE TRIGGER audit_log_insert_only",
)
"""On the way back to `base`, which leaves no ledger that it could tell of."""


def _run(statements: tuple[str, ...]) -> None:
    asked = "SELECT quote_ident(:role) AS role, quote_ident(current_schema()) AS schema"
    names = op.get_bind().execute(text(asked), {"role": context.config.attributes["database_role"]}).one()
    for statement in statements:
        op.execute(statement.format(role=names.role, schema=names.schema))


def upgrade() -> None:
    """Have the database sign, and take from the service what it has no need of."""
    _run(UP)


def downgrade() -> None:
    """Trust whoever writes again. Refused where there are records that the older form cannot hold, unless all of them go."""
    if context.get_revision_argument() is None:
        _run(EMPTY)
    if op.get_bind().execute(text("SELECT EXISTS (SELECT FROM audit_log WHERE subject_id IS NULL)")).scalar_one():
        raise CommandError("the audit log has records of operators (RETRY_PARKED) that an older one cannot hold, and keeps them")
    _run(DOWN)
