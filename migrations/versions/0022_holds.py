"""Holds: money that waits in its wallet for a capture, a release, or its expiry.

A hold is a row of `holds` and its insert-only `hold_events`. A row is born as its first event says; then a trigger on the
events is the only writer of its amounts and status, and of `wallets.held`, under the lock of the wallet whose money it is. A
capture is a transaction that names its hold; its event is written before its entries, so that what it pays is no longer held
when they are posted.

The new constraint of transactions is not checked on old rows here. The next revision checks it.
"""

from __future__ import annotations

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE wallets, transactions, ledger_entries IN ACCESS EXCLUSIVE MODE"
"""In the order in which a transfer takes them, so that neither waits for the other in a circle."""

COLUMNS = """
ALTER TABLE transactions ADD COLUMN hold_id uuid,
ADD CONSTRAINT transactions_hold_iff_capture CHECK (
    (type = 'CAPTURE') = (hold_id IS NOT NULL)
    AND (type = 'CAPTURE') = (terms IS NOT NULL AND terms ? 'capture')) NOT VALID
"""
TABLES = (
    "CREATE TYPE hold_status AS ENUM ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')",
    "CREATE TYPE hold_event_kind AS ENUM ('PLACED', 'EXTENDED', 'CAPTURED', 'CAPTURED_LATE', 'RELEASED', 'EXPIRED')",
    """
    CREATE TABLE holds (
        id uuid NOT NULL,
        wallet_id uuid NOT NULL,
        receiver_wallet_id uuid,
        initiator_id uuid NOT NULL,
        amount bigint NOT NULL,
        captured bigint DEFAULT 0 NOT NULL,
        released bigint DEFAULT 0 NOT NULL,
        created_at timestamp with time zone NOT NULL,
        expires_at timestamp with time zone,
        closed_at timestamp with time zone,
        events integer DEFAULT 1 NOT NULL,
        status hold_status DEFAULT 'OPEN' NOT NULL,
        currency text NOT NULL,
        description text,
        metadata jsonb,
        CONSTRAINT holds_pkey PRIMARY KEY (id),
        CONSTRAINT holds_within_amount CHECK (captured >= 0 AND released >= 0 AND captured + released <= amount),
        CONSTRAINT holds_open_while_any_remains CHECK (
            (status = 'OPEN') = (captured + released < amount) AND (status = 'OPEN') = (closed_at IS NULL)),
        CONSTRAINT holds_not_for_the_payer CHECK (wallet_id <> receiver_wallet_id),
        CONSTRAINT holds_description_length CHECK (char_length(description) <= 280),
        CONSTRAINT holds_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object' AND metadata <> '{}')
    )
    """,
    """
    CREATE TABLE hold_events (
        hold_id uuid NOT NULL,
        number integer NOT NULL,
        id uuid NOT NULL,
        kind hold_event_kind NOT NULL,
        placed bigint NOT NULL,
        captured bigint NOT NULL,
        released bigint NOT NULL,
        expires_at timestamp with time zone,
        created_at timestamp with time zone NOT NULL,
        initiator_id uuid,
        idempotency_key text COLLATE "C",
        terms jsonb,
        CONSTRAINT hold_events_pkey PRIMARY KEY (hold_id, number),
        CONSTRAINT hold_events_key_is_visible_ascii CHECK (
            idempotency_key ~ '^[!-~]+$' AND octet_length(idempotency_key) <= 255),
        CONSTRAINT hold_events_amounts_of_kind CHECK (CASE kind
            WHEN 'PLACED' THEN placed > 0 AND captured = 0 AND released = 0
            WHEN 'EXTENDED' THEN placed >= 0 AND captured = 0 AND released = 0 AND (placed > 0 OR expires_at IS NOT NULL)
            WHEN 'CAPTURED' THEN placed = 0 AND captured > 0 AND released >= 0
            WHEN 'CAPTURED_LATE' THEN placed = 0 AND captured > 0 AND released = -captured
            ELSE placed = 0 AND captured = 0 AND released > 0 END),
        CONSTRAINT hold_events_expire_later CHECK (
            expires_at IS NULL OR (kind IN ('PLACED', 'EXTENDED') AND expires_at > created_at)),
        CONSTRAINT hold_events_input_iff_asked CHECK (
            (kind IN ('PLACED', 'EXTENDED', 'RELEASED')) = (terms IS NOT NULL)
            AND (terms IS NULL) = (idempotency_key IS NULL) AND (kind = 'EXPIRED') = (initiator_id IS NULL))
    )
    """,
    # Each event is in two indexes only: one that captures has no key of its own.
    "CREATE UNIQUE INDEX hold_events_capture_key ON hold_events (id) WHERE captured > 0",
    """
    CREATE UNIQUE INDEX hold_events_idempotency_key ON hold_events (initiator_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL
    """,
    "CREATE INDEX holds_wallet_idx ON holds (wallet_id, id)",
    "CREATE INDEX holds_receiver_idx ON holds (receiver_wallet_id, id) WHERE receiver_wallet_id IS NOT NULL",
    # What of a wallet expires, for its next batch, and what expires at all, for the sweeper.
    "CREATE INDEX holds_open_idx ON holds (wallet_id, expires_at) WHERE status = 'OPEN'",
    "CREATE INDEX holds_due_idx ON holds (expires_at) WHERE status = 'OPEN' AND expires_at IS NOT NULL",
    # Only rows that have one: others cost nothing.
    "CREATE INDEX transactions_hold_idx ON transactions (hold_id, id) WHERE hold_id IS NOT NULL",
)

