"""The tables: currencies, users, wallets, transactions, ledger entries, outbox, audit log."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TYPES = (
    "CREATE TYPE wallet_kind AS ENUM ('USER', 'SYSTEM')",
    "CREATE TYPE wallet_status AS ENUM ('ACTIVE', 'FROZEN', 'CLOSED')",
    "CREATE TYPE transaction_type AS ENUM ('TRANSFER', 'DEPOSIT')",
    "CREATE TYPE transaction_status AS ENUM ('PENDING', 'COMPLETED', 'FAILED')",
)

PEOPLE = (
    """
    CREATE TABLE currencies (
        code text NOT NULL,
        exponent smallint NOT NULL,
        name text NOT NULL,
        CONSTRAINT currencies_pkey PRIMARY KEY (code),
        CONSTRAINT currencies_code_is_iso CHECK (code ~ '^[A-Z]{3}$'),
        CONSTRAINT currencies_exponent_in_range CHECK (exponent BETWEEN 0 AND 4)
    )
    """,
    """
    CREATE TABLE users (
        id uuid NOT NULL,
        subject text NOT NULL,
        display_name text NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT users_pkey PRIMARY KEY (id),
        CONSTRAINT users_subject_key UNIQUE (subject),
        CONSTRAINT users_subject_length CHECK (char_length(subject) BETWEEN 1 AND 255),
        CONSTRAINT users_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100)
    )
    """,
    """
    CREATE TABLE audit_log (
        id uuid NOT NULL,
        actor_id uuid NOT NULL,
        action text NOT NULL,
        subject_id uuid NOT NULL,
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        reason text NOT NULL,
        request_id text,
        created_at timestamptz NOT NULL,
        CONSTRAINT audit_log_pkey PRIMARY KEY (id),
        CONSTRAINT audit_log_actor_fkey FOREIGN KEY (actor_id) REFERENCES users (id),
        CONSTRAINT audit_log_reason_length CHECK (char_length(reason) BETWEEN 1 AND 280)
    )
    """,
    "CREATE INDEX audit_log_subject_idx ON audit_log (subject_id, id)",
)

WALLETS = (
    # fillfactor leaves room on each page for a row's next version, so that a new balance touches no index (HOT).
    """
    CREATE TABLE wallets (
        id uuid NOT NULL,
        owner_id uuid,
        balance bigint DEFAULT 0 NOT NULL,
        held bigint DEFAULT 0 NOT NULL,
        sequence bigint DEFAULT 0 NOT NULL,
        version bigint DEFAULT 1 NOT NULL,
        posted_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        kind wallet_kind NOT NULL,
        status wallet_status DEFAULT 'ACTIVE' NOT NULL,
        currency text NOT NULL,
        name text NOT NULL,
        system_purpose text,
        CONSTRAINT wallets_pkey PRIMARY KEY (id),
        CONSTRAINT wallets_owner_fkey FOREIGN KEY (owner_id) REFERENCES users (id),
        CONSTRAINT wallets_currency_fkey FOREIGN KEY (currency) REFERENCES currencies (code),
        CONSTRAINT wallets_available_not_negative CHECK (kind = 'SYSTEM' OR balance - held >= 0),
        CONSTRAINT wallets_held_not_negative CHECK (held >= 0),
        CONSTRAINT wallets_sequence_not_negative CHECK (sequence >= 0),
        CONSTRAINT wallets_version_positive CHECK (version >= 1),
        CONSTRAINT wallets_closed_at_zero CHECK (status <> 'CLOSED' OR (balance = 0 AND held = 0)),
        CONSTRAINT wallets_owner_iff_user CHECK ((kind = 'SYSTEM') = (owner_id IS NULL)),
        CONSTRAINT wallets_purpose_iff_system CHECK ((kind = 'SYSTEM') = (system_purpose IS NOT NULL)),
        CONSTRAINT wallets_name_length CHECK (char_length(name) BETWEEN 1 AND 100)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX wallets_owner_idx ON wallets (owner_id, id) WHERE owner_id IS NOT NULL",
    "CREATE UNIQUE INDEX wallets_system_purpose_key ON wallets (currency, system_purpose) WHERE system_purpose IS NOT NULL",
    """
    CREATE TABLE wallet_openings (
        owner_id uuid NOT NULL,
        idempotency_key text COLLATE "C" NOT NULL,
        request_hash bytea NOT NULL,
        wallet_id uuid NOT NULL,
        CONSTRAINT wallet_openings_pkey PRIMARY KEY (owner_id, idempotency_key),
        CONSTRAINT wallet_openings_owner_fkey FOREIGN KEY (owner_id) REFERENCES users (id),
        CONSTRAINT wallet_openings_wallet_fkey FOREIGN KEY (wallet_id) REFERENCES wallets (id),
        CONSTRAINT wallet_openings_key_is_visible_ascii CHECK
            (idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255),
        CONSTRAINT wallet_openings_hash_is_sha256 CHECK (octet_length(request_hash) = 32)
    )
    """,
)

