"""Endpoints of webhooks can be deleted, fall behind without a loss, and stop with their owner's right. Duties of the worker.

`behind_after` is the position up to which an endpoint's events have their rows. NULL: it follows `webhook_progress`. An endpoint
that takes nothing (paused, disabled, failing, or with thousands of rows that wait) gets no further rows, and goes on from there.

`worker_duties` has a row for each duty that a worker does now and then: when it is due, and which worker has it until when.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

COLUMNS = (
    # A default that is one moment for all rows: no row is written.
    """
    ALTER TABLE webhook_endpoints
        ADD COLUMN behind_after bigint,
        ADD COLUMN look_at timestamptz,
        ADD COLUMN rights_until timestamptz DEFAULT (now() + interval '30 days') NOT NULL,
        ADD COLUMN deleted_at timestamptz
    """,
    # What disabled endpoints missed until now is lost, as it was said then.
    """
    UPDATE webhook_endpoints SET look_at = now(), behind_after = (SELECT position FROM webhook_progress)
    WHERE status = 'DISABLED_FAILING'
    """,
    """
    ALTER TABLE webhook_endpoints
        ADD CONSTRAINT webhook_endpoints_behind_is_looked_at CHECK ((behind_after IS NULL) = (look_at IS NULL)),
        ADD CONSTRAINT webhook_endpoints_behind_not_negative CHECK (behind_after >= 0),
        ADD CONSTRAINT webhook_endpoints_deleted_is_not_enabled CHECK (deleted_at IS NULL OR status <> 'ENABLED')
    """,
    """
    CREATE INDEX webhook_endpoints_behind_idx ON webhook_endpoints (look_at)
    WHERE status = 'ENABLED' AND behind_after IS NOT NULL
    """,
    "CREATE INDEX webhook_endpoints_deleted_idx ON webhook_endpoints (deleted_at) WHERE deleted_at IS NOT NULL",
    """
    CREATE TABLE worker_duties (
        name text COLLATE "C" NOT NULL,
        next_at timestamptz NOT NULL,
        leased_until timestamptz,
        started_at timestamptz,
        succeeded_at timestamptz,
        duration_ms bigint,
        failures int DEFAULT 0 NOT NULL,
        last_error text,
        CONSTRAINT worker_duties_pkey PRIMARY KEY (name),
        CONSTRAINT worker_duties_name CHECK (name ~ '^[a-z][a-z_]{0,39}$'),
        CONSTRAINT worker_duties_failures_counted CHECK (failures >= 0 AND (failures = 0 OR last_error IS NOT NULL)),
        CONSTRAINT worker_duties_error_short CHECK (char_length(last_error) <= 500),
        CONSTRAINT worker_duties_succeeded_in_some_time CHECK (
            (succeeded_at IS NULL) = (duration_ms IS NULL) AND duration_ms >= 0)
    )
    """,
)
GUARD_ENDPOINT = """
    CREATE OR REPLACE FUNCTION guard_webhook_endpoint() RETURNS trigger LANGUAGE plpgsql
    SET search_path TO {schema}, pg_temp AS $$
    -- What was created is not changed: a delivery means what its endpoint meant when the event happened.
    BEGIN
        IF (NEW.id, NEW.owner_id, NEW.subject_id, NEW.start_number, NEW.created_at, NEW.source, NEW.sees_all, NEW.ordered,
            NEW.request_hash, NEW.url, NEW.document, NEW.variables, NEW.idempotency_key)
           IS DISTINCT FROM
           (OLD.id, OLD.owner_id, OLD.subject_id, OLD.start_number, OLD.created_at, OLD.source, OLD.sees_all, OLD.ordered,
            OLD.request_hash, OLD.url, OLD.document, OLD.variables, OLD.idempotency_key) THEN
            RAISE EXCEPTION 'an endpoint keeps its URL, document and owner: create another one'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_keep_what_they_are';
        END IF;
{more}        RETURN NEW;
    END $$
"""
STAYS_DELETED = """\
        IF OLD.deleted_at IS DISTINCT FROM NEW.deleted_at AND OLD.deleted_at IS NOT NULL THEN
            RAISE EXCEPTION 'a deleted endpoint stays deleted'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_stay_deleted';
        END IF;
        IF NEW.behind_after < OLD.behind_after AND NEW.deleted_at IS NULL THEN
            RAISE EXCEPTION 'the position of an endpoint does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_behind_rises';
        END IF;
"""
GUARD_DELETE = """
CREATE FUNCTION guard_webhook_endpoint_delete() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
-- The row of an endpoint goes last, after its owner has deleted the endpoint.
BEGIN
    IF OLD.deleted_at IS NULL THEN
        RAISE EXCEPTION 'only an endpoint that its owner has deleted is removed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_endpoints_deleted_by_owner';
    END IF;
    RETURN OLD;
END $$
"""
NEVER_TRUNCATED = """
CREATE TRIGGER webhook_endpoints_never_deleted BEFORE {events} ON webhook_endpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('webhook_endpoints_never_deleted', 'pause it instead')
"""
TRIGGERS = (
    "DROP TRIGGER webhook_endpoints_never_deleted ON webhook_endpoints",
    NEVER_TRUNCATED.format(events="TRUNCATE"),
    """
    CREATE TRIGGER webhook_endpoints_delete_guard BEFORE DELETE ON webhook_endpoints
    FOR EACH ROW EXECUTE FUNCTION guard_webhook_endpoint_delete()
    """,
    "REVOKE ALL ON FUNCTION guard_webhook_endpoint_delete() FROM PUBLIC",
)
GRANTS = (
    "GRANT UPDATE (behind_after, look_at, rights_until, deleted_at) ON webhook_endpoints TO {role}",
    "GRANT DELETE ON webhook_endpoints TO {role}",
    "GRANT SELECT, INSERT ON worker_duties TO {role}",
    """
    GRANT UPDATE (next_at, leased_until, started_at, succeeded_at, duration_ms, failures, last_error)
    ON worker_duties TO {role}
    """,
)
DOWN = (
    "DROP TABLE worker_duties",
    "DELETE FROM webhook_deliveries WHERE endpoint_id IN (SELECT id FROM webhook_endpoints WHERE deleted_at IS NOT NULL)",
    "DELETE FROM webhook_endpoints WHERE deleted_at IS NOT NULL",
    "DROP TRIGGER webhook_endpoints_delete_guard ON webhook_endpoints",
    "DROP FUNCTION guard_webhook_endpoint_delete",
    "DROP TRIGGER webhook_endpoints_never_deleted ON webhook_endpoints",
    NEVER_TRUNCATED.format(events="DELETE OR TRUNCATE"),
    """
    ALTER TABLE webhook_endpoints
        DROP COLUMN behind_after, DROP COLUMN look_at, DROP COLUMN rights_until, DROP COLUMN deleted_at
    """,
    "REVOKE DELETE ON webhook_endpoints FROM {role}",
)


def upgrade() -> None:
    """Add columns without writing rows, and a table. A worker of the release before goes on: it gives rows to all endpoints."""
    for statement in (*COLUMNS, GUARD_ENDPOINT.replace("{more}", STAYS_DELETED), GUARD_DELETE, *TRIGGERS, *GRANTS):
        op.get_bind().exec_driver_sql(_named(statement))


def downgrade() -> None:
    """Remove them. Events that an endpoint is behind with are not delivered then, except by replayWebhooks."""
    for statement in (*DOWN, GUARD_ENDPOINT.replace("{more}", "")):
        op.get_bind().exec_driver_sql(_named(statement))


def _named(statement: str) -> str:
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    return statement.replace("{schema}", schema).replace("{role}", role)