APPLY = """
CREATE FUNCTION apply_hold_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path TO {schema}, pg_temp SET enable_hashjoin TO off SET enable_mergejoin TO off AS $$
-- The only writer of wallets.held, and of a hold's amounts, status and times once it is born. Runs once per INSERT, over all its
-- rows, in the order of each hold's events: the first is what the hold was born with, each follows the one before it, an expired
-- hold is neither captured, released nor extended, and only what is open expires. A capture is a completed transaction of the
-- hold's wallets over the same amount. Left joins: each begins with the new rows, whatever the size of the other tables was when
-- it was planned.
DECLARE
    event record;
    broken record;
    kinds record;
    changed bigint;
BEGIN
    SELECT bool_or(kind = 'PLACED') AS placed, bool_or(captured > 0) AS captured,
           count(*) FILTER (WHERE kind <> 'PLACED') AS later,
           count(DISTINCT hold_id) FILTER (WHERE kind <> 'PLACED') AS holds
    INTO kinds FROM new_events;

    IF kinds.placed THEN
        SELECT e.hold_id, coalesce(w.status = 'ACTIVE' AND e.number = 1 AND h.events = 1 AND h.amount = e.placed
                   AND h.captured = 0 AND h.released = 0 AND h.created_at = e.created_at
                   AND h.expires_at IS NOT DISTINCT FROM e.expires_at, false) AS follows
        INTO broken
        FROM new_events e
        LEFT JOIN holds h ON h.id = e.hold_id
        LEFT JOIN wallets w ON w.id = h.wallet_id
        LEFT JOIN wallets r ON r.id = h.receiver_wallet_id
        LEFT JOIN users u ON u.id = h.initiator_id
        WHERE e.kind = 'PLACED' AND NOT coalesce(
            w.status = 'ACTIVE' AND e.number = 1 AND h.events = 1 AND h.amount = e.placed AND h.captured = 0 AND h.released = 0
            AND h.created_at = e.created_at AND h.expires_at IS NOT DISTINCT FROM e.expires_at
            AND u.id IS NOT NULL AND e.initiator_id = u.id AND w.kind = 'USER' AND w.currency = h.currency
            AND (h.receiver_wallet_id IS NULL OR (r.kind = 'USER' AND r.currency = h.currency)), false)
        LIMIT 1;
        IF FOUND AND NOT broken.follows THEN
            RAISE EXCEPTION 'the first event of hold % does not say what it was born with', broken.hold_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_follow_the_hold';
        ELSIF FOUND THEN
            RAISE EXCEPTION 'hold % names a user, wallet or currency that does not fit', broken.hold_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'holds_references_exist';
        END IF;
    END IF;

    -- All holds at once. Several events of one hold follow one another, so their numbers take turns.
    FOR event IN SELECT DISTINCT number FROM new_events WHERE kind <> 'PLACED' AND kinds.holds < kinds.later
                 UNION ALL SELECT NULL WHERE kinds.holds = kinds.later AND kinds.later > 0
                 ORDER BY number
    LOOP
        UPDATE holds h SET
            amount = h.amount + e.placed,
            captured = h.captured + e.captured,
            released = h.released + e.released,
            expires_at = coalesce(e.expires_at, h.expires_at),
            events = e.number,
            status = CASE WHEN h.status <> 'OPEN' THEN h.status
                WHEN h.captured + e.captured + h.released + e.released < h.amount + e.placed THEN 'OPEN'
                WHEN e.kind = 'EXPIRED' THEN 'EXPIRED'
                WHEN h.captured + e.captured > 0 THEN 'CAPTURED' ELSE 'RELEASED' END::hold_status,
            closed_at = CASE WHEN h.status <> 'OPEN' THEN h.closed_at
                WHEN h.captured + e.captured + h.released + e.released < h.amount + e.placed THEN NULL
                WHEN e.kind = 'EXPIRED' THEN h.expires_at ELSE e.created_at END
        FROM new_events e
        WHERE h.id = e.hold_id AND e.kind <> 'PLACED' AND (event.number IS NULL OR e.number = event.number)
          AND h.events = e.number - 1 AND e.created_at >= h.created_at
          AND (e.kind IN ('RELEASED', 'EXPIRED') OR (SELECT status FROM wallets WHERE id = h.wallet_id) = 'ACTIVE')
          AND (e.expires_at IS NULL OR e.expires_at > h.expires_at)
          AND CASE e.kind
              WHEN 'EXPIRED' THEN h.status = 'OPEN' AND h.expires_at <= e.created_at
                  AND e.released = h.amount - h.captured - h.released
              WHEN 'CAPTURED_LATE' THEN h.status IN ('RELEASED', 'EXPIRED')
              ELSE h.status = 'OPEN' AND (h.expires_at IS NULL OR e.created_at < h.expires_at) END;
        GET DIAGNOSTICS changed = ROW_COUNT;
        kinds.later := kinds.later - changed;
    END LOOP;
    IF kinds.later > 0 THEN
        SELECT e.hold_id, e.number INTO broken
        FROM new_events e LEFT JOIN holds h ON h.id = e.hold_id
        WHERE e.kind <> 'PLACED' AND coalesce(h.events, 0) < e.number LIMIT 1;
        RAISE EXCEPTION 'event % of hold % does not follow from its state', broken.number, broken.hold_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_follow_the_hold';
    END IF;

    IF kinds.captured THEN
        SELECT e.hold_id INTO broken
        FROM new_events e
        LEFT JOIN transactions t ON t.id = e.id
        WHERE e.captured > 0 AND NOT coalesce(
            t.hold_id = e.hold_id AND t.status = 'COMPLETED' AND t.amount = e.captured AND t.initiator_id = e.initiator_id, false)
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'hold % is captured without its transaction', broken.hold_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'hold_events_capture_by_transaction';
        END IF;
    END IF;

    WITH changes AS (
        SELECT h.wallet_id, sum(e.placed - e.captured - e.released)::bigint AS change
        FROM new_events e LEFT JOIN holds h ON h.id = e.hold_id
        GROUP BY h.wallet_id HAVING sum(e.placed - e.captured - e.released) <> 0
    ), updated AS (
        UPDATE wallets w SET held = w.held + d.change, overdrawn = w.overdrawn AND w.balance - (w.held + d.change) < 0
        FROM changes d WHERE w.id = d.wallet_id
        RETURNING w.id, d.change > 0 AND w.overdrawn AS is_short
    )
    SELECT id INTO broken FROM updated WHERE is_short LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a hold on wallet % is of more than is available', broken.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'wallets_available_not_negative';
    END IF;
    RETURN NULL;
END $$
"""
GUARD = """
CREATE FUNCTION guard_hold() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
-- Born untouched; then only its events change it, and never what it is about.
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.captured, NEW.released, NEW.events, NEW.status) IS DISTINCT FROM (0, 0, 1, 'OPEN'::hold_status)
           OR NEW.closed_at IS NOT NULL THEN
            RAISE EXCEPTION 'a hold is born untouched: only its events change it'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_born_untouched';
        END IF;
    ELSIF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the state of hold % follows from its events: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_state_from_events';
    END IF;
    RETURN NEW;
END $$
"""
PLACED = """
CREATE FUNCTION check_hold_is_placed() RETURNS trigger LANGUAGE plpgsql SET search_path TO {schema}, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM hold_events WHERE hold_id = NEW.id AND number = 1) THEN
        RAISE EXCEPTION 'hold % has no event that places it', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'holds_are_placed';
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER holds_guard BEFORE INSERT OR UPDATE ON holds FOR EACH ROW EXECUTE FUNCTION guard_hold()",
    """
    CREATE TRIGGER holds_never_deleted BEFORE DELETE OR TRUNCATE ON holds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('holds_never_deleted', 'a hold is closed by an event')
    """,
    """
    CREATE CONSTRAINT TRIGGER holds_are_placed AFTER INSERT ON holds DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_hold_is_placed()
    """,
    """
    CREATE TRIGGER hold_events_apply AFTER INSERT ON hold_events REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION apply_hold_events()
    """,
    """
    CREATE TRIGGER hold_events_insert_only BEFORE DELETE OR UPDATE OR TRUNCATE ON hold_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('hold_events_insert_only', 'what has happened is not changed')
    """,
)
GRANTS = (
    "GRANT SELECT ON holds, hold_events TO {role}",
    # Not what its events change.
    """
    GRANT INSERT (id, wallet_id, receiver_wallet_id, initiator_id, amount, expires_at, currency, description, metadata,
                  created_at)
    ON holds TO {role}
    """,
    "GRANT INSERT ON hold_events TO {role}",
    "REVOKE UPDATE (held) ON wallets FROM {role}",
)

# Parts of functions before and after.
POSTED = (
    ("    has_reversal boolean;\n", "    has_reversal boolean;\n    has_capture boolean;\n"),
    (
        "bool_or(t.reverses_id IS NOT NULL) AS has_reversal\n",
        """\
