"""Positions of events: 1, 2, 3 … in the order in which the leading relay sees them committed.

A chunk holds the positions of one round of the relay. The guard computes what follows from the rest of a row, and makes the
commit durable: a position that somebody has seen is never given to another event. A row leaves the outbox only by functions that
know its position, or that park it, so a relay of the release before cannot delete an event that has none.

Transactions from before get their positions here, in the order of their ids, which begin with the time. Most are read without
a lock. Then the outbox is locked, for those that were relayed meanwhile.
"""

from __future__ import annotations

from alembic import context, op
from sqlalchemy import text

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TABLE = (
    """
    CREATE TABLE event_chunks (
        first_position bigint NOT NULL,
        last_position bigint NOT NULL,
        published_position bigint NOT NULL,
        settled bigint NOT NULL,
        sequenced_at timestamp with time zone NOT NULL,
        lowest_transaction_id uuid,
        highest_transaction_id uuid,
        kinds text NOT NULL,
        subject_ids uuid[] NOT NULL,
        numbers bigint[] NOT NULL,
        outbox_ids bigint[],
        CONSTRAINT event_chunks_pkey PRIMARY KEY (first_position),
        CONSTRAINT event_chunks_whole CHECK (
            last_position - first_position BETWEEN 0 AND 999
            AND char_length(kinds) = last_position - first_position + 1
            AND cardinality(subject_ids) = last_position - first_position + 1
            AND cardinality(numbers) = last_position - first_position + 1
            AND (outbox_ids IS NULL OR cardinality(outbox_ids) = last_position - first_position + 1)
            AND array_position(subject_ids, NULL) IS NULL AND array_position(numbers, NULL) IS NULL
            AND array_position(outbox_ids, NULL) IS NULL),
        CONSTRAINT event_chunks_kinds_known CHECK (kinds ~ '^[SHW]+$')
    )
    """,
    # For the position of a transaction. Ids begin with their time, so few chunks can hold one.
    "CREATE INDEX event_chunks_transactions_idx ON event_chunks (highest_transaction_id, lowest_transaction_id)",
)

# Those whose event waits in the outbox or is parked get their positions from the relay. A payload is read as text: one that
# cannot be read as JSON must not stop the migration.
BACKFILL = """
WITH waiting AS (
    SELECT substring(payload::text FROM '"transaction_id":"([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"')::uuid AS id
    FROM (SELECT payload FROM outbox UNION ALL SELECT payload FROM outbox_parked) AS events
), last AS (
    SELECT coalesce(max(last_position), 0) AS position FROM event_chunks
), numbered AS (
    SELECT t.id, row_number() OVER (ORDER BY t.id) AS number
    FROM transactions t
    WHERE t.status = 'COMPLETED' {and_more}
      AND NOT EXISTS (SELECT FROM waiting w WHERE w.id = t.id)
), chunks AS (
    SELECT last.position + min(number) AS first_position, last.position + max(number) AS last_position,
           array_agg(numbered.id ORDER BY number) AS ids
    FROM numbered CROSS JOIN last GROUP BY last.position, (number - 1) / 500
)
INSERT INTO event_chunks (first_position, last_position, published_position, settled, sequenced_at, lowest_transaction_id,
    highest_transaction_id, kinds, subject_ids, numbers)
SELECT first_position, last_position, last_position, last_position, clock_timestamp(), ids[1], ids[cardinality(ids)],
       repeat('S', cardinality(ids)), ids, array_fill(0::bigint, ARRAY[cardinality(ids)])
FROM chunks
"""
LATELY = """
      AND t.id >= (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint), 12, '0')
                   || '00000000000000000000')::uuid
      AND NOT EXISTS (SELECT FROM event_chunks c CROSS JOIN unnest(c.subject_ids) AS s (id) WHERE s.id = t.id)
"""
"""The second time only what is new is read. A request ends long before an hour is over."""
LOCK = "LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"

