"""Months of entries can be sealed, moved into files, and put back.

A seal has the sums of a partition, the hash of its rows, and where every wallet stood at its end. Only the owner of the tables
writes here: `paycore archive` and `paycore restore`. docs/decisions/0020 has the reasons.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE ledger_seals (
        partition text COLLATE "C" NOT NULL,
        low uuid NOT NULL,
        high uuid NOT NULL,
        entries bigint NOT NULL,
        sums jsonb NOT NULL,
        sha256 bytea NOT NULL,
        sealed_at timestamptz NOT NULL,
        CONSTRAINT ledger_seals_pkey PRIMARY KEY (partition),
        CONSTRAINT ledger_seals_once UNIQUE (high),
        CONSTRAINT ledger_seals_in_order CHECK (low < high),
        CONSTRAINT ledger_seals_entries_not_negative CHECK (entries >= 0),
        CONSTRAINT ledger_seals_hash_is_sha256 CHECK (octet_length(sha256) = 32)
    )
    """,
    """
    CREATE TABLE wallet_places (
        wallet_id uuid NOT NULL,
        high uuid NOT NULL,
        sequence bigint NOT NULL,
        balance bigint NOT NULL,
        change numeric NOT NULL,
        posted_at timestamptz NOT NULL,
        first_sequence bigint NOT NULL,
        debits numeric NOT NULL,
        CONSTRAINT wallet_places_pkey PRIMARY KEY (wallet_id, high),
        CONSTRAINT wallet_places_seal_fkey FOREIGN KEY (high) REFERENCES ledger_seals (high),
        CONSTRAINT wallet_places_in_order CHECK (first_sequence > 0 AND first_sequence <= sequence),
        CONSTRAINT wallet_places_debits_not_negative CHECK (debits >= 0)
    )
    """,
    """
    CREATE TABLE ledger_archives (
        partition text COLLATE "C" NOT NULL,
        uri text COLLATE "C" NOT NULL,
        file_sha256 bytea NOT NULL,
        bytes bigint NOT NULL,
        verified_at timestamptz NOT NULL,
        CONSTRAINT ledger_archives_pkey PRIMARY KEY (partition, uri),
        CONSTRAINT ledger_archives_seal_fkey FOREIGN KEY (partition) REFERENCES ledger_seals (partition),
        CONSTRAINT ledger_archives_hash_is_sha256 CHECK (octet_length(file_sha256) = 32),
        CONSTRAINT ledger_archives_bytes_positive CHECK (bytes > 0)
    )
    """,
    """
    CREATE TABLE archived_entries (
        transaction_id uuid NOT NULL,
        entries bytea[] NOT NULL,
        CONSTRAINT archived_entries_pkey PRIMARY KEY (transaction_id),
        CONSTRAINT archived_entries_whole CHECK (cardinality(entries) >= 2)
    )
    """,
    *(
        f"""
        CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('{table}_insert_only', 'what was sealed is not changed')
        """
        for table in ("ledger_seals", "wallet_places", "ledger_archives", "archived_entries")
    ),
    """
    CREATE FUNCTION archived_months() RETURNS TABLE (partition text, low uuid, high uuid) LANGUAGE sql STABLE
    SET search_path TO {schema}, pg_temp AS $$
    -- The sealed months whose entries are not in the table now.
    SELECT s.partition, s.low, s.high FROM ledger_seals s
    WHERE NOT EXISTS (SELECT FROM ledger_partitions() p WHERE p.name = s.partition)
    $$
    """,
    """
    CREATE FUNCTION seal_ledger_partition(partition text) RETURNS void LANGUAGE plpgsql
    SET search_path TO {schema}, pg_temp AS $$
    -- From now on nothing comes into the partition, not even through ledger_entries. Waits for what is being written into it.
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(quote_ident(partition))
                       AND tgname = 'ledger_entries_sealed') THEN
            EXECUTE format(
                'CREATE TRIGGER ledger_entries_sealed BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change(%L, %L)',
                partition, 'ledger_entries_sealed', 'this month is sealed');
        END IF;
    END $$
    """,
)


def upgrade() -> None:
    """Add tables and functions. No other table is locked."""
    connection = op.get_bind()
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = connection.execute(query, {"role": context.config.attributes["database_role"]}).one()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement.replace("{schema}", schema))
    op.execute(f"GRANT SELECT ON ledger_seals, wallet_places, ledger_archives, archived_entries TO {role}")
    op.execute("REVOKE ALL ON FUNCTION seal_ledger_partition(text) FROM PUBLIC")


def downgrade() -> None:
    """Remove them, unless entries would be lost: months that are in files must be restored first."""
    connection = op.get_bind()
    if connection.exec_driver_sql("SELECT EXISTS (SELECT FROM archived_months())").scalar_one():
        raise RuntimeError("Months of entries are archived: run `paycore restore` for each of them first.")
    for name in connection.exec_driver_sql("SELECT name FROM ledger_partitions()").scalars().all():
        op.execute(f"DROP TRIGGER IF EXISTS ledger_entries_sealed ON {name}")
    op.execute("DROP FUNCTION seal_ledger_partition(text)")
    op.execute("DROP FUNCTION archived_months()")
    op.execute("DROP TABLE archived_entries, ledger_archives, wallet_places, ledger_seals")