bool_or(t.reverses_id IS NOT NULL) AS has_reversal,
           bool_or(t.hold_id IS NOT NULL) AS has_capture,
           (array_agg(e.transaction_id) FILTER (WHERE t.hold_id IS NOT NULL AND e.leg = 0 AND 1 <> ( -- not EXISTS,
               -- which a session that planned it on a small table would answer by reading all of it
               SELECT count(*) FROM hold_events h
               WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.captured = t.amount)))[1] AS capture_id
""",
    ),
    (
        "    has_reversal := broken.has_reversal;\n",
        "    has_reversal := broken.has_reversal;\n    has_capture := broken.has_capture;\n",
    ),
    (
        """\
NOT EXISTS (
           SELECT FROM transactions t WHERE t.id = e.transaction_id AND t.terms->'reversal'->'overdraft' = 'true'))
""",
        """\
0 = (
           SELECT count(*) FROM transactions t WHERE t.id = e.transaction_id
           AND (t.terms->'reversal'->'overdraft' = 'true' OR 1 = ( -- what is held is there for its capture
               SELECT count(*) FROM hold_events h
               WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.kind = 'CAPTURED'))))
""",
    ),
    (
        "(w.overdrawn OR (has_reversal AND EXISTS (",
        "(w.overdrawn OR ((has_reversal OR has_capture) AND EXISTS (",
    ),
    (
        "AND n.amount < 0 AND t.terms->'reversal'->'overdraft' = 'true')))\n",
        """\
