"""Read models: a wallet's days, marks within them, and what has happened in all wallets of a user.

The worker projects them from the positions of events. The position is in the same transaction as the rows. Rows of several
generations can be in a table: `paycore rebuild` fills a new one beside the live one, and then makes it live. Nothing here is
the truth: all of it can be made again from the ledger.

`activity.words` has the words of a transaction's description and reference. Their erasure must reach this table too, or be
followed by a rebuild. Names of users are not copied: a search looks at the names as they are.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE read_models (
        generation smallint NOT NULL,
        position bigint NOT NULL,
        is_live boolean NOT NULL,
        started_at timestamp with time zone NOT NULL,
        CONSTRAINT read_models_pkey PRIMARY KEY (generation),
        CONSTRAINT read_models_counted CHECK (generation > 0 AND position >= 0)
    )
    """,
    "CREATE UNIQUE INDEX read_models_live_key ON read_models (is_live) WHERE is_live",
    "INSERT INTO read_models (generation, position, is_live, started_at) VALUES (1, 0, true, now())",
    # Sums are numeric: what moves in a day may exceed a bigint, although no balance does. Room on each page for new versions of
    # today's row, which are then written without touching the index.
    """
    CREATE TABLE wallet_days (
        generation smallint NOT NULL,
        day date NOT NULL,
        wallet_id uuid NOT NULL,
        opening bigint NOT NULL,
        closing bigint NOT NULL,
        entry_count bigint NOT NULL,
        first_sequence bigint NOT NULL,
        last_sequence bigint NOT NULL,
        debits numeric NOT NULL,
        credits numeric NOT NULL,
        debits_so_far numeric NOT NULL,
        CONSTRAINT wallet_days_pkey PRIMARY KEY (generation, wallet_id, day),
        CONSTRAINT wallet_days_add_up CHECK (closing = opening + credits - debits),
        CONSTRAINT wallet_days_whole CHECK (
            first_sequence > 0 AND entry_count > 0 AND entry_count = last_sequence - first_sequence + 1),
        CONSTRAINT wallet_days_not_negative CHECK (debits >= 0 AND credits >= 0 AND debits_so_far >= debits)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE wallet_marks (
        generation smallint NOT NULL,
        wallet_id uuid NOT NULL,
        at timestamp with time zone NOT NULL,
        sequence bigint NOT NULL,
        balance bigint NOT NULL,
        debits_so_far numeric NOT NULL,
        CONSTRAINT wallet_marks_pkey PRIMARY KEY (generation, wallet_id, at, sequence),
        CONSTRAINT wallet_marks_regular CHECK (sequence > 0 AND sequence % 4 = 0),
        CONSTRAINT wallet_marks_not_negative CHECK (debits_so_far >= 0)
    )
    """,
    """
    CREATE TABLE activity (
        generation smallint NOT NULL,
        exponent smallint NOT NULL,
        owner_id uuid NOT NULL,
        entry_id uuid NOT NULL,
        wallet_id uuid NOT NULL,
        at timestamp with time zone NOT NULL,
        amount bigint NOT NULL,
        purpose entry_purpose NOT NULL,
        currency text NOT NULL,
        counterparty_wallet_id uuid,
        words tsvector NOT NULL,
        CONSTRAINT activity_pkey PRIMARY KEY (generation, owner_id, entry_id),
        CONSTRAINT activity_amount_not_zero CHECK (amount <> 0),
        CONSTRAINT activity_not_with_oneself CHECK (wallet_id <> counterparty_wallet_id)
    )
    """,
    # New words wait in a list that each search reads: a short one.
    "CREATE INDEX activity_words_idx ON activity USING gin (words) WITH (gin_pending_list_limit = 256)",
    """
    CREATE TABLE activity_parties (
        generation smallint NOT NULL,
        owner_id uuid NOT NULL,
        party_id uuid NOT NULL,
        CONSTRAINT activity_parties_pkey PRIMARY KEY (generation, owner_id, party_id)
    )
    """,
    # What was held at a moment: few holds last longer than a month, and only those are in it.
    """
    CREATE INDEX holds_lasting_idx ON holds (wallet_id, id)
    WHERE closed_at IS NOT NULL AND closed_at - created_at > interval '32 days'
    """,
)
FUNCTIONS = (
    """
    CREATE FUNCTION guard_read_model() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Events are not read again by going back, and there always is a live generation.
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.is_live THEN
                RAISE EXCEPTION 'generation % of the read models is live', OLD.generation
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'read_models_live_stays';
            END IF;
            RETURN OLD;
        END IF;
        IF NEW.generation <> OLD.generation OR NEW.position < OLD.position THEN
            RAISE EXCEPTION 'the position of the read models does not go back'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'read_models_rise';
        END IF;
        RETURN NEW;
    END $$
    """,
)
TRIGGERS = (
    "CREATE TRIGGER read_models_guard BEFORE UPDATE OR DELETE ON read_models FOR EACH ROW EXECUTE FUNCTION guard_read_model()",
)
GRANTS = (
    "REVOKE ALL ON FUNCTION guard_read_model() FROM PUBLIC",
    "GRANT SELECT, INSERT, DELETE ON read_models, wallet_days, wallet_marks, activity, activity_parties TO {role}",
    "GRANT UPDATE (position, is_live) ON read_models TO {role}",
    """
    GRANT UPDATE (closing, entry_count, last_sequence, debits, credits, debits_so_far) ON wallet_days TO {role}
    """,
)


def upgrade() -> None:
    """Make the tables. The worker fills them from the first position on. Holds wait while their index is built."""
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, *GRANTS):
        op.get_bind().exec_driver_sql(statement.replace("{role}", role).replace("{schema}", schema))


def downgrade() -> None:
    """Remove the models. All of it follows from the ledger."""
    op.execute("DROP INDEX holds_lasting_idx")
    op.execute("DROP TABLE activity_parties, activity, wallet_marks, wallet_days, read_models")
    op.execute("DROP FUNCTION guard_read_model")
