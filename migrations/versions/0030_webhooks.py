"""Webhooks: endpoints, deliveries and attempts.

A delivery is a row, and the queue: workers lease rows, so no other table of jobs can disagree with it. An event is delivered to
an endpoint in one row, whatever happens between reading the event and writing the row. `webhook_progress` has the position up
to which events have their rows; it is written in the same transaction as the rows.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLES = (
    "CREATE TYPE webhook_status AS ENUM ('ENABLED', 'PAUSED', 'DISABLED_FAILING')",
    "CREATE TYPE webhook_source AS ENUM ('WALLET', 'SETTLED', 'HOLD')",
    """
    CREATE TABLE webhook_endpoints (
        id uuid NOT NULL,
        owner_id uuid NOT NULL,
        subject_id uuid,
        start_number bigint DEFAULT 0 NOT NULL,
        created_at timestamptz NOT NULL,
        due_at timestamptz,
        failing_since timestamptz,
        old_keys_until timestamptz,
        failures int DEFAULT 0 NOT NULL,
        source webhook_source NOT NULL,
        status webhook_status DEFAULT 'ENABLED' NOT NULL,
        sees_all boolean NOT NULL,
        ordered boolean NOT NULL,
        public_key bytea NOT NULL,
        keys bytea NOT NULL,
        old_keys bytea,
        request_hash bytea NOT NULL,
        url text NOT NULL,
        document text NOT NULL,
        variables jsonb,
        idempotency_key text COLLATE "C" NOT NULL,
        CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id),
        CONSTRAINT webhook_endpoints_idempotency_key UNIQUE (owner_id, idempotency_key),
        CONSTRAINT webhook_endpoints_owner_fkey FOREIGN KEY (owner_id) REFERENCES users (id),
        CONSTRAINT webhook_endpoints_key_is_visible_ascii CHECK (
            idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255),
        CONSTRAINT webhook_endpoints_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
        CONSTRAINT webhook_endpoints_subject_iff_of_one CHECK ((source = 'SETTLED') = (subject_id IS NULL)),
        CONSTRAINT webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 1 AND 2048),
        CONSTRAINT webhook_endpoints_document_length CHECK (char_length(document) BETWEEN 1 AND 10000),
        CONSTRAINT webhook_endpoints_variables_is_object CHECK (jsonb_typeof(variables) = 'object'),
        CONSTRAINT webhook_endpoints_public_key_length CHECK (octet_length(public_key) = 32),
        CONSTRAINT webhook_endpoints_old_keys_end CHECK ((old_keys IS NULL) = (old_keys_until IS NULL)),
        CONSTRAINT webhook_endpoints_failing_since_a_failure CHECK (
            failures >= 0 AND (failures = 0) = (failing_since IS NULL))
    )
    """,
    "CREATE INDEX webhook_endpoints_subject_idx ON webhook_endpoints (subject_id) WHERE subject_id IS NOT NULL",
    "CREATE INDEX webhook_endpoints_settled_idx ON webhook_endpoints (owner_id) WHERE source = 'SETTLED'",
    "CREATE INDEX webhook_endpoints_all_idx ON webhook_endpoints (id) WHERE source = 'SETTLED' AND sees_all",
    "CREATE INDEX webhook_endpoints_due_idx ON webhook_endpoints (due_at) WHERE status = 'ENABLED' AND due_at IS NOT NULL",
    """
    CREATE TABLE webhook_deliveries (
        id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        subject_id uuid NOT NULL,
        number bigint NOT NULL,
        position bigint NOT NULL,
        created_at timestamptz NOT NULL,
        next_attempt_at timestamptz,
        leased_until timestamptz,
        delivered_at timestamptz,
        attempts int DEFAULT 0 NOT NULL,
        failures int DEFAULT 0 NOT NULL,
        lanes uuid[] NOT NULL,
        payload text,
        CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
        CONSTRAINT webhook_deliveries_once UNIQUE (endpoint_id, subject_id, number),
        CONSTRAINT webhook_deliveries_endpoint_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoints (id),
        CONSTRAINT webhook_deliveries_position_positive CHECK (position > 0),
        CONSTRAINT webhook_deliveries_attempts_counted CHECK (failures >= 0 AND failures <= attempts),
        CONSTRAINT webhook_deliveries_done_or_waiting CHECK (
            delivered_at IS NULL OR (next_attempt_at IS NULL AND leased_until IS NULL AND attempts > 0)),
        CONSTRAINT webhook_deliveries_leased_while_waiting CHECK (leased_until IS NULL OR next_attempt_at IS NOT NULL)
    )
    """,
    # Each is small: most rows are delivered.
    """
    CREATE INDEX webhook_deliveries_waiting_idx ON webhook_deliveries (endpoint_id, position, number)
    WHERE delivered_at IS NULL
    """,
    """
    CREATE INDEX webhook_deliveries_stuck_idx ON webhook_deliveries (endpoint_id)
    WHERE delivered_at IS NULL AND (failures > 0 OR next_attempt_at IS NULL)
    """,
    "CREATE INDEX webhook_deliveries_endpoint_idx ON webhook_deliveries (endpoint_id, id)",
    "CREATE INDEX webhook_deliveries_delivered_idx ON webhook_deliveries (delivered_at) WHERE delivered_at IS NOT NULL",
    """
    CREATE TABLE webhook_attempts (
        delivery_id uuid NOT NULL,
        number int NOT NULL,
        at timestamptz NOT NULL,
        duration_ms int NOT NULL,
        status int,
        error text,
        response_body text,
        CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, number),
        CONSTRAINT webhook_attempts_delivery_fkey
            FOREIGN KEY (delivery_id) REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
        CONSTRAINT webhook_attempts_number_positive CHECK (number >= 1),
        CONSTRAINT webhook_attempts_duration_not_negative CHECK (duration_ms >= 0),
        CONSTRAINT webhook_attempts_answer_or_error CHECK ((status IS NULL) = (error IS NOT NULL)),
        CONSTRAINT webhook_attempts_texts_short CHECK (char_length(error) <= 500 AND char_length(response_body) <= 1024)
    )
    """,
    """
    CREATE TABLE webhook_progress (
        only_row boolean DEFAULT true NOT NULL,
        position bigint NOT NULL,
        CONSTRAINT webhook_progress_pkey PRIMARY KEY (only_row),
        CONSTRAINT webhook_progress_one_row CHECK (only_row)
    )
    """,
    "INSERT INTO webhook_progress (position) VALUES (0)",
)
FUNCTIONS = (
    """
    CREATE FUNCTION guard_webhook_endpoint() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
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
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION guard_webhook_progress() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Events are not skipped by going forward twice, nor read again by going back.
    BEGIN
        IF NEW.position < OLD.position THEN
            RAISE EXCEPTION 'the position of webhooks does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_progress_rises';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION guard_webhook_delivery() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Which event it is, and so its header webhook-id, is the same in every attempt.
    BEGIN
        IF (NEW.id, NEW.endpoint_id, NEW.subject_id, NEW.number, NEW.position, NEW.lanes, NEW.created_at)
           IS DISTINCT FROM
           (OLD.id, OLD.endpoint_id, OLD.subject_id, OLD.number, OLD.position, OLD.lanes, OLD.created_at)
           OR NEW.attempts < OLD.attempts THEN
            RAISE EXCEPTION 'a delivery keeps its event, its place and its attempts'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'webhook_deliveries_keep_their_event';
        END IF;
        RETURN NEW;
    END $$
    """,
)
TRIGGERS = (
    """
    CREATE TRIGGER webhook_endpoints_guard BEFORE UPDATE ON webhook_endpoints
    FOR EACH ROW EXECUTE FUNCTION guard_webhook_endpoint()
    """,
    """
    CREATE TRIGGER webhook_endpoints_never_deleted BEFORE DELETE OR TRUNCATE ON webhook_endpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('webhook_endpoints_never_deleted', 'pause it instead')
    """,
    """
    CREATE TRIGGER webhook_deliveries_guard BEFORE UPDATE ON webhook_deliveries
    FOR EACH ROW EXECUTE FUNCTION guard_webhook_delivery()
    """,
    """
    CREATE TRIGGER webhook_attempts_insert_only BEFORE UPDATE ON webhook_attempts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('webhook_attempts_insert_only', 'what was answered is not changed')
    """,
    """
    CREATE TRIGGER webhook_progress_guard BEFORE UPDATE ON webhook_progress
    FOR EACH ROW EXECUTE FUNCTION guard_webhook_progress()
    """,
)
GRANTS = (
    "GRANT SELECT ON webhook_endpoints, webhook_deliveries, webhook_attempts, webhook_progress TO {role}",
    "GRANT INSERT ON webhook_endpoints, webhook_deliveries, webhook_attempts TO {role}",
    """
    GRANT UPDATE (due_at, failing_since, failures, status, old_keys_until, public_key, keys, old_keys)
    ON webhook_endpoints TO {role}
    """,
    """
    GRANT UPDATE (next_attempt_at, leased_until, delivered_at, attempts, failures, payload) ON webhook_deliveries TO {role}
    """,
    "GRANT UPDATE (position) ON webhook_progress TO {role}",
    # Deliveries are removed when they are old. Their attempts go with them.
    "GRANT DELETE ON webhook_deliveries TO {role}",
)


def upgrade() -> None:
    """Add tables. No other table is locked for longer than a moment."""
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    connection = op.get_bind()
    for statement in TABLES:
        connection.exec_driver_sql(statement)
    for function in FUNCTIONS:
        connection.exec_driver_sql(function.replace("{schema}", schema))
    for statement in TRIGGERS:
        op.execute(statement)
    for name in ("guard_webhook_endpoint", "guard_webhook_progress", "guard_webhook_delivery"):
        op.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")
    for statement in GRANTS:
        op.execute(statement.format(role=role))


def downgrade() -> None:
    """Remove them with what is stored in them. What was delivered stays delivered."""
    op.execute("DROP TABLE webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_progress")
    op.execute("DROP FUNCTION guard_webhook_endpoint, guard_webhook_progress, guard_webhook_delivery")
    op.execute("DROP TYPE webhook_status, webhook_source")