AND n.amount < 0 AND (t.terms->'reversal'->'overdraft' = 'true' OR 1 = (
                SELECT count(*) FROM hold_events h
                WHERE h.hold_id = t.hold_id AND h.id = t.id AND h.kind = 'CAPTURED')))))
""",
    ),
    (
        "    IF broken.transaction_id IS NOT NULL THEN\n",
        """\
    IF broken.capture_id IS NOT NULL THEN
        RAISE EXCEPTION 'transaction % captures no hold', broken.capture_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entries_capture_the_hold';
    END IF;
    IF broken.transaction_id IS NOT NULL THEN
""",
    ),
    ("o.type IN ('TRANSFER', 'DEPOSIT') AND o.currency", "o.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE') AND o.currency"),
)
CHARGED = (("AND t.type IN ('TRANSFER', 'DEPOSIT')", "AND t.type IN ('TRANSFER', 'DEPOSIT', 'CAPTURE')"),)
REFERENCED = (
    (
        "NOT EXISTS (SELECT FROM transactions o WHERE o.id = t.reverses_id)",
        "0 = (SELECT count(*) FROM transactions o WHERE o.id = t.reverses_id)",
    ),
    (
        "       OR (s.id IS NULL AND t.sender_wallet_id IS NOT NULL)\n",
        """\
       OR (t.hold_id IS NOT NULL AND 0 = (
           SELECT count(*) FROM holds h WHERE h.id = t.hold_id AND h.wallet_id = t.sender_wallet_id
           AND coalesce(h.receiver_wallet_id, t.receiver_wallet_id) = t.receiver_wallet_id))
       OR (s.id IS NULL AND t.sender_wallet_id IS NOT NULL)