LEDGER = (
    # No foreign keys here: one statement-level trigger checks all references of a batch at a fraction of their cost.
    """
    CREATE TABLE transactions (
        id uuid NOT NULL,
        initiator_id uuid NOT NULL,
        sender_wallet_id uuid,
        receiver_wallet_id uuid,
        amount bigint NOT NULL,
        failure_available bigint,
        created_at timestamptz NOT NULL,
        completed_at timestamptz,
        type transaction_type NOT NULL,
        status transaction_status NOT NULL,
        request_hash bytea NOT NULL,
        idempotency_key text COLLATE "C" NOT NULL,
        currency text NOT NULL,
        failure_code text,
        failure_field text,
        description text,
        CONSTRAINT transactions_pkey PRIMARY KEY (id),
        CONSTRAINT transactions_idempotency_key UNIQUE (initiator_id, idempotency_key),
        CONSTRAINT transactions_key_is_visible_ascii CHECK
            (idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255),
        CONSTRAINT transactions_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
        CONSTRAINT transactions_amount_positive CHECK (amount > 0),
        CONSTRAINT transactions_not_to_oneself CHECK (sender_wallet_id <> receiver_wallet_id),
        CONSTRAINT transactions_failure_code_iff_failed CHECK ((status = 'FAILED') = (failure_code IS NOT NULL)),
        CONSTRAINT transactions_completed_at_iff_completed CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
        CONSTRAINT transactions_completed_after_created CHECK (completed_at >= created_at),
        CONSTRAINT transactions_description_length CHECK (char_length(description) <= 280),
        CONSTRAINT transactions_failure_code_known CHECK (failure_code IN
            ('WALLET_NOT_ACTIVE', 'CURRENCY_MISMATCH', 'INSUFFICIENT_FUNDS', 'QUOTA_EXCEEDED', 'BATCH_ABORTED'))
    )
    """,
    "CREATE INDEX transactions_sender_idx ON transactions (sender_wallet_id, id)",
    # Only what arrived: refused transfers cannot slow the page of the wallet that they were aimed at.
    "CREATE INDEX transactions_receiver_idx ON transactions (receiver_wallet_id, id) WHERE status = 'COMPLETED'",
    """
    CREATE TABLE ledger_entries (
        wallet_id uuid NOT NULL,
        sequence bigint NOT NULL,
        transaction_id uuid NOT NULL,
        amount bigint NOT NULL,
        balance_before bigint NOT NULL,
        balance_after bigint NOT NULL,
        created_at timestamptz NOT NULL,
        leg smallint NOT NULL,
        CONSTRAINT ledger_entries_pkey PRIMARY KEY (wallet_id, sequence),
        CONSTRAINT ledger_entries_transaction_leg_key UNIQUE (transaction_id, leg),
        CONSTRAINT ledger_entries_leg_in_range CHECK (leg BETWEEN 0 AND 4095),
        CONSTRAINT ledger_entries_sequence_positive CHECK (sequence > 0),
        CONSTRAINT ledger_entries_amount_not_zero CHECK (amount <> 0),
        CONSTRAINT ledger_entries_arithmetic CHECK (balance_after = balance_before + amount)
    )
    """,
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY,
        created_at timestamptz NOT NULL,
        payload json NOT NULL,
        CONSTRAINT outbox_pkey PRIMARY KEY (id)
    )
    """,
)


def upgrade() -> None:
    """Create types, tables and indexes."""
    for statement in (*TYPES, *PEOPLE, *WALLETS, *LEDGER):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, newest first."""
    for table in ("outbox", "ledger_entries", "transactions", "wallet_openings", "wallets", "audit_log", "users", "currencies"):
        op.execute(f"DROP TABLE {table}")
    for name in ("transaction_status", "transaction_type", "wallet_status", "wallet_kind"):
        op.execute(f"DROP TYPE {name}")