FUNCTIONS = (
    """
    CREATE FUNCTION guard_event_chunk() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
    -- Positions have no gap: a chunk begins where the last one ends. Of two relays that append to the same one, the primary key
    -- refuses the second. What follows from the events is computed here. What was published is deleted from the outbox before.
    DECLARE
        before record;
    BEGIN
        SELECT last_position, published_position, settled INTO before
        FROM event_chunks ORDER BY first_position DESC LIMIT 1;
        IF NEW.first_position IS DISTINCT FROM coalesce(before.last_position, 0) + 1 THEN
            RAISE EXCEPTION 'position % does not follow %', NEW.first_position, coalesce(before.last_position, 0)
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_contiguous';
        END IF;
        IF NEW.published_position IS NULL OR NEW.published_position
           NOT BETWEEN coalesce(before.published_position, 0) AND coalesce(before.last_position, 0) THEN
            RAISE EXCEPTION 'what is published only grows, up to the chunk before'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_published_in_order';
        END IF;
        IF NEW.outbox_ids IS NULL THEN
            RAISE EXCEPTION 'a new event comes from the outbox'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'event_chunks_from_outbox';
        END IF;
        SELECT (array_agg(e.subject_id ORDER BY e.subject_id))[1], (array_agg(e.subject_id ORDER BY e.subject_id DESC))[1],
               coalesce(before.settled, 0) + count(*)
        INTO NEW.lowest_transaction_id, NEW.highest_transaction_id, NEW.settled
        FROM unnest(NEW.subject_ids, string_to_array(NEW.kinds, NULL)) AS e (subject_id, kind)
        WHERE e.kind = 'S';
        NEW.last_position := NEW.first_position + cardinality(NEW.subject_ids) - 1;
        NEW.sequenced_at := clock_timestamp();
        PERFORM set_config('synchronous_commit', 'on', true);
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION delete_published(after_position bigint, up_to_position bigint) RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path TO {schema}, pg_temp AS $$
    -- Delete the outbox rows of whole chunks, by their positions. Returns how many there were.
    DECLARE
        published bigint[];
        deleted bigint := 0;
    BEGIN
        IF after_position < up_to_position THEN
            SELECT array_agg(e.id) INTO published
            FROM event_chunks c CROSS JOIN unnest(c.outbox_ids) AS e (id)
            WHERE c.first_position > after_position AND c.first_position <= up_to_position
              AND c.last_position <= up_to_position;
            DELETE FROM outbox WHERE id = ANY (published);
            GET DIAGNOSTICS deleted = ROW_COUNT;
        END IF;
        RETURN deleted;
    END $$
    """,
    """
    CREATE FUNCTION park_unreadable(ids bigint[], reasons text[]) RETURNS bigint LANGUAGE plpgsql
    SECURITY DEFINER SET search_path TO {schema}, pg_temp AS $$
    -- Set aside outbox rows that the relay cannot read. Returns the id of this transaction.
    BEGIN
        WITH unreadable AS (DELETE FROM outbox WHERE id = ANY (ids) RETURNING id, created_at, payload)
        INSERT INTO outbox_parked (id, created_at, payload, parked_at, reason)
        SELECT u.id, u.created_at, u.payload, now(), found.reason
        FROM unreadable u JOIN unnest(ids, reasons) AS found (id, reason) ON found.id = u.id;
        RETURN pg_current_xact_id()::text::bigint;
    END $$
    """,
)
TRIGGERS = (
    """
    CREATE TRIGGER event_chunks_guard BEFORE INSERT ON event_chunks FOR EACH ROW EXECUTE FUNCTION guard_event_chunk()
    """,
    """
    CREATE TRIGGER event_chunks_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('event_chunks_insert_only', 'a position stays with its event')
    """,
)
GRANTS = (
    "REVOKE ALL ON FUNCTION guard_event_chunk() FROM PUBLIC",
    "REVOKE ALL ON FUNCTION delete_published(bigint, bigint) FROM PUBLIC",
    "REVOKE ALL ON FUNCTION park_unreadable(bigint[], text[]) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION delete_published(bigint, bigint), park_unreadable(bigint[], text[]) TO {role}",
    "GRANT SELECT ON event_chunks TO {role}",
    "GRANT INSERT (first_position, published_position, kinds, subject_ids, numbers, outbox_ids) ON event_chunks TO {role}",
    "REVOKE DELETE ON outbox FROM {role}",
    "REVOKE INSERT ON outbox_parked FROM {role}",
)
DOWN = (
    "GRANT DELETE ON outbox TO {role}",
    "GRANT INSERT ON outbox_parked TO {role}",
    "DROP TABLE event_chunks",
    "DROP FUNCTION guard_event_chunk(), delete_published(bigint, bigint), park_unreadable(bigint[], text[])",
)


def upgrade() -> None:
    """Number what has happened, then let only numbered events leave the outbox."""
    connection = op.get_bind()
    for statement in (*TABLE, BACKFILL.format(and_more=""), LOCK, BACKFILL.format(and_more=LATELY)):
        connection.exec_driver_sql(statement)
    for statement in (*FUNCTIONS, *TRIGGERS, *GRANTS):
        connection.exec_driver_sql(_named(statement))


def downgrade() -> None:
    """Forget the positions. A new upgrade gives others, so consumers begin again."""
    for statement in DOWN:
        op.get_bind().exec_driver_sql(_named(statement))


def _named(statement: str) -> str:
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    return statement.replace("{role}", role).replace("{schema}", schema)
