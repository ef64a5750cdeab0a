"""Statements: numbered per wallet, each opens where the one before it closed. Their files are stored in compressed parts.

A statement is a row, and the queue: workers lease rows. It covers a range of sequences, which is decided under the wallet's row
lock, so no entry can come into it later. Files are in the database, because they must outlive the entries that they list, and
because a backup of the database is then a backup of all of them.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLES = (
    "CREATE TYPE statement_status AS ENUM ('PREPARING', 'READY', 'FAILED')",
    "CREATE TYPE statement_format AS ENUM ('CSV', 'JSON', 'CAMT_053', 'MT940', 'PDF')",
    """
    CREATE TABLE statements (
        id uuid NOT NULL,
        wallet_id uuid NOT NULL,
        initiator_id uuid NOT NULL,
        number bigint NOT NULL,
        first_sequence bigint NOT NULL,
        last_sequence bigint NOT NULL,
        opening bigint NOT NULL,
        closing bigint NOT NULL,
        credits numeric(38),
        debits numeric(38),
        credit_count bigint,
        from_at timestamptz NOT NULL,
        to_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        finished_at timestamptz,
        leased_until timestamptz,
        attempts int DEFAULT 0 NOT NULL,
        status statement_status DEFAULT 'PREPARING' NOT NULL,
        lease uuid,
        request_hash bytea NOT NULL,
        problem text,
        idempotency_key text COLLATE "C" NOT NULL,
        CONSTRAINT statements_pkey PRIMARY KEY (id),
        CONSTRAINT statements_number_once UNIQUE (wallet_id, number),
        CONSTRAINT statements_idempotency_key UNIQUE (initiator_id, idempotency_key),
        CONSTRAINT statements_wallet_fkey FOREIGN KEY (wallet_id) REFERENCES wallets (id),
        CONSTRAINT statements_initiator_fkey FOREIGN KEY (initiator_id) REFERENCES users (id),
        CONSTRAINT statements_number_positive CHECK (number >= 1),
        CONSTRAINT statements_sequences_in_order CHECK (first_sequence >= 1 AND last_sequence >= first_sequence - 1),
        CONSTRAINT statements_period_in_order CHECK (from_at < to_at),
        CONSTRAINT statements_attempts_not_negative CHECK (attempts >= 0),
        CONSTRAINT statements_sums_iff_ready CHECK (
            (status = 'READY') = (credits IS NOT NULL) AND (status = 'READY') = (debits IS NOT NULL)
            AND (status = 'READY') = (credit_count IS NOT NULL)),
        CONSTRAINT statements_sums_close CHECK (
            credits >= 0 AND debits >= 0 AND opening + credits - debits = closing
            AND credit_count BETWEEN 0 AND last_sequence - first_sequence + 1),
        CONSTRAINT statements_finished_iff_final CHECK (
            (status = 'PREPARING') = (finished_at IS NULL)
            AND (status = 'PREPARING' OR (lease IS NULL AND leased_until IS NULL))),
        CONSTRAINT statements_problem_iff_failed CHECK (
            (status = 'FAILED') = (problem IS NOT NULL) AND char_length(problem) BETWEEN 1 AND 500),
        CONSTRAINT statements_lease_ends CHECK ((lease IS NULL) = (leased_until IS NULL)),
        CONSTRAINT statements_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
        CONSTRAINT statements_key_is_visible_ascii CHECK (
            idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255)
    )
    """,
    "CREATE INDEX statements_preparing_idx ON statements (created_at) WHERE status = 'PREPARING'",
    """
    CREATE TABLE statement_parts (
        statement_id uuid NOT NULL,
        number int NOT NULL,
        format statement_format NOT NULL,
        content bytea NOT NULL,
        CONSTRAINT statement_parts_pkey PRIMARY KEY (statement_id, format, number),
        CONSTRAINT statement_parts_statement_fkey FOREIGN KEY (statement_id) REFERENCES statements (id),
        CONSTRAINT statement_parts_number_positive CHECK (number >= 1),
        CONSTRAINT statement_parts_size CHECK (octet_length(content) BETWEEN 1 AND 2097152)
    )
    """,
    # They are compressed.
    "ALTER TABLE statement_parts ALTER COLUMN content SET STORAGE EXTERNAL",
    """
    CREATE TABLE statement_files (
        statement_id uuid NOT NULL,
        size bigint NOT NULL,
        parts int NOT NULL,
        format statement_format NOT NULL,
        sha256 bytea,
        problem text,
        CONSTRAINT statement_files_pkey PRIMARY KEY (statement_id, format),
        CONSTRAINT statement_files_statement_fkey FOREIGN KEY (statement_id) REFERENCES statements (id),
        CONSTRAINT statement_files_content_or_problem CHECK (
            (sha256 IS NULL) = (problem IS NOT NULL) AND (sha256 IS NULL) = (size = 0) AND (size = 0) = (parts = 0)
            AND size >= 0 AND parts >= 0),
        CONSTRAINT statement_files_sha256_length CHECK (octet_length(sha256) = 32),
        CONSTRAINT statement_files_problem_length CHECK (char_length(problem) BETWEEN 1 AND 500)
    )
    """,
)
FUNCTIONS = (
    """
    CREATE FUNCTION last_entry_before(wallet uuid, moment timestamptz, lowest bigint, highest bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE SET search_path TO {schema}, pg_temp AS $$
    -- The greatest sequence of a wallet's entries, lowest to highest, that was posted before the moment. A wallet's entries never
    -- go back in time, so a binary search finds it. An entry that is not here was archived, and so is older than all others.
    DECLARE
        middle bigint;
        posted timestamptz;
    BEGIN
        WHILE lowest < highest LOOP
            middle := lowest + (highest - lowest + 1) / 2;
            SELECT e.created_at INTO posted FROM ledger_entries e WHERE e.wallet_id = wallet AND e.sequence = middle;
            IF coalesce(posted < moment, true) THEN
                lowest := middle;
            ELSE
                highest := middle - 1;
            END IF;
        END LOOP;
        RETURN lowest;
    END $$
    """,
    """
    CREATE FUNCTION guard_new_statement() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- A statement follows the one before it, and is final: the wallet is locked, and what is posted to it after this comes later.
    DECLARE
        place record;
        before record;
        last_entry record;
        next_posted timestamptz;
        broken text;
    BEGIN
        SELECT sequence, posted_at INTO place FROM wallets WHERE id = NEW.wallet_id FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN NEW; -- the foreign key refuses it
        END IF;
        SELECT number, last_sequence, closing, to_at INTO before FROM statements
        WHERE wallet_id = NEW.wallet_id ORDER BY number DESC LIMIT 1;
        SELECT balance_after, created_at INTO last_entry FROM ledger_entries
        WHERE wallet_id = NEW.wallet_id AND sequence = NEW.last_sequence;
        SELECT created_at INTO next_posted FROM ledger_entries
        WHERE wallet_id = NEW.wallet_id AND sequence = NEW.last_sequence + 1;
        broken := CASE
            WHEN NEW.status <> 'PREPARING' THEN 'it has no files yet'
            WHEN NEW.number <> coalesce(before.number, 0) + 1 THEN 'it has another number than the next'
            WHEN NEW.first_sequence <> coalesce(before.last_sequence, 0) + 1 THEN 'it does not begin after the one before'
            WHEN NEW.opening <> coalesce(before.closing, 0) THEN 'it does not open where the one before closed'
            WHEN NEW.from_at <> before.to_at THEN 'its period does not begin where the one before ended'
            WHEN NEW.last_sequence > place.sequence THEN 'it ends after the last entry'
            WHEN NEW.last_sequence < NEW.first_sequence AND NEW.closing <> NEW.opening THEN 'it has no entry and another closing'
            WHEN NEW.last_sequence >= NEW.first_sequence AND NEW.closing IS DISTINCT FROM last_entry.balance_after
                THEN 'its closing is not the balance after its last entry'
            WHEN NEW.last_sequence >= NEW.first_sequence AND last_entry.created_at >= NEW.to_at THEN 'it has a later entry'
            WHEN next_posted < NEW.to_at THEN 'it lacks an entry of its period'
            WHEN NEW.number = 1 AND NEW.from_at > (
                SELECT created_at FROM ledger_entries WHERE wallet_id = NEW.wallet_id AND sequence = 1
            ) THEN 'it begins after the first entry'
            WHEN NEW.to_at > greatest(clock_timestamp(), place.posted_at) THEN 'its period is not over'
        END;
        IF broken IS NOT NULL THEN
            RAISE EXCEPTION 'statement % of wallet %: %', NEW.number, NEW.wallet_id, broken
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_follow_each_other';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION guard_statement() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- What it covers does not change, and neither does a statement that is READY or FAILED. READY: all its files are whole.
    BEGIN
        IF OLD.status <> 'PREPARING'
           OR (NEW.id, NEW.wallet_id, NEW.initiator_id, NEW.number, NEW.first_sequence, NEW.last_sequence, NEW.opening,
               NEW.closing, NEW.from_at, NEW.to_at, NEW.created_at, NEW.request_hash, NEW.idempotency_key)
           IS DISTINCT FROM
              (OLD.id, OLD.wallet_id, OLD.initiator_id, OLD.number, OLD.first_sequence, OLD.last_sequence, OLD.opening,
               OLD.closing, OLD.from_at, OLD.to_at, OLD.created_at, OLD.request_hash, OLD.idempotency_key)
           OR NEW.attempts < OLD.attempts THEN
            RAISE EXCEPTION 'a statement does not change'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_do_not_change';
        END IF;
        IF NEW.status = 'READY' AND (
            (SELECT count(*) FROM statement_files WHERE statement_id = NEW.id)
                <> cardinality(enum_range(NULL::statement_format))
            OR EXISTS (
                SELECT FROM statement_files f
                LEFT JOIN (SELECT format, count(*) AS parts, max(number) AS last FROM statement_parts
                           WHERE statement_id = NEW.id GROUP BY format) p USING (format)
                WHERE f.statement_id = NEW.id
                  AND (f.parts, f.parts) IS DISTINCT FROM (coalesce(p.parts, 0), coalesce(p.last, 0)))
        ) THEN
            RAISE EXCEPTION 'a statement is ready once all its files are whole'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statements_ready_with_files';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION guard_statement_content() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Files are written while their statement is prepared, and never after it.
    BEGIN
        PERFORM FROM statements
        WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.statement_id ELSE NEW.statement_id END AND status <> 'PREPARING' FOR SHARE;
        IF FOUND THEN
            RAISE EXCEPTION 'the files of a statement do not change'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'statement_files_do_not_change';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$
    """,
)
TRIGGERS = (
    """
    CREATE TRIGGER statements_follow_each_other BEFORE INSERT ON statements
    FOR EACH ROW EXECUTE FUNCTION guard_new_statement()
    """,
    "CREATE TRIGGER statements_guard BEFORE UPDATE ON statements FOR EACH ROW EXECUTE FUNCTION guard_statement()",
    """
    CREATE TRIGGER statements_never_deleted BEFORE DELETE OR TRUNCATE ON statements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('statements_never_deleted', 'the next one opens where it closed')
    """,
    """
    CREATE TRIGGER statement_parts_guard BEFORE INSERT OR DELETE ON statement_parts
    FOR EACH ROW EXECUTE FUNCTION guard_statement_content()
    """,
    """
    CREATE TRIGGER statement_parts_insert_only BEFORE UPDATE OR TRUNCATE ON statement_parts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('statement_files_do_not_change', 'a file is the same at each download')
    """,
    """
    CREATE TRIGGER statement_files_guard BEFORE INSERT ON statement_files
    FOR EACH ROW EXECUTE FUNCTION guard_statement_content()
    """,
    """
    CREATE TRIGGER statement_files_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_files
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('statement_files_do_not_change', 'a file is the same at each download')
    """,
)
GRANTS = (
    "GRANT SELECT, INSERT ON statements, statement_parts, statement_files TO {role}",
    """
    GRANT UPDATE (status, credits, debits, credit_count, finished_at, lease, leased_until, attempts, problem)
    ON statements TO {role}
    """,
    # A worker removes the parts that one before it left behind. A trigger keeps those of a finished statement.
    "GRANT DELETE ON statement_parts TO {role}",
    "GRANT EXECUTE ON FUNCTION last_entry_before(uuid, timestamptz, bigint, bigint) TO {role}",
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
    signatures = (
        "last_entry_before(uuid, timestamptz, bigint, bigint)",
        "guard_new_statement()",
        "guard_statement()",
        "guard_statement_content()",
    )
    for signature in signatures:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    for statement in GRANTS:
        op.execute(statement.format(role=role))


def downgrade() -> None:
    """Remove them with what is stored in them."""
    op.execute("DROP TABLE statement_files, statement_parts, statements")
    op.execute("DROP FUNCTION last_entry_before, guard_new_statement, guard_statement, guard_statement_content")
    op.execute("DROP TYPE statement_status, statement_format")
