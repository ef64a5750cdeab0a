"""`ledger_entries` is partitioned by month, by the time in the transaction's id.

The table that exists becomes the first partition: nothing is copied, and no index is built. While its rows are checked against
the bound, transfers go on. Then one short transaction puts the partitioned table in its place. docs/decisions/0019 has the
reasons.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from alembic import context, op
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

FIRST = "ledger_entries_first"
BOUND = "ledger_entries_before_the_first_month"
LOCK_MILLISECONDS, PAUSE_SECONDS, ATTEMPTS = 100, 0.25, 40
"""While a statement waits for the table, transfers queue behind it. So it waits for a moment only, and tries again later."""

FUNCTIONS = (
    """
    CREATE FUNCTION ledger_id_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO {schema}, pg_temp AS $$
    -- The lowest id of that millisecond.
    SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
    $$
    """,
    """
    CREATE FUNCTION ledger_id_moment(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO {schema}, pg_temp AS $$
    SELECT 'epoch'::timestamptz
        + ('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint * interval '1 millisecond'
    $$
    """,
    """
    CREATE FUNCTION ledger_partitions() RETURNS TABLE (name text, low uuid, high uuid) LANGUAGE sql STABLE
    SET search_path TO {schema}, pg_temp AS $$
    -- The partitions of ledger_entries with their bounds: from `low`, which the first one does not have, to below `high`.
    SELECT c.relname::text, substring(bound FROM $re$FROM \\('([0-9a-f-]{36})$re$)::uuid,
           substring(bound FROM $re$TO \\('([0-9a-f-]{36})$re$)::uuid
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound
    WHERE i.inhparent = to_regclass('ledger_entries') AND NOT i.inhdetachpending
    $$
    """,
    """
    CREATE FUNCTION guard_ledger_partition(partition text) RETURNS void LANGUAGE plpgsql
    SET search_path TO {schema}, pg_temp AS $$
    -- The statement triggers of a partitioned table do not fire for a statement that names a partition. So nobody has rights on
    -- a partition, and each has guards of its own. Entries only come in through the partitioned table, whose triggers check them.
    DECLARE
        grantee text;
    BEGIN
        EXECUTE format(
            'CREATE TRIGGER ledger_entries_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change(%L, %L)',
            partition, 'ledger_entries_insert_only', 'entries are insert-only: correct with a new transaction');
        EXECUTE format(
            'CREATE TRIGGER ledger_entries_through_parent BEFORE INSERT ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change(%L, %L)',
            partition, 'ledger_entries_through_parent', 'insert into ledger_entries, whose triggers check the entries');
        FOR grantee IN
            SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END
            FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
            WHERE c.oid = to_regclass(quote_ident(partition)) AND x.grantee <> c.relowner
        LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %s', partition, grantee);
        END LOOP;
    END $$
    """,
    """
    CREATE FUNCTION make_ledger_partition(starts timestamptz, ends timestamptz) RETURNS text LANGUAGE plpgsql
    SET search_path TO {schema}, pg_temp SET timezone TO 'UTC' AS $$
    -- ATTACH locks the partitioned table so that transfers and reads go on; CREATE TABLE … PARTITION OF would block them.
    DECLARE
        partition text := 'ledger_entries_' || to_char(starts, 'YYYY_MM');
    BEGIN
        EXECUTE format(
            'CREATE TABLE %I (LIKE ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE, '
            'CONSTRAINT %I PRIMARY KEY (wallet_id, sequence), CONSTRAINT %I UNIQUE (transaction_id, leg))',
            partition, partition || '_pkey', partition || '_transaction_leg_key');
        PERFORM guard_ledger_partition(partition);
        EXECUTE format('ALTER TABLE ledger_entries ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       partition, ledger_id_floor(starts), ledger_id_floor(ends));
        RETURN partition;
    END $$
    """,
    """
    CREATE FUNCTION keep_ledger_partitions(months integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO {schema}, pg_temp SET timezone TO 'UTC' SET lock_timeout TO '1s' AS $$
    -- Makes the partitions of this month and of the next ones that are missing. Returns their number. It only makes empty
    -- partitions after the newest one, so the service may run it, which owns no tables.
    DECLARE
        ahead integer := greatest(1, least(months, 24));
        wanted timestamptz := date_trunc('month', clock_timestamp()) + make_interval(months => ahead + 1);
        newest timestamptz;
        made integer := 0;
    BEGIN
        SELECT max(ledger_id_moment(high)) INTO newest FROM ledger_partitions();
        IF newest >= wanted THEN
            RETURN 0;
        END IF;
        -- Keepers run one after another. Then another one may have made them.
        PERFORM pg_advisory_xact_lock(7021306990002);
        SELECT max(ledger_id_moment(high)) INTO newest FROM ledger_partitions();
        WHILE newest < wanted LOOP
            PERFORM make_ledger_partition(newest, newest + interval '1 month');
            newest := newest + interval '1 month';
            made := made + 1;
        END LOOP;
        RETURN made;
    END $$
    """,
)
OWNERS_ALONE = (
    "guard_ledger_partition(text)",
    "make_ledger_partition(timestamptz, timestamptz)",
    "keep_ledger_partitions(integer)",
)
ALL = ("ledger_id_floor(timestamptz)", "ledger_id_moment(uuid)", "ledger_partitions()", *OWNERS_ALONE)

# A week more than now: clocks differ. Beyond every id that exists, else the table could not be a partition.
FIRST_MONTH = """
SELECT (date_trunc('month', greatest(clock_timestamp() + interval '7 days', (
    SELECT ledger_id_moment(transaction_id) FROM ledger_entries ORDER BY transaction_id DESC LIMIT 1
)) AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'
"""
TRIGGERS = """
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger
WHERE tgrelid = 'ledger_entries'::regclass AND NOT tgisinternal ORDER BY tgname
"""
GRANTS = """
SELECT format('GRANT %s ON ledger_entries TO %s', x.privilege_type,
              CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
WHERE c.oid = 'ledger_entries'::regclass AND x.grantee <> c.relowner
"""

RENAMED_FIRST = (
    f"ALTER TABLE ledger_entries RENAME CONSTRAINT ledger_entries_pkey TO {FIRST}_pkey",
    f"ALTER TABLE ledger_entries RENAME CONSTRAINT ledger_entries_transaction_leg_key TO {FIRST}_transaction_leg_key",
    f"ALTER TABLE ledger_entries RENAME TO {FIRST}",
)
# Earlier migrations dropped columns of the table. That makes each row 8 bytes longer, and the server converts each row from the
# columns of the partitioned table. A ledger without entries is spared both.
NEW_FIRST = (
    f"""
    CREATE TABLE {FIRST} (LIKE ledger_entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
        CONSTRAINT {FIRST}_pkey PRIMARY KEY (wallet_id, sequence),
        CONSTRAINT {FIRST}_transaction_leg_key UNIQUE (transaction_id, leg))
    """,
    "DROP TABLE ledger_entries",
)


def upgrade() -> None:
    """Make the table the first partition. Every lock that transfers would wait for is held for milliseconds."""
    connection = op.get_bind()
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = connection.execute(query, {"role": context.config.attributes["database_role"]}).one()
    for function in FUNCTIONS:
        connection.exec_driver_sql(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace("{schema}", schema))
    for signature in OWNERS_ALONE:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION keep_ledger_partitions(integer) TO {role}")
    bound = connection.exec_driver_sql(f"SELECT ledger_id_floor(({FIRST_MONTH}))").scalar_one()
    with op.get_context().autocommit_block():
        _without_blocking(
            op.get_bind(),
            nullcontext,
            f"ALTER TABLE ledger_entries DROP CONSTRAINT IF EXISTS {BOUND}, "
            f"ADD CONSTRAINT {BOUND} CHECK (transaction_id < '{bound}') NOT VALID",
        )
        # Reads all rows. Transfers and reads go on meanwhile.
        op.execute(f"ALTER TABLE ledger_entries VALIDATE CONSTRAINT {BOUND}")
    connection = op.get_bind()
    _without_blocking(connection, connection.begin_nested, "LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE")
    _partition(connection, bound)


def _without_blocking(connection: Connection, begin: Callable[[], AbstractContextManager[object]], statement: str) -> None:
    """Run a statement that locks the table in a transaction or savepoint of its own. Give up for a while if it has to wait."""
    for attempt in range(1, ATTEMPTS + 1):
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_MILLISECONDS}ms'")
        try:
            with begin():
                connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03" or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _partition(connection: Connection, bound: str) -> None:
    """Put a partitioned table in the place of the locked one, which becomes its first partition."""
    triggers = connection.exec_driver_sql(TRIGGERS).all()
    grants = connection.exec_driver_sql(GRANTS).scalars().all()
    is_empty = not connection.exec_driver_sql("SELECT EXISTS (SELECT FROM ledger_entries)").scalar_one()
    parts = [
        *(f"DROP TRIGGER {name} ON ledger_entries" for name, _ in triggers),
        *(NEW_FIRST if is_empty else RENAMED_FIRST),
        f"""
        CREATE TABLE ledger_entries (LIKE {FIRST} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
            CONSTRAINT ledger_entries_transaction_leg_key UNIQUE (transaction_id, leg))
        PARTITION BY RANGE (transaction_id)
        """,
        f"ALTER TABLE ledger_entries DROP CONSTRAINT {BOUND}",
        # Finds a constraint that proves the bound and an index that matches: it neither reads nor builds anything.
        f"ALTER TABLE ledger_entries ATTACH PARTITION {FIRST} FOR VALUES FROM (MINVALUE) TO ('{bound}')",
        f"ALTER TABLE {FIRST} DROP CONSTRAINT {BOUND}",
        f"SELECT guard_ledger_partition('{FIRST}')",
        *(definition for _, definition in triggers),
        *grants,
    ]
    for part in parts:
        connection.exec_driver_sql(part)


def downgrade() -> None:
    """Make one table of the partitions again. Entries of later months are copied into the first one, while transfers wait."""
    connection = op.get_bind()
    connection.exec_driver_sql("LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE")
    triggers = connection.exec_driver_sql(TRIGGERS).all()
    grants = connection.exec_driver_sql(GRANTS).scalars().all()
    names = connection.exec_driver_sql("SELECT name FROM ledger_partitions() WHERE low IS NOT NULL ORDER BY low").scalars().all()
    connection.exec_driver_sql(f"ALTER TABLE ledger_entries DETACH PARTITION {FIRST}")
    for guard in ("ledger_entries_insert_only", "ledger_entries_through_parent"):
        connection.exec_driver_sql(f"DROP TRIGGER {guard} ON {FIRST}")
    for name in names:
        # Both have the same columns in the same order: each is made like the one before.
        connection.exec_driver_sql(f"INSERT INTO {FIRST} SELECT * FROM {name}")  # noqa: S608 - names that the keeper made
    parts = [
        "DROP TABLE ledger_entries",
        f"ALTER TABLE {FIRST} RENAME TO ledger_entries",
        f"ALTER TABLE ledger_entries RENAME CONSTRAINT {FIRST}_pkey TO ledger_entries_pkey",
        f"ALTER TABLE ledger_entries RENAME CONSTRAINT {FIRST}_transaction_leg_key TO ledger_entries_transaction_leg_key",
        *(definition for _, definition in triggers),
        *grants,
        *(f"DROP FUNCTION {signature}" for signature in ALL),
    ]
    for part in parts:
        connection.exec_driver_sql(part)