""",
    ),
)
GUARDED_TRANSACTION = (
    ("NEW.reverses_id, NEW.created_at)", "NEW.reverses_id, NEW.hold_id, NEW.created_at)"),
    ("OLD.reverses_id, OLD.created_at)", "OLD.reverses_id, OLD.hold_id, OLD.created_at)"),
)
GUARDED_WALLET = (
    (
        "    IF (NEW.id, NEW.kind, NEW.owner_id,",
        """\
    IF pg_trigger_depth() < 2 AND NEW.held IS DISTINCT FROM OLD.held THEN
        RAISE EXCEPTION 'what is held of wallet % follows from the events of its holds: insert those', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'wallets_held_from_events';
    END IF;
    IF (NEW.id, NEW.kind, NEW.owner_id,""",
    ),
)
FUNCTIONS = {
    "post_ledger_entries": POSTED,
    "check_fees": CHARGED,
    "check_transaction_references": REFERENCED,
    "guard_transaction": GUARDED_TRANSACTION,
    "guard_wallet": GUARDED_WALLET,
}

DROPPED = (
    "DROP TABLE hold_events",
    "DROP TABLE holds",
    "DROP FUNCTION apply_hold_events, guard_hold, check_hold_is_placed",
    "DROP TYPE hold_event_kind",
    "DROP TYPE hold_status",
    "ALTER TABLE transactions DROP COLUMN hold_id",
)


def upgrade() -> None:
    """Add a column without rewriting a table, then the rules. Under the lock the transactions are read once, for the index."""
    op.execute(LOCK)
    connection = op.get_bind()
    connection.exec_driver_sql(COLUMNS)
    for statement in TABLES:
        connection.exec_driver_sql(statement)
    names = _names()
    for function in (APPLY, GUARD, PLACED):
        connection.exec_driver_sql(function.replace("{schema}", names["schema"]))
    for statement in TRIGGERS:
        op.execute(statement)
    for function in ("apply_hold_events", "guard_hold", "check_hold_is_placed"):
        op.execute(f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC")
    for statement in GRANTS:
        op.execute(statement.format(**names))
    for function, parts in FUNCTIONS.items():
        _rewrite(function, parts)


def downgrade() -> None:
    """Remove them. Refused if there are holds, unless everything goes."""
    is_whole_way = context.get_revision_argument() is None
    if not is_whole_way and op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM holds)").scalar_one():
        raise CommandError("the ledger has holds, which the older form cannot hold")
    for function, parts in FUNCTIONS.items():
        _rewrite(function, tuple((new, old) for old, new in parts))
    op.execute("GRANT UPDATE (held) ON wallets TO {role}".format(**_names()))
    for statement in DROPPED:
        op.execute(statement)


def _names() -> dict[str, str]:
    query = text("SELECT quote_ident(:role), quote_ident(current_schema())")
    role, schema = op.get_bind().execute(query, {"role": context.config.attributes["database_role"]}).one()
    return {"role": role, "schema": schema}


def _rewrite(function: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Replace parts of a function. Its settings and rights stay."""
    definition: str = op.get_bind().scalar(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": function})
    for old, new in parts:
        assert definition.count(old) == 1, f"{function} is not as an earlier migration made it: {old!r}"
        definition = definition.replace(old, new)
    op.get_bind().exec_driver_sql(definition)
